//! Files that others may read, and places that are not in memory.

use super::{Outcome, quoted};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of `statfs(2)`.
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
/// More files of one directory are not looked at one by one.
const MOST: usize = 1000;

/// What the file system says.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Where sockets and delivered files are.
    pub(crate) runtime: Option<Place>,
    /// Directories and files of ours, which nobody else may open.
    pub(crate) ours: Vec<Entry>,
    /// Files in the working directory and the home that hold secrets by their names.
    pub(crate) secrets: Vec<Entry>,
    /// Directories that could not be listed.
    pub(crate) unread: Vec<PathBuf>,
}

/// A directory, and what keeps it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) in_memory: bool,
}

/// A file or directory, by owner and mode alone.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) directory: bool,
}

/// Where to look.
pub(crate) struct Where<'a> {
    pub(crate) runtime: &'a Path,
    pub(crate) data: &'a Path,
    pub(crate) seal_key: &'a Path,
    pub(crate) working: &'a Path,
    pub(crate) home: Option<&'a Path>,
}

impl Facts {
    pub(crate) fn gather(at: &Where<'_>) -> Self {
        let mut facts = Self {
            runtime: place(at.runtime),
            ..Self::default()
        };
        let ours = [at.data, at.runtime, at.seal_key];
        facts.ours = ours.iter().filter_map(|path| entry(path)).collect();
        let socket = at.runtime.join("cofferdam.sock");
        facts.ours.extend(entry(&socket));
        if let Some(home) = at.home {
            let named = [".vault-token", ".docker/config.json", ".pgpass", ".netrc"];
            let named = named.iter().map(|name| home.join(name));
            facts.secrets.extend(named.filter_map(|path| entry(&path)));
        }
        facts.directory(at.working, |name| {
            name == ".env" || name.starts_with(".env.")
        });
        for name in ["secrets", ".secrets"] {
            let directory = at.working.join(name);
            if directory.is_dir() {
                facts.directory(&directory, |_| true);
            }
        }
        facts
    }

    fn directory(&mut self, directory: &Path, wanted: fn(&str) -> bool) {
        let Ok(list) = std::fs::read_dir(directory) else {
            self.unread.push(directory.to_owned());
            return;
        };
        let names = list
            .flatten()
            .filter(|found| found.file_name().to_str().is_none_or(wanted));
        let mut paths: Vec<_> = names.map(|found| found.path()).collect();
        // Before the bound is put to them: what is beyond it must not hang on the file system.
        paths.sort();
        let paths = paths.iter().take(MOST);
        let mut found: Vec<_> = paths.filter_map(|path| entry(path)).collect();
        // Examples are made to be read.
        let example = |entry: &Entry| {
            let name = entry.path.extension().and_then(|end| end.to_str());
            matches!(name, Some("example" | "sample" | "template" | "dist"))
        };
        found.retain(|entry| !entry.directory && !example(entry));
        self.secrets.extend(found);
    }

    pub(crate) fn judge(&self) -> Vec<Outcome> {
        let mut outcomes = vec![self.judge_runtime()];
        outcomes.extend(self.judge_ours());
        outcomes.extend(self.judge_secrets());
        outcomes
    }

    fn judge_runtime(&self) -> Outcome {
        const CHECK: &str = "runtime-in-memory";
        match &self.runtime {
            None => Outcome::unknown(CHECK, "no directory of it exists"),
            Some(place) if place.in_memory => {
                Outcome::good(CHECK, format!("{} is in memory", place.path.display()))
            }
            Some(place) => Outcome::finding(
                CHECK,
                format!("{} is on a disk", place.path.display()),
                format!(
                    "mkdir -p {path} && mount -t tmpfs -o mode=0700,nosuid,nodev tmpfs {path}, and keep it in /etc/fstab",
                    path = quoted(&place.path)
                ),
            ),
        }
    }

    fn judge_ours(&self) -> Vec<Outcome> {
        const CHECK: &str = "own-files";
        let open: Vec<_> = self
            .ours
            .iter()
            // A directory that others may pass but not list or change is no door to what is in it.
            .filter(|entry| entry.mode & if entry.directory { 0o026 } else { 0o077 } != 0)
            .map(|entry| {
                let mode = if entry.directory { "0700" } else { "0600" };
                Outcome::finding(
                    CHECK,
                    format!(
                        "others may open {} (mode {:04o})",
                        entry.path.display(),
                        entry.mode
                    ),
                    format!("chmod {mode} {}", quoted(&entry.path)),
                )
            })
            .collect();
        if open.is_empty() {
            return vec![Outcome::good(CHECK, "for their owner alone")];
        }
        open
    }

