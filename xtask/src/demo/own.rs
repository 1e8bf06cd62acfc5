//! Our own server for the length of the demo.

use crate::sh;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A server started by `up`; `down` when dropped.
pub(super) struct Own {
    binary: PathBuf,
    data: PathBuf,
    socket: PathBuf,
}

impl Own {
    pub(super) fn up(binary: &Path, directory: &Path, docker: bool) -> Result<Self> {
        super::step("cofferdam up");
        let own = Self {
            binary: binary.to_path_buf(),
            data: directory.join("data"),
            socket: directory.join("run/cofferdam.sock"),
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let mut up = own.command(&["up"]);
        up.arg("-data")
            .arg(&own.data)
            .arg("-socket")
            .arg(&own.socket)
            .arg("-seal-key")
            .arg(directory.join("seal.key"));
        up.arg("-listen").arg(format!("127.0.0.1:{port}"));
        if !docker {
            up.arg("-no-docker");
        }
        sh::run(up)?;
        Ok(own)
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sh::command(&self.binary, arguments);
        command.env(
            "COFFERDAM_ADDR",
            format!("unix://{}", self.socket.display()),
        );
        command
    }

    /// Runs it and shows what it prints.
    pub(super) fn show(&self, arguments: &[&str]) -> Result<()> {
        sh::run(self.command(arguments))
    }

    /// Stores a new version; the value travels on stdin, as it should.
    pub(super) fn rotate(&self, path: &str, value: &str) -> Result<()> {
        use std::io::Write as _;
        sh::say(&format!("$ cofferdam kv put {path} value=-"));
        let mut put = self.command(&["kv", "put", path, "value=-"]);
        let mut child = put
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start cofferdam kv put")?;
        child
            .stdin
            .take()
            .context("no stdin")?
            .write_all(value.as_bytes())?;
        if !child.wait()?.success() {
            bail!("cofferdam kv put failed");
        }
        Ok(())
    }

    /// Prints the leak matrix of these places; its exit code.
    pub(super) fn report(&self, places: &[&str]) -> Result<i32> {
        let words = [&["report", "leaks", "-app", "secret/shop"], places].concat();
        let status = self
            .command(&words)
            .stdin(Stdio::null())
            .status()
            .context("cannot start cofferdam report")?;
        status.code().context("the report was ended by a signal")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.data.join("plugin.log")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut down = self.command(&["down"]);
        down.arg("-socket").arg(&self.socket);
        if let Err(error) = sh::run(down) {
            sh::say(&format!("cannot stop the server: {error:#}"));
        }
    }
}
