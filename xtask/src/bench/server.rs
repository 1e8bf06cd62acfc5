//! A server under measurement: started, initialized and filled through the real OpenBao client.

use crate::peers::Peers;
use crate::sh;
use anyhow::{Context as _, Result, bail};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; stopped when dropped.
pub(super) struct Server {
    name: &'static str,
    directory: PathBuf,
    port: u16,
    process: Child,
}

/// What loads need to know of a filled server.
pub(super) struct Prepared {
    pub(super) token: String,
    pub(super) token_many: String,
    pub(super) login: String,
}

impl Server {
    /// A real OpenBao on integrated storage.
    pub(super) fn bao(peers: &Peers, directory: &Path) -> Result<Self> {
        let (here, port) = (directory.display(), free_port()?);
        let cluster = free_port()?;
        let config = format!(
            "storage \"raft\" {{ path = \"{here}/data\" node_id = \"one\" }}\n\
             listener \"tcp\" {{ address = \"127.0.0.1:{port}\" tls_disable = true }}\n\
             audit \"file\" \"main\" {{ options = {{ file_path = \"{here}/audit.log\" }} }}\n\
             api_addr = \"http://127.0.0.1:{port}\"\ncluster_addr = \"http://127.0.0.1:{cluster}\"\ndisable_mlock = true\n"
        );
        Self::start("OpenBao", &peers.bao(), directory, port, &config)
    }

    /// Ours on the embedded store.
    pub(super) fn ours(binary: &Path, _peers: &Peers, directory: &Path) -> Result<Self> {
        let port = free_port()?;
        Self::start(
            "Cofferdam",
            binary,
            directory,
            port,
            &config(directory, port),
        )
    }

