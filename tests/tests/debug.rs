//! Bundles about a running server: whole, in OpenBao's form, and without a secret. Judges: the real
//! `bao debug` on our server, ours on a real OpenBao, our scanner, and the bytes themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
#[allow(dead_code, reason = "shared with the comparison of engines")]
mod bao;

use bao::Bao;
use flows::Server;
use flows::canary::{canary, files_with};
use flows::server::{bare, shown};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// As often as a capture can look, and not at its end: OpenBao's client is gone one second later, and a
/// busy machine is slower than that.
const SHORT: [&str; 3] = ["-duration=8s", "-interval=5s", "-metrics-interval=5s"];

/// Our `debug` against this address.
fn debug(home: &Path, address: &str, token: &str, more: &[&str]) -> Command {
    let mut command = bare(home);
    command
        .arg("debug")
        .args(SHORT)
        .args(more)
        .env("VAULT_ADDR", address)
        .env("VAULT_TOKEN", token);
    command
}

fn done(command: &mut Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", shown(&output));
    output
}

fn json_of(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Problems of the index, by target.
fn problems(directory: &Path) -> BTreeMap<String, String> {
    let index = json_of(&directory.join("index.json"));
    let all = index["errors"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.map(|one| (text(&one["target"]), text(&one["error"])))
        .collect()
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let files = entries.map(|entry| entry.unwrap());
    files
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn post(server: &Server, token: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = server.curl(token, "POST", path, &body.to_string());
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    serde_json::from_str(&answer).unwrap_or_default()
}

/// A server with secrets in every place where a person puts one.
struct Planted {
    server: Server,
    root: String,
    /// What must not be in a bundle, by what it is.
    values: Vec<(&'static str, String)>,
    /// Requests that carry them.
    requests: Vec<(String, String)>,
}

fn planted() -> Planted {
    let (value, in_url, in_environment, in_description) = (canary(), canary(), canary(), canary());
    let text = format!(
        "storage \"inmem\" {{}}\n\
         api_addr = \"https://shop:{in_url}@vault.example:8200\"\n\
         listener \"tcp\" {{\n  address = \"127.0.0.1:0\"\n  tls_disable = true\n}}\n"
    );
    let url = PathBuf::from(format!("postgres://shop:{in_environment}@db.example/shop"));
    let server = Server::configured_with(&text, &[("DATABASE_URL", &url)]);
    let shares = json!({"secret_shares": 1, "secret_threshold": 1});
    let made = post(&server, "", "sys/init", &shares);
    post(&server, "", "sys/unseal", &json!({"key": made["keys"][0]}));
    let root = made["root_token"].as_str().unwrap().to_owned();
    let key = made["keys"][0].as_str().unwrap().to_owned();
    let ask = |path: &str, body: &Value| post(&server, &root, path, body);
    let described = format!("of postgres://shop:{in_description}@db.example/shop");
    ask(
        "sys/mounts/secret",
        &json!({"type": "kv", "options": {"version": "2"}, "description": described}),
    );
    ask("secret/data/app", &json!({"data": {"password": value}}));
    let created = ask("auth/token/create", &json!({"policies": ["default"]}));
    let token = created["auth"]["client_token"].as_str().unwrap().to_owned();
    ask("sys/auth/approle", &json!({"type": "approle"}));
    ask("auth/approle/role/app", &json!({"policies": "default"}));
    let secret_id = ask("auth/approle/role/app/secret-id", &json!({}));
    let secret_id = secret_id["data"]["secret_id"].as_str().unwrap().to_owned();
    let batch = ask(
        "auth/token/create",
        &json!({"policies": ["default"], "type": "batch"}),
    );
    let batch = batch["auth"]["client_token"].as_str().unwrap().to_owned();
    let requests = vec![
        ("GET".to_owned(), "secret/data/app".to_owned()),
        ("GET".to_owned(), format!("auth/token/lookup/{token}")),
        ("GET".to_owned(), format!("nowhere/{batch}/x")),
        ("GET".to_owned(), format!("nowhere//{token}")),
        (
            "GET".to_owned(),
            format!("auth/approle/role/app/secret-id/{secret_id}"),
        ),
        ("GET".to_owned(), format!("nowhere/{secret_id}")),
        ("POST".to_owned(), "auth/approle/login".to_owned()),
    ];
    Planted {
        values: vec![
            ("a KV value", value),
            ("a token", token),
            ("a batch token", batch),
            ("a SecretID", secret_id),
            ("the root token", root.clone()),
            ("a share", key),
            ("a password in the configuration", in_url),
            ("a password in the environment", in_environment),
            ("a password in a description", in_description),
        ],
        server,
        root,
        requests,
    }
}

impl Planted {
    /// Does what is asked while requests carry all values.
    fn meanwhile(&self, work: impl FnOnce()) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for (method, path) in &self.requests {
                        let body = json!({"secret_id": self.values[3].1, "role_id": "none"});
                        let body = if method == "GET" {
                            String::new()
                        } else {
                            body.to_string()
                        };
                        self.server.curl(&self.root, method, path, &body);
                    }
                }
            });
            // A failing test must not wait for the other thread.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            over.store(true, Ordering::Relaxed);
            if let Err(panic) = done {
                std::panic::resume_unwind(panic);
            }
        });
    }

    fn none_in(&self, directory: &Path) {
        for (what, value) in &self.values {
            let found = files_with(directory, value);
            assert!(found.is_empty(), "{what} is in {found:?}");
        }
    }
}

