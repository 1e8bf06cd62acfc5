//! A directory with a Dockerfile, and `cofferdam build` in it.

use crate::server::shown;
use crate::{Server, ports};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A build context of one test.
pub struct Project {
    directory: PathBuf,
}

impl Project {
    /// With this Dockerfile.
    pub fn new(server: &Server, dockerfile: &str) -> Self {
        let directory = server.directory().path().join("context");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("Dockerfile"), dockerfile).unwrap();
        Self { directory }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Runs `cofferdam build FLAGS -- COMMAND` in the directory.
    pub fn build(&self, server: &Server, flags: &[&str], command: &[&str]) -> Output {
        let mut build = server.command(&["build"]);
        build
            .args(flags)
            .arg("--")
            .args(command)
            .current_dir(&self.directory)
            // The client that the engine's package brought, as `docker::client` has it.
            .env(
                "PATH",
                format!("/usr/bin:{}", std::env::var("PATH").unwrap()),
            );
        build.output().unwrap()
    }

    /// The same, which must succeed; what it printed on both streams.
    ///
    /// # Panics
    /// When it fails.
    pub fn built(&self, server: &Server, flags: &[&str], command: &[&str]) -> String {
        let output = self.build(server, flags, command);
        assert!(output.status.success(), "{command:?}: {}", shown(&output));
        shown(&output)
    }
}

/// A registry of images on the loopback; killed on drop.
pub struct Registry {
    process: Child,
    address: String,
    directory: tempfile::TempDir,
}

impl Registry {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it is not installed.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = ports::address();
        let data = directory.path().join("data");
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            data.display()
        );
        let file = directory.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("apt-get install docker-registry");
        crate::docker::wait("the registry", || {
            std::net::TcpStream::connect(&address).ok()
        });
        Self {
            process,
            address,
            directory,
        }
    }

    /// A name in it.
    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    /// Its files.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The names of the images in it.
    pub fn images(&self) -> Vec<String> {
        let repositories = self.data().join("docker/registry/v2/repositories");
        let entries = std::fs::read_dir(repositories).into_iter().flatten();
        let names = entries.flatten().map(|entry| entry.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