    fn start(
        name: &'static str,
        binary: &Path,
        directory: &Path,
        port: u16,
        config: &str,
    ) -> Result<Self> {
        std::fs::create_dir_all(directory.join("data"))?;
        std::fs::write(directory.join("server.hcl"), config)?;
        let log = std::fs::File::create(directory.join("server.log"))?;
        let mut command = Command::new("taskset");
        command
            .args(["-c", "0"])
            .arg(binary)
            .args(["server", "-config"])
            .arg(directory.join("server.hcl"));
        command
            .env("GOMAXPROCS", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let server = Self {
            name,
            directory: directory.to_path_buf(),
            port,
            process,
        };
        first_answer(port, Duration::from_secs(30)).with_context(|| {
            format!(
                "{name} does not answer; see {}",
                directory.join("server.log").display()
            )
        })?;
        Ok(server)
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Resident memory in MiB.
    pub(super) fn resident(&self) -> Result<f64> {
        std::thread::sleep(Duration::from_secs(2));
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    /// Initializes, unseals and fills it.
    pub(super) fn prepare(&self, peers: &Peers) -> Result<Prepared> {
        let bao = |token: &str, arguments: &[&str]| {
            let mut command = Command::new(peers.bao());
            command
                .args(arguments)
                .env("BAO_ADDR", self.url())
                .env("BAO_TOKEN", token)
                .env("HOME", &self.directory);
            sh::output(command).with_context(|| format!("preparing {}", self.name))
        };
        let init = bao(
            "",
            &[
                "operator",
                "init",
                "-key-shares=1",
                "-key-threshold=1",
                "-format=json",
            ],
        )?;
        let init: serde_json::Value = serde_json::from_str(&init)?;
        let key = init
            .pointer("/unseal_keys_b64/0")
            .and_then(|key| key.as_str())
            .context("no unseal key")?;
        let root = init
            .pointer("/root_token")
            .and_then(|token| token.as_str())
            .context("no root token")?;
        bao("", &["operator", "unseal", key])?;
        self.wait_active()?;
        if self.name == "Cofferdam" {
            let file = format!("file_path={}", self.directory.join("audit.log").display());
            bao(root, &["audit", "enable", "file", &file])?;
        }
        bao(
            root,
            &["secrets", "enable", "-path=secret", "-version=2", "kv"],
        )?;
        bao(
            root,
            &[
                "kv",
                "put",
                "secret/bench/read",
                &format!("value={}", "x".repeat(300)),
            ],
        )?;
        let policy = self.directory.join("policy.hcl");
        std::fs::write(&policy, POLICY)?;
        let mut many = vec![
            "token".to_owned(),
            "create".to_owned(),
            "-field=token".to_owned(),
        ];
        for number in 0..50 {
            let name = format!("bench-{number}");
            bao(root, &["policy", "write", &name, &policy.to_string_lossy()])?;
            many.push(format!("-policy={name}"));
        }
        let token = bao(
            root,
            &["token", "create", "-policy=bench-0", "-field=token"],
        )?
        .trim()
        .to_owned();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let token_many = bao(root, &many)?.trim().to_owned();
        bao(root, &["secrets", "enable", "transit"])?;
        bao(root, &["write", "-f", "transit/keys/bench"])?;
        bao(root, &["auth", "enable", "approle"])?;
        bao(
            root,
            &[
                "write",
                "auth/approle/role/bench",
                "token_policies=bench-0",
                "token_ttl=10m",
            ],
        )?;
        let role = bao(
            root,
            &["read", "-field=role_id", "auth/approle/role/bench/role-id"],
        )?;
        let secret = bao(
            root,
            &[
                "write",
                "-f",
                "-field=secret_id",
                "auth/approle/role/bench/secret-id",
            ],
        )?;
        let login =
            serde_json::json!({ "role_id": role.trim(), "secret_id": secret.trim() }).to_string();
        Ok(Prepared {
            token,
            token_many,
            login,
        })
    }

    /// Writes as many secrets below one path, over 16 connections.
    pub(super) fn fill(&self, token: &str, count: usize) -> Result<()> {
        sh::say(&format!("{}: {count} secrets", self.name));
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work = || -> Result<()> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            let body = r#"{"data":{"value":"x"}}"#;
            let mut taken = [0; 4096];
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                write!(
                    stream,
                    "POST /v1/secret/data/bench/many/{number:05} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )?;
                // An answer is smaller than what is taken at once.
                let length = stream.read(&mut taken)?;
                let answer = taken.get(..length).unwrap_or_default();
                if !answer.starts_with(b"HTTP/1.1 200") {
                    bail!("{} does not take a secret", self.name);
                }
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..16).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("a worker ended")))
        })
    }

    fn wait_active(&self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if first_answer(self.port, Duration::from_secs(1)).is_ok_and(|status| status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} does not become active", self.name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Twenty rules, as an application's policy has.
const POLICY: &str = r#"
path "secret/data/bench/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/bench/*" { capabilities = ["list", "read"] }
path "secret/data/team/+/app" { capabilities = ["read"] }
path "secret/data/shared/*" { capabilities = ["read"] }
path "secret/data/shared/private" { capabilities = ["deny"] }
path "auth/token/create" { capabilities = ["update"] }
path "transit/encrypt/bench" { capabilities = ["update"] }
path "transit/decrypt/bench" { capabilities = ["update"] }
path "database/creds/bench" { capabilities = ["read"] }
path "pki/issue/bench" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
"#;

fn config(directory: &Path, port: u16) -> String {
    let here = directory.display();
    format!(
        "storage \"embedded\" {{ path = \"{here}/data\" }}\n\
         listener \"tcp\" {{ address = \"127.0.0.1:{port}\" tls_disable = true }}\n\
         seal \"shamir\" {{}}\n"
    )
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Asks for health until something answers; the status code.
fn first_answer(port: u16, patience: Duration) -> Result<u16> {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = health(port) {
            return Ok(status);
        }
        if Instant::now() > until {
            bail!("no answer within {patience:?}");
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn health(port: u16) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .write_all(b"GET /v1/sys/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

/// Milliseconds from exec to the first answer of an initialized server that opens its own seal; the
/// median of `count` starts.
pub(super) fn starts(binary: &Path, directory: &Path, count: usize) -> Result<f64> {
    std::fs::create_dir_all(directory.join("data"))?;
    let (here, port) = (directory.display(), free_port()?);
    let config = format!(
        "storage \"embedded\" {{ path = \"{here}/data\" }}\n\
         listener \"tcp\" {{ address = \"127.0.0.1:{port}\" tls_disable = true }}\n\
         seal \"machine\" {{ key_file = \"{here}/machine.key\" }}\n"
    );
    std::fs::write(directory.join("server.hcl"), config)?;
    let mut times = Vec::new();
    for round in 0..=count {
        let begun = Instant::now();
        let log = std::fs::File::create(directory.join("server.log"))?;
        let mut command = Command::new(binary);
        command
            .arg("server")
            .arg("-config")
            .arg(directory.join("server.hcl"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut process = command.spawn()?;
        let status = first_answer(port, Duration::from_secs(10))?;
        let took = begun.elapsed();
        if round == 0 {
            initialize(port)?;
        } else if status == 200 {
            times.push(took.as_secs_f64() * 1000.0);
        } else {
            bail!("the first answer was {status}, not that of an open vault");
        }
        process.kill()?;
        process.wait()?;
    }
    times.sort_by(f64::total_cmp);
    times
        .get(times.len() / 2)
        .copied()
        .context("no start was measured")
}

fn initialize(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"PUT /v1/sys/init HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    if text.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        bail!(
            "init was refused: {}",
            text.lines().next().unwrap_or_default()
        )
    }
}
