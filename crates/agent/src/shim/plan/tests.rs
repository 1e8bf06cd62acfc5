use super::*;
use proptest::prelude::*;

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(directory.path().join(name), content).unwrap();
        }
        Self(directory)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn options(&self, image: Option<&str>) -> Options {
        Options {
            image: image.map(str::to_owned),
            directories: vec![self.0.path().to_owned()],
            ..Options::default()
        }
    }
}

/// `NAME=value` for what is set, `-NAME` for what is taken away.
fn shown(plan: &Plan) -> Vec<String> {
    let set = plan.settings.iter().map(|setting| {
        let value = setting.value().into_string().unwrap();
        format!("{}={value}", setting.variable())
    });
    let unset = plan.unset.iter().map(|name| format!("-{name}"));
    set.chain(unset).collect()
}

fn make(variables: &[(&str, &str)], options: &Options) -> Result<Vec<String>, String> {
    let environment = variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    match Plan::make(environment, options) {
        Ok(plan) => Ok(shown(&plan)),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn an_unknown_program_gets_the_plain_variable_from_either_dialect() {
    let files = Files::new(&[("pw", "hunter2\n")]);
    let path = files.path("pw");
    for variable in ["DB_PASSWORD_FILE", "FILE__DB_PASSWORD"] {
        let made = make(&[(variable, &path), ("PATH", "/bin")], &files.options(None));
        let expected = vec!["DB_PASSWORD=hunter2".to_owned(), format!("-{variable}")];
        assert_eq!(made.unwrap(), expected);
    }
}

#[test]
fn an_image_that_reads_files_gets_the_path_in_its_own_dialect() {
    let files = Files::new(&[("pw", "hunter2")]);
    let path = files.path("pw");
    for (image, given, expected) in [
        (
            "postgres:16",
            "POSTGRES_PASSWORD_FILE",
            vec!["POSTGRES_PASSWORD_FILE=P"],
        ),
        (
            "postgres:16",
            "FILE__POSTGRES_PASSWORD",
            vec!["POSTGRES_PASSWORD_FILE=P", "-FILE__POSTGRES_PASSWORD"],
        ),
        (
            "postgres:16",
            "PGPASSWORD_FILE",
            vec!["PGPASSWORD=hunter2", "-PGPASSWORD_FILE"],
        ),
        (
            "lscr.io/linuxserver/x",
            "DB_PASS_FILE",
            vec!["FILE__DB_PASS=P", "-DB_PASS_FILE"],
        ),
        (
            "lscr.io/linuxserver/x",
            "FILE__DB_PASS",
            vec!["FILE__DB_PASS=P"],
        ),
        (
            "grafana/grafana",
            "GF_DATABASE_PASSWORD_FILE",
            vec!["GF_DATABASE_PASSWORD__FILE=P", "-GF_DATABASE_PASSWORD_FILE"],
        ),
        (
            "rabbitmq:4",
            "RABBITMQ_DEFAULT_PASS_FILE",
            vec![
                "RABBITMQ_DEFAULT_PASS=hunter2",
                "-RABBITMQ_DEFAULT_PASS_FILE",
            ],
        ),
        ("bitnami/redis", "REDIS_TLS_KEY_FILE", vec![]),
    ] {
        let made = make(&[(given, &path)], &files.options(Some(image))).unwrap();
        let expected: Vec<String> = expected
            .iter()
            .map(|e| e.replace("=P", &format!("={path}")))
            .collect();
        assert_eq!(made, expected, "{image} {given}");
    }
}

#[test]
fn both_a_variable_and_its_file_are_refused_for_everybody() {
    let files = Files::new(&[("pw", "hunter2")]);
    let path = files.path("pw");
    for image in [None, Some("postgres")] {
        for (first, value) in [
            ("POSTGRES_PASSWORD", "x"),
            ("POSTGRES_PASSWORD", ""),
            ("FILE__POSTGRES_PASSWORD", &path),
        ] {
            let refused = make(
                &[(first, value), ("POSTGRES_PASSWORD_FILE", &path)],
                &files.options(image),
            );
            let error = refused.unwrap_err();
            assert!(
                error.contains("are set") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}

#[test]
fn a_path_that_is_no_secret_stays_what_it_is() {
    let files = Files::new(&[("pw", "hunter2"), ("ca.pem", "certificate")]);
    let outside = Files::new(&[("app.log", "hunter2")]);
    let variables = [
        ("LOG_FILE", files.path("pw")),
        ("SSL_CERT_FILE", files.path("ca.pem")),
        ("APP_CA_FILE", files.path("ca.pem")),
        ("HISTORY_FILE", outside.path("app.log")),
        ("STATE_FILE", "/nowhere".to_owned()),
        ("EMPTY_FILE", String::new()),
        ("_FILE", files.path("pw")),
        ("1_FILE", files.path("pw")),
        ("FILE__", files.path("pw")),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(
        make(&variables, &files.options(None)).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn the_caller_has_the_last_word() {
    let files = Files::new(&[("pw", "hunter2")]);
    let path = files.path("pw");
    let mut options = files.options(None);
    options.directories.clear();
    options.set = vec!["LOG".to_owned()];
    let made = make(&[("LOG_FILE", &path), ("A_FILE", &path)], &options).unwrap();
    assert_eq!(made, ["LOG=hunter2", "-LOG_FILE"]);
    let mut options = files.options(None);
    options.pass = vec!["A".to_owned()];
    assert_eq!(
        make(&[("A_FILE", &path)], &options).unwrap(),
        [format!("A_FILE={path}")]
    );
    options.pass = vec!["B".to_owned()];
    let error = make(&[("A_FILE", &path)], &options).unwrap_err();
    assert_eq!(error, "no file for B: neither B_FILE nor FILE__B is set");
}

#[test]
fn an_image_never_gets_the_path_of_a_file_that_is_not_there() {
    let files = Files::new(&[("empty", ""), ("newline", "\n"), ("nul", "hunter2\0x")]);
    for image in [None, Some("postgres")] {
        for (name, says) in [
            ("missing", "cannot read"),
            ("empty", "is empty"),
            ("newline", "is empty"),
            ("nul", "NUL"),
        ] {
            let variables = [("POSTGRES_PASSWORD_FILE", files.path(name))];
            let variables: Vec<(&str, &str)> =
                variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let error = make(&variables, &files.options(image)).unwrap_err();
            assert!(
                error.starts_with("POSTGRES_PASSWORD: ") && error.contains(says),
                "{error}"
            );
            assert!(!error.contains("hunter2"));
        }
    }
}

#[test]
fn the_files_of_a_directory_become_variables_of_their_names() {
    let files = Files::new(&[
        ("DB_PASSWORD", "a$b\n"),
        ("tls.key", "k\nk"),
        ("..data", "x"),
    ]);
    std::fs::create_dir(files.0.path().join("sub")).unwrap();
    let mut options = files.options(None);
    options.from = Some(files.0.path().to_owned());
    assert_eq!(
        make(&[], &options).unwrap(),
        ["DB_PASSWORD=a$b", "tls_key=k\nk"]
    );
    let error = make(&[("DB_PASSWORD", "x")], &options).unwrap_err();
    assert!(error.starts_with("both DB_PASSWORD and /"), "{error}");
    options.image = Some("postgres".to_owned());
    let postgres = Files::new(&[("POSTGRES_PASSWORD", "x")]);
    options.from = Some(postgres.0.path().to_owned());
    let expected = format!(
        "POSTGRES_PASSWORD_FILE={}",
        postgres.path("POSTGRES_PASSWORD")
    );
    assert_eq!(make(&[], &options).unwrap(), [expected]);
    options.from = Some("/nowhere".into());
    assert!(
        make(&[], &options)
            .unwrap_err()
            .starts_with("cannot list (no such file or directory): ")
    );
}

#[test]
fn a_value_that_no_variable_can_hold_is_refused() {
    let long = "x".repeat(MAX_VARIABLE - "A".len() - 1);
    let files = Files::new(&[("long", &long), ("fits", &long[1..])]);
    let made = |name: &str| make(&[("A_FILE", &files.path(name))], &files.options(None));
    assert!(made("long").unwrap_err().contains("too long"));
    assert!(made("fits").is_ok());
}

proptest! {
    #[test]
    fn content_comes_out_as_it_went_in(content in "[^\0\n\r][^\0]{0,40}[^\0\n\r]") {
        let files = Files::new(&[("pw", &content)]);
        let made = make(&[("A_FILE", &files.path("pw"))], &files.options(None)).unwrap();
        prop_assert_eq!(&made, &[format!("A={content}"), "-A_FILE".to_owned()]);
    }

    #[test]
    fn no_environment_makes_it_panic(name in "[A-Z_]{0,12}(_FILE)?", value in "[ -~]{0,20}") {
        let options = Options { directories: vec!["/run/secrets".into()], ..Options::default() };
        let _ = make(&[(&name, &value)], &options);
    }
}
