//! Memory that ends up on a disk: swap, core dumps, pages that may not be locked.

use super::Outcome;
use rustix::process::{Resource, getrlimit};
use std::path::Path;

/// What the kernel says.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// `None`: `/proc/swaps` cannot be read.
    pub(crate) swaps: Option<Vec<Swap>>,
    pub(crate) core_pattern: Option<String>,
    pub(crate) suid_dumpable: Option<String>,
    /// Limit of core files of processes that are started from here; `None`: without limit.
    pub(crate) core_limit: Option<u64>,
    /// Memory that may be locked, in bytes; `None`: without limit.
    pub(crate) lock_limit: Option<u64>,
    /// Whether the limit means us: root with `CAP_IPC_LOCK` has none.
    pub(crate) root: bool,
}

/// One swap area.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Swap {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Where a swap area keeps its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// On a disk, as they are.
    Plain,
    /// On a disk, through dm-crypt.
    Encrypted,
    /// In memory.
    Compressed,
}

impl Facts {
    /// From `/proc` and `/sys` below `root`.
    pub(crate) fn gather(root: &Path) -> Self {
        let read = |name: &str| {
            let text = std::fs::read_to_string(root.join(name)).ok()?;
            Some(text.trim().to_owned())
        };
        Self {
            swaps: read("proc/swaps").map(|text| swaps(root, &text)),
            core_pattern: read("proc/sys/kernel/core_pattern"),
            suid_dumpable: read("proc/sys/fs/suid_dumpable"),
            core_limit: getrlimit(Resource::Core).current,
            lock_limit: getrlimit(Resource::Memlock).current,
            root: rustix::process::geteuid().is_root(),
        }
    }

    pub(crate) fn judge(&self) -> Vec<Outcome> {
        let mut outcomes = self.judge_swap();
        outcomes.push(self.judge_core());
        outcomes.push(self.judge_suid());
        outcomes.push(self.judge_lock());
        outcomes
    }

    fn judge_swap(&self) -> Vec<Outcome> {
        const CHECK: &str = "swap";
        let Some(swaps) = &self.swaps else {
            return vec![Outcome::unknown(CHECK, "/proc/swaps cannot be read")];
        };
        let plain = swaps.iter().filter(|swap| swap.kind == Kind::Plain);
        let findings: Vec<_> = plain
            .map(|swap| {
                let name = &swap.name;
                Outcome::finding(
                    CHECK,
                    format!("{name} keeps pages of memory on a disk, not encrypted"),
                    format!(
                        "swapoff {}, and take it out of /etc/fstab or encrypt it with a key of each start (crypttab(5), option swap)",
                        super::quoted(Path::new(name))
                    ),
                )
            })
            .collect();
        match (findings.is_empty(), swaps.is_empty()) {
            (false, _) => findings,
            (true, true) => vec![Outcome::good(CHECK, "none")],
            (true, false) => vec![Outcome::good(CHECK, "encrypted or in memory")],
        }
    }

    fn judge_core(&self) -> Outcome {
        const CHECK: &str = "core-dumps";
        const MEND: &str =
            "sysctl -w kernel.core_pattern='|/bin/false', and keep it in /etc/sysctl.d";
        match self.core_pattern.as_deref() {
            None => Outcome::unknown(CHECK, "kernel.core_pattern cannot be read"),
            Some("" | "|/bin/false" | "|/usr/bin/false") => Outcome::good(CHECK, "off"),
            // A program that takes them gets them whatever the limit is (core(5)).
            Some(pattern) if pattern.starts_with('|') => Outcome::finding(
                CHECK,
                "the memory of a program that crashes is given to a program that may store it",
                MEND,
            ),
            Some(_) if self.core_limit == Some(0) => {
                Outcome::good(CHECK, "limited to 0 bytes for what is started from here")
            }
            Some(_) => Outcome::finding(
                CHECK,
                "the memory of a program that crashes is written to a file",
                format!("{MEND}; for one container: docker run --ulimit core=0"),
            ),
        }
    }

    fn judge_suid(&self) -> Outcome {
        const CHECK: &str = "suid-dumps";
        match self.suid_dumpable.as_deref() {
            None => Outcome::unknown(CHECK, "fs.suid_dumpable cannot be read"),
            Some("1") => Outcome::finding(
                CHECK,
                "programs that change their user dump core for everybody (fs.suid_dumpable is 1)",
                "sysctl -w fs.suid_dumpable=0",
            ),
            Some(_) => Outcome::good(CHECK, "off, or for root alone"),
        }
    }

