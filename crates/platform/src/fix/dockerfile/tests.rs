use super::*;
use proptest::prelude::*;

fn fixed(text: &str, arguments: &[(&str, &str)], files: &[(&str, &str)]) -> (String, Fixed) {
    let given = Given {
        arguments: arguments
            .iter()
            .map(|(n, v)| ((*n).to_owned(), Secret::new((*v).to_owned())))
            .collect(),
        files: files
            .iter()
            .map(|(n, v)| ((*n).to_owned(), Secret::new((*v).to_owned())))
            .collect(),
        ..Given::default()
    };
    let out = fix(text, &given, &Scanner::new());
    (out.edits.apply(text).unwrap(), out)
}

#[test]
fn arguments_variables_and_words_become_mounts() {
    let text = "# syntax=docker/dockerfile:1.1\nFROM node AS build\r\nARG NPM_TOKEN\nARG LEVEL=3\n# note\n\
                RUN apk add git\nRUN --network=none echo \"//r/:_authToken=${NPM_TOKEN}\" >.npmrc \\\n  && npm ci\n\
                RUN curl -u 'bot:kR7xmQ2vLp9w' https://r/x\n\
                FROM node\nENV API_PASSWORD=\"kR7x!mQ2vLp9\" PORT=80\nENV DB_PASSWORD kR7x!mQ2vLp9\nCMD [\"node\"]\n";
    let (new, out) = fixed(text, &[("NPM_TOKEN", "npm_0123456789")], &[]);
    let mount = |id: &str| format!("--mount=type=secret,id={id},required=true ");
    assert!(new.starts_with("# syntax=docker/dockerfile:1\nFROM node AS build\r\nARG COFFERDAM_SECRET_ID_NPM_TOKEN\nARG LEVEL=3\n# note\nRUN apk add git\n"), "{new}");
    let step = format!(
        "RUN {}--network=none export NPM_TOKEN=\"$(cat /run/secrets/NPM_TOKEN)\" && echo \"//r/",
        mount("NPM_TOKEN")
    );
    assert!(new.contains(&step), "{new}");
    assert!(new.contains("ENV API_PASSWORD_FILE=/run/secrets/API_PASSWORD PORT=80\nENV DB_PASSWORD_FILE /run/secrets/DB_PASSWORD\nCMD"), "{new}");
    assert!(!new.contains("kR7x"), "{new}");
    assert_eq!(
        out.runtime.iter().collect::<Vec<_>>(),
        ["API_PASSWORD", "DB_PASSWORD"]
    );
    assert!(out.left.is_empty(), "{:?}", out.left);
    // A second time there is nothing to do.
    let (again, out) = fixed(&new, &[], &[]);
    assert_eq!((again, out.left), (new, Vec::new()));
}

#[test]
fn the_mask_of_a_variable_hides_its_value_alone() {
    for (text, shown) in [
        (
            "FROM a\nENV API_PASSWORD=\"kR7x!mQ2vLp9\" PORT=80\n",
            "ENV API_PASSWORD=‹API_PASSWORD› PORT=80",
        ),
        (
            "FROM a\nENV API_PASSWORD   kR7x!mQ2vLp9\n",
            "ENV API_PASSWORD   ‹API_PASSWORD›",
        ),
        (
            "FROM a\nENV PORT=80 API_PASSWORD==kR7x!mQ2vLp9\n",
            "ENV PORT=80 API_PASSWORD=‹API_PASSWORD›",
        ),
    ] {
        let (_, out) = fixed(text, &[], &[]);
        let masks = crate::fix::plan::merged(out.masks);
        let diff = crate::fix::diff::unified("Dockerfile", text, &out.edits, &masks);
        assert!(diff.contains(&format!("\n-{shown}\n")), "{diff}");
        assert!(!diff.contains("kR7x"), "{diff}");
    }
}

#[test]
fn a_copied_file_is_mounted_where_it_was() {
    let text = "FROM node\nWORKDIR /app\nCOPY package.json .npmrc* ./\nCOPY .npmrc ./\nUSER node\nRUN npm ci\nCOPY . .\n";
    let (new, out) = fixed(
        text,
        &[],
        &[(
            ".npmrc",
            "//r/:_authToken=npm_8fK2mQ9xLp4wRt7vZc3nBh6yJd1sGa5uEo0i\n",
        )],
    );
    assert!(new.contains("./\nARG COFFERDAM_SECRET_ID_NPMRC\nUSER node\nRUN --mount=type=secret,id=NPMRC,target=/app/.npmrc,mode=0444,required=true npm ci\n"), "{new}");
    assert!(
        out.secrets.contains_key("NPMRC") && out.left.is_empty(),
        "{:?}",
        out.left
    );
}

#[test]
fn what_is_not_safe_is_named_by_its_line() {
    for (text, line, says) in [
        (
            "FROM x\nARG A_TOKEN\nLABEL t=$A_TOKEN\nRUN x $A_TOKEN\n",
            2,
            "outside of a RUN",
        ),
        (
            "FROM x\nARG A_TOKEN\nRUN [\"x\", \"$A_TOKEN\"]\n",
            3,
            "cannot set a variable",
        ),
        (
            "FROM x\nARG A_TOKEN\nRUN <<E\nx $A_TOKEN\nE\n",
            3,
            "cannot set a variable",
        ),
        ("FROM x\nCOPY .env /app/\n", 2, ".env"),
        (
            "FROM x\nCOPY .npmrc /app/\nRUN npm ci && rm -f .npmrc\n",
            2,
            "removes it",
        ),
        (
            "FROM x\nLABEL password=kR7x!mQ2vLp9\n",
            2,
            "looks like a secret",
        ),
        (
            "ARG DB_PASSWORD=kR7x!mQ2vLp9\nFROM x\n",
            1,
            "before the first FROM",
        ),
    ] {
        let (new, out) = fixed(
            text,
            &[("A_TOKEN", "kR7xmQ2vLp9w")],
            &[(
                ".npmrc",
                "_authToken=npm_8fK2mQ9xLp4wRt7vZc3nBh6yJd1sGa5uEo0i",
            )],
        );
        assert!(
            out.left
                .iter()
                .any(|(l, what)| *l == line && what.contains(says)),
            "{text}: {:?} {new}",
            out.left
        );
        assert!(!format!("{:?}", out.left).contains("kR7x"));
    }
}

proptest! {
    #[test]
    fn foreign_text_never_panics_and_settles(text in "((FROM|RUN|ENV|ARG|COPY|#) ?[aA_=\"'\\\\$<E \n\r\u{e9}]{0,20}\n?){0,8}") {
        let (new, out) = fixed(&text, &[("A", "kR7xmQ2vLp9w")], &[]);
        prop_assert!(out.edits.apply(&text).is_some());
        let _ = fixed(&new, &[], &[]);
    }
}
