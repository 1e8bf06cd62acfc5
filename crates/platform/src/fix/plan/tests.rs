use super::*;
use crate::fix::diff::unified;

const PASSWORD: &str = "kR7x!mQ2vLp9";

fn options() -> Options {
    Options {
        place: "secret/shop".to_owned(),
        driver: "cofferdam".to_owned(),
        program: Ok("/usr/local/bin/cofferdam".to_owned()),
        also: BTreeSet::new(),
        not: BTreeSet::new(),
        style: Style::Volume,
    }
}

/// `PW` in a file stands for a value that the rules know.
fn run(files: &[(&str, &str)], options: &Options) -> (BTreeMap<String, String>, Outcome) {
    let texts: BTreeMap<PathBuf, String> = files
        .iter()
        .map(|(name, text)| (PathBuf::from("/p").join(name), text.replace("PW", PASSWORD)))
        .collect();
    let open = |path: &Path| Ok(texts.get(path).cloned());
    let compose: Vec<PathBuf> = texts
        .keys()
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("compose")
        })
        .cloned()
        .collect();
    let image = Image {
        entrypoint: vec!["/entrypoint".to_owned()],
        command: vec!["serve".to_owned(), "$X".to_owned()],
        health: Vec::new(),
    };
    let directory = Path::new("/p");
    let services = crate::fix::images(&compose, directory, &open).unwrap();
    let images = services
        .into_keys()
        .map(|name| (name, Ok(image.clone())))
        .collect();
    let outcome = plan(
        &compose,
        directory,
        &open,
        &images,
        &Scanner::new(),
        options,
    )
    .unwrap();
    let mut after = BTreeMap::new();
    for change in &outcome.changes {
        let new = change.edits.apply(&change.text).unwrap();
        let shown = unified("x", &change.text, &change.edits, &change.masks);
        assert!(!shown.contains(PASSWORD), "{shown}");
        after.insert(
            change
                .path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned(),
            new,
        );
    }
    (after, outcome)
}

fn one(text: &str) -> (String, Outcome) {
    let (after, outcome) = run(&[("compose.yml", text)], &options());
    (
        after.get("compose.yml").cloned().unwrap_or_default(),
        outcome,
    )
}

#[test]
fn a_known_image_gets_the_path_and_a_volume() {
    let (new, outcome) = one(
        "# shop\r\nservices:\r\n    db:\r\n        image: postgres:16   # pinned\r\n        environment:\r\n            POSTGRES_USER: shop\r\n            POSTGRES_PASSWORD: \"PW\"  # secret\r\n        ports: ['5432']\r\n",
    );
    assert_eq!(
        new,
        "# shop\r\nservices:\r\n    db:\r\n        image: postgres:16   # pinned\r\n        environment:\r\n            POSTGRES_USER: shop\r\n            POSTGRES_PASSWORD_FILE: /run/secrets/POSTGRES_PASSWORD  # secret\r\n        volumes:\r\n          - db-secrets:/run/secrets:nocopy\r\n        ports: ['5432']\r\nvolumes:\r\n    db-secrets:\r\n        driver: cofferdam\r\n        driver_opts: {from: \"secret/shop\", secrets: \"POSTGRES_PASSWORD\", user: \"@image\"}\r\n"
    );
    assert_eq!(outcome.secrets.len(), 1);
    assert_eq!(outcome.secrets[0].value.expose(), PASSWORD);
    assert_eq!(outcome.left, []);
    assert_eq!(
        outcome.ways["db"]["POSTGRES_PASSWORD"],
        Way::File("POSTGRES_PASSWORD_FILE".to_owned())
    );
    // And again: nothing.
    let (again, outcome) = run(&[("compose.yml", &new)], &options());
    assert!(
        again.is_empty() && outcome.left.is_empty() && outcome.secrets.is_empty(),
        "{again:?} {:?}",
        outcome.left
    );
}

#[test]
fn another_image_gets_the_shim_and_its_own_start() {
    let (new, outcome) = one(
        "services:\n  web:\n    image: shop\n    user: \"1000\"\n    environment:\n      - APP_PASSWORD=PW\n      - LEVEL=3\n    volumes:\n      - ./data:/data\n",
    );
    assert_eq!(
        new,
        "services:\n  web:\n    image: shop\n    user: \"1000\"\n    environment:\n      - APP_PASSWORD_FILE=/run/secrets/APP_PASSWORD\n      - LEVEL=3\n    entrypoint: [\"/cofferdam-shim\", \"-image\", \"shop\", \"--\", \"/entrypoint\"]\n    command: [\"serve\", \"$$X\"]\n    volumes:\n      - ./data:/data\n      - web-secrets:/run/secrets:nocopy\n      - /usr/local/bin/cofferdam:/cofferdam-shim:ro\nvolumes:\n  web-secrets:\n    driver: cofferdam\n    driver_opts: {from: \"secret/shop\", secrets: \"APP_PASSWORD\", user: \"1000\"}\n"
    );
    assert_eq!(outcome.ways["web"]["APP_PASSWORD"], Way::Same);
}

