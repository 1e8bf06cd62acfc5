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
        assert_eq!(new, text);
        assert!(out.arguments.is_empty() && out.secrets.is_empty(), "{text}");
    }
}

#[test]
fn a_name_changes_everywhere_or_nowhere() {
    for (text, line, says) in [
        // One step can have it, the next cannot.
        (
            "FROM x\nARG A_TOKEN\nRUN x $A_TOKEN\nRUN --network=none [\"x\", \"$A_TOKEN\"]\n",
            4,
            "cannot set a variable",
        ),
        // Nothing names it, so every step may read it.
        (
            "FROM x\nARG A_TOKEN\nRUN [\"npm\", \"ci\"]\n",
            3,
            "cannot set a variable",
        ),
        (
            "FROM x\nARG A_TOKEN\nRUN x $A_TOKEN\nFROM y\nARG A_TOKEN\nLABEL t=$A_TOKEN\n",
            5,
            "line 6 uses it outside",
        ),
        (
            "FROM x\nARG A_TOKEN\nARG URL=https://${A_TOKEN:-x}@h\nRUN x $URL\n",
            2,
            "line 3 uses it outside",
        ),
        (
            "FROM x\nARG A_TOKEN\nENV URL=https://$A_TOKEN@h\nRUN x $A_TOKEN\n",
            3,
            "URL: it is made of A_TOKEN",
        ),
        (
            "FROM x\nARG A_TOKEN\nENV B=$A_TOKEN\nENV C=$B\nLABEL c=$C\n",
            4,
            "line 5 uses it outside",
        ),
        (
            "FROM x AS Base\nARG A_TOKEN\nRUN x $A_TOKEN\nFROM base\nRUN y $A_TOKEN\n",
            2,
            "line 5 uses it, in a stage",
        ),
        (
            "ARG A_TOKEN\nFROM x:$A_TOKEN\nARG A_TOKEN\nRUN x $A_TOKEN\n",
            1,
            "before the first FROM",
        ),
        (
            "FROM x\nENV DB_PASSWORD=kR7x!mQ2vLp9\nRUN x $DB_PASSWORD\nRUN <<E\ny $DB_PASSWORD\nE\n",
            4,
            "cannot set a variable",
        ),
        (
            "FROM x\nENV DB_PASSWORD=kR7x!mQ2vLp9\nHEALTHCHECK CMD x $DB_PASSWORD\n",
            2,
            "line 3 uses it outside",
        ),
        (
            "FROM x\nENV DB_PASSWORD=kR7x!mQ2vLp9\nFROM y\nENV DB_PASSWORD=mQ2v!kR7xLp9\n",
            4,
            "another value",
        ),
    ] {
        let (new, out) = fixed(text, &[("A_TOKEN", "kR7xmQ2vLp9w")], &[]);
        assert_eq!(new, text);
        assert!(out.arguments.is_empty() && out.runtime.is_empty() && out.secrets.is_empty());
        let said = |(l, what): &(usize, String)| *l == line && what.contains(says);
        assert!(out.left.iter().any(said), "{text}: {:?}", out.left);
    }
    // What stays keeps no other name back, and another stage's own variable is another one.
    let text = "FROM x\nARG A_TOKEN\nARG B_TOKEN\nRUN [\"x\", \"$A_TOKEN\"]\nRUN y $B_TOKEN\n\
                FROM z\nRUN B_TOKEN=1; echo $B_TOKEN\n";
    let values = [("A_TOKEN", "kR7xmQ2vLp9w"), ("B_TOKEN", "mQ2vkR7xLp9w")];
    let (new, out) = fixed(text, &values, &[]);
    assert!(
        new.starts_with("FROM x\nARG A_TOKEN\nARG COFFERDAM_SECRET_ID_B_TOKEN\nRUN [\"x\", \"$A_TOKEN\"]\nRUN --mount=type=secret,id=B_TOKEN,required=true export"),
        "{new}"
    );
    assert_eq!(out.arguments.iter().collect::<Vec<_>>(), ["B_TOKEN"]);
}

#[test]
fn a_refused_value_is_masked_everywhere() {
    let shown = |text: &str, arguments: &[(&str, &str)]| {
        let (_, out) = fixed(text, arguments, &[]);
        assert!(!out.edits.is_empty() && !out.left.is_empty(), "{text}");
        let masks = crate::fix::plan::merged(out.masks);
        crate::fix::diff::unified("Dockerfile", text, &out.edits, &masks)
    };
    // Values no rule knows by themselves: one refused for its use, one for another of its name, one
    // given from outside and refused, one that is moved and stands in a comment as well.
    for (text, arguments) in [
        (
            "FROM x\nENV DB_PASSWORD=horse9battery PORT=80\n# once horse9battery\nLABEL a=$DB_PASSWORD\n\
             ENV API_PASSWORD=\"kR7x!mQ2vLp9\"\n",
            &[][..],
        ),
        (
            "FROM x\nENV DB_PASSWORD=other4staple\nFROM y\nENV DB_PASSWORD horse9battery\nRUN x horse9battery other4staple\n\
             ENV API_PASSWORD=\"kR7x!mQ2vLp9\"\n",
            &[],
        ),
        (
            "FROM x\nARG ZED=other4staple\nRUN [\"x\", \"$ZED\", \"horse9battery\", \"other4staple\"]\n\
             ENV API_PASSWORD=\"kR7x!mQ2vLp9\"\n",
            &[("ZED", "horse9battery")],
        ),
        (
            "FROM x\nARG ZED=horse9battery\n# horse9battery\nRUN x $ZED horse9battery\nLABEL password=kR7x!mQ2vLp9\n",
            &[("ZED", "horse9battery")],
        ),
    ] {
        let diff = shown(text, arguments);
        for value in ["horse9", "other4", "kR7x"] {
            assert!(!diff.contains(value), "{diff}");
        }
        assert!(
            diff.contains("\u{2039}DB_PASSWORD\u{203a}") || diff.contains("\u{2039}ZED\u{203a}"),
            "{diff}"
        );
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
