//! Repositories made by a real git, for tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A repository with a home of its own, so that nobody's configuration plays in.
pub struct Repo {
    /// Everything of this test.
    pub root: tempfile::TempDir,
    /// The worktree.
    pub path: PathBuf,
}

impl Repo {
    /// An empty repository; `arguments` go to `git init`.
    ///
    /// # Panics
    /// When git is missing or refuses.
    pub fn new(arguments: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("repo");
        std::fs::create_dir(&path).expect("a directory");
        let repo = Self { root, path };
        repo.git(&[&["init", "-q", "-b", "main"], arguments].concat());
        repo
    }

    /// The home of this test.
    pub fn home(&self) -> &Path {
        self.root.path()
    }

    /// `git` here, ready to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_in(&self.path, arguments)
    }

    /// `git` in another directory.
    pub fn command_in(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Jo Doe")
            .env("GIT_AUTHOR_EMAIL", "jo@example.org")
            .env("GIT_COMMITTER_NAME", "Jo Doe")
            .env("GIT_COMMITTER_EMAIL", "jo@example.org")
            .args([
                "-c",
                "protocol.file.allow=always",
                "-c",
                "advice.detachedHead=false",
            ])
            .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"])
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null());
        command
    }

    /// Runs git; its output.
    ///
    /// # Panics
    /// When it fails.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.path, arguments)
    }

    /// Runs git in another directory; its output.
    ///
    /// # Panics
    /// When it fails.
    pub fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let output = self
            .command_in(directory, arguments)
            .output()
            .expect("git runs");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            crate::server::shown(&output)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Writes a file of the worktree.
    ///
    /// # Panics
    /// When it cannot.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).expect("a directory");
        }
        std::fs::write(path, content).expect("a file");
    }

    /// Stages everything and commits it; the commit's id.
    ///
    /// # Panics
    /// When git refuses.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&[
            "commit",
            "-q",
            "--allow-empty",
            "--no-verify",
            "-m",
            message,
        ]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// `cofferdam scan git` here, with findings as JSON.
    ///
    /// # Panics
    /// When it does not run.
    pub fn scan(&self, arguments: &[&str]) -> Scanned {
        self.scan_in(&self.path, arguments)
    }

    /// `cofferdam scan git` in another directory.
    ///
    /// # Panics
    /// When it does not run.
    pub fn scan_in(&self, directory: &Path, arguments: &[&str]) -> Scanned {
        let output = crate::server::bare(self.home())
            .args(["scan", "git", "-format=json"])
            .args(arguments)
            .current_dir(directory)
            .output()
            .expect("it runs");
        Scanned::from(output)
    }
}

/// What a scan said.
pub struct Scanned {
    /// All of it.
    pub output: Output,
    /// Its findings.
    pub findings: Vec<serde_json::Value>,
    /// What it did not look at.
    pub gaps: Vec<String>,
    /// Findings that were known.
    pub known: u64,
}

impl Scanned {
    /// Reads what a scan printed as JSON.
    #[must_use]
    pub fn from(output: Output) -> Self {
        let document: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_default();
        let list = |name: &str| {
            let list = document.get(name).and_then(serde_json::Value::as_array);
            list.cloned().unwrap_or_default()
        };
        let gap =
            |gap: &serde_json::Value| format!("{}: {}", text(gap, "location"), text(gap, "reason"));
        let known = document
            .get("known_findings")
            .and_then(serde_json::Value::as_u64);
        Self {
            findings: list("findings"),
            gaps: list("not_looked_at").iter().map(gap).collect(),
            known: known.unwrap_or(0),
            output,
        }
    }

    /// The exit code.
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Where something was found, in order.
    pub fn places(&self) -> Vec<String> {
        let place = |finding: &serde_json::Value| {
            let line = finding.get("line").and_then(serde_json::Value::as_u64);
            format!("{}:{}", text(finding, "location"), line.unwrap_or(0))
        };
        let mut places: Vec<_> = self.findings.iter().map(place).collect();
        places.sort();
        places
    }

    /// Whether a gap's words hold these.
    pub fn says(&self, words: &str) -> bool {
        self.gaps.iter().any(|gap| gap.contains(words))
    }

    /// All of it, for the message of a failed test.
    pub fn shown(&self) -> String {
        crate::server::shown(&self.output)
    }
}

fn text(value: &serde_json::Value, name: &str) -> String {
    let text = value.get(name).and_then(serde_json::Value::as_str);
    text.unwrap_or_default().to_owned()
}
