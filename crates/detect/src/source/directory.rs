//! Directory trees: every regular file, every name and every link target.
//!
//! Links are not followed, special files are not opened, other file systems are not entered: those
//! in memory or made by the kernel hold no files on disk (a secret in a tmpfs lies there by design),
//! any other is a gap that names itself. Each step goes through the descriptor of the directory
//! before, so a tree that changes under us cannot lead outside.

use super::Finder;
use super::item::unreadable;
use super::location::join;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, fstat, fstatfs, openat, readlinkat, statat,
};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Deepest tree that is walked; each level holds a descriptor.
const DEPTH: u32 = 200;

/// A file that grows while it is read (a log) is read this far beyond its size at the start.
const GROWTH: u64 = 16 << 20;

/// File systems without files of their own on a disk: `statfs(2)`, `linux/magic.h`.
const IN_MEMORY: &[(u64, &str)] = &[
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x1cd1, "devpts"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x1980_0202, "mqueue"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0xcafe_4a11, "bpf"),
    (0x9584_58f6, "hugetlbfs"),
    (0x6e73_6673, "nsfs"),
];

/// Merged views of containers: the layers below are walked where they lie.
const OVERLAY: u64 = 0x794c_7630;

struct Walk {
    device: u64,
    files: u64,
    /// Files with several names, read once.
    seen: HashSet<u64>,
}

impl Finder<'_> {
    /// Searches everything under `root`, on its file system.
    pub fn directory(&mut self, root: &Path) {
        let location = root.to_string_lossy().into_owned();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(rustix::fs::CWD, root, flags, Mode::empty());
        let walk = opened.and_then(|fd| Ok((fstat(&fd)?.st_dev, fd)));
        match walk {
            Ok((device, fd)) => {
                let mut walk = Walk {
                    device,
                    files: 0,
                    seen: HashSet::new(),
                };
                self.level(&mut walk, &location, &fd, DEPTH);
            }
            Err(error) => self.gap(&location, unreadable(&error.into())),
        }
    }

    fn level(&mut self, walk: &mut Walk, location: &str, directory: &OwnedFd, depth: u32) {
        for name in self.listed(walk, location, directory) {
            walk.files += 1;
            if walk.files > self.limits.entries {
                return self.gap(location, "more files than the limit allows");
            }
            self.text(&join(location, "a file name"), name.to_bytes());
            let inner = format!(
                "{}/{}",
                location.trim_end_matches('/'),
                name.to_string_lossy()
            );
            match self.entry(walk, &inner, directory.as_fd(), &name, depth) {
                // Gone since it was listed: nothing lies there any more.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => self.gap(&inner, unreadable(&error.into())),
            }
        }
    }

    /// The names in a directory, sorted: which location is the first, and which ones are kept, must not
    /// hang on the file system. One more than the limit allows shows that there are more.
    fn listed(&mut self, walk: &Walk, location: &str, directory: &OwnedFd) -> Vec<CString> {
        let mut names = Vec::new();
        let entries = match Dir::read_from(directory) {
            Ok(entries) => entries,
            Err(error) => {
                self.gap(location, unreadable(&error.into()));
                return names;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => names.push(entry.file_name().to_owned()),
                Err(error) => {
                    self.gap(location, unreadable(&error.into()));
                    break;
                }
            }
            if walk.files + names.len() as u64 > self.limits.entries {
                break;
            }
        }
        names.sort();
        names
    }

    fn entry(
        &mut self,
        walk: &mut Walk,
        location: &str,
        directory: BorrowedFd<'_>,
        name: &CStr,
        depth: u32,
    ) -> rustix::io::Result<()> {
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner = openat(directory, name, flags, Mode::empty())?;
                if fstat(&inner)?.st_dev != walk.device {
                    self.other_file_system(location, &inner);
                } else if depth == 0 {
                    self.gap(location, "directories nested too deep");
                } else {
                    self.level(walk, location, &inner, depth - 1);
                }
            }
            FileType::Symlink => {
                let target = readlinkat(directory, name, Vec::new())?;
                self.text(&join(location, "link target"), target.to_bytes());
            }
            FileType::RegularFile => self.file(walk, location, directory, name)?,
            // Sockets, pipes and devices hold nothing that could be read without an effect.
            _ => {}
        }
        Ok(())
    }

    fn file(
        &mut self,
        walk: &mut Walk,
        location: &str,
        directory: BorrowedFd<'_>,
        name: &CStr,
    ) -> rustix::io::Result<()> {
        // NONBLOCK: it may have become a pipe since it was looked at.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat(directory, name, flags, Mode::empty())?;
        let stat = fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        if stat.st_dev != walk.device {
            self.other_file_system(location, &fd);
            return Ok(());
        }
        if stat.st_nlink > 1 && !walk.seen.insert(stat.st_ino) {
            return Ok(());
        }
        self.looked.objects += 1;
        let most = u64::try_from(stat.st_size)
            .unwrap_or(0)
            .saturating_add(GROWTH);
        self.reader(location, &mut File::from(fd).take(most));
        Ok(())
    }

    fn other_file_system(&mut self, location: &str, fd: &OwnedFd) {
        let kind = fstatfs(fd).map_or(0, |stat| u64::try_from(stat.f_type).unwrap_or(0));
        let in_memory = IN_MEMORY.iter().any(|(magic, _)| *magic == kind);
        if !in_memory && kind != OVERLAY {
            self.gap(
                location,
                "another file system is mounted here; name it to look into it",
            );
        }
    }
}
