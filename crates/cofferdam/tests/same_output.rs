//! The same session with `bao` and with `cofferdam`, each on its own OpenBao: what is printed on
//! stdout and the exit code must be the same, but for what a server makes up (times, names).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bao;

use bao::{Bao, Ran, program, run};
use std::path::Path;

/// A command and what it reads from stdin.
type Step = (&'static [&'static str], &'static str);

fn environment(bao: &Bao) -> Vec<(String, String)> {
    let pairs = [
        ("HOME", bao.home.path().display().to_string()),
        ("BAO_ADDR", bao.address.clone()),
        ("BAO_TOKEN", "root".to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn session(program: &Path, bao: &Bao, steps: &[Step]) -> Vec<Ran> {
    let environment = environment(bao);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let steps = steps.iter();
    steps
        .map(|(args, stdin)| run(program, args, stdin, &environment))
        .collect()
}

/// Runs the session with both command lines, each on an OpenBao, and compares.
fn compare(steps: &[Step]) {
    compare_on(&Bao::start(), steps);
}

/// The same, with our command line on the given server.
fn compare_on(ours: &Bao, steps: &[Step]) {
    let theirs = Bao::start();
    let expected = session(&program(), &theirs, steps);
    let found = session(Path::new(env!("CARGO_BIN_EXE_cofferdam")), ours, steps);
    let mut different = String::new();
    for ((step, expected), found) in steps.iter().zip(&expected).zip(&found) {
        let wanted = (expected.code, steady(&expected.stdout));
        let got = (found.code, steady(&found.stdout));
        if wanted != got {
            different.push_str(&format!(
                "\n$ {}\n--- bao: exit {}\n{}\n{}\n--- cofferdam: exit {}\n{}\n{}\n",
                step.0.join(" "),
                wanted.0,
                wanted.1,
                expected.stderr,
                got.0,
                got.1,
                found.stderr,
            ));
        }
    }
    assert!(different.is_empty(), "{different}");
}

/// Replaces what differs from server to server, and the seconds that passed meanwhile.
fn steady(text: &str) -> String {
    let left = |line: &str| {
        let line = line.trim_start();
        line.starts_with("ttl ") || line.starts_with("\"ttl\": 1")
    };
    let lines = text.split_inclusive('\n').filter(|line| !left(line));
    steady_words(&lines.collect::<String>())
}

fn steady_words(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() || "-_:.+".contains(c) {
            word.push(c);
        } else {
            out.push_str(steady_word(&word));
            word.clear();
            out.push(c);
        }
    }
    out
}

fn steady_word(word: &str) -> &str {
    let bytes = word.as_bytes();
    let digits = |from: usize, to: usize| {
        bytes
            .get(from..to)
            .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups: Vec<usize> = word.split('-').map(str::len).collect();
    let random =
        |text: &str| text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let stamp = word.len() > 15 && word.ends_with('Z') && digits(0, 4) && word.contains('T');
    let clock = word.len() > 10 && digits(0, 2) && word.contains(':') && word.contains('.');
    let minute = word.len() == 5 && digits(0, 2) && bytes[2] == b':';
    if stamp || clock || minute || word.starts_with("created_time:") {
        "TIME"
    } else if groups == [8, 4, 4, 4, 12] && hex(&word.replace('-', "")) {
        "UUID"
    } else if random(word) || word.strip_prefix("s.").is_some_and(random) {
        "RANDOM"
    } else if word.len() == 10 && digits(0, 10) {
        "EPOCH"
    } else if word.len() == 10 && digits(0, 4) && bytes[4] == b'-' && bytes[7] == b'-' {
        "DATE"
    } else if word.starts_with("vault-cluster-") {
        "CLUSTER"
    } else if let Some((name, suffix)) = word.rsplit_once('_')
        && suffix.len() == 8
        && hex(suffix)
    {
        name
    } else {
        word
    }
}

const KV_VERSION_2: &[Step] = &[
    (&["kv", "put", "secret/app", "a=b", "c=<x&y>\u{e9}"], ""),
    (&["kv", "put", "-format=json", "secret/app", "a=b2"], ""),
    (
        &[
            "kv",
            "put",
            "-format=yaml",
            "-cas=2",
            "secret/app",
            "a=b3",
            "n=5",
        ],
        "",
    ),
    (&["kv", "put", "-cas=2", "secret/app", "a=b3"], ""),
    (&["kv", "get", "secret/app"], ""),
    (&["kv", "get", "-mount=secret", "app"], ""),
    (&["kv", "get", "-mount=secret/", "/app/"], ""),
    (&["kv", "get", "-format=json", "secret/app"], ""),
    (&["kv", "get", "-format=yaml", "secret/app"], ""),
    (&["kv", "get", "-field=a", "secret/app"], ""),
    (&["kv", "get", "-field=data", "secret/app"], ""),
    (&["kv", "get", "-field=metadata", "secret/app"], ""),
    (&["kv", "get", "-field=nope", "secret/app"], ""),
    (&["kv", "get", "-field=a", "-format=json", "secret/app"], ""),
    (&["kv", "get", "-version=1", "secret/app"], ""),
    (
        &["kv", "get", "-version=1", "-format=json", "secret/app"],
        "",
    ),
    (&["kv", "get", "secret/none"], ""),
    (&["kv", "get", "-format=json", "secret/none"], ""),
    (&["kv", "list", "secret"], ""),
    (&["kv", "list", "-format=json", "secret"], ""),
    (&["kv", "list", "-format=yaml", "secret/"], ""),
    (&["kv", "list", "-mount=secret"], ""),
    (&["kv", "list", "secret/none"], ""),
    (&["kv", "list", "-format=json", "secret/none"], ""),
    (&["kv", "patch", "secret/app", "z=1"], ""),
    (&["kv", "patch", "-method=rw", "secret/app", "y=2"], ""),
    (
        &[
            "kv",
            "patch",
            "-remove-data=z",
            "-format=json",
            "secret/app",
        ],
        "",
    ),
    (&["kv", "patch", "secret/none", "z=1"], ""),
    (&["kv", "get", "-format=json", "secret/app"], ""),
    (&["kv", "delete", "secret/app"], ""),
    (&["kv", "get", "secret/app"], ""),
    (&["kv", "get", "-format=json", "secret/app"], ""),
    (&["kv", "get", "-field=a", "secret/app"], ""),
    (&["kv", "undelete", "-versions=6", "secret/app"], ""),
    (
        &["kv", "delete", "-versions=2,3", "-mount=secret", "app"],
        "",
    ),
    (&["kv", "destroy", "-versions=1", "secret/app"], ""),
    (&["kv", "get", "-version=1", "secret/app"], ""),
    (&["kv", "rollback", "-version=4", "secret/app"], ""),
    (&["kv", "metadata", "get", "secret/app"], ""),
    (&["kv", "metadata", "get", "-format=json", "secret/app"], ""),
    (
        &[
            "kv",
            "metadata",
            "put",
            "-max-versions=5",
            "-custom-metadata=a=b",
            "-delete-version-after=3h25m19s",
            "-cas-required",
            "secret/app",
        ],
        "",
    ),
    (&["kv", "metadata", "get", "secret/app"], ""),
    (
        &[
            "kv",
            "metadata",
            "patch",
            "-remove-custom-metadata=a",
            "-cas-required=false",
            "secret/app",
        ],
        "",
    ),
    (
        &[
            "kv",
            "metadata",
            "get",
            "-mount=secret",
            "-format=yaml",
            "app",
        ],
        "",
    ),
    (&["kv", "metadata", "delete", "secret/app"], ""),
    (&["kv", "metadata", "get", "secret/app"], ""),
];

#[test]
fn kv_version_2_prints_the_same() {
    compare(KV_VERSION_2);
}

#[test]
fn our_server_answers_kv_version_2_as_openbao_does() {
    compare_on(&Bao::start_own(), KV_VERSION_2);
}

/// One field for each way in which a value can look like something else.
const ODD: &str = r##"{"x":1.5,"l":[1,"a b",null,true,{"q":"z"}],"e":"","t":true,"n":null,"ml":"a\nb","sp":"trail ","c":"# x: y","num":"012","dt":"2020-01-01","y":"yes","q":"it's","o":{},"el":[],"ttl":90,"long_ttl":7265,"colon":"a: b","dash":"- a","star":"*a","nul":"null","tilde":"~"}"##;

const ODD_VALUES: &[Step] = &[
    (&["kv", "put", "secret/odd", "-"], ODD),
    (&["kv", "get", "secret/odd"], ""),
    (&["kv", "get", "-format=json", "secret/odd"], ""),
    (&["read", "secret/data/odd"], ""),
    (
        &["read", "-format=json", "-field=data", "secret/data/odd"],
        "",
    ),
    (&["kv", "get", "-field=x", "secret/odd"], ""),
    (&["kv", "get", "-field=l", "secret/odd"], ""),
    (&["kv", "get", "-field=e", "secret/odd"], ""),
    (&["kv", "get", "-field=n", "secret/odd"], ""),
    (&["kv", "get", "-field=ml", "secret/odd"], ""),
    (&["kv", "put", "secret/stdin", "a=-"], "from stdin\n"),
    (&["kv", "get", "-field=a", "secret/stdin"], ""),
    (&["kv", "put", "secret/twice", "a=1", "a=2", "b=\\@x"], ""),
    (&["kv", "get", "-format=json", "secret/twice"], ""),
];

#[test]
fn values_of_every_shape_print_the_same() {
    compare(ODD_VALUES);
}

#[test]
fn our_server_keeps_values_of_every_shape_as_openbao_does() {
    compare_on(&Bao::start_own(), ODD_VALUES);
}

#[test]
fn version_1_and_plain_paths_print_the_same() {
    compare(&[
        (&["secrets", "enable", "-path=old", "-version=1", "kv"], ""),
        (&["kv", "put", "old/a", "q=1"], ""),
        (&["kv", "get", "old/a"], ""),
        (&["kv", "get", "-format=json", "old/a"], ""),
        (&["kv", "get", "-field=q", "old/a"], ""),
        (&["kv", "list", "old"], ""),
        (&["kv", "metadata", "get", "old/a"], ""),
        (&["kv", "rollback", "-version=1", "old/a"], ""),
        (&["write", "old/b", "x=1", "y=2"], ""),
        (&["read", "old/b"], ""),
        (&["read", "-format=yaml", "old/b"], ""),
        (&["read", "-field=x", "old/b"], ""),
        (&["read", "-field=refresh_interval", "old/b"], ""),
        (&["read", "old/none"], ""),
        (&["list", "old"], ""),
        (&["list", "-format=json", "old"], ""),
        (&["list", "-format=json", "old/none"], ""),
        (&["delete", "old/b"], ""),
        (&["kv", "delete", "old/a"], ""),
        (&["write", "old/c"], ""),
        (&["write", "nowhere/c", "a=b"], ""),
        (&["kv", "enable-versioning", "old"], ""),
        (
            &["read", "-format=json", "sys/internal/ui/mounts/secret"],
            "",
        ),
        (
            &["write", "-f", "-field=random_bytes", "sys/tools/random/0"],
            "",
        ),
        (
            &["write", "sys/capabilities-self", "paths=a", "paths=b"],
            "",
        ),
    ]);
}

#[test]
fn policies_mounts_and_audit_devices_print_the_same() {
    compare(&[
        (&["policy", "list"], ""),
        (&["policy", "list", "-format=json"], ""),
        (&["policy", "read", "default"], ""),
        (&["policy", "read", "nope"], ""),
        (
            &["policy", "write", "Demo", "-"],
            "\npath \"secret/*\" { capabilities = [\"read\"] }\n\n",
        ),
        (&["policy", "read", "demo"], ""),
        (&["policy", "read", "-format=json", "demo"], ""),
        (&["policy", "delete", "demo"], ""),
        (&["policy", "write", "bad", "-"], "path \"a\" {"),
        (&["secrets", "list"], ""),
        (
            &[
                "secrets",
                "enable",
                "-path=team/kv",
                "-description=for the team",
                "-version=2",
                "-max-lease-ttl=2h",
                "kv",
            ],
            "",
        ),
        (&["secrets", "enable", "kv-v2"], ""),
        (&["secrets", "enable", "nope"], ""),
        (&["secrets", "enable", "-path=secret", "kv"], ""),
        (
            &[
                "secrets",
                "tune",
                "-default-lease-ttl=1h",
                "-description=hm",
                "secret",
            ],
            "",
        ),
        (&["secrets", "list"], ""),
        (&["secrets", "list", "-detailed"], ""),
        (&["secrets", "list", "-format=json"], ""),
        (&["secrets", "disable", "team/kv"], ""),
        (&["secrets", "disable", "nowhere"], ""),
        (&["auth", "list"], ""),
        (&["auth", "enable", "approle"], ""),
        (
            &[
                "auth",
                "enable",
                "-path=robots",
                "-description=x",
                "-token-type=batch",
                "approle",
            ],
            "",
        ),
        (&["auth", "enable", "approle"], ""),
        (&["auth", "tune", "-default-lease-ttl=1h", "approle"], ""),
        (&["auth", "list"], ""),
        (&["auth", "list", "-detailed"], ""),
        (&["auth", "list", "-format=json"], ""),
        (&["auth", "disable", "approle"], ""),
        (&["audit", "list"], ""),
        (&["audit", "list", "-detailed"], ""),
        (&["audit", "list", "-format=json"], ""),
        (&["audit", "disable", "file"], ""),
    ]);
}

#[test]
fn tokens_print_the_same() {
    compare(&[
        (&["token", "lookup"], ""),
        (&["token", "lookup", "-format=json"], ""),
        (&["token", "lookup", "-field=policies"], ""),
        (
            &[
                "token",
                "create",
                "-policy=default",
                "-ttl=1h",
                "-display-name=foo",
                "-metadata=a=b",
            ],
            "",
        ),
        (
            &[
                "token",
                "create",
                "-format=json",
                "-policy=default",
                "-explicit-max-ttl=2h",
                "-orphan",
            ],
            "",
        ),
        (&["token", "create", "-format=yaml", "-policy=default"], ""),
        (
            &[
                "token",
                "create",
                "-id=child",
                "-period=30m",
                "-use-limit=9",
                "-no-default-policy",
                "-policy=x",
            ],
            "",
        ),
        (&["token", "lookup", "child"], ""),
        (&["token", "lookup", "-format=json", "child"], ""),
        (
            &[
                "token",
                "create",
                "-id=mortal",
                "-ttl=600",
                "-policy=default",
            ],
            "",
        ),
        (&["token", "renew", "mortal"], ""),
        (
            &["token", "renew", "-increment=20m", "-format=json", "mortal"],
            "",
        ),
        (&["token", "capabilities", "secret/data/x"], ""),
        (
            &["token", "capabilities", "mortal", "auth/token/lookup-self"],
            "",
        ),
        (
            &[
                "token",
                "capabilities",
                "-format=json",
                "mortal",
                "cubbyhole/x",
            ],
            "",
        ),
        (&["token", "revoke", "mortal"], ""),
        (&["token", "lookup", "mortal"], ""),
        (&["token", "revoke", "nonsense"], ""),
        (&["token", "renew", "nonsense"], ""),
        (&["token", "lookup", "-accessor", "nonsense"], ""),
        (&["token", "revoke"], ""),
        (&["token", "create", "-wrap-ttl=60"], ""),
        (&["token", "create", "-wrap-ttl=60s", "-format=json"], ""),
        (&["kv", "put", "secret/w", "a=b"], ""),
        (&["kv", "get", "-wrap-ttl=2m", "secret/w"], ""),
        (
            &["kv", "get", "-wrap-ttl=2m", "-format=json", "secret/w"],
            "",
        ),
        (&["unwrap", "nonsense"], ""),
        (&["token", "revoke", "-self"], ""),
        (&["token", "lookup"], ""),
    ]);
}

#[test]
fn the_operators_commands_print_the_same() {
    compare(&[
        (&["status"], ""),
        (&["status", "-format=json"], ""),
        (&["status", "-format=yaml"], ""),
        (&["operator", "init", "-status"], ""),
        (&["operator", "init"], ""),
        (&["operator", "rotate"], ""),
        (&["operator", "seal"], ""),
        (&["status"], ""),
        (&["status", "-format=json"], ""),
        (&["kv", "get", "secret/app"], ""),
        (&["operator", "unseal", "-reset"], ""),
        (&["operator", "unseal", "AAAA"], ""),
        (&["operator", "seal"], ""),
    ]);
}

#[test]
fn usage_errors_exit_the_same() {
    compare(&[
        (&["kv", "put", "secret/app"], ""),
        (&["kv", "put", "secret/app", "foo"], ""),
        (&["kv", "get"], ""),
        (&["kv", "get", "a", "b"], ""),
        (&["kv", "nope"], ""),
        (&["status", "-x"], ""),
        (&["kv", "get", "-format=xml", "secret/x"], ""),
        (&["kv", "undelete", "secret/x"], ""),
    ]);
}

#[test]
fn a_server_is_unsealed_by_what_it_printed() {
    let bao = Bao::start();
    let environment = environment(&bao);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let ours = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
    assert_eq!(run(ours, &["operator", "seal"], "", &environment).code, 0);
    assert_eq!(run(ours, &["status"], "", &environment).code, 2);
    let key = format!("{}\n", bao.unseal_key());
    let unsealed = run(ours, &["operator", "unseal"], &key, &environment);
    assert_eq!(unsealed.code, 0, "{unsealed:?}");
    assert!(
        unsealed.stdout.contains("Sealed          false"),
        "{unsealed:?}"
    );
    assert_eq!(run(ours, &["status"], "", &environment).code, 0);
}
