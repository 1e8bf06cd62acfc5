//! A store is moved between seals, by the real client of OpenBao and by ours, and the server is killed
//! while it is moved.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(
    dead_code,
    unreachable_pub,
    reason = "what other rooms' tests need stands beside it"
)]
#[path = "../../crates/barrier/src/seal/tpm/tests/swtpm.rs"]
mod swtpm;

use flows::server::shown;
use flows::{Server, peers};
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const BASE: &str = r#"
storage "embedded" { path = "DIR/data" }
listener "tcp" {
  address = "127.0.0.1:0"
  tls_disable = true
}
"#;

const MACHINE: &str = "seal \"machine\" {\n key_file = \"DIR/etc/seal.key\"\n MORE\n}\n";

fn fixed(id: &str, digit: &str) -> String {
    let key = digit.repeat(64);
    format!("seal \"static\" {{\n current_key_id = \"{id}\"\n current_key = \"{key}\"\n MORE\n}}\n")
}

fn chip(tpm: &swtpm::Swtpm) -> String {
    let socket = tpm.socket();
    format!(
        "seal \"tpm\" {{\n device = \"{}\"\n MORE\n}}\n",
        socket.display()
    )
}

fn wanted(seal: &str) -> String {
    seal.replace("MORE", "")
}

fn left(seal: &str) -> String {
    seal.replace("MORE", "disabled = \"true\"")
}

/// As after a power cut, with these seals in the configuration.
fn restart(server: &mut Server, seals: &[String]) {
    server.kill();
    let directory = server.directory().path();
    let text = format!("{BASE}\n{}", seals.concat());
    let text = text.replace("DIR", &directory.display().to_string());
    std::fs::write(directory.join("server.hcl"), text).unwrap();
    *server = server.again();
}

fn bao(server: &Server, arguments: &[&str]) -> Output {
    Command::new(peers::bao())
        .args(arguments)
        .env("BAO_ADDR", server.address())
        .env("HOME", server.directory().path())
        .env_remove("BAO_TOKEN")
        .env_remove("VAULT_TOKEN")
        .output()
        .expect("bao is installed: cargo xtask test installs it")
}

/// `bao status`, whatever its exit code.
fn status(server: &Server) -> Value {
    let output = bao(server, &["status", "-format=json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output)))
}

fn migrate(server: &Server, key: &str) {
    let output = bao(server, &["operator", "unseal", "-migrate", key]);
    assert!(output.status.success(), "{}", shown(&output));
}

struct Opened {
    keys: Vec<String>,
    token: String,
}

/// Initializes a server of people's shares, and puts a value in.
fn begin(server: &Server) -> Opened {
    let output = bao(
        server,
        &["operator", "init", "-n=3", "-t=2", "-format=json"],
    );
    let made: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output)));
    let keys = made["unseal_keys_b64"].as_array().unwrap().iter();
    let opened = Opened {
        keys: keys.map(|key| key.as_str().unwrap().to_owned()).collect(),
        token: made["root_token"].as_str().unwrap().to_owned(),
    };
    for key in &opened.keys[..2] {
        let output = bao(server, &["operator", "unseal", key]);
        assert!(output.status.success(), "{}", shown(&output));
    }
    let mount = r#"{"type":"kv","options":{"version":"2"}}"#;
    let (status, _) = server.curl(&opened.token, "POST", "sys/mounts/kv", mount);
    assert_eq!(status, 204);
    let value = r#"{"data":{"k":"v"}}"#;
    let (status, _) = server.curl(&opened.token, "POST", "kv/data/a", value);
    assert_eq!(status, 200);
    opened
}

