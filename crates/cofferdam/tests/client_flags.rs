//! Flags and variables that every command of Vault's clients has: each is taken, or refused by name;
//! what they put on the wire; and policies that `-output-policy` printed, which have to suffice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "another test of this module uses the rest")]
mod bao;

use bao::{Bao, Ran, program, run};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Our program under the name of the client, in a home of its own.
struct Link {
    home: tempfile::TempDir,
    program: PathBuf,
}

impl Link {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("bao");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cofferdam"), &program).unwrap();
        Self { home, program }
    }

    fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> Ran {
        let home = self.home.path().display().to_string();
        let all = [&[("HOME", home.as_str())], environment].concat();
        run(&self.program, args, "", &all)
    }
}

/// Flags of OpenBao's command line that are refused with a word why, and no others.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "auth enable",
        &["external-entropy-access", "plugin-name", "plugin-version"],
    ),
    ("auth tune", &["plugin-version"]),
    (
        "operator generate-root",
        &["generate-otp", "recovery-token"],
    ),
    (
        "secrets enable",
        &["external-entropy-access", "plugin-name", "plugin-version"],
    ),
    ("secrets tune", &["plugin-version"]),
    (
        "server",
        &[
            "dev-cluster-json",
            "dev-tls",
            "dev-tls-cert-dir",
            "log-rotate-bytes",
            "log-rotate-duration",
            "log-rotate-max-files",
            "recovery",
        ],
    ),
];
/// Commands that are not there as a whole, and have no word.
const LACKING: &[&str] = &[];

/// A command of the client and the flags that its help lists.
struct Helped {
    words: Vec<String>,
    flags: Vec<String>,
    text: String,
}

/// Every command of the client that does something.
fn commands(words: &[String], all: &mut Vec<Helped>) {
    let mut line: Vec<&str> = words.iter().map(String::as_str).collect();
    line.push("-h");
    let home = std::env::temp_dir().display().to_string();
    let ran = run(&program(), &line, "", &[("HOME", &home)]);
    let text = ran.stdout + &ran.stderr;
    let name = |word: &str| {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !word.is_empty() && word.chars().all(legal)
    };
    // Some stand there twice.
    let flags: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("  -"))
        .map(|rest| rest.split(['=', ' ']).next().unwrap().to_owned())
        .filter(|flag| name(flag))
        .collect();
    let inner: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once("  "))
        .filter(|(word, about)| name(word) && !about.trim().is_empty())
        .map(|(word, _)| word.to_owned())
        .collect();
    if flags.is_empty() && !inner.is_empty() {
        for word in inner {
            commands(&[words, &[word]].concat(), all);
        }
        return;
    }
    let (words, flags) = (words.to_vec(), flags.into_iter().collect());
    all.push(Helped { words, flags, text });
}

/// Which flags of a command ours refuses by name, and which it does not know; an error where the whole
/// command is refused.
fn judged(link: &Link, command: &Helped) -> Result<(Vec<String>, Vec<String>), ()> {
    let (mut refused, mut unknown) = (Vec::new(), Vec::new());
    let mut flags = command.flags.clone();
    loop {
        // Help ends the reading of flags: nothing is done, and none conflicts with another.
        let given: Vec<String> = flags.iter().map(|flag| format!("-{flag}=true")).collect();
        let mut line: Vec<&str> = command.words.iter().map(String::as_str).collect();
        line.extend(given.iter().map(String::as_str));
        line.push("-h");
        let ran = link.run(&line, &[]);
        if ran.code == 0 {
            return Ok((refused, unknown));
        }
        let first = ran.stderr.lines().next().unwrap_or_default().to_owned();
        let refused_as_a_whole = first.strip_prefix("not supported: ");
        if refused_as_a_whole.is_some_and(|rest| !rest.starts_with('-')) {
            return Err(());
        }
        let after = |start: &str| {
            let rest = first.strip_prefix(start)?.trim_start_matches('-');
            let end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
            Some(rest.split(end).next().unwrap().to_owned())
        };
        // A wrong value is one of a flag that is there.
        let flag = match (
            after("not supported: -"),
            after("unknown flag: "),
            after("not a value for "),
        ) {
            (Some(flag), ..) => {
                assert!(ran.stderr.contains("\nhint: "), "{ran:?}");
                refused.push(flag.clone());
                flag
            }
            (_, Some(flag), _) => {
                unknown.push(flag.clone());
                flag
            }
            (.., Some(flag)) => flag,
            _ => panic!("{line:?}: {ran:?}"),
        };
        assert!(flags.contains(&flag), "{line:?}: {ran:?}");
        flags.retain(|known| *known != flag);
    }
}

