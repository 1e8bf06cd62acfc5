//! A plain file, at a path only the administrator's configuration can name.
//!
//! There is no option for bytes in front of a line and the path comes from no API call: a log that
//! its writer can place and prefix is a way to write programs (CVE-2025-6000).

use super::reserve::Reserve;
use super::{Device, Failed, Failure, Space, write_all};
use crate::audit::chain::{ChainKey, Head, Link};
use crate::audit::{Names, Pieces};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How a file device is set up.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Absolute.
    pub path: PathBuf,
    /// Permissions, set when it is opened. 0600: records name paths, users and addresses.
    pub mode: u32,
    /// Wait for the disk after each batch. Off, as in Vault: records survive the end of the
    /// process, but not of the machine.
    pub sync: bool,
    /// Bytes kept allocated beside the log (`PATH.reserve`) and given up when the disk is full, so
    /// that requests go on while the alarm is raised. 4 MiB, some 3 000 records; 0 for none.
    pub reserve: u64,
    /// Warn when fewer bytes are free. 64 MiB, some 50 000 records: time to act.
    pub alarm_below: u64,
    /// What is said of the names in a list.
    pub names: Names,
}

impl FileOptions {
    /// The defaults for `path`.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self {
            path,
            mode: 0o600,
            sync: false,
            reserve: 4 << 20,
            alarm_below: 64 << 20,
            names: Names::Hashed,
        }
    }
}

/// Longest line end that is searched for the last link; the largest possible record is smaller.
const LONGEST_SEARCH: u64 = 64 << 20;
/// Bytes looked at first, from the end; then four times as many, and so on.
const FIRST_WINDOW: u64 = 64 << 10;
/// How often free space is looked at.
const SPACE_EVERY: Duration = Duration::from_secs(1);

/// An open log file.
pub struct File {
    options: FileOptions,
    out: OwnedFd,
    identity: (u64, u64),
    /// It does not end in a line end, and could not be cut.
    torn: bool,
    reserve: Reserve,
    space_seen: Option<Instant>,
}

impl File {
    /// Opens or creates it.
    ///
    /// # Errors
    /// [`Failure`]: among them anything but a plain file of ours with one name.
    pub fn open(options: FileOptions) -> Result<Self, Failure> {
        if !options.path.is_absolute() {
            return Err(Failure::NotAbsolute);
        }
        let (out, stat) = open(&options)?;
        let torn = ends_torn(&out, size(&stat))?;
        let reserve = Reserve::beside(&options.path, options.reserve);
        Ok(Self {
            reserve,
            options,
            out,
            identity: identity(&stat),
            torn,
            space_seen: None,
        })
    }

    /// Opens anew when the name leads elsewhere now: the file was rotated, deleted or replaced.
    fn follow_name(&mut self) -> Result<(), Failure> {
        let now = rustix::fs::lstat(&self.options.path);
        match now {
            Ok(stat) if identity(&stat) == self.identity => return Ok(()),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(Failure::io("look at the file")(errno)),
        }
        let (out, stat) = open(&self.options)?;
        self.torn = ends_torn(&out, size(&stat))?;
        self.identity = identity(&stat);
        self.out = out;
        tracing::warn!(path = ?self.options.path, "audit file was moved, deleted or replaced: opened again");
        Ok(())
    }

    fn write_lines(&mut self, lines: &Pieces) -> Result<(), Failure> {
        if self.torn {
            write_all(&self.out, &Pieces::from(b"\n".as_slice()), &mut 0)?;
        }
        write_all(&self.out, lines, &mut 0)?;
        self.torn = false;
        if self.options.sync {
            rustix::fs::fdatasync(&self.out).map_err(Failure::io("sync"))?;
        }
        Ok(())
    }

    /// Takes back what a failed write left, and says how many bytes it could not take back. Only we
    /// append to the file, so that everything after `length` is ours.
    fn cut(&mut self, length: u64) -> usize {
        if rustix::fs::ftruncate(&self.out, length).is_ok() {
            return 0;
        }
        // An append-only file (`chattr +a`).
        let now = rustix::fs::fstat(&self.out).map_or(length, |stat| size(&stat));
        self.torn = ends_torn(&self.out, now).unwrap_or(true);
        usize::try_from(now.saturating_sub(length)).unwrap_or_default()
    }
}

