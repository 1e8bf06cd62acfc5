//! SIGHUP: certificates, log level, log file and audit files, while the server serves; and a log that
//! nobody reads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::Server;
use flows::server::bare;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A server with certificates from files, a log file and an audit file.
struct Flow {
    server: Server,
    files: tempfile::TempDir,
    root: String,
}

impl Flow {
    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        certify(files.path());
        let text = format!(
            "storage \"inmem\" {{}}\nlistener \"tcp\" {{\n  address = \"127.0.0.1:0\"\n  tls_cert_file = \"{0}/cert.pem\"\n  tls_key_file = \"{0}/key.pem\"\n}}\nlog_file = \"{0}/server.log\"\n",
            files.path().display()
        );
        let mut flow = Self {
            server: Server::configured(&text),
            files,
            root: String::new(),
        };
        let made = flow.ask(
            "POST",
            "sys/init",
            &json!({"secret_shares": 1, "secret_threshold": 1}),
        );
        flow.ask("POST", "sys/unseal", &json!({"key": made["keys"][0]}));
        flow.root = made["root_token"].as_str().unwrap().to_owned();
        let audit = json!({"type": "file", "options": {"file_path": flow.path("audit.log")}});
        flow.ask("POST", "sys/audit/file", &audit);
        flow
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Trusts nothing but this certificate.
    fn curl(&self, certificate: &Path, method: &str, path: &str, body: &Value) -> (bool, Value) {
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "30", "-X", method, "--cacert"])
            .arg(certificate)
            .args(["-H", &format!("X-Vault-Token: {}", self.root)])
            .args(["--data-binary", &body.to_string()])
            .arg(format!("{}/v1/{path}", self.server.address()))
            .output()
            .expect("curl is installed");
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.success(), answer)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (reached, answer) = self.curl(&self.path("cert.pem"), method, path, body);
        assert!(reached && answer["errors"].is_null(), "{path}: {answer}");
        answer
    }

    /// Sends SIGHUP and waits until it was obeyed.
    fn reload(&self) {
        let before = self.read("server.log").matches("read again:").count();
        let sent = Command::new("kill")
            .args(["-HUP", &self.server.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let end = Instant::now() + Duration::from_secs(30);
        while self.read("server.log").matches("read again:").count() == before {
            assert!(Instant::now() < end, "{}", self.read("server.log"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A new certificate that signs itself.
fn certify(directory: &Path) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

#[test]
fn files_are_read_again_while_the_server_serves() {
    let flow = Flow::start();
    // Another certificate: in force after the signal, not before.
    std::fs::copy(flow.path("cert.pem"), flow.path("old.pem")).unwrap();
    certify(flow.files.path());
    let reached = |name: &str| {
        flow.curl(&flow.path(name), "GET", "sys/health", &Value::Null)
            .0
    };
    assert!(reached("old.pem") && !reached("cert.pem"));
    flow.reload();
    assert!(reached("cert.pem") && !reached("old.pem"));

    // A certificate that is none leaves the one in force, and is named.
    std::fs::copy(flow.path("cert.pem"), flow.path("good.pem")).unwrap();
    std::fs::write(flow.path("cert.pem"), "not a certificate").unwrap();
    flow.reload();
    assert!(reached("good.pem"));
    let log = flow.read("server.log");
    assert!(
        log.contains("the TLS certificate was not read again"),
        "{log}"
    );
    std::fs::copy(flow.path("good.pem"), flow.path("cert.pem")).unwrap();

    // The level of the configuration as it is now.
    let level =
        |flow: &Flow| flow.ask("GET", "sys/loggers/core", &Value::Null)["data"]["core"].clone();
    assert_eq!(level(&flow), "info");
    let place = flow.server.directory().path().join("server.hcl");
    let written = std::fs::read_to_string(&place).unwrap();
    std::fs::write(&place, format!("{written}log_level = \"debug\"\n")).unwrap();
    flow.reload();
    assert_eq!(level(&flow), "debug");
    // A configuration that cannot be read changes nothing and stops nothing.
    std::fs::write(&place, "listener \"tcp\" {").unwrap();
    flow.reload();
    assert_eq!(level(&flow), "debug");
    assert!(
        flow.read("server.log")
            .contains("the configuration was not read again")
    );

    // Rotated files: the old ones are left alone, new ones are begun.
    for name in ["server.log", "audit.log"] {
        std::fs::rename(flow.path(name), flow.path(&format!("{name}.1"))).unwrap();
    }
    let moved = flow.read("audit.log.1");
    flow.reload();
    flow.ask("GET", "sys/mounts", &Value::Null);
    assert_eq!(flow.read("audit.log.1"), moved);
    assert_eq!(flow.read("audit.log").matches("\"sys/mounts\"").count(), 2);
}

#[test]
fn a_log_that_nobody_reads_blocks_nobody() {
    let home = tempfile::tempdir().unwrap();
    let mut process = bare(home.path())
        .args(["server", "-dev", "-dev-listen-address=127.0.0.1:0"])
        .args([
            "-dev-root-token-id=root",
            "-log-format=json",
            "-log-level=trace",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = BufReader::new(process.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended");
        if let Some(address) = line.strip_prefix("address: http://") {
            break address.trim().to_owned();
        }
    };
    // From here on nobody reads. Each refusal is two lines of the log or more.
    let mut stream = TcpStream::connect(&address).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    let request =
        format!("GET /v1/sys/mounts HTTP/1.1\r\nHost: {address}\r\nX-Vault-Token: nobody\r\n\r\n");
    let mut taken = [0; 4096];
    for number in 0..6000 {
        stream.write_all(request.as_bytes()).unwrap();
        let length = stream
            .read(&mut taken)
            .unwrap_or_else(|error| panic!("request {number} was not answered: {error}"));
        let answer = String::from_utf8_lossy(&taken[..length]);
        assert!(answer.starts_with("HTTP/1.1 403"), "{number}: {answer}");
    }
    // What did not fit is counted, once somebody reads again.
    let lost = said
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("lines of this log were dropped"));
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(lost);
}
