//! Real GnuPG with a home of its own: keys are made by it, and messages are read by it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A keyring of one test.
pub struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    /// Without keys.
    #[allow(clippy::new_without_default, reason = "making one starts a program")]
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(home.path(), mode).unwrap();
        Self { home }
    }

    /// Runs it, with what it reads.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("gpg")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--batch", "--quiet", "--no-tty", "--yes"])
            .args(["--pinentry-mode", "loopback", "--passphrase", ""])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gpg is installed: cargo xtask test installs it");
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs it, and it works.
    pub fn done(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(arguments, b"");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {said}");
        output.stdout
    }

    /// A key that certifies, and one beside it that encrypts; its fingerprint.
    pub fn key(&self, name: &str, certifies: &str, encrypts: &str) -> String {
        self.key_with(&[], name, certifies, encrypts)
    }

    /// The same, with options of its own.
    pub fn key_with(&self, more: &[&str], name: &str, certifies: &str, encrypts: &str) -> String {
        self.done(
            &[
                more,
                &["--quick-generate-key", name, certifies, "cert", "never"],
            ]
            .concat(),
        );
        let fingerprint = self.fingerprint(name);
        self.done(
            &[
                more,
                &["--quick-add-key", &fingerprint, encrypts, "encr", "never"],
            ]
            .concat(),
        );
        fingerprint
    }

    /// Of the primary key, as it prints it.
    pub fn fingerprint(&self, name: &str) -> String {
        self.fingerprints(name).remove(0)
    }

    /// Of the primary key and the subkeys.
    pub fn fingerprints(&self, name: &str) -> Vec<String> {
        let list = self.done(&[
            "--with-colons",
            "--with-subkey-fingerprints",
            "--list-keys",
            name,
        ]);
        let list = String::from_utf8(list).unwrap();
        let lines = list.lines().filter(|line| line.starts_with("fpr:"));
        let of = lines.map(|line| line.split(':').nth(9).unwrap().to_owned());
        of.collect()
    }

    /// The public key.
    pub fn public(&self, name: &str) -> Vec<u8> {
        self.done(&["--export", name])
    }

    /// What a message says, to whoever has the key.
    pub fn decrypt(&self, message: &[u8]) -> Vec<u8> {
        let output = self.run(&["--decrypt"], message);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg --decrypt: {said}");
        assert!(!said.contains("WARNING"), "{said}");
        output.stdout
    }

    /// Where it lives.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // Its agent would stay.
        let _ended = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .output();
    }
}