#[test]
fn every_flag_of_the_client_is_taken_or_refused_by_name() {
    let link = Link::new();
    let mut all = Vec::new();
    commands(&[], &mut all);
    let (mut refused, mut there, mut seen) = (BTreeMap::new(), Vec::new(), 0);
    for command in &all {
        let name = command.words.join(" ");
        if LACKING.contains(&name.as_str()) {
            continue;
        }
        // A verb that is refused as a whole has its word elsewhere.
        let Ok((by_name, unknown)) = judged(&link, command) else {
            continue;
        };
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
        seen += command.flags.len();
        there.push(command);
        if !by_name.is_empty() {
            refused.insert(name, by_name.into_iter().collect::<BTreeSet<_>>());
        }
    }
    let wanted: BTreeMap<String, BTreeSet<String>> = REFUSED
        .iter()
        .map(|(name, flags)| {
            let flags = flags.iter().map(|flag| (*flag).to_owned());
            ((*name).to_owned(), flags.collect())
        })
        .collect();
    assert_eq!(refused, wanted);
    assert!(seen > 1000, "{seen} flags seen");

    // And every variable that a help names stands in the book.
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/cli.md");
    let book = std::fs::read_to_string(book).unwrap();
    let mut variables = BTreeSet::new();
    for command in there {
        for part in command.text.split("BAO_").skip(1) {
            let end = part.find(|c: char| !(c.is_ascii_uppercase() || c == '_'));
            let name = &part[..end.unwrap_or(part.len())];
            variables.insert(name.trim_end_matches('_').to_owned());
        }
    }
    assert!(variables.len() > 15, "{variables:?}");
    for name in variables {
        // Of a server, an agent and their files.
        if matches!(
            name.as_str(),
            "LOG_LEVEL" | "LOG_FORMAT" | "CONFIG_PATH" | "DEV_ROOT_TOKEN_ID" | "DEV_LISTEN_ADDRESS"
        ) {
            continue;
        }
        assert!(
            book.contains(&format!("`VAULT_{name}`")),
            "not in the book: VAULT_{name}"
        );
    }
}

