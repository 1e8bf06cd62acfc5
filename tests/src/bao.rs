//! Real OpenBaos, for the length of a test.

use crate::{peers, ports};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; killed on drop.
pub struct Bao {
    process: Child,
    url: String,
    home: tempfile::TempDir,
}

impl Bao {
    /// One in development mode, with the root token `root`.
    ///
    /// # Panics
    /// When it is not installed, or does not come up.
    #[must_use]
    pub fn start() -> Self {
        Self::dev(&["-dev".to_owned()], "http", home())
    }

    /// The same with TLS: [`Self::ca`] vouches for it.
    ///
    /// # Panics
    /// When it is not installed, or does not come up.
    #[must_use]
    pub fn start_tls() -> Self {
        let home = home();
        let files = format!("-dev-tls-cert-dir={}", home.path().display());
        Self::dev(&["-dev-tls".to_owned(), files], "https", home)
    }

    fn dev(mode: &[String], scheme: &str, home: tempfile::TempDir) -> Self {
        let address = ports::address();
        let mut words = mode.to_vec();
        words.push("-dev-root-token-id=root".to_owned());
        words.push("-dev-no-store-token".to_owned());
        words.push(format!("-dev-listen-address={address}"));
        // The mount of secret/ comes last.
        let url = format!("{scheme}://{address}");
        let path = format!("{url}/v1/secret/config");
        Self::run(&words, url, home, || {
            let words = ["-ksf", "-H", "X-Vault-Token: root", &path];
            let asked = Command::new("curl").args(words).output();
            asked.expect("curl is installed").status.success()
        })
    }

    /// One that nobody has initialized, with this configuration: `DIR` in it stands for its home, and
    /// `ADDRESS` for where its first listener is.
    ///
    /// # Panics
    /// When it is not installed, or nobody listens there.
    #[must_use]
    pub fn configured(text: &str) -> Self {
        Self::configured_in(home(), text)
    }

    /// The same in a home where something is already.
    ///
    /// # Panics
    /// When it is not installed, or nobody listens there.
    #[must_use]
    pub fn configured_in(home: tempfile::TempDir, text: &str) -> Self {
        let address = ports::address();
        let file = home.path().join("bao.hcl");
        let text = text
            .replace("DIR", &home.path().display().to_string())
            .replace("ADDRESS", &address);
        std::fs::write(&file, text).unwrap();
        let words = [format!("-config={}", file.display())];
        let url = format!("http://{address}");
        Self::run(&words, url, home, || TcpStream::connect(&address).is_ok())
    }

    /// Runs it until it is ready.
    fn run(
        words: &[String],
        url: String,
        home: tempfile::TempDir,
        is_ready: impl Fn() -> bool,
    ) -> Self {
        let place = home.path().join("bao.log");
        let log = std::fs::File::create(&place).unwrap();
        let process = Command::new(peers::bao_binary())
            .arg("server")
            .args(words)
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("bao is installed: cargo xtask test installs it");
        let bao = Self { process, url, home };
        let end = Instant::now() + Duration::from_mins(1);
        while !is_ready() {
            let said = || std::fs::read_to_string(&place).unwrap_or_default();
            assert!(Instant::now() < end, "bao does not come up: {}", said());
            std::thread::sleep(Duration::from_millis(50));
        }
        bao
    }

    /// Where its first listener is; of one with a configuration, as if that had no TLS.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same as `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.split_once("//").map_or("", |(_, address)| address)
    }

    /// Where its files are.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The CA of its certificate in development mode, whatever this version calls the file.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn ca(&self) -> String {
        let mut files = std::fs::read_dir(self.home()).unwrap().flatten();
        let found = files.find(|file| file.file_name().to_string_lossy().ends_with("-ca.pem"));
        found.expect("a CA").path().display().to_string()
    }
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