    fn judge_secrets(&self) -> Vec<Outcome> {
        const CHECK: &str = "readable-secrets";
        let mut outcomes: Vec<_> = self
            .unread
            .iter()
            .map(|path| Outcome::unknown(CHECK, format!("cannot be listed: {}", path.display())))
            .collect();
        for entry in self.secrets.iter().filter(|entry| entry.mode & 0o044 != 0) {
            let path = quoted(&entry.path);
            let env = entry
                .path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b".env"));
            let import = if env {
                format!("; better: cofferdam import {path}, then remove it")
            } else {
                String::new()
            };
            outcomes.push(Outcome::finding(
                CHECK,
                format!(
                    "others may read {} (mode {:04o})",
                    entry.path.display(),
                    entry.mode
                ),
                format!("chmod 600 {path}{import}"),
            ));
        }
        if outcomes.is_empty() {
            let seen = self.secrets.len();
            outcomes.push(Outcome::good(
                CHECK,
                format!("none of {seen} files that may hold some"),
            ));
        }
        outcomes
    }
}

/// The directory, judged by the first one on the way to it that exists.
fn place(path: &Path) -> Option<Place> {
    let there = path.ancestors().find(|path| path.is_dir())?;
    let kind = rustix::fs::statfs(there).ok()?.f_type;
    let kind = u64::try_from(kind).unwrap_or_default() & 0xffff_ffff;
    Some(Place {
        path: path.to_owned(),
        in_memory: matches!(kind, TMPFS | RAMFS),
    })
}

fn entry(path: &Path) -> Option<Entry> {
    // What cannot be looked at cannot be read by others either, or is not there.
    let found: io::Result<_> = std::fs::metadata(path);
    let found = found.ok()?;
    Some(Entry {
        path: path.to_owned(),
        mode: found.mode() & 0o7777,
        directory: found.is_dir(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn plant(base: &Path, name: &str, mode: u32) {
        let path = base.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn gathered(base: &Path) -> Facts {
        Facts::gather(&Where {
            runtime: &base.join("run"),
            data: &base.join("data"),
            seal_key: &base.join("etc/seal.key"),
            working: &base.join("work"),
            home: Some(&base.join("home")),
        })
    }

    #[test]
    fn files_that_others_may_read_are_found_and_mended() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path();
        for (name, mode) in [
            ("work/.env", 0o644),
            ("work/.env.production", 0o640),
            ("work/.env.example", 0o644),
            ("work/secrets/db", 0o604),
            ("work/secrets/api", 0o600),
            ("work/compose.yaml", 0o644),
            ("home/.vault-token", 0o644),
        ] {
            plant(base, name, mode);
        }
        let outcomes = gathered(base).judge_secrets();
        let named: Vec<_> = outcomes
            .iter()
            .map(|outcome| outcome.hint.clone().unwrap())
            .collect();
        let path = |name: &str| base.join(name).display().to_string();
        assert_eq!(named.len(), 4, "{named:?}");
        assert_eq!(named[0], format!("chmod 600 {}", path("home/.vault-token")));
        assert!(named[1].contains("cofferdam import"), "{}", named[1]);
        assert!(named[2].contains(".env.production"));
        assert_eq!(named[3], format!("chmod 600 {}", path("work/secrets/db")));
        for entry in gathered(base).secrets {
            std::fs::set_permissions(&entry.path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        assert_eq!(gathered(base).judge_secrets()[0].state, State::Good);
    }

    #[test]
    fn of_very_many_files_the_first_by_name_are_looked_at() {
        let base = tempfile::tempdir().unwrap();
        for number in 0..MOST + 200 {
            plant(base.path(), &format!("work/secrets/{number:05}"), 0o600);
        }
        let looked_at = gathered(base.path()).secrets;
        let path = |number| base.path().join(format!("work/secrets/{number:05}"));
        let expected = (0..MOST).map(path);
        assert!(looked_at.into_iter().map(|entry| entry.path).eq(expected));
    }

    #[test]
    fn own_directories_that_are_open_are_found() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path();
        plant(base, "data/store", 0o600);
        plant(base, "etc/seal.key", 0o640);
        let open = |mode| {
            let data = base.join("data");
            std::fs::set_permissions(data, std::fs::Permissions::from_mode(mode)).unwrap();
            gathered(base).judge_ours().len()
        };
        assert_eq!(open(0o755), 2, "the directory and the key");
        assert_eq!(open(0o711), 1, "the key alone");
        plant(base, "etc/seal.key", 0o600);
        let outcomes = gathered(base).judge_ours();
        assert_eq!(outcomes[0].state, State::Good, "{outcomes:?}");
    }

    #[test]
    fn a_runtime_directory_on_a_disk_is_a_finding() {
        let facts = |in_memory| Facts {
            runtime: Some(Place {
                path: "/run".into(),
                in_memory,
            }),
            ..Facts::default()
        };
        assert_eq!(facts(true).judge_runtime().state, State::Good);
        let outcome = facts(false).judge_runtime();
        assert_eq!(outcome.state, State::Finding);
        assert!(outcome.hint.unwrap().contains("mount -t tmpfs "));
        // /proc is no place of files on a disk and none in memory; /dev/shm is one in memory.
        assert!(place(Path::new("/dev/shm/x/y")).is_some_and(|place| place.in_memory));
        assert!(place(Path::new("/proc")).is_some_and(|place| !place.in_memory));
    }
}
