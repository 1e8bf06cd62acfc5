//! `cofferdam server -config` and `-dev`: Vault's files, Vault's first steps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::Server;
use flows::server::{bare, shown};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const CONFIG: &str = r#"
ui = true
disable_mlock = true
storage "raft" {
  path    = "DIR/data"
  node_id = "one"
}
listener "tcp" {
  address = "127.0.0.1:0"
}
listener "unix" {
  address = "DIR/run/s.sock"
}
"#;

fn field(json: &str, name: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(json).unwrap()[name].clone()
}

#[test]
fn a_vault_configuration_starts_sealed_and_is_opened_with_shares() {
    let mut server = Server::configured(CONFIG);
    server.says("server.hcl:2: ui has no effect");
    server.says("is not read");
    assert_eq!(server.curl("", "GET", "sys/health", "").0, 501);
    let (status, body) = server.curl(
        "",
        "PUT",
        "sys/init",
        r#"{"secret_shares":3,"secret_threshold":2}"#,
    );
    assert_eq!(status, 200, "{body}");
    assert_eq!(server.curl("", "GET", "sys/health", "").0, 503);
    let (keys, root) = (
        field(&body, "keys_base64"),
        field(&body, "root_token").as_str().unwrap().to_owned(),
    );
    let unseal = |server: &Server| {
        for key in [&keys[2], &keys[0]] {
            let (status, body) =
                server.curl("", "PUT", "sys/unseal", &format!(r#"{{"key":{key}}}"#));
            assert_eq!(status, 200, "{body}");
        }
        assert_eq!(server.curl("", "GET", "sys/health", "").0, 200);
    };
    unseal(&server);
    assert_eq!(
        server
            .curl(
                &root,
                "POST",
                "sys/mounts/secret",
                r#"{"type":"kv","options":{"version":"2"}}"#
            )
            .0,
        204
    );
    assert_eq!(
        server
            .curl(&root, "POST", "secret/data/a", r#"{"data":{"k":"v"}}"#)
            .0,
        200
    );
    server.kill();
    let server = server.again();
    assert_eq!(
        server.curl(&root, "GET", "secret/data/a", "").0,
        503,
        "sealed again"
    );
    unseal(&server);
    let (status, body) = server.curl(&root, "GET", "secret/data/a", "");
    assert!(status == 200 && body.contains(r#""k":"v""#), "{body}");
}

#[test]
fn plain_http_on_the_tls_port_is_told_what_to_do() {
    let server = Server::configured(CONFIG);
    let mut stream = TcpStream::connect(server.address().trim_start_matches("https://")).unwrap();
    stream
        .write_all(b"GET /v1/sys/health HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 400")
            && text.contains("this port speaks TLS; use https://127.0.0.1:"),
        "{text}"
    );
}

#[test]
fn a_refused_configuration_names_the_line_and_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.hcl");
    std::fs::write(
        &path,
        "listener \"tcp\" {}\nstorage \"consul\" {\n  token = \"canary-7f3a91c2\"\n}\n",
    )
    .unwrap();
    let output = bare(directory.path())
        .args(["server", "-config"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = shown(&output);
    assert!(
        said.contains("c.hcl:2: storage \"consul\" is not served here; supported are embedded"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
    let without = bare(directory.path()).args(["server"]).output().unwrap();
    assert!(
        shown(&without).contains("cofferdam up"),
        "{}",
        shown(&without)
    );
}

#[test]
fn dev_takes_the_token_it_is_given_and_says_what_it_is() {
    let server = Server::dev("dev-only-token");
    server.says("everything is in memory and without TLS");
    assert_eq!(
        server.curl("dev-only-token", "GET", "sys/mounts", "").0,
        200
    );
    assert_eq!(
        server
            .curl(
                "dev-only-token",
                "POST",
                "secret/data/a",
                r#"{"data":{"k":"v"}}"#
            )
            .0,
        200
    );
    assert_eq!(server.curl("another", "GET", "sys/mounts", "").0, 403);
}

#[test]
fn two_servers_do_not_share_a_store() {
    let server = Server::configured(CONFIG);
    let path = server.directory().path().join("second.hcl");
    let text = format!(
        "storage \"embedded\" {{ path = \"{}\" }}\nlistener \"tcp\" {{ address = \"127.0.0.1:0\" }}",
        server.data().display()
    );
    std::fs::write(&path, text).unwrap();
    let output = bare(server.directory().path())
        .args(["server", "-config"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        shown(&output).contains("in use by another process"),
        "{}",
        shown(&output)
    );
}