#[test]
fn anchors_merges_and_aliases_are_changed_once_for_all() {
    let (new, outcome) = one(
        "x-env: &env\n  DB_PASSWORD: &pw PW\n  A: b\nx-base: &base\n  image: shop\n  entrypoint: /go\nservices:\n  a:\n    <<: *base\n    environment:\n      <<: *env\n      TZ: x\n  b:\n    <<: *base\n    environment: *env\n  c:\n    image: postgres\n    environment: {POSTGRES_PASSWORD: *pw}\n",
    );
    assert!(
        new.starts_with("x-env: &env\n  DB_PASSWORD_FILE: &pw /run/secrets/DB_PASSWORD\n  A: b\n"),
        "{new}"
    );
    assert!(new.contains("    environment: {POSTGRES_PASSWORD_FILE: *pw}\n    volumes:\n      - c-secrets:/run/secrets:nocopy\n"), "{new}");
    assert!(new.contains("  b:\n    <<: *base\n    environment: *env\n    entrypoint: \"/cofferdam-shim -image shop -- /go\"\n    volumes:\n"), "{new}");
    assert_eq!(outcome.secrets.len(), 1, "one value, one secret");
    assert_eq!(outcome.left, []);
}

#[test]
fn variables_of_dot_env_and_env_files_go_with_their_uses() {
    let (after, outcome) = run(
        &[
            (
                "compose.yml",
                "services:\n  db:\n    image: postgres\n    environment:\n      POSTGRES_PASSWORD: ${DB_PASSWORD}\n      POSTGRES_USER: ${DB_USER}\n  web:\n    image: shop\n    entrypoint: [\"/go\"]\n    env_file: web.env\n    environment:\n      DATABASE_URL: postgres://u:${DB_PASSWORD}@db/x\n",
            ),
            (".env", "# all\nDB_USER=shop\nDB_PASSWORD=PW\nTAG=1\n"),
            ("web.env", "API_PASSWORD='PW2' # x\nB=1\n"),
        ],
        &options(),
    );
    assert_eq!(after[".env"], "# all\nDB_USER=shop\nTAG=1\n");
    assert_eq!(
        after["web.env"],
        "API_PASSWORD_FILE=/run/secrets/API_PASSWORD # x\nB=1\n"
    );
    assert!(
        after["compose.yml"]
            .contains("entrypoint: [\"/cofferdam-shim\", \"-image\", \"shop\", \"--\", \"/go\"]"),
        "{}",
        after["compose.yml"]
    );
    let names: Vec<&str> = outcome.secrets.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        names,
        ["POSTGRES_PASSWORD", "DATABASE_URL", "API_PASSWORD"],
        "{names:?}"
    );
    assert_eq!(outcome.left, []);
}

#[test]
fn commands_and_health_checks_read_files() {
    let (new, outcome) = one(
        "services:\n  cache:\n    image: redis\n    command: redis-server --requirepass PW --save ''\n    healthcheck:\n      test: [\"CMD-SHELL\", \"redis-cli -a PW ping\"]\n  db:\n    image: mysql\n    environment: {MYSQL_ROOT_PASSWORD: PWx}\n    healthcheck:\n      test: mysqladmin ping -p$$MYSQL_ROOT_PASSWORD\n  q:\n    image: redis\n    command: [sh, -c, \"exec x --password 'PWy'\"]\n    healthcheck: {test: [CMD, redis-cli, --password, PWy]}\n",
    );
    assert!(
        new.contains(
            "    command: redis-server --requirepass cofferdam(CACHE_REQUIREPASS) --save ''\n"
        ),
        "{new}"
    );
    assert!(
        new.contains("\"redis-cli -a \\\"$$(cat /run/secrets/"),
        "{new}"
    );
    assert!(
        new.contains("      test: mysqladmin ping -p$$(cat /run/secrets/MYSQL_ROOT_PASSWORD)\n"),
        "{new}"
    );
    assert!(
        new.contains("\"-image\", \"redis\", \"-fill\", \"--\""),
        "{new}"
    );
    assert!(
        new.contains("''\\\"$$(cat /run/secrets/Q_PASSWORD)\\\"''"),
        "{new}"
    );
    assert!(new.contains("[CMD, \"/cofferdam-shim\", \"-fill\", \"--\", redis-cli, --password, cofferdam(Q_PASSWORD)]"), "{new}");
    assert!(!new.contains(PASSWORD), "{new}");
    assert!(
        outcome.arguments.contains("cache") && outcome.left.is_empty(),
        "{:?}",
        outcome.left
    );
}

