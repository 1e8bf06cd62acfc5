//! The delivery directory of one process: found or mounted, locked while in use, removed at the end.
//!
//! Root mounts a tmpfs of its own (`nosuid,nodev,noexec`, never swapped where the kernel knows
//! `noswap`, Linux 6.4). Others get a directory below a tmpfs of theirs. A lock on the directory
//! lasts exactly as long as its owner, so [`sweep`] knows which ones a killed owner left behind;
//! unlike a process number it cannot be reused and works across containers that share `/dev/shm`.

use super::{Directory, Error, memory, mount};
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open, stat};
use rustix::process::geteuid;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The directory that is written to, in the locked one.
const FILES: &str = "secrets";

/// A delivery directory that is removed, content and all, when this is dropped.
#[derive(Debug)]
pub struct Place {
    /// `None` only until it is open.
    directory: Option<Directory>,
    /// The locked directory: on the runtime directory's own filesystem, it never holds a value.
    path: PathBuf,
    mounted: bool,
    /// Held, not used: the lock goes with it.
    _lock: OwnedFd,
}

impl Place {
    /// A new directory below `parent`, on a tmpfs of its own when `mount` says so.
    ///
    /// `mode` are the directory's own bits: 0700, or 0711 when the files belong to somebody else.
    ///
    /// # Errors
    /// [`Error`]; nothing is left behind.
    pub fn create(parent: &Path, mode: u32, mount: bool) -> Result<Self, Error> {
        let (path, lock) = create_locked(parent, mode)?;
        let mut place = Self {
            directory: None,
            path: path.clone(),
            mounted: false,
            _lock: lock,
        };
        let files = path.join(FILES);
        make_own(&files, mode)?;
        if mount {
            mount::mount_tmpfs(&files, mode)?;
            place.mounted = true;
        }
        place.directory = Some(Directory::open(&files)?);
        Ok(place)
    }

    /// The directory to write to.
    ///
    /// # Errors
    /// Never for a place that [`Place::create`] returned.
    pub fn directory(&self) -> Result<&Directory, Error> {
        self.directory.as_ref().ok_or_else(|| Error::NotOurs {
            path: self.path.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.directory = None;
        if let Err(error) = remove(&self.path, self.mounted) {
            tracing::warn!(%error, "the delivery directory could not be removed");
        }
    }
}

/// The directory below which this user's processes get theirs, and whether a tmpfs must be mounted.
///
/// `runtime` is `/run/cofferdam` or its counterpart for a user.
///
/// # Errors
/// [`Error::NoMemory`] for a user without any tmpfs.
pub fn parent(runtime: &Path) -> Result<(PathBuf, bool), Error> {
    if geteuid().is_root() {
        // Beside the server's directory and not in it: that one is for root alone, while the
        // readers of these files may have another uid and must be able to walk in.
        let parent = runtime.with_file_name("cofferdam-run");
        make_own(&parent, 0o711)?;
        return Ok((parent, true));
    }
    let shared = PathBuf::from(format!("/dev/shm/cofferdam-{}", geteuid().as_raw()));
    let candidates = [runtime.to_owned(), shared];
    let above = |base: &PathBuf| base.parent().map(Path::to_owned);
    for base in &candidates {
        if above(base).is_some_and(|above| is_memory(&above)) {
            make_own(base, 0o700)?;
            let parent = base.join("run");
            make_own(&parent, 0o700)?;
            return Ok((parent, false));
        }
    }
    let looked = candidates.iter().filter_map(above);
    let looked: Vec<_> = looked.map(|path| path.display().to_string()).collect();
    Err(Error::NoMemory {
        looked: looked.join(", "),
    })
}

/// Removes what killed processes left below `parent`; returns how many.
///
/// # Errors
/// [`Error::System`] when `parent` cannot be listed.
pub fn sweep(parent: &Path) -> Result<usize, Error> {
    let entries = match std::fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(Error::system("list", parent, error)),
    };
    let mut swept = 0;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let Some(_lock) = lock(&path) else {
            continue;
        };
        match remove(&path, mount::is_mount_point(&path.join(FILES))) {
            Ok(()) => swept += 1,
            Err(error) => tracing::warn!(%error, "a stale delivery directory stays"),
        }
    }
    Ok(swept)
}

/// Makes a directory that belongs to this user alone, or takes the one that is there if it does.
///
/// # Errors
/// [`Error::NotOurs`] when somebody else made it or may write to it.
pub fn make_own(path: &Path, mode: u32) -> Result<(), Error> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            // mkdir obeys the umask, and a reader of another uid must be able to walk through.
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(path, permissions)
                .map_err(|e| Error::system("set the mode of", path, e))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => require_own(path),
        Err(error) => Err(Error::system("create", path, error)),
    }
}

fn require_own(path: &Path) -> Result<(), Error> {
    let found = std::fs::symlink_metadata(path).map_err(|e| Error::system("look at", path, e))?;
    let ours = found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0;
    if ours {
        return Ok(());
    }
    Err(Error::NotOurs {
        path: path.to_owned(),
    })
}

/// Random hex for a name that nobody can guess or has used.
pub(super) fn random_suffix(path: &Path) -> Result<String, Error> {
    let mut bytes = [0_u8; 8];
    cofferdam_secret::fill(&mut bytes).map_err(|e| Error::system("name a file in", path, e))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

fn create_locked(parent: &Path, mode: u32) -> Result<(PathBuf, OwnedFd), Error> {
    // A sweep may look at a directory before it is locked; then another name is tried.
    for _ in 0..16 {
        let path = parent.join(random_suffix(parent)?);
        make_own(&path, mode)?;
        if let Some(lock) = lock(&path) {
            return Ok((path, lock));
        }
    }
    let reason = std::io::Error::other("another process removes each new one");
    Err(Error::system("create a directory in", parent, reason))
}

/// The lock of a directory that still exists; `None` when another process holds it. It lasts as
/// long as the descriptor.
#[must_use]
pub fn lock(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = open(path, flags, Mode::empty()).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    let (ours, there) = (fstat(&lock).ok()?, stat(path).ok()?);
    (ours.st_ino == there.st_ino && ours.st_dev == there.st_dev).then_some(lock)
}

/// Removes a locked directory with what is in it.
fn remove(path: &Path, mounted: bool) -> Result<(), Error> {
    let files = path.join(FILES);
    if mounted {
        mount::unmount_tmpfs(&files)?;
    } else if is_memory(&files) {
        Directory::open(&files)?.clear()?;
    }
    for directory in [&files, path] {
        match std::fs::remove_dir(directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::system("remove", directory, error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_memory(path: &Path) -> bool {
    std::fs::File::open(path).is_ok_and(|open| memory::require(&open, path).is_ok())
}

#[cfg(test)]
mod tests;