impl Opened {
    fn reads(&self, server: &Server) {
        let (status, body) = server.curl(&self.token, "GET", "kv/data/a", "");
        assert!(
            status == 200 && body.contains(r#""k":"v""#),
            "{status} {body}\n{}",
            server.said()
        );
    }

    /// Two shares, as the client of OpenBao gives them.
    fn agree(&self, server: &Server) {
        let before = status(server);
        assert_eq!(before["migration"], true, "{before}\n{}", server.said());
        migrate(server, &self.keys[0]);
        assert_eq!(status(server)["progress"], 1);
        migrate(server, &self.keys[2]);
        let after = status(server);
        assert_eq!(
            [&after["sealed"], &after["migration"]],
            [&json!(false), &json!(false)],
            "{after}"
        );
        self.reads(server);
    }
}

#[test]
fn from_people_to_a_key_to_the_machine_and_back_with_the_client_of_openbao() {
    let mut server = Server::configured(BASE);
    let opened = begin(&server);
    let key = fixed("a", "7");
    // People to a key.
    restart(&mut server, &[wanted(&key)]);
    let refused = bao(&server, &["operator", "unseal", &opened.keys[0]]);
    let text = shown(&refused);
    assert!(
        !refused.status.success() && text.contains("migrate option not provided"),
        "{text}"
    );
    server.says("operator unseal -migrate");
    opened.agree(&server);
    restart(&mut server, &[wanted(&key)]);
    opened.reads(&server);
    assert_eq!(status(&server)["type"], "static");
    // Without a word about the key, nothing opens and nothing changes.
    restart(&mut server, &[]);
    let refused = bao(
        &server,
        &["operator", "unseal", "-migrate", &opened.keys[0]],
    );
    let text = shown(&refused);
    assert!(text.contains("disabled = \"true\""), "{text}");
    // A key to the machine.
    restart(&mut server, &[wanted(MACHINE), left(&key)]);
    opened.agree(&server);
    restart(&mut server, &[wanted(MACHINE)]);
    opened.reads(&server);
    assert_eq!(status(&server)["type"], "machine");
    restart(&mut server, &[wanted(&key)]);
    assert_eq!(status(&server)["sealed"], true, "the key opens nothing now");
    // The machine back to people, with our own client.
    restart(&mut server, &[left(MACHINE)]);
    for share in &opened.keys[1..] {
        let output = server
            .command(&["operator", "unseal", "-migrate", share])
            .env("COFFERDAM_ADDR", server.address())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", shown(&output));
    }
    opened.reads(&server);
    restart(&mut server, &[]);
    for share in &opened.keys[..2] {
        bao(&server, &["operator", "unseal", share]);
    }
    opened.reads(&server);
    for share in &opened.keys {
        assert!(!server.said().contains(share), "a share is not repeated");
    }
}

#[test]
fn killed_while_it_is_moved_one_seal_or_the_other_opens() {
    killed_between(&[fixed("a", "7"), fixed("b", "8")]);
}

#[test]
fn killed_while_it_is_moved_to_a_tpm_or_away_one_seal_or_the_other_opens() {
    let tpm = swtpm::Swtpm::start();
    // What is cut off is the talk with the TPM, too.
    killed_between(&[chip(&tpm), fixed("b", "8")]);
}

#[test]
fn to_a_tpm_and_back_to_people_with_the_client_of_openbao() {
    let tpm = swtpm::Swtpm::start();
    let mut server = Server::configured(BASE);
    let opened = begin(&server);
    let chip = chip(&tpm);
    restart(&mut server, &[wanted(&chip)]);
    opened.agree(&server);
    assert_eq!(status(&server)["type"], "tpm");
    restart(&mut server, &[wanted(&chip)]);
    opened.reads(&server);
    restart(&mut server, &[wanted(MACHINE), left(&chip)]);
    opened.agree(&server);
    restart(&mut server, &[wanted(&chip)]);
    assert_eq!(status(&server)["sealed"], true, "the TPM opens nothing now");
    restart(&mut server, &[wanted(&chip), left(MACHINE)]);
    opened.agree(&server);
    // The TPM is gone with its machine: people's shares are enough to leave it.
    drop(tpm);
    restart(&mut server, &[left(&chip)]);
    opened.agree(&server);
}

/// The first move is whole, and says how long one takes here; the others are cut off at moments of that
/// time, from its beginning to behind its end.
fn killed_between(seals: &[String; 2]) {
    let mut server = Server::configured(BASE);
    let opened = begin(&server);
    let give = |server: &Server, share: &str| {
        let body = json!({"key": share, "migrate": true}).to_string();
        server.curl("", "PUT", "sys/unseal", &body).0
    };
    let (mut old, mut kept, mut moved) = (None::<String>, 0, 0);
    let mut whole = Duration::ZERO;
    for round in 0..10_u32 {
        let new = &seals[round as usize % 2];
        let mut configured = vec![wanted(new)];
        configured.extend(old.as_deref().map(left));
        restart(&mut server, &configured);
        assert_eq!(give(&server, &opened.keys[0]), 200, "{}", server.said());
        // The share that completes it, and the power goes at some moment of it.
        let (address, share) = (server.address().to_owned(), opened.keys[1].clone());
        let begun = Instant::now();
        let asked = std::thread::spawn(move || {
            let body = json!({"key": share, "migrate": true}).to_string();
            let mut curl = Command::new("curl");
            curl.args(["-sS", "-X", "PUT", "--data-binary", &body]);
            curl.arg(format!("{address}/v1/sys/unseal")).output()
        });
        if round == 0 {
            let answered = asked.join().unwrap().unwrap();
            whole = begun.elapsed();
            assert!(answered.status.success(), "{}", shown(&answered));
            server.kill();
        } else {
            std::thread::sleep(whole * (round - 1) / 6);
            server.kill();
            let _ = asked.join().unwrap();
        }
        server = server.again();
        if status(&server)["sealed"] == true {
            kept += 1;
            opened.agree(&server);
        } else {
            moved += 1;
            opened.reads(&server);
        }
        old = Some(new.clone());
    }
    assert!(
        kept > 0 && moved > 0,
        "{kept} were cut off, {moved} were not"
    );
}

#[test]
fn a_store_of_nobody_is_moved_at_the_start_or_gets_shares_first() {
    let mut server = Server::configured(&format!("{BASE}\n{}", wanted(MACHINE)));
    let (status, body) = server.curl("", "PUT", "sys/init", "{}");
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let token = body["root_token"].as_str().unwrap().to_owned();
    let lookup = |server: &Server| server.curl(&token, "GET", "auth/token/lookup-self", "").0;
    assert_eq!(lookup(&server), 200);
    let key = fixed("a", "7");
    restart(&mut server, &[wanted(&key), left(MACHINE)]);
    assert_eq!(lookup(&server), 200, "{}", server.said());
    restart(&mut server, &[wanted(&key)]);
    assert_eq!(lookup(&server), 200, "{}", server.said());
    // To people: there have to be some first.
    restart(&mut server, &[left(&key)]);
    server.says("rekey -target=recovery -init");
    restart(&mut server, &[wanted(&key)]);
    let rekey = [
        "operator",
        "rekey",
        "-target=recovery",
        "-init",
        "-n=1",
        "-t=1",
    ];
    let output = server
        .command(&rekey)
        .env("COFFERDAM_ADDR", server.address())
        .env("VAULT_TOKEN", &token)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let share = text.strip_prefix("Key 1: ");
    let share = share.unwrap_or_else(|| panic!("{}", shown(&output))).trim();
    restart(&mut server, &[left(&key)]);
    migrate(&server, share);
    assert_eq!(lookup(&server), 200, "{}", server.said());
}