/// LOCAL-3 of our security requirements, for bundles: with or without an agent's marker, and with its
/// grant, there is no value in one.
#[test]
fn no_secret_is_in_a_bundle_whatever_is_asked_meanwhile() {
    let mut planted = planted();
    let (in_header, in_answer) = (canary(), canary());
    let words = [
        "-compress=false".to_owned(),
        format!("-header=Authorization=Basic {in_header}"),
        "-mfa".to_owned(),
        format!("totp:{in_answer}"),
    ];
    planted.values.push(("a header of the caller", in_header));
    planted.values.push(("an answer of the caller", in_answer));
    let home = planted.server.directory().path().to_owned();
    let (address, root) = (planted.server.address(), planted.root.as_str());
    let (plain, agent) = (home.join("plain"), home.join("agent"));
    planted.meanwhile(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let output = format!("-output={}", plain.display());
                done(debug(&home, address, root, &[&output]).args(&words));
            });
            scope.spawn(|| {
                let output = format!("-output={}", agent.display());
                let more = [
                    "-compress=false",
                    "-log-format=json",
                    "-allow-agent",
                    &output,
                ];
                let mut command = debug(&home, address, root, &more);
                command.env("CLAUDECODE", "1");
                done(&mut command);
            });
        });
    });
    for directory in [&plain, &agent] {
        assert_eq!(problems(directory), BTreeMap::new());
        let log = std::fs::read_to_string(directory.join("cofferdam.log")).unwrap();
        // The requests were heard of, without what they carried.
        assert!(log.contains("auth/token/lookup/[token]"), "{log}");
        assert!(log.contains("secret-id/[secret-id]"), "{log}");
        assert!(log.contains("nowhere/<redacted:uuid>"), "{log}");
        planted.none_in(directory);
        let mut scan = bare(&home);
        scan.arg("scan").arg(directory);
        done(&mut scan);
    }
    let config = json_of(&plain.join("config.json"));
    assert_eq!(
        config[0]["config"]["api_addr"],
        "https://vault.example:8200"
    );
    // The judges see what is there: the same value in a file beside is found.
    std::fs::write(plain.join("beside"), &planted.values[1].1).unwrap();
    assert_eq!(files_with(&plain, &planted.values[1].1).len(), 1);
    let mut scan = bare(&home);
    let found = scan.arg("scan").arg(&plain).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "{}", shown(&found));
}

