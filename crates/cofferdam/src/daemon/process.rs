//! Processes: start one in the background, find the one behind a socket, stop it.

use crate::files;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::UnixStream;

/// A process that cannot be mistaken for another one: the handle stays with it when its number is
/// given to somebody else.
pub(crate) struct Process {
    /// For people.
    pub(crate) id: u32,
    handle: OwnedFd,
}

/// Whether the socket is held by the system's first process: systemd listens on it for a service,
/// and the kernel names systemd as the one behind it.
pub(crate) fn is_held_by_systemd(socket: &Path) -> bool {
    peer(socket).is_some_and(is_systemd)
}

/// In a container the first process may be our own.
fn is_systemd(id: i32) -> bool {
    let name = std::fs::read_to_string("/proc/1/comm");
    id == 1 && name.is_ok_and(|name| matches!(name.trim(), "systemd" | "init"))
}

fn peer(socket: &Path) -> Option<i32> {
    if !cofferdam_api::places::is_trusted_socket(socket) {
        return None;
    }
    let stream = std::os::unix::net::UnixStream::connect(socket).ok()?;
    stream.set_nonblocking(true).ok()?;
    let stream = UnixStream::from_std(stream).ok()?;
    stream.peer_cred().ok()?.pid()
}

/// Which process listens on a socket; `None` when nobody answers there, or systemd holds it, which
/// nobody may stop for being behind a socket of ours. Runs inside the runtime.
pub(crate) fn listening_on(socket: &Path) -> Option<Process> {
    let id = peer(socket).filter(|id| !is_systemd(*id))?;
    let handle = pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok()?;
    // The number may have been given away before the handle was there: whoever listens must still
    // be the same one.
    let again = std::os::unix::net::UnixStream::connect(socket).is_ok();
    again
        .then(|| u32::try_from(id).ok())
        .flatten()
        .map(|id| Process { id, handle })
}

impl Process {
    /// Asks it to stop, and waits for its end; `false` when it is still there after `patience`.
    pub(crate) fn stop(&self, patience: Duration) -> io::Result<bool> {
        match pidfd_send_signal(&self.handle, Signal::TERM) {
            Ok(()) => {}
            Err(rustix::io::Errno::SRCH) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
        // A handle becomes readable when its process has ended (pidfd_open(2)).
        let ended = poll(
            &mut [PollFd::new(&self.handle, PollFlags::IN)],
            Some(&timeout),
        )?;
        Ok(ended > 0)
    }
}

/// Starts this program again in the background: no terminal, output to `log`.
///
/// It has a process group of its own, so that neither Ctrl-C nor the end of this terminal reaches it.
pub(crate) fn start(
    arguments: &[OsString],
    environment: &[(&str, OsString)],
    log: &Path,
) -> io::Result<Child> {
    let output = files::append(log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .current_dir("/")
        .process_group(0);
    command.spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_names_the_process_behind_a_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        assert!(listening_on(&path).is_none());
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(listening_on(&path).unwrap().id, std::process::id());
        drop(listener);
        assert!(listening_on(&path).is_none(), "a dead socket is nobody");
    }
}
