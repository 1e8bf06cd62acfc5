//! The process at the other end of a connection, held so that its number cannot come to mean another.
//!
//! The kernel says who connected. `SO_PEERPIDFD` (Linux 6.5) hands out that very process. Before it
//! there is only its number (`SO_PEERCRED`), which may belong to a newer process by the time it is
//! looked at: then a process that began after the connection was there is refused. What is left on
//! such kernels is a number that is used again between the connection and our taking it up.
//!
//! Everything else is read from `/proc/NUMBER`, and counts only if the process is alive afterwards:
//! as long as it is, the number is its own.

use super::refused::Refused;
use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use tokio::net::UnixStream;

/// A process that is held.
#[derive(Debug)]
pub(super) struct Process {
    number: Pid,
    handle: OwnedFd,
}

/// The namespaces that make a container's process what it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Namespaces {
    pub(super) user: String,
    pub(super) pid: String,
    pub(super) mnt: String,
}

impl Process {
    /// Who opened the connection. To be called as soon as it is accepted.
    pub(super) fn behind(stream: &UnixStream) -> Result<Self, Refused> {
        let accepted = ticks();
        let credentials = stream.peer_cred().map_err(|_| Refused::Gone)?;
        // Number 0: a process outside of our own process namespace.
        let number = credentials.pid().and_then(Pid::from_raw);
        let number = number.ok_or(Refused::Elsewhere)?;
        match getsockopt(stream, PeerPidfd) {
            Ok(handle) => Self::held(number, handle),
            Err(nix::errno::Errno::ENOPROTOOPT) => Self::before(number, accepted),
            Err(_) => Err(Refused::Gone),
        }
    }

    /// Who has this number now.
    pub(super) fn numbered(number: i32) -> Result<Self, Refused> {
        let number = Pid::from_raw(number).ok_or(Refused::Gone)?;
        let handle = pidfd_open(number, PidfdFlags::empty()).map_err(|_| Refused::Gone)?;
        Self::held(number, handle)
    }

    /// By number alone, if it began before `moment`.
    fn before(number: Pid, moment: u64) -> Result<Self, Refused> {
        let process = Self::numbered(number.as_raw_nonzero().get())?;
        match process.began() {
            Some(began) if began <= moment && process.is_alive() => Ok(process),
            _ => Err(Refused::Gone),
        }
    }

    /// The handle must be of the process with this number: it is read by number.
    fn held(number: Pid, handle: OwnedFd) -> Result<Self, Refused> {
        let facts = fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd()));
        let facts = facts.map_err(|_| Refused::Gone)?;
        let said = facts.lines().find_map(|line| line.strip_prefix("Pid:"));
        let said = said.and_then(|text| text.trim().parse().ok());
        if said != Some(number.as_raw_nonzero().get()) {
            return Err(Refused::Gone);
        }
        Ok(Self { number, handle })
    }

    /// Whether it has not ended. Also true of one that is about to.
    pub(super) fn is_alive(&self) -> bool {
        let mut ends = [PollFd::new(&self.handle, PollFlags::IN)];
        matches!(poll(&mut ends, Some(&Timespec::default())), Ok(0))
    }

    /// Its number.
    pub(super) fn number(&self) -> i32 {
        self.number.as_raw_nonzero().get()
    }

    /// The handle, which becomes readable when the process ends.
    pub(super) fn into_handle(self) -> OwnedFd {
        self.handle
    }

    /// Its control groups.
    pub(super) fn cgroup(&self) -> Result<String, Refused> {
        fs::read_to_string(format!("/proc/{}/cgroup", self.number())).map_err(|_| Refused::Gone)
    }

    /// Its namespaces.
    pub(super) fn namespaces(&self) -> Result<Namespaces, Refused> {
        Namespaces::of(&self.number().to_string())
    }

    /// When it began, in clock ticks since boot.
    fn began(&self) -> Option<u64> {
        began(&fs::read_to_string(format!("/proc/{}/stat", self.number())).ok()?)
    }
}

impl Namespaces {
    /// Of this daemon.
    pub(super) fn own() -> Result<Self, Refused> {
        Self::of("self")
    }

