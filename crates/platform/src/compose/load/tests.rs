use super::*;
use std::fs;
use tempfile::TempDir;

/// Files by name, with their contents.
fn files(all: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in all {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn environment(name: &str) -> Option<String> {
    match name {
        "APP_USER" => Some("1000:1000".to_owned()),
        "VALUE" => Some("a$b${APP_USER}".to_owned()),
        _ => None,
    }
}

fn project(all: &[(&str, &str)]) -> Result<Project, Fault> {
    let directory = files(all);
    let paths = all.iter().filter(|(name, _)| !name.contains("extra"));
    let paths: Vec<_> = paths.map(|(name, _)| directory.path().join(name)).collect();
    load(&paths, &environment)
}

fn refusal(text: &str) -> String {
    let fault = project(&[("compose.yml", text)]).unwrap_err();
    let text = fault.to_string();
    // Without the path of the directory.
    text.split_once("compose.yml")
        .map_or(text.clone(), |(_, rest)| rest.to_owned())
}

#[test]
fn the_long_and_the_short_form_say_the_same() {
    let project = project(&[(
        "compose.yml",
        "version: '3.8'\nservices:\n  web:\n    image: x\n    user: ${APP_USER}\n    secrets:\n    \
         - a\n    - {source: b, target: c, uid: '7', gid: '8', mode: 0440}\n\
         secrets:\n  a: {external: true}\n  b: {external: {name: outer}}\n  \
         c: {external: true, name: other}\n  d: {file: ./d.txt}\n  e: {environment: E}\n",
    )])
    .unwrap();
    let web = &project.services["web"];
    assert_eq!(web.user.as_deref(), Some("1000:1000"));
    assert_eq!(web.secrets[0].source, "a");
    let b = &web.secrets[1];
    assert_eq!(b.target.as_deref(), Some("c"));
    assert_eq!((b.uid.as_deref(), b.gid.as_deref()), (Some("7"), Some("8")));
    assert_eq!(b.mode, Some(0o440));
    let origin = |name: &str| project.secrets[name].origin.clone();
    assert_eq!(origin("a"), Origin::External("a".into()));
    assert_eq!(origin("b"), Origin::External("outer".into()));
    assert_eq!(origin("c"), Origin::External("other".into()));
    assert_eq!(origin("d"), Origin::File("./d.txt".into()));
    assert_eq!(origin("e"), Origin::Plain);
    assert_eq!(project.version.as_deref(), Some("3.8"));
}

#[test]
fn later_files_win_and_marks_take_away() {
    let base = "services:\n  web: {user: a, secrets: [a, b]}\n  db: {user: b, secrets: [a]}\n  \
                gone: {secrets: [a]}\nsecrets:\n  a: {external: true}\n  b: {file: ./b}\n";
    let project = project(&[
        ("1.yml", base),
        (
            "2.yml",
            "services:\n  web: {user: c, secrets: [{source: a, mode: 0400}, d]}\n  \
             db: {user: !reset null, secrets: !override [b]}\n  gone: !reset null\n\
             secrets:\n  d: {external: true}\n  b: {external: true}\n",
        ),
    ])
    .unwrap();
    let sources = |name: &str| {
        let secrets = &project.services[name].secrets;
        let all: Vec<_> = secrets.iter().map(|one| one.source.as_str()).collect();
        all.join(" ")
    };
    assert_eq!(sources("web"), "b a d");
    assert_eq!(sources("db"), "b");
    assert_eq!(project.services["web"].user.as_deref(), Some("c"));
    assert_eq!(project.services["db"].user, None);
    assert!(!project.services.contains_key("gone"));
    assert_eq!(project.secrets["b"].origin, Origin::External("b".into()));
}

#[test]
fn extends_and_local_includes_are_followed() {
    let project = project(&[
        (
            "compose.yml",
            "include: [extra/inc.yml, {path: [extra/more.yml]}]\nservices:\n  \
             web: {extends: {service: base, file: extra/base.yml}, secrets: [b]}\n  \
             worker: {extends: web, user: w}\n",
        ),
        (
            "extra/base.yml",
            "services:\n  base: {extends: root, secrets: [a]}\n  root: {user: r}\n",
        ),
        (
            "extra/inc.yml",
            "services:\n  inc: {secrets: [c]}\nsecrets:\n  c: {external: true}\n",
        ),
        ("extra/more.yml", "services:\n  more: {secrets: [c]}\n"),
    ])
    .unwrap();
    let web = &project.services["web"];
    let sources: Vec<_> = web.secrets.iter().map(|one| one.source.as_str()).collect();
    assert_eq!(sources, ["a", "b"]);
    assert_eq!(web.user.as_deref(), Some("r"));
    assert_eq!(project.services["worker"].user.as_deref(), Some("w"));
    assert_eq!(project.services["worker"].secrets.len(), 2);
    assert!(project.services.contains_key("inc") && project.services.contains_key("more"));
    assert!(project.secrets.contains_key("c"));
}

#[test]
fn circles_and_far_away_files_are_refused_by_line() {
    for (text, what) in [
        (
            "services:\n  a: {extends: b}\n  b: {extends: a}\n",
            "line 2: extends goes in a circle",
        ),
        (
            "services:\n  a: {extends: a}\n",
            "line 2: extends goes in a circle",
        ),
        (
            "services:\n  a:\n    extends: {service: b}\n",
            "line 3: extends a service that",
        ),
        ("include:\n  - compose.yml\n", "include goes in a circle"),
        (
            "include:\n  - https://hunter2@x/y.yml\n",
            "line 2: a file from elsewhere",
        ),
        (
            "include:\n  - {path: 'git@github.com:x/y'}\n",
            "line 2: a file from elsewhere",
        ),
        ("include:\n  - oci://x/y\n", "line 2: a file from elsewhere"),
        (
            "services:\n  a: {extends: {file: 'https://x/y', service: b}}\n",
            "line 2: a file from elsewhere",
        ),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(what), "{text}: {refusal}");
        assert!(!refusal.contains("hunter2"));
    }
    // A long chain that is no circle has an end, too.
    let mut text = "services:\n".to_owned();
    for n in 0..100 {
        text += &format!("  s{n}: {{extends: s{}}}\n", n + 1);
    }
    assert!(refusal(&text).contains("extends goes in a circle"));
}

#[test]
fn what_compose_would_read_otherwise_is_refused_by_line() {
    for (text, what) in [
        (
            "services:\n  a: {secrets: [{source: x, mode: 400}]}\n",
            "line 2: to Compose this mode",
        ),
        (
            "services:\n  a: {secrets: [{source: x, mode: '0999'}]}\n",
            "line 2: mode must be octal",
        ),
        (
            "services:\n  a: {secrets: [{target: x}]}\n",
            "line 2: a secret without a source",
        ),
        (
            "services:\n  a: {user: '$ hunter2'}\n",
            "line 2: a \"$\" that begins no variable",
        ),
        (
            "services:\n  a: {user: '${U:?hunter2}'}\n",
            "line 2: a variable that the file requires",
        ),
        (
            "services:\n  a:\n    x-cofferdam: {password: hunter2}\n",
            "line 3: x-cofferdam has an",
        ),
        ("- services\n", "line 1: not a Compose file"),
        ("services:\n  a: {}\n  a: {}\n", "line 3: the same key"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(what), "{text}: {refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
    assert!(load(&[PathBuf::from("/nonexistent.yml")], &|_| None).is_err());
}

#[test]
fn settings_come_from_labels_and_from_the_extension() {
    let project = project(&[(
        "compose.yml",
        "x-cofferdam: {from: secret/shop}\nservices:\n  web:\n    \
         labels: {cofferdam.on_change: 'signal:HUP', other: x}\n  \
         db:\n    labels: ['cofferdam.on_change=restart', other]\n\
         secrets:\n  a: {labels: {cofferdam.ref: 'secret/x#f'}}\n  \
         b: {labels: [cofferdam.path=secret/y, cofferdam.field=g]}\n  \
         c: {x-cofferdam: secret/z}\n  d: {x-cofferdam: {path: kv/d, on_change: none}}\n",
    )])
    .unwrap();
    assert_eq!(project.settings.from.as_deref(), Some("secret/shop"));
    let change = |name: &str| project.services[name].settings.on_change.clone().unwrap();
    assert_eq!(
        (change("web"), change("db")),
        ("signal:HUP".into(), "restart".into())
    );
    let reference = |name: &str| project.secrets[name].settings.reference.clone().unwrap();
    assert_eq!(
        ["a", "b", "c", "d"].map(reference),
        ["secret/x#f", "secret/y#g", "secret/z", "kv/d"]
    );
    assert_eq!(
        project.secrets["d"].settings.on_change.as_deref(),
        Some("none")
    );
}

#[test]
fn a_value_with_a_dollar_is_not_looked_into_again() {
    let project = project(&[("compose.yml", "services:\n  a: {user: '${VALUE}'}\n")]).unwrap();
    assert_eq!(
        project.services["a"].user.as_deref(),
        Some("a$b${APP_USER}")
    );
}

#[test]
fn mounts_literals_and_env_files_are_seen() {
    let project = project(&[(
        "compose.yml",
        "services:\n  a:\n    volumes:\n    - ./x:/run/secrets/x:ro\n    - /y\n    \
         - {type: bind, source: ., target: /z}\n    tmpfs: /t:mode=1\n    \
         env_file:\n    - one.env\n    - {path: two.env}\n    \
         environment: [A=1, B, 'C=${C}', D=]\n",
    )])
    .unwrap();
    let a = &project.services["a"];
    assert_eq!(
        a.mounts.iter().map(String::as_str).collect::<Vec<_>>(),
        ["/run/secrets/x", "/t", "/y", "/z"]
    );
    assert_eq!(a.literals.iter().collect::<Vec<_>>(), ["A"]);
    assert_eq!(a.env_files.len(), 2);
}
