//! A Compose project of a test, run by Debian's docker-compose (1.29) through our command.

use crate::docker::{Docker, Plugin, client};
use crate::server::{Server, shown};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// One project, in a directory of its own.
pub struct Compose<'t> {
    server: &'t Server,
    docker: &'t Docker,
    driver: String,
    directory: tempfile::TempDir,
    name: String,
}

impl<'t> Compose<'t> {
    /// A project with this file.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn new(server: &'t Server, docker: &'t Docker, plugin: &Plugin, text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("docker-compose.yml"), text).unwrap();
        Self {
            server,
            docker,
            driver: plugin.driver().to_owned(),
            directory,
            name: docker.name("compose"),
        }
    }

    /// Where its file is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its file.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("docker-compose.yml")
    }

    /// Runs a command of Compose through ours.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments)
            .output()
            .expect("the program starts")
    }

    /// The same, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut words = vec!["compose", "-driver", &self.driver, "--"];
        words.extend(["docker-compose", "--no-ansi", "-p", &self.name]);
        words.extend(arguments);
        let mut command = self.server.command(&words);
        command.current_dir(self.directory.path());
        command
    }

    /// Compose by itself, on the same project.
    pub fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker-compose");
        command
            .args(["--no-ansi", "-p", &self.name])
            .args(arguments);
        command.current_dir(self.directory.path());
        command
    }

    /// Runs it and gives what it said, on both streams.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", shown(&output));
        shown(&output)
    }

    /// The container of a service.
    pub fn container(&self, service: &str) -> String {
        format!("{}_{service}_1", self.name)
    }

    /// Runs something in the container of a service, as its own user.
    ///
    /// # Panics
    /// When it fails.
    pub fn exec(&self, service: &str, words: &[&str]) -> String {
        let container = self.container(service);
        self.docker.run(&[&["exec", &container], words].concat())
    }

    /// Names of the project's volumes.
    pub fn volumes(&self) -> String {
        let filter = format!("name={}", self.name);
        self.docker
            .run(&["volume", "ls", "-q", "--filter", &filter])
    }
}

impl Drop for Compose<'_> {
    fn drop(&mut self) {
        let mut down = self.command(&["down", "-t", "0"]);
        let _ = down.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Stores a value byte for byte.
///
/// # Panics
/// When it cannot.
pub fn put(server: &Server, path: &str, value: &[u8]) {
    let mut put = server.command(&["kv", "put", path, "value=-"]);
    let put = put.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut put = put.unwrap();
    put.stdin.take().unwrap().write_all(value).unwrap();
    assert!(put.wait().unwrap().success());
}

/// Builds an image from a Dockerfile and files beside it; its name.
///
/// # Panics
/// When it cannot be built.
pub fn image(docker: &Docker, what: &str, dockerfile: &str, files: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("Dockerfile"), dockerfile).unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let name = docker.name(what);
    let built = Command::new(client())
        .args(["build", "-q", "-t", &name])
        .arg(directory.path())
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .expect("the Docker client is installed");
    assert!(built.status.success(), "{}", shown(&built));
    name
}