    fn judge_lock(&self) -> Outcome {
        const CHECK: &str = "locked-memory";
        /// What the server and the host daemon use with room to spare.
        const ENOUGH: u64 = 64 << 20;
        match self.lock_limit {
            _ if self.root => Outcome::good(CHECK, "allowed"),
            None => Outcome::good(CHECK, "allowed without limit"),
            Some(limit) if limit >= ENOUGH => {
                Outcome::good(CHECK, format!("allowed up to {} MiB", limit >> 20))
            }
            Some(limit) => Outcome::finding(
                CHECK,
                format!(
                    "only {} KiB may be locked: the rest can be swapped",
                    limit >> 10
                ),
                "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit",
            ),
        }
    }
}

/// Rows of `/proc/swaps` behind its title. Blanks in names are octal there.
fn swaps(root: &Path, text: &str) -> Vec<Swap> {
    let rows = text.lines().skip(1);
    let names = rows.filter_map(|row| row.split_whitespace().next());
    names
        .map(|name| Swap {
            name: name.replace("\\040", " "),
            kind: kind(root, name),
        })
        .collect()
}

fn kind(root: &Path, name: &str) -> Kind {
    let device = std::fs::canonicalize(root.join(name.trim_start_matches('/')));
    let device = device
        .ok()
        .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let device = device.unwrap_or_else(|| name.rsplit('/').next().unwrap_or_default().to_owned());
    if device.starts_with("zram") {
        return Kind::Compressed;
    }
    let uuid = root.join("sys/class/block").join(&device).join("dm/uuid");
    match std::fs::read_to_string(uuid) {
        Ok(uuid) if uuid.starts_with("CRYPT-") => Kind::Encrypted,
        _ => Kind::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn planted(files: &[(&str, &str)]) -> Facts {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Facts::gather(root.path())
    }

    fn states(outcomes: &[Outcome]) -> Vec<State> {
        outcomes.iter().map(|outcome| outcome.state).collect()
    }

    #[test]
    fn swap_on_a_plain_disk_is_a_finding_and_names_the_device() {
        let title = "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n";
        let swap = format!(
            "{title}/dev/sda2 partition 1 0 -2\n/dev/dm-1 partition 1 0 -3\n/dev/zram0 partition 1 0 100\n/swap\\040file file 1 0 -4\n"
        );
        let facts = planted(&[
            ("proc/swaps", &swap),
            ("sys/class/block/dm-1/dm/uuid", "CRYPT-PLAIN-swap\n"),
        ]);
        let outcomes = facts.judge_swap();
        assert_eq!(states(&outcomes), [State::Finding, State::Finding]);
        assert!(outcomes[0].what.starts_with("/dev/sda2 "));
        assert!(
            outcomes[1]
                .hint
                .as_ref()
                .unwrap()
                .starts_with("swapoff '/swap file'")
        );
        let none = planted(&[("proc/swaps", title)]);
        assert_eq!(states(&none.judge_swap()), [State::Good]);
        assert_eq!(states(&planted(&[]).judge_swap()), [State::Unknown]);
    }

    #[test]
    fn core_dumps_that_reach_a_disk_are_findings() {
        for (pattern, limit, state) in [
            ("core", Some(0), State::Good),
            ("core", None, State::Finding),
            ("/var/crash/%p", Some(1), State::Finding),
            (
                "|/usr/lib/systemd/systemd-coredump %P",
                Some(0),
                State::Finding,
            ),
            ("|/bin/false", None, State::Good),
        ] {
            let facts = Facts {
                core_pattern: Some(pattern.to_owned()),
                core_limit: limit,
                ..Facts::default()
            };
            assert_eq!(facts.judge_core().state, state, "{pattern} {limit:?}");
        }
        assert_eq!(Facts::default().judge_core().state, State::Unknown);
    }

    #[test]
    fn suid_dumps_and_lock_limits_are_judged() {
        for (value, state) in [
            ("0", State::Good),
            ("1", State::Finding),
            ("2", State::Good),
        ] {
            let facts = Facts {
                suid_dumpable: Some(value.to_owned()),
                ..Facts::default()
            };
            assert_eq!(facts.judge_suid().state, state, "{value}");
        }
        for (limit, root, state) in [
            (Some(65536), false, State::Finding),
            (Some(65536), true, State::Good),
            (Some(1 << 30), false, State::Good),
            (None, false, State::Good),
        ] {
            let facts = Facts {
                lock_limit: limit,
                root,
                ..Facts::default()
            };
            assert_eq!(facts.judge_lock().state, state);
        }
    }
}