    fn of(process: &str) -> Result<Self, Refused> {
        let read = |kind| {
            let link = fs::read_link(format!("/proc/{process}/ns/{kind}"));
            let link = link.map_err(|_| Refused::Gone)?;
            Ok(link.to_string_lossy().into_owned())
        };
        Ok(Self {
            user: read("user")?,
            pid: read("pid")?,
            mnt: read("mnt")?,
        })
    }
}

/// Field 22 of `/proc/PID/stat` (proc(5)). The second one is the program's name, which may hold
/// blanks and brackets.
fn began(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// Clock ticks since boot (`/proc/uptime`, proc(5)); 0 when that cannot be read, which admits nobody.
fn ticks() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split_whitespace().next().unwrap_or_default();
    let (whole, hundredths) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    let hundredths = number(whole) * 100 + number(hundredths);
    hundredths * rustix::param::clock_ticks_per_second() / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use tokio::net::UnixListener;

    fn sleeper() -> Child {
        Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn raw(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    #[tokio::test]
    async fn the_peer_of_a_connection_is_the_process_that_opened_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let _client = UnixStream::connect(&path).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let peer = Process::behind(&stream).unwrap();
        assert_eq!(peer.number(), i32::try_from(std::process::id()).unwrap());
        assert!(peer.is_alive());
        assert_eq!(peer.namespaces().unwrap(), Namespaces::own().unwrap());
    }

    /// The race: the process ends between its connection and our looking.
    #[tokio::test]
    async fn a_peer_that_has_ended_is_refused_though_a_child_holds_the_connection() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        // The opener ends; the sleep it leaves behind holds the connection open.
        let script = "import socket,os,sys\n\
                      s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.set_inheritable(True)\n\
                      print(os.spawnvp(os.P_NOWAIT,'sleep',['sleep','600']),flush=True)\n";
        let mut opener = Command::new("python3")
            .args(["-c", script, path.to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut holder = String::new();
        let mut said = std::io::BufReader::new(opener.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut said, &mut holder).unwrap();
        assert!(opener.wait().unwrap().success());
        let looked = Process::behind(&stream);
        assert!(
            looked.as_ref().map_or(true, |process| !process.is_alive()),
            "{looked:?}"
        );
        let still_open = stream.try_read(&mut [0]).unwrap_err();
        assert_eq!(still_open.kind(), std::io::ErrorKind::WouldBlock);
        let killed = Command::new("kill").arg(holder.trim()).status().unwrap();
        assert!(killed.success());
    }

    #[test]
    fn a_number_that_was_taken_by_a_later_process_is_refused() {
        let moment = ticks();
        let mut later = sleeper();
        // Began after the connection was there, so the connection is not its own.
        let number = Pid::from_raw(raw(&later)).unwrap();
        let process = Process::numbered(raw(&later)).unwrap();
        let began = process.began().unwrap();
        assert!(began >= moment);
        assert_eq!(
            Process::before(number, began - 1).unwrap_err(),
            Refused::Gone
        );
        assert!(Process::before(number, ticks()).is_ok());
        later.kill().unwrap();
        // Ended and not waited for: its number is still taken.
        while process.is_alive() {
            std::thread::yield_now();
        }
        assert_eq!(Process::before(number, ticks()).unwrap_err(), Refused::Gone);
        later.wait().unwrap();
        assert_eq!(Process::before(number, ticks()).unwrap_err(), Refused::Gone);
        assert!(Process::numbered(0).is_err());
    }

    #[test]
    fn a_handle_of_another_process_than_the_number_is_refused() {
        let (mut one, mut two) = (sleeper(), sleeper());
        let handle = Process::numbered(raw(&one)).unwrap().into_handle();
        let number = Pid::from_raw(raw(&two)).unwrap();
        assert_eq!(Process::held(number, handle).unwrap_err(), Refused::Gone);
        for child in [&mut one, &mut two] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_program_cannot_write_its_own_beginning() {
        let name = ") S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99";
        let stat = format!("7 (x{name}) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0");
        assert_eq!(began(&stat), Some(4242));
        assert_eq!(began("7 (x"), None);
    }
}