#[test]
fn a_bundle_is_laid_out_as_openbao_s_and_both_clients_take_both_servers() {
    let (server, theirs) = (Server::dev("root"), Bao::start());
    let home = server.directory().path();
    let places = ["ours-ours", "bao-ours", "ours-bao", "bao-bao"].map(|name| home.join(name));
    let bao = |address: &str, place: &Path| {
        let mut command = Command::new(flows::peers::bao_binary());
        command
            .arg("debug")
            .args(SHORT)
            .args(["-compress=false", &format!("-output={}", place.display())])
            .env("HOME", home)
            .env("BAO_ADDR", address)
            .env("BAO_TOKEN", "root");
        command
    };
    let ours = |address: &str, place: &Path| {
        let output = format!("-output={}", place.display());
        debug(home, address, "root", &["-compress=false", &output])
    };
    std::thread::scope(|scope| {
        let all = [
            ours(server.address(), &places[0]),
            bao(server.address(), &places[1]),
            ours(&theirs.url(), &places[2]),
            bao(&theirs.url(), &places[3]),
        ];
        for command in all {
            scope.spawn(move || done(&mut { command }));
        }
    });
    // The real client on our server: whole, but for profiles.
    let refused = problems(&places[1]);
    assert!(
        refused.keys().all(|target| target.starts_with("pprof.")),
        "{refused:?}"
    );
    assert!(refused.len() >= 6, "{refused:?}");
    assert!(
        refused.values().all(|error| error.contains("unsupported")),
        "{refused:?}"
    );
    // Ours on our server: the same files, the same forms.
    assert_eq!(problems(&places[0]), BTreeMap::new());
    let named = |name: &str| name.replace("bao.log", "cofferdam.log");
    let expected: BTreeSet<_> = names(&places[1]).iter().map(|name| named(name)).collect();
    assert_eq!(names(&places[0]), expected);
    assert_eq!(expected.len(), 8, "{expected:?}");
    for name in expected.iter().filter(|name| name.ends_with(".json")) {
        let keys = |place: &Path| {
            let value = json_of(&place.join(name));
            let value = if value.is_array() {
                value[0].clone()
            } else {
                value
            };
            let keys = value.as_object().unwrap().keys().cloned();
            keys.collect::<BTreeSet<_>>()
        };
        assert_eq!(keys(&places[0]), keys(&places[1]), "{name}");
        assert_eq!(mode(&places[0].join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&places[0].join("cofferdam.log")), 0o600);
    assert_eq!(mode(&places[0]), 0o700);
    for place in &places[..2] {
        let count = |name: &str| json_of(&place.join(name)).as_array().unwrap().len();
        assert_eq!(
            count("server_status.json"),
            2,
            "at once and after 5 seconds"
        );
        assert!(count("metrics.json") >= 2 && count("host_info.json") >= 2);
    }
    let log = std::fs::read_to_string(places[0].join("cofferdam.log")).unwrap();
    assert!(log.contains("request"), "{log}");
    // On an OpenBao one target is not there, which ends everything of its own client and nothing of ours.
    let missing = problems(&places[2]);
    assert_eq!(missing.keys().collect::<Vec<_>>(), ["replication-status"]);
    let got = names(&places[2]);
    let less = names(&places[3]);
    let less: BTreeSet<_> = less.iter().map(|name| named(name)).collect();
    assert!(got.is_superset(&less), "{got:?} {less:?}");
    for name in ["host_info.json", "requests.json", "cofferdam.log"] {
        assert!(got.contains(name), "{got:?}");
    }
}

#[test]
fn what_the_token_may_not_read_is_named_and_the_rest_is_there() {
    let server = Server::dev("root");
    let home = server.directory().path();
    let rules = "path \"sys/metrics\" { capabilities = [\"read\"] }\n\
                 path \"sys/host-info\" { capabilities = [\"read\"] }";
    post(
        &server,
        "root",
        "sys/policy/few",
        &json!({ "policy": rules }),
    );
    let asked = json!({"policies": ["few"], "no_default_policy": true});
    let created = post(&server, "root", "auth/token/create", &asked);
    let token = created["auth"]["client_token"].as_str().unwrap();
    let place = home.join("few");
    let output = format!("-output={}", place.display());
    let more = [
        "-compress=false",
        "-target=config,host,requests,metrics,server-status,log,pprof,nonsense",
        "-header=X-Door=tulip",
        "-mfa",
        "tulip",
        &output,
    ];
    let ran = done(&mut debug(home, server.address(), token, &more));
    let words = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        words.contains("permission denied, so not in the bundle: config, host, requests, log"),
        "{words}"
    );
    for path in [
        "sys/config/state/sanitized",
        "sys/host-info",
        "sys/in-flight-req",
        "sys/monitor",
    ] {
        let rule = format!("path \"{path}\" {{ capabilities = [\"read\", \"sudo\"] }}");
        assert!(words.contains(&rule), "{words}");
    }
    assert!(words.contains("pprof: not taken"), "{words}");
    let found = problems(&place);
    let targets: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(targets, ["config", "host", "log", "pprof", "requests"]);
    // No rule knows such a value: it is the flag that says what it may be.
    let index = std::fs::read_to_string(place.join("index.json")).unwrap();
    assert!(
        index.contains("-header=") && !index.contains("tulip"),
        "{index}"
    );
    let expected = ["index.json", "metrics.json", "server_status.json"];
    assert_eq!(names(&place), expected.map(str::to_owned).into());
    // With these rules it has everything.
    let rules: String = words
        .lines()
        .filter(|line| line.trim().starts_with("path "))
        .collect();
    post(
        &server,
        "root",
        "sys/policy/few",
        &json!({ "policy": rules }),
    );
    let place = home.join("enough");
    let output = format!("-output={}", place.display());
    let more = [
        "-compress=false",
        "-target=config",
        "-target=host",
        "-target=requests",
        "-target=log",
        &output,
    ];
    done(&mut debug(home, server.address(), token, &more));
    assert_eq!(problems(&place), BTreeMap::new());
    assert_eq!(names(&place).len(), 5);
}