#[test]
fn dockerfiles_and_their_arguments_change_together() {
    let (after, outcome) = run(
        &[
            (
                "compose.yml",
                "services:\n  web:\n    build:\n      context: .\n      args:\n        NPM_PASSWORD: PW  # x\n        LEVEL: 1\n    image: shop\n  job:\n    build: {context: ., args: [NPM_PASSWORD=PW]}\n",
            ),
            (
                "Dockerfile",
                "FROM x\nARG NPM_PASSWORD\nRUN npm $NPM_PASSWORD\nENV API_PASSWORD=PWz\n",
            ),
        ],
        &options(),
    );
    let compose = &after["compose.yml"];
    assert!(
        compose.contains("      args:\n        LEVEL: 1\n")
            && compose.contains("build: {context: .}"),
        "{compose}"
    );
    assert!(compose.contains("secrets: \"API_PASSWORD\""), "{compose}");
    assert!(after["Dockerfile"].contains("ENV API_PASSWORD_FILE=/run/secrets/API_PASSWORD\n"));
    assert!(
        outcome.builds.contains("web") && outcome.left.is_empty(),
        "{:?}",
        outcome.left
    );
}

#[test]
fn an_argument_that_a_dockerfile_cannot_take_stays_in_both_files() {
    let compose = "services:\n  web:\n    build:\n      context: .\n      args:\n        NPM_PASSWORD: PW\n    image: shop\n";
    let dockerfile =
        "FROM x\nARG NPM_PASSWORD\nRUN npm $NPM_PASSWORD\nRUN [\"npm\", \"$NPM_PASSWORD\"]\n";
    let (after, outcome) = run(
        &[("compose.yml", compose), ("Dockerfile", dockerfile)],
        &options(),
    );
    assert!(
        outcome.changes.is_empty() && outcome.builds.is_empty(),
        "{after:?}"
    );
    for place in ["compose.yml line 6", "Dockerfile line 4"] {
        let named = outcome.left.iter().any(|left| left.place == place);
        assert!(named, "{place}: {:?}", outcome.left);
    }
}

#[test]
fn what_cannot_be_done_is_named_by_its_line() {
    for (text, place, says) in [
        (
            "services:\n  a:\n    image: x\n    environment: {DB_PASSWORD: PW, DB_PASSWORD_FILE: /x}\n",
            "compose.yml line 4",
            "is set, too",
        ),
        (
            "services:\n  a:\n    image: x\n    environment: {DB_URL: 'postgres://u:PW@$HOST/d'}\n",
            "compose.yml line 4",
            "not in .env",
        ),
        (
            "services:\n  a: &a\n    image: postgres\n    environment: {POSTGRES_PASSWORD: PW}\n  b: *a\n",
            "compose.yml line 4",
            "alias",
        ),
        (
            "services:\n  a:\n    image: x\n    labels: {password: PW}\n",
            "compose.yml line 4",
            "looks like",
        ),
        (
            "services:\n  a:\n    image: x\n    command: sh -c \"x --password PW\"\n",
            "compose.yml line 4",
            "as a list",
        ),
        (
            "services:\n  a:\n    image: mysql\n    environment: {MYSQL_PASSWORD: PW}\n    healthcheck: {test: 'x $${MYSQL_PASSWORD:-y}'}\n",
            "compose.yml line 4",
            "health check",
        ),
        (
            "x-a: {DB_PASSWORD: PW}\nservices:\n  a: {image: x}\n",
            "compose.yml line 1",
            "looks like",
        ),
    ] {
        let (new, outcome) = one(text);
        let found = outcome
            .left
            .iter()
            .any(|left| left.place == place && left.what.contains(says));
        assert!(found, "{text}: {:?}\n{new}", outcome.left);
        assert!(!format!("{:?}", outcome.left).contains(PASSWORD));
    }
}

