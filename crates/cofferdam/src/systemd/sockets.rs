//! Sockets that were bound before us: `LISTEN_FDS` and `LISTEN_PID`.
//!
//! They are matched with what the configuration says by their address, so a unit and a
//! configuration that contradict each other are an error and no silence. The descriptors are
//! numbers that only the environment knows; the kernel duplicates them for us (`pidfd_getfd(2)`),
//! which needs no unsafe code.

use crate::cli::Failure;
use cofferdam_api::places::Environment;
use rustix::net::sockopt::socket_acceptconn;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The first of them, by `sd_listen_fds(3)`.
const FIRST: i32 = 3;
/// More is no socket unit that anybody wrote for us.
const MOST: i32 = 64;

/// One that was bound before us.
enum Kept {
    Unix(PathBuf, UnixListener),
    Tcp(SocketAddr, TcpListener),
}

/// Everything that was bound before us and is not taken yet.
#[derive(Default)]
pub(crate) struct Inherited(Vec<Kept>);

impl Inherited {
    /// Those that are meant for this process; a child of the one they were meant for gets nothing.
    pub(crate) fn take(environment: Environment<'_>) -> Result<Self, Failure> {
        let Some(count) = count(environment, std::process::id()) else {
            return Ok(Self::default());
        };
        let failed = |error: rustix::io::Errno| {
            let failure = format!("the sockets that systemd holds cannot be taken: {error}");
            Failure::local(failure)
                .hint("this needs Linux 5.6, and pidfd_getfd in SystemCallFilter of the unit")
        };
        let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(failed)?;
        let mut kept = Vec::new();
        for number in FIRST..FIRST + count {
            let descriptor = pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).map_err(failed)?;
            kept.push(recognise(descriptor, number)?);
        }
        Ok(Self(kept))
    }

    /// The unix socket of this name.
    pub(crate) fn unix(&mut self, path: &Path) -> Option<UnixListener> {
        let at = self
            .0
            .iter()
            .position(|kept| matches!(kept, Kept::Unix(name, _) if same_file(name, path)))?;
        match self.0.swap_remove(at) {
            Kept::Unix(_, listener) => Some(listener),
            Kept::Tcp(..) => None,
        }
    }

    /// The TCP socket of this address.
    pub(crate) fn tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let at = self
            .0
            .iter()
            .position(|kept| matches!(kept, Kept::Tcp(bound, _) if *bound == address))?;
        match self.0.swap_remove(at) {
            Kept::Tcp(_, listener) => Some(listener),
            Kept::Unix(..) => None,
        }
    }

    /// Errs when one is left: its clients would wait for an answer that never comes.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.0.first() {
            None => Ok(()),
            Some(kept) => {
                let place = match kept {
                    Kept::Unix(path, _) => path.display().to_string(),
                    Kept::Tcp(address, _) => address.to_string(),
                };
                Err(Failure::usage(format!(
                    "systemd holds a socket that nothing here listens on: {place}"
                ))
                .hint("make ListenStream of the socket unit and the configuration the same"))
            }
        }
    }
}

/// How many were passed to the process `own`.
fn count(environment: Environment<'_>, own: u32) -> Option<i32> {
    let meant: u32 = environment("LISTEN_PID")?.parse().ok()?;
    let count: i32 = environment("LISTEN_FDS")?.parse().ok()?;
    (meant == own && (1..=MOST).contains(&count)).then_some(count)
}

fn recognise(descriptor: OwnedFd, number: i32) -> Result<Kept, Failure> {
    let unknown = || {
        Failure::usage(format!(
            "descriptor {number} from systemd is no listening stream socket with an address"
        ))
        .hint("use ListenStream and Accept=no in the socket unit")
    };
    if !socket_acceptconn(&descriptor).unwrap_or(false) {
        return Err(unknown());
    }
    let listener = UnixListener::from(descriptor);
    if let Ok(address) = listener.local_addr() {
        let path = address.as_pathname().ok_or_else(unknown)?.to_owned();
        return Ok(Kept::Unix(path, listener));
    }
    let listener = TcpListener::from(OwnedFd::from(listener));
    let address = listener.local_addr().map_err(|_| unknown())?;
    Ok(Kept::Tcp(address, listener))
}

/// `/var/run` is `/run` on most systems, and a unit may say either.
fn same_file(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| std::fs::canonicalize(path);
    one == other || whole(one).is_ok_and(|one| whole(other).is_ok_and(|other| one == other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(pid: Option<&str>, fds: Option<&str>) -> Option<i32> {
        let environment = |name: &str| {
            let value = if name == "LISTEN_PID" { pid } else { fds };
            value.map(str::to_owned)
        };
        count(&environment, 7)
    }

    #[test]
    fn sockets_belong_to_the_process_that_they_were_passed_to() {
        assert_eq!(counted(Some("7"), Some("2")), Some(2));
        for (pid, fds) in [
            (Some("8"), Some("2")),
            (None, Some("2")),
            (Some("7"), None),
            (Some("7"), Some("0")),
            (Some("7"), Some("-1")),
            (Some("7"), Some("100000")),
            (Some("x"), Some("2")),
        ] {
            assert_eq!(counted(pid, fds), None, "{pid:?} {fds:?}");
        }
    }

    #[test]
    fn a_socket_is_known_by_its_address_and_must_be_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        let unix = OwnedFd::from(UnixListener::bind(&path).unwrap());
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let kept = vec![
            recognise(unix, 3).ok().unwrap(),
            recognise(OwnedFd::from(tcp), 4).ok().unwrap(),
        ];
        let mut inherited = Inherited(kept);
        assert!(inherited.unix(Path::new("/elsewhere")).is_none());
        assert!(inherited.unix(&path).is_some());
        assert!(inherited.unix(&path).is_none(), "given once");
        assert!(inherited.tcp(address).is_some());
        assert!(inherited.finish().is_ok());
        let connected = std::os::unix::net::UnixStream::pair().unwrap().0;
        assert!(recognise(OwnedFd::from(connected), 5).is_err());
    }
}
