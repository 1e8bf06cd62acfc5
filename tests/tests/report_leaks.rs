//! `cofferdam report leaks` beside a real server: what it finds, what it says, how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::server::shown;
use serde_json::Value;
use std::process::{Command, Output};

const OLD: &str = "first-Xy7-Pa55word-4Tq9Lm";
const NEW: &str = "second-Qk3-Pa55word-8Rz2Vn";

/// A server with a secret of two versions, a weak one and one of another app.
fn site() -> Server {
    let server = Server::up();
    server.run(&[
        "kv",
        "put",
        "secret/shop/DB_PASSWORD",
        &format!("value={OLD}"),
    ]);
    server.run(&[
        "kv",
        "put",
        "secret/shop/DB_PASSWORD",
        &format!("value={NEW}"),
    ]);
    server.run(&["kv", "put", "secret/shop/DEBUG", "value=true"]);
    server.run(&[
        "kv",
        "put",
        "secret/other/KEY",
        "value=other-Zr5-Pa55word-6Hc3Wk",
    ]);
    server
}

fn report(server: &Server, arguments: &[&str]) -> Output {
    let fixed = ["report", "leaks", "-no-docker", "-no-processes"];
    let output = server
        .command(&[&fixed[..], arguments].concat())
        .output()
        .unwrap();
    let text = shown(&output);
    for value in [OLD, NEW, "other-Zr5-Pa55word-6Hc3Wk"] {
        assert!(!text.contains(value), "a value was printed: {text}");
    }
    output
}

#[test]
fn clean_directory_ends_with_0_and_a_leak_of_an_old_version_with_1() {
    let server = site();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().to_str().unwrap();
    std::fs::write(place.path().join("ok.conf"), "host = db\n").unwrap();
    let clean = report(&server, &["-dir", directory]);
    assert_eq!(clean.status.code(), Some(0), "{}", shown(&clean));
    assert!(
        shown(&clean).contains("3 secrets: clean"),
        "{}",
        shown(&clean)
    );
    assert!(shown(&clean).contains("secret/shop/DEBUG@1#value: shorter than 8 bytes"));

    let hex: String = OLD.bytes().map(|byte| format!("{byte:02X}")).collect();
    std::fs::write(place.path().join("dump"), format!("x={hex}\n")).unwrap();
    let found = report(&server, &["-dir", directory]);
    assert_eq!(found.status.code(), Some(1), "{}", shown(&found));
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    let line = format!(
        "EXPOSED, THEN ROTATED secret/shop/DB_PASSWORD@1#value\n  given places       {directory}/dump, byte 2 (hex)\n"
    );
    assert!(text.contains(&line), "{text}");
    assert!(!text.contains('\x1b'), "colour without a terminal: {text}");
    let hint = String::from_utf8_lossy(&found.stderr).into_owned();
    assert!(
        hint.ends_with(
            "hint: give it a new value: cofferdam kv patch secret/shop/DB_PASSWORD value=-\n"
        ),
        "{hint}"
    );

    let current = report(&server, &["-dir", directory, "-versions", "current"]);
    assert_eq!(
        current.status.code(),
        Some(0),
        "only the old version lies there: {}",
        shown(&current)
    );
    let other = report(&server, &["-dir", directory, "-app", "secret/other"]);
    assert_eq!(other.status.code(), Some(0), "{}", shown(&other));
    assert!(!shown(&other).contains("DB_PASSWORD"), "{}", shown(&other));
}

#[test]
fn json_says_the_same_to_programs() {
    let server = site();
    let place = tempfile::tempdir().unwrap();
    std::fs::write(
        place.path().join(format!("{NEW}.txt")),
        format!("a {NEW} b"),
    )
    .unwrap();
    let found = report(
        &server,
        &["-format=json", "-dir", place.path().to_str().unwrap()],
    );
    assert_eq!(found.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(json["verdict"], "exposed");
    let secrets = json["secrets"].as_array().unwrap();
    let row = secrets.iter().find(|row| row["version"] == 2).unwrap();
    assert_eq!(row["path"], "secret/shop/DB_PASSWORD");
    let cells = row["cells"].as_array().unwrap();
    let cell = cells
        .iter()
        .find(|cell| cell["place"] == "directories")
        .unwrap();
    assert_eq!(cell["state"], "exposed");
    assert_eq!(
        cell["locations"].as_array().unwrap().len(),
        2,
        "the name and the content: {cell}"
    );
    let images = cells
        .iter()
        .find(|cell| cell["place"] == "image-layers")
        .unwrap();
    assert_eq!(
        images["state"], "not-looked-at",
        "never clean when nobody looked"
    );
}

#[test]
fn place_that_cannot_be_read_is_no_success() {
    let server = site();
    let missing = report(&server, &["-dir", "/nonexistent/place"]);
    assert_eq!(missing.status.code(), Some(2), "{}", shown(&missing));
    assert!(
        shown(&missing).contains("not looked"),
        "{}",
        shown(&missing)
    );
    let nothing = report(&server, &["-app", "secret/none"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", shown(&nothing));
    assert!(
        shown(&nothing).contains("no secrets to look for"),
        "{}",
        shown(&nothing)
    );
}

#[test]
fn secret_that_the_token_may_not_read_has_a_row_and_is_not_clean() {
    let server = site();
    let policy = r#"path "secret/metadata/*" { capabilities = ["list", "read"] }
path "secret/data/other/*" { capabilities = ["read"] }
path "sys/internal/ui/mounts" { capabilities = ["read"] }"#;
    let file = server.directory().path().join("half.hcl");
    std::fs::write(&file, policy).unwrap();
    server.run(&["policy", "write", "half", file.to_str().unwrap()]);
    let token = server.run(&["token", "create", "-policy=half", "-field=token"]);
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), "nothing").unwrap();
    let words = [
        "report",
        "leaks",
        "-values",
        "-no-docker",
        "-no-processes",
        "-dir",
    ];
    let mut command = server.command(&words);
    command
        .arg(place.path())
        .arg("-tls-skip-verify")
        .env("COFFERDAM_ADDR", server.address());
    let output = command
        .env("COFFERDAM_TOKEN", token.trim())
        .output()
        .unwrap();
    let text = shown(&output);
    assert!(
        text.contains("secret/other/KEY@1#value") && text.contains("clean"),
        "{text}"
    );
    assert!(
        text.contains("secret/shop/DB_PASSWORD#*: its value may not be read"),
        "{text}"
    );
}

#[test]
fn environment_of_a_process_is_found_by_its_variable() {
    let server = site();
    let mut process = Command::new("sleep")
        .arg("60")
        .env("LEAKED", NEW)
        .spawn()
        .unwrap();
    let output = server
        .command(&["report", "leaks", "-no-docker", "-app", "secret/shop"])
        .output();
    process.kill().unwrap();
    process.wait().unwrap();
    let output = output.unwrap();
    let text = shown(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!("pid {} (sleep): LEAKED (raw)", process.id())),
        "{text}"
    );
    assert!(!text.contains(NEW), "{text}");
}