#[test]
fn placeholders_are_named_and_left_unless_asked_for() {
    let text =
        "services:\n  db:\n    image: postgres\n    environment: {POSTGRES_PASSWORD: postgres}\n";
    let (new, outcome) = one(text);
    assert!(new.is_empty() && outcome.weak.len() == 1, "{new}");
    let mut options = options();
    options.also.insert("POSTGRES_PASSWORD".to_owned());
    let (after, _) = run(&[("compose.yml", text)], &options);
    assert!(
        after["compose.yml"].contains("{POSTGRES_PASSWORD_FILE: /run/secrets/POSTGRES_PASSWORD}")
    );
}

#[test]
fn an_argument_that_one_of_two_services_gives_stays_where_it_is() {
    let compose = "services:\n  a:\n    build:\n      context: .\n      args:\n        NPM_PASSWORD: PWa\n        API_PASSWORD: PWc\n  b:\n    build:\n      context: .\n      args: {API_PASSWORD: PWc}\n";
    let dockerfile = "FROM x\nARG NPM_PASSWORD\nARG API_PASSWORD\nRUN npm $NPM_PASSWORD\nRUN api $API_PASSWORD\n";
    let (after, outcome) = run(
        &[("compose.yml", compose), ("Dockerfile", dockerfile)],
        &options(),
    );
    let (yaml, recipe) = (&after["compose.yml"], &after["Dockerfile"]);
    assert!(
        yaml.contains(&format!("NPM_PASSWORD: {PASSWORD}a\n")),
        "{yaml}"
    );
    assert!(!yaml.contains("API_PASSWORD"), "{yaml}");
    assert!(recipe.contains("\nRUN npm $NPM_PASSWORD\n"), "{recipe}");
    assert!(!recipe.contains("ARG API_PASSWORD"), "{recipe}");
    let left = outcome
        .left
        .iter()
        .find(|left| left.place == "compose.yml line 6");
    assert!(
        left.is_some_and(|left| left.what.contains("different values, or none")),
        "{:?}",
        outcome.left
    );
}

/// Services that share a Dockerfile: the same value is one secret, different ones are nobody's to choose
/// from.
#[test]
fn different_values_of_one_argument_stay_where_they_are() {
    let compose = |second: &str| {
        format!(
            "services:\n  a:\n    build:\n      context: .\n      args:\n        NPM_PASSWORD: PWa\n        API_PASSWORD: PWc\n  b:\n    build:\n      context: .\n      args:\n        - NPM_PASSWORD={second}\n        - API_PASSWORD=PWc\n"
        )
    };
    let dockerfile = "FROM x\nARG NPM_PASSWORD\nARG API_PASSWORD\nRUN npm $NPM_PASSWORD\nRUN api $API_PASSWORD\n";
    let differing = compose("PWb");
    let (after, outcome) = run(
        &[("compose.yml", &differing), ("Dockerfile", dockerfile)],
        &options(),
    );
    let names: Vec<_> = outcome
        .secrets
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["API_PASSWORD"]);
    let (yaml, recipe) = (&after["compose.yml"], &after["Dockerfile"]);
    assert!(
        yaml.contains(&format!("NPM_PASSWORD: {PASSWORD}a\n")),
        "{yaml}"
    );
    assert!(
        yaml.contains(&format!("- NPM_PASSWORD={PASSWORD}b\n")),
        "{yaml}"
    );
    assert!(!yaml.contains("API_PASSWORD"), "{yaml}");
    assert!(recipe.contains("ARG NPM_PASSWORD\n"), "{recipe}");
    assert!(recipe.contains("\nRUN npm $NPM_PASSWORD\n"), "{recipe}");
    assert!(!recipe.contains("ARG API_PASSWORD"), "{recipe}");
    for place in ["compose.yml line 6", "compose.yml line 12"] {
        let left = outcome.left.iter().find(|left| left.place == place);
        let left = left.unwrap_or_else(|| panic!("{place}: {:?}", outcome.left));
        assert!(
            left.what.starts_with(
                "build argument NPM_PASSWORD: services that share its Dockerfile give it different values"
            ),
            "{}",
            left.what
        );
    }
    // The same value twice is one secret.
    let same = compose("PWa");
    let (after, outcome) = run(
        &[("compose.yml", &same), ("Dockerfile", dockerfile)],
        &options(),
    );
    assert_eq!(outcome.secrets.len(), 2);
    assert!(!after["compose.yml"].contains("PASSWORD"));
}
