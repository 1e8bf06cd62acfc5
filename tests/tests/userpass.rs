//! People who log in by name and password, with our own command line, over a restart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use flows::Server;
use flows::server::shown;
use std::io::Write as _;
use std::process::{Output, Stdio};

/// A login whose password comes as a person types it.
fn login(server: &Server, name: &str, password: &str) -> Output {
    let username = format!("username={name}");
    let mut command = server.command(&[
        "login",
        "-no-store",
        "-token-only",
        "-method=userpass",
        "-path=people",
        &username,
    ]);
    // What an ended session left behind does not stand in the way of a new one.
    command.env("VAULT_TOKEN", "hvs.endedlongago");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{password}").unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_person_logs_in_and_a_lock_outlives_the_server() {
    let mut server = Server::up();
    server.run(&["auth", "enable", "-path=people", "userpass"]);
    server.run(&["write", "auth/people/users/ada", "password=lovelace-1815"]);
    let good = login(&server, "Ada", "lovelace-1815");
    assert!(good.status.success(), "{}", shown(&good));
    let token = String::from_utf8(good.stdout).unwrap();
    let (status, me) = server.curl(token.trim(), "GET", "auth/token/lookup-self", "");
    assert_eq!(status, 200, "{me}");
    assert!(me.contains("people-ada"), "{me}");

    for name in ["ada", "ADA", "Ada", "aDa", "adA"] {
        let bad = login(&server, name, "byron");
        let said = shown(&bad);
        assert_eq!(bad.status.code(), Some(2), "{said}");
        assert!(said.contains("invalid username or password"), "{said}");
        assert!(!said.contains("byron"), "{said}");
    }
    assert!(!login(&server, "ada", "lovelace-1815").status.success());
    server.kill();
    let server = server.again();
    assert!(
        !login(&server, "ada", "lovelace-1815").status.success(),
        "a restart lets nobody in"
    );
    let locked = server.run(&["read", "-format=json", "sys/locked-users"]);
    assert!(locked.contains("\"ada\""), "{locked}");
    let accessor = locked
        .split('"')
        .find(|word| word.starts_with("auth_userpass_") || word.starts_with("userpass_"))
        .expect("an accessor");
    server.run(&[
        "write",
        "-f",
        &format!("sys/locked-users/{accessor}/unlock/ada"),
    ]);
    assert!(login(&server, "ada", "lovelace-1815").status.success());
    let audit = std::fs::read_to_string(server.data().join("audit.log")).unwrap();
    assert!(!audit.contains("lovelace-1815") && !audit.contains("byron"));
}