/// Whoever is asked, with the same answers over and over, as often as there are any.
struct Listener {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn answering(statuses: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        std::thread::spawn(move || {
            for status in statuses {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap() <= 2 {
                        break;
                    }
                    let lower = line.to_ascii_lowercase();
                    if let Some(text) = lower.strip_prefix("content-length:") {
                        length = text.trim().parse().unwrap();
                    }
                    head.push_str(&lower);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push(head);
                let text = "{\"data\":{\"a\":\"b\"}}";
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                    text.len()
                );
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

#[test]
fn headers_of_the_caller_go_along_and_none_of_ours_is_changed() {
    let link = Link::new();
    let listener = Listener::answering(&["200 OK", "200 OK"]);
    let environment = [
        ("BAO_ADDR", listener.address.as_str()),
        ("BAO_TOKEN", "hvs.ours"),
    ];
    let ran = link.run(
        &[
            "read",
            "-header=Cf-Access-Token=one=two",
            "-header",
            "X-Trace=a",
            "-header=x-trace=b",
            "-mfa=totp:123",
            "-mfa=duo",
            "sys/mounts",
        ],
        &environment,
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let set = [
        environment.as_slice(),
        &[("VAULT_MFA", "a:1,b:2"), ("BAO_WRAP_TTL", "90")],
    ]
    .concat();
    assert_eq!(link.run(&["read", "sys/mounts"], &set).code, 0);
    let heads = listener.heads();
    let lines = |head: &str, name: &str| {
        let found = head
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&heads[0], "cf-access-token"), ["one=two"]);
    assert_eq!(lines(&heads[0], "x-trace"), ["b"]);
    assert_eq!(lines(&heads[0], "x-vault-mfa"), ["totp:123", "duo"]);
    assert_eq!(lines(&heads[0], "x-vault-token"), ["hvs.ours"]);
    assert_eq!(lines(&heads[1], "x-vault-mfa"), ["a:1", "b:2"]);
    assert_eq!(lines(&heads[1], "x-vault-wrap-ttl"), ["90s"]);
    for header in [
        "X-Vault-Token=hvs.other",
        "x-vault-namespace=team",
        "Host=elsewhere",
        "Transfer-Encoding=chunked",
        "Content-Length=0",
        "a b=c",
        "no-value",
        "X=a\r\nX-Vault-Token: hvs.other",
    ] {
        let ran = link.run(
            &["read", &format!("-header={header}"), "sys/mounts"],
            &environment,
        );
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (1, ""),
            "{header}: {ran:?}"
        );
        assert!(!ran.stderr.contains("hvs.other"), "{ran:?}");
    }
    assert_eq!(listener.heads().len(), 2, "nothing more was sent");
}

#[test]
fn a_request_is_sent_again_only_as_often_as_was_asked_for() {
    let link = Link::new();
    let tried = |statuses, more: &[(&str, &str)]| {
        let listener = Listener::answering(statuses);
        let environment = [
            &[("BAO_ADDR", listener.address.as_str()), ("BAO_TOKEN", "t")],
            more,
        ]
        .concat();
        let ran = link.run(&["write", "secret/a", "a=b"], &environment);
        (ran.code, listener.heads().len())
    };
    assert_eq!(tried(&["503 No", "200 OK"], &[]), (2, 1));
    assert_eq!(
        tried(&["503 No", "200 OK"], &[("VAULT_MAX_RETRIES", "1")]),
        (0, 2)
    );
    assert_eq!(
        tried(&["403 No", "200 OK"], &[("BAO_MAX_RETRIES", "1")]),
        (2, 1)
    );
    assert_eq!(tried(&["200 OK"], &[("BAO_MAX_RETRIES", "many")]), (1, 0));
}

#[test]
fn what_would_change_where_or_how_a_request_goes_is_never_passed_over() {
    let link = Link::new();
    let bao = Bao::start();
    let at = [("BAO_ADDR", bao.address.as_str()), ("BAO_TOKEN", "root")];
    let read = |more: &[(&str, &str)], flags: &[&str]| {
        let environment = [at.as_slice(), more].concat();
        link.run(
            &[&["read"], flags, &["sys/seal-status"]].concat(),
            &environment,
        )
    };
    assert_eq!(read(&[], &[]).code, 0);
    for accepted in ["-disable-redirects", "-policy-override", "-non-interactive"] {
        assert_eq!(read(&[], &[accepted]).code, 0, "{accepted}");
    }
    // An agent wins over a server, also over the flag: as in the client itself.
    let nobody = "http://127.0.0.1:1";
    for (environment, flags) in [
        (&[("BAO_AGENT_ADDR", nobody)][..], vec![]),
        (
            &[("BAO_AGENT_ADDR", nobody)],
            vec![format!("-address={}", bao.address)],
        ),
        (&[], vec![format!("-agent-address={nobody}")]),
    ] {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let ours = read(environment, &flags);
        let home = bao.home.path().display().to_string();
        let all = [&[("HOME", home.as_str())], at.as_slice(), environment].concat();
        let theirs = run(
            &program(),
            &[&["read"], flags.as_slice(), &["sys/seal-status"]].concat(),
            "",
            &all,
        );
        assert_eq!((ours.code, theirs.code), (2, 2), "{ours:?} {theirs:?}");
    }
    for (environment, flags) in [
        (&[("BAO_NAMESPACE", "team")][..], &[][..]),
        (&[("VAULT_NAMESPACE", "team/")], &[]),
        (&[], &["-namespace=team"]),
        (&[], &["-unlock-key=x"]),
        (&[("BAO_CLIENT_TIMEOUT", "soon")], &[]),
    ] {
        let ran = read(environment, flags);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (1, ""),
            "{environment:?} {flags:?}"
        );
    }
    let idle = [
        ("VAULT_PROXY_ADDR", "http://me:hunter2@proxy"),
        ("BAO_SRV_LOOKUP", "true"),
    ];
    let ran = read(&idle, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let warnings: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(warnings.len(), 1, "{ran:?}");
    assert!(warnings[0].contains("VAULT_PROXY_ADDR") && warnings[0].contains("BAO_SRV_LOOKUP"));
    assert!(!warnings[0].contains("hunter2"));
}

#[test]
fn the_token_lies_where_the_environment_says() {
    let link = Link::new();
    let bao = Bao::start();
    let path = bao.home.path().join("kept");
    let shown = path.display().to_string();
    let at = [
        ("BAO_ADDR", bao.address.as_str()),
        ("BAO_TOKEN_PATH", shown.as_str()),
    ];
    assert_eq!(link.run(&["login", "root"], &at).code, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "root");
    assert!(!link.home.path().join(".vault-token").exists());
    assert_eq!(link.run(&["token", "lookup"], &at).code, 0);
    let home = bao.home.path().display().to_string();
    let all = [&[("HOME", home.as_str())], at.as_slice()].concat();
    assert_eq!(run(&program(), &["token", "lookup"], "", &all).code, 0);
}

/// Commands, and what has to be there before.
const NEEDING: &[&[&str]] = &[
    &["kv", "put", "secret/a", "b=c"],
    &["kv", "get", "secret/a"],
    &["kv", "patch", "secret/a", "b=d"],
    &["kv", "metadata", "get", "secret/a"],
    &["kv", "list", "secret"],
    &["kv", "scan", "secret"],
    &["scan", "secret/detailed-metadata"],
    &["kv", "delete", "secret/a"],
    &["kv", "destroy", "-versions=1", "secret/a"],
    &["read", "sys/mounts"],
    &["secrets", "enable", "-path=team/x", "kv"],
    &["secrets", "tune", "-description=y", "team/x"],
    &["secrets", "move", "team/x", "moved"],
    &["secrets", "disable", "moved"],
    &["auth", "enable", "userpass"],
    &["auth", "tune", "-default-lease-ttl=1h", "userpass"],
    &["auth", "list"],
    &["auth", "disable", "userpass"],
    &["policy", "list"],
    &["policy", "read", "default"],
    &["token", "capabilities", "secret/a"],
    &["list", "auth/token/accessors"],
    &["list", "sys/leases/lookup/auth/token/create"],
    &["lease", "revoke", "-prefix", "-sync", "auth/nope"],
    &["write", "-f", "sys/rotate"],
    &["read", "sys/audit"],
    &["write", "-f", "sys/leases/revoke-force/auth/nope"],
];

/// The policy that was printed, and the policy without `sudo`, each with a token of its own.
fn policies_suffice(server: &Bao) {
    let link = Link::new();
    let with = |token: &str, line: &[&str]| {
        link.run(line, &[("BAO_ADDR", &server.address), ("BAO_TOKEN", token)])
    };
    let as_token = |policy: &str, line: &[&str]| {
        let home = server.home.path().display().to_string();
        let environment = [
            ("HOME", home.as_str()),
            ("BAO_ADDR", &server.address),
            ("BAO_TOKEN", "root"),
        ];
        let written = run(
            &link.program,
            &["policy", "write", "needed", "-"],
            policy,
            &environment,
        );
        assert_eq!(written.code, 0, "{policy}: {written:?}");
        let made = with(
            "root",
            &["token", "create", "-policy=needed", "-field=token"],
        );
        with(made.stdout.trim(), line)
    };
    let mut needed_sudo = 0;
    for line in NEEDING {
        // Flags of a client of Go's come before the arguments.
        let mut asking = line.to_vec();
        asking.push("-output-policy");
        let printed = with("root", &asking);
        assert_eq!(
            (printed.code, printed.stderr.as_str()),
            (0, ""),
            "{line:?}: {printed:?}"
        );
        let policy = printed.stdout;
        if policy.contains(", \"sudo\"") {
            needed_sudo += 1;
            let ran = as_token(&policy.replace(", \"sudo\"", ""), line);
            assert_eq!(ran.code, 2, "{line:?} needs no sudo after all: {ran:?}");
        }
        let ran = as_token(&policy, line);
        assert_eq!(ran.code, 0, "{line:?} with {policy}: {ran:?}");
    }
    assert!(needed_sudo > 5, "{needed_sudo}");
}

#[test]
fn a_printed_policy_is_what_the_command_needs() {
    policies_suffice(&Bao::start_own());
}

#[test]
fn a_printed_policy_is_what_the_command_needs_of_openbao() {
    policies_suffice(&Bao::start());
}

/// Whoever may read and write the data need not see the metadata, neither with our client nor with
/// OpenBao's.
#[test]
fn a_rollback_needs_the_data_alone() {
    let server = Bao::start_own();
    let (link, home) = (Link::new(), tempfile::tempdir().unwrap());
    let home = home.path().display().to_string();
    let at = |token: &str, program: &Path, line: &[&str], stdin: &str| {
        let environment = [
            ("HOME", home.as_str()),
            ("BAO_ADDR", &server.address),
            ("BAO_TOKEN", token),
        ];
        run(program, line, stdin, &environment)
    };
    let policy = "path \"secret/data/a\" { capabilities = [\"read\", \"update\"] }";
    let ours = link.program.as_path();
    for (line, stdin) in [
        (&["policy", "write", "data", "-"][..], policy),
        (&["kv", "put", "secret/a", "b=first"], ""),
        (&["kv", "put", "secret/a", "b=second"], ""),
    ] {
        assert_eq!(at("root", ours, line, stdin).code, 0, "{line:?}");
    }
    let made = at(
        "root",
        ours,
        &["token", "create", "-policy=data", "-field=token"],
        "",
    );
    let token = made.stdout.trim();
    let back = ["kv", "rollback", "-version=1", "secret/a"];
    let theirs = program();
    for (number, program) in [ours, &theirs, ours, &theirs].into_iter().enumerate() {
        if number > 1 {
            let deleted = at("root", ours, &["kv", "delete", "secret/a"], "");
            assert_eq!(deleted.code, 0);
        }
        let ran = at(token, program, &back, "");
        assert_eq!(ran.code, 0, "{}: {ran:?}", program.display());
        let read = at("root", ours, &["kv", "get", "-field=b", "secret/a"], "");
        assert_eq!(read.stdout.trim(), "first");
    }
}

#[test]
fn a_rehearsed_command_changes_nothing() {
    let server = Bao::start_own();
    let link = Link::new();
    let at = [("BAO_ADDR", server.address.as_str()), ("BAO_TOKEN", "root")];
    for flag in ["-output-policy", "-output-curl-string"] {
        for line in [
            &["kv", "put", "secret/never", "a=b"][..],
            &["secrets", "enable", "-path=never", "kv"],
            &["token", "create", "-id=never"],
            &["operator", "seal"],
            &["login", "root"],
            &["status"],
            &["token", "revoke", "-self"],
            &["monitor"],
        ] {
            let ran = link.run(&[line, &[flag]].concat(), &at);
            assert_eq!(
                (ran.code, ran.stderr.as_str()),
                (0, ""),
                "{line:?} {flag}: {ran:?}"
            );
            let begins = if flag == "-output-policy" {
                "path \""
            } else {
                "curl "
            };
            assert!(ran.stdout.starts_with(begins), "{line:?}: {ran:?}");
            assert!(!ran.stdout.contains("X-Vault-Token: root"), "{ran:?}");
        }
        assert_eq!(link.run(&["version", flag], &at).code, 1);
    }
    assert!(!link.home.path().join(".vault-token").exists());
    assert_eq!(link.run(&["kv", "get", "secret/never"], &at).code, 2);
    assert_eq!(link.run(&["token", "lookup", "never"], &at).code, 2);
    let mounts = link.run(&["secrets", "list", "-format=json"], &at);
    assert!(mounts.stdout.contains("secret/") && !mounts.stdout.contains("never"));
}
