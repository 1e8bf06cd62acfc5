//! Host processes: their environment and their arguments, through `/proc`.
//!
//! A process in a container is named by its container (its cgroup carries the id). Kernel threads
//! have neither environment nor arguments. A process that ends while we look is no gap.

use super::{Processes, Search};
use cofferdam_detect::report::Place;
use rustix::process::getpid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};

/// Longest environment or command line read: the kernel's own limit for both is 6 MiB by default.
const LONGEST: u64 = 16 << 20;

/// One process.
struct Process {
    pid: u32,
    /// What it is called in a location.
    name: String,
}

impl Search<'_> {
    pub(super) fn processes(&mut self) {
        if self.scope.processes == Processes::Nothing {
            return;
        }
        (self.progress)("processes");
        let listed = match self.listed() {
            Ok(listed) => listed,
            Err(error) => {
                for place in [Place::ProcessEnviron, Place::ProcessArguments] {
                    self.finder.gap("/proc", error.kind().to_string());
                    self.keep(place);
                }
                return;
            }
        };
        self.parts(
            &listed,
            "environ",
            Place::ProcessEnviron,
            |process, number, part| {
                let name = part.split(|&byte| byte == b'=').next().unwrap_or_default();
                let name = String::from_utf8_lossy(name);
                if part.contains(&b'=') {
                    format!("{}: {name}", process.name)
                } else {
                    format!("{}: entry {}", process.name, number + 1)
                }
            },
        );
        self.parts(
            &listed,
            "cmdline",
            Place::ProcessArguments,
            |process, number, _| format!("{}: argument {number}", process.name),
        );
    }

    fn listed(&self) -> io::Result<Vec<Process>> {
        let own = getpid().as_raw_nonzero().get().unsigned_abs();
        let mut listed = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let container = self.container_of(pid);
            let wanted = container.is_some() || self.scope.processes == Processes::All;
            if pid == own || !wanted {
                continue;
            }
            let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let host = format!("pid {pid} ({})", program.trim_end());
            listed.push(Process {
                pid,
                name: container
                    .map_or_else(|| host.clone(), |name| format!("container {name}: {host}")),
            });
        }
        Ok(listed)
    }

    /// The container looked at whose id stands in the cgroup of this process.
    fn container_of(&self, pid: u32) -> Option<&str> {
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let mut containers = self.containers.iter();
        let (_, name) =
            containers.find(|(id, _)| id.len() >= 32 && cgroup.contains(id.as_str()))?;
        Some(name)
    }

    fn parts(
        &mut self,
        listed: &[Process],
        file: &str,
        place: Place,
        location: impl Fn(&Process, usize, &[u8]) -> String,
    ) {
        let mut unread: BTreeMap<&'static str, u64> = BTreeMap::new();
        for process in listed {
            let mut text = Vec::new();
            let read = File::open(format!("/proc/{}/{file}", process.pid))
                .and_then(|file| file.take(LONGEST).read_to_end(&mut text));
            match read {
                Ok(_) => {
                    self.finder.count();
                    for (number, part) in text.split(|&byte| byte == 0).enumerate() {
                        if !part.is_empty() {
                            self.finder.text(&location(process, number, part), part);
                        }
                    }
                }
                Err(error) if ended(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    *unread.entry("permission denied").or_default() += 1;
                }
                Err(_) => *unread.entry("cannot be read").or_default() += 1,
            }
            zeroize_text(&mut text);
        }
        for (reason, count) in unread {
            let noun = if count == 1 { "process" } else { "processes" };
            self.finder.gap(&format!("{count} {noun}"), reason);
        }
        self.keep(place);
    }
}

/// Gone since it was listed.
fn ended(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    error.kind() == io::ErrorKind::NotFound || code == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// Environments of other people's programs: not left behind in memory.
fn zeroize_text(text: &mut Vec<u8>) {
    let taken = std::mem::take(text);
    drop(cofferdam_secret::Secret::new(taken));
}