#[test]
fn an_archive_holds_the_files_and_an_interrupt_keeps_what_is_there() {
    let server = Server::dev("root");
    let home = server.directory().path();
    let audited = home.join("audit.log");
    let audit = json!({"type": "file", "options": {"file_path": audited}});
    post(&server, "root", "sys/audit/file", &audit);
    let mut command = bare(home);
    command
        .args(["debug", "-duration=1h", "-interval=5s", "-output=it.tgz"])
        .env("VAULT_ADDR", server.address())
        .env("VAULT_TOKEN", "root");
    let child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It asks for the second time when everything was captured once.
    let log = home.join("it/cofferdam.log");
    let asked = || {
        let records = std::fs::read_to_string(&audited).unwrap();
        let of_host = |line: &&str| line.contains("\"path\":\"sys/host-info\"");
        records.lines().filter(of_host).count()
    };
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while asked() < 4 || !std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        assert!(std::time::Instant::now() < end, "no log");
        server.curl("root", "GET", "nowhere/heard", "");
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", shown(&ended));
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "it.tgz\n");
    assert!(
        !home.join("it").exists(),
        "the directory became the archive"
    );
    assert_eq!(mode(&home.join("it.tgz")), 0o600);
    let listed = Command::new("tar")
        .arg("tvzf")
        .arg(home.join("it.tgz"))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for name in [
        "index.json",
        "cofferdam.log",
        "server_status.json",
        "config.json",
    ] {
        let line = listed
            .lines()
            .find(|line| line.ends_with(&format!(" it/{name}")));
        assert!(
            line.is_some_and(|line| line.starts_with("-rw------- ")),
            "{listed}"
        );
    }
    assert!(
        listed
            .lines()
            .any(|line| line.starts_with("drwx------ ") && line.ends_with(" it/")),
        "{listed}"
    );
    // What is there is never written over.
    let ran = debug(home, server.address(), "root", &["-output=it.tgz"])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let words = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        words.contains("there is something already: it.tgz"),
        "{words}"
    );
}
