//! A real TPM 2.0 in software, and the tools of the TCG's own library to look into it.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Ends with the value.
pub struct Swtpm {
    directory: tempfile::TempDir,
    process: Option<Child>,
}

impl Swtpm {
    /// One that nobody has used.
    pub fn start() -> Self {
        // Short: a socket's path has 107 bytes.
        let directory = tempfile::Builder::new().prefix("tpm").tempdir_in("/tmp");
        let mut tpm = Self {
            directory: directory.expect("a directory"),
            process: None,
        };
        tpm.power();
        tpm
    }

    /// Switches it off, as hard as can be, and on again: its keys are those from before, and its
    /// registers zero.
    pub fn power(&mut self) {
        self.end();
        let at = |name: &str| self.directory.path().join(name).display().to_string();
        let _ = std::fs::remove_file(self.socket());
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--tpmstate"])
            .arg(format!("dir={}", self.directory.path().display()))
            .arg("--server")
            .arg(format!("type=unixio,path={}", at("tpm")))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", at("tpm.ctrl")))
            .args(["--flags", "not-need-init,startup-clear"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm is installed: cargo xtask test installs it");
        self.process = Some(process);
        let until = Instant::now() + Duration::from_secs(30);
        while UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < until, "swtpm does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// What speaks the protocol.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("tpm")
    }

    /// A directory that ends with it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A program of tpm2-tools.
    pub fn run(&self, line: &str) -> Output {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().expect("a program"));
        command
            .args(words)
            .current_dir(self.directory.path())
            .env(
                "TPM2TOOLS_TCTI",
                format!("swtpm:path={}", self.socket().display()),
            )
            .output()
            .expect("tpm2-tools is installed: cargo xtask test installs it")
    }

    /// One that must not fail; what it prints.
    pub fn tool(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(
            output.status.success(),
            "{line}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Writes into a register, as firmware does when something else is started.
    pub fn extend(&self, register: u32) {
        let digest = "17".repeat(32);
        self.tool(&format!("tpm2_pcrextend {register}:sha256={digest}"));
    }

    /// What lies about in it: loaded objects and sessions.
    pub fn left(&self) -> String {
        [
            "handles-transient",
            "handles-loaded-session",
            "handles-saved-session",
        ]
        .map(|what| self.tool(&format!("tpm2_getcap {what}")))
        .concat()
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.end();
    }
}
