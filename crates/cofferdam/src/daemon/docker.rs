//! The Docker plugin daemon, on hosts where a Docker engine answers.

use super::{Home, flag, process};
use crate::cli::Failure;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// Where a Docker engine listens.
const ENGINE: &str = "/var/run/docker.sock";
/// Where it looks for our plugin.
pub(crate) const PLUGIN: &str = "/run/docker/plugins/cofferdam.sock";

/// How it is with Docker here.
pub(crate) enum Engine {
    /// It answers, and our plugin runs already.
    Served(process::Process),
    /// It answers, and our plugin is a service of systemd.
    Service,
    /// It answers.
    Present,
    /// It may be there, but only root can register a plugin.
    NotRoot,
    /// Nothing answers.
    Absent,
}

/// Looks.
pub(crate) fn look() -> Engine {
    if !answers(Path::new(ENGINE)) {
        return Engine::Absent;
    }
    if process::is_held_by_systemd(Path::new(PLUGIN)) {
        return Engine::Service;
    }
    if let Some(process) = process::listening_on(Path::new(PLUGIN)) {
        return Engine::Served(process);
    }
    if rustix::process::geteuid().is_root() {
        Engine::Present
    } else {
        Engine::NotRoot
    }
}

/// Whether an engine answers `GET /_ping`.
fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return false;
    };
    let patience = Some(Duration::from_secs(2));
    let prepared = stream
        .set_read_timeout(patience)
        .and_then(|()| stream.set_write_timeout(patience));
    let asked = prepared.and_then(|()| {
        stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
    });
    let mut first = [0_u8; 12];
    asked.is_ok() && stream.read_exact(&mut first).is_ok() && first.ends_with(b" 200")
}

/// Starts the plugin daemon in the background, talking to the server of `home`.
pub(crate) fn start(home: &Home) -> Result<Child, Failure> {
    let mut address = OsString::from("unix://");
    address.push(&home.socket);
    let data = flag("data", &home.data.join("docker"));
    let arguments = ["plugin".into(), "-detached".into(), data];
    process::start(&arguments, &[("COFFERDAM_ADDR", address)], &log(home))
        .map_err(|error| Failure::local(format!("cannot start the Docker plugin: {error}")))
}

/// Where its words go.
pub(crate) fn log(home: &Home) -> PathBuf {
    home.data.join("plugin.log")
}