impl Device for File {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn names(&self) -> Names {
        self.options.names
    }

    fn append(&mut self, lines: &Pieces) -> Result<(), Failed> {
        self.follow_name()?;
        let stat = rustix::fs::fstat(&self.out).map_err(Failure::io("look at the file"))?;
        let (before, closing) = (size(&stat), usize::from(self.torn));
        let mut outcome = self.write_lines(lines);
        if matches!(outcome, Err(Failure::Full)) && self.cut(before) == 0 && self.reserve.release()
        {
            tracing::error!(path = ?self.options.path, "no space left for audit: living on the reserve");
            outcome = self.write_lines(lines);
        }
        outcome.map_err(|failure| Failed {
            kept: self.cut(before).saturating_sub(closing),
            failure,
        })
    }

    /// The last line that was written with `key`. Damaged lines behind it are left for `verify`.
    fn head(&mut self, key: &ChainKey) -> Result<Option<Head>, Failure> {
        let stat = rustix::fs::fstat(&self.out).map_err(Failure::io("look at the file"))?;
        let size = size(&stat);
        let mut window = FIRST_WINDOW;
        loop {
            let from = size.saturating_sub(window);
            let tail = read(&self.out, from, size)?;
            if let Some(head) = last_authentic(&tail, from == 0, key) {
                return Ok(Some(head));
            }
            if from == 0 || window >= LONGEST_SEARCH {
                return Ok(None);
            }
            window = window.saturating_mul(4);
        }
    }

    fn space(&mut self) -> Space {
        if self
            .space_seen
            .is_some_and(|seen| seen.elapsed() < SPACE_EVERY)
        {
            return Space::Unknown;
        }
        self.space_seen = Some(Instant::now());
        let Ok(space) = rustix::fs::fstatvfs(&self.out) else {
            return Space::Unknown;
        };
        match space.f_bavail.saturating_mul(space.f_frsize) {
            free if free < self.options.alarm_below => Space::Low(free),
            _ => {
                self.reserve.hold();
                Space::Enough
            }
        }
    }
}

/// The last authentic link in `tail`. Its first line counts only when it is known to be whole.
fn last_authentic(tail: &[u8], from_start: bool, key: &ChainKey) -> Option<Head> {
    let mut lines: Vec<&[u8]> = tail.split(|byte| *byte == b'\n').collect();
    if !from_start {
        lines.remove(0);
    }
    let mut links = lines.into_iter().rev().filter_map(Link::parse);
    links
        .find(|link| key.is_authentic(link))
        .map(|link| link.head)
}

fn open(options: &FileOptions) -> Result<(OwnedFd, Stat), Failure> {
    // NONBLOCK: opening a FIFO must not wait for its reader. It changes nothing for a plain file.
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC
        | OFlags::NOCTTY;
    let out =
        rustix::fs::open(&options.path, flags, Mode::from_raw_mode(0o600)).map_err(|errno| {
            match errno {
                // A link, a FIFO or socket without a reader, a directory.
                Errno::LOOP | Errno::NXIO | Errno::ISDIR => Failure::NotAFile,
                errno => Failure::io("open")(errno),
            }
        })?;
    let stat = rustix::fs::fstat(&out).map_err(Failure::io("look at the file"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Failure::NotAFile);
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_nlink > 1 {
        return Err(Failure::NotOurs);
    }
    // Any other answer is a filesystem without locks.
    let lock = rustix::fs::flock(&out, FlockOperation::NonBlockingLockExclusive);
    if lock == Err(Errno::WOULDBLOCK) {
        return Err(Failure::InUse);
    }
    let mode = Mode::from_raw_mode(options.mode & 0o777);
    rustix::fs::fchmod(&out, mode).map_err(Failure::io("set permissions"))?;
    Ok((out, stat))
}

const fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

fn ends_torn(out: &OwnedFd, size: u64) -> Result<bool, Failure> {
    let last = read(out, size.saturating_sub(1), size)?;
    Ok(last.last().is_some_and(|byte| *byte != b'\n'))
}

fn read(out: &OwnedFd, from: u64, to: u64) -> Result<Vec<u8>, Failure> {
    let length = usize::try_from(to.saturating_sub(from)).unwrap_or_default();
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let rest = bytes.get_mut(filled..).unwrap_or_default();
        match rustix::io::pread(out, rest, from + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::io("read back")(errno)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
