//! dockerd as a process: which one it is, how it was started, and its order to read its file again.
//!
//! It is found by its pid file and never by its socket: where systemd holds the socket, the kernel
//! names systemd as the one behind it. The file may be old, so the process must also be called
//! dockerd.

pub mod config;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Where dockerd writes its process id.
pub const PID_FILE: &str = "/var/run/docker.pid";
/// What it reads when it was not told another file.
pub const CONFIG: &str = "/etc/docker/daemon.json";

/// A running dockerd.
pub struct Daemon {
    handle: OwnedFd,
    arguments: Vec<String>,
}

impl Daemon {
    /// The one that wrote this pid file, if it still runs.
    #[must_use]
    pub fn running(pid_file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(pid_file).ok()?;
        let id: i32 = text.trim().parse().ok()?;
        // The handle first: what is read afterwards is about this process, or about nobody.
        let handle = pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok()?;
        let name = std::fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
        let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0);
        let arguments = words.map(|word| String::from_utf8_lossy(word).into_owned());
        (name.trim() == "dockerd").then(|| Self {
            handle,
            arguments: arguments.collect(),
        })
    }

    /// Whether it was started with this flag.
    #[must_use]
    pub fn has_flag(&self, name: &str) -> bool {
        flag(&self.arguments, name).is_some()
    }

    /// Whether it was started with a switch, in any of the forms that it takes.
    #[must_use]
    pub fn has_switch(&self, long: &str, short: &str) -> bool {
        let on = |word: &str| !matches!(word, "false" | "0" | "f" | "F" | "False" | "FALSE");
        let words = self.arguments.iter().skip(1);
        words.map(String::as_str).any(|word| {
            word == short
                || word
                    .strip_prefix(long)
                    .is_some_and(|rest| rest.is_empty() || rest.strip_prefix('=').is_some_and(on))
        })
    }

    /// Whether a word of its command line has this in it.
    #[must_use]
    pub fn has_word(&self, part: &str) -> bool {
        self.arguments.iter().any(|word| word.contains(part))
    }

    /// The file that it reads.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        flag(&self.arguments, "--config-file").map_or_else(|| CONFIG.into(), PathBuf::from)
    }

    /// Tells it to read its file again.
    ///
    /// # Errors
    /// When it has ended, or the caller may not.
    pub fn reload(&self) -> io::Result<()> {
        pidfd_send_signal(&self.handle, Signal::HUP).map_err(io::Error::from)
    }
}

/// The value of `--name value` or `--name=value`.
fn flag<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if word == name {
            return words.next();
        }
        if let Some(value) = word
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='))
        {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_found_in_both_forms() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let arguments = words("dockerd -H fd:// --config-file=/x.json --authorization-plugin a");
        assert_eq!(flag(&arguments, "--config-file"), Some("/x.json"));
        assert_eq!(flag(&arguments, "--authorization-plugin"), Some("a"));
        assert_eq!(flag(&arguments, "--config"), None);
    }

    #[test]
    fn a_pid_file_of_another_program_is_nobody() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), std::process::id().to_string()).unwrap();
        assert!(Daemon::running(file.path()).is_none());
        std::fs::write(file.path(), "1\n").unwrap();
        assert!(Daemon::running(file.path()).is_none());
        assert!(Daemon::running(Path::new("/nonexistent")).is_none());
    }
}
