//! Where the store lives: permissions, no links, and one process at a time.

use crate::Error;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Name of the file inside the directory.
pub const FILE: &str = "store.redb";

/// Its name while it is being made.
const NEW_FILE: &str = "store.redb.new";

/// The store's directory, locked for this process until it is dropped.
pub(super) struct Directory {
    path: PathBuf,
    handle: OwnedFd,
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let refused = |error: std::io::Error| Error::Unavailable(format!("{shown}: {error}"));
        // The mode is given when it is made: there is no moment in which others could look in.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(refused)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::LOOP | Errno::NOTDIR) => {
                let reason = "is a symbolic link or no directory";
                return Err(Error::Unavailable(format!("{shown} {reason}")));
            }
            Err(error) => return Err(refused(error.into())),
        };
        let meta = rustix::fs::fstat(&handle).map_err(|error| refused(error.into()))?;
        if meta.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Error::Unavailable(format!(
                "{shown} belongs to somebody else"
            )));
        }
        if meta.st_mode & 0o777 != 0o700 {
            rustix::fs::fchmod(&handle, Mode::from_raw_mode(0o700))
                .map_err(|error| refused(error.into()))?;
        }
        match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let reason = "is in use by another process";
                return Err(Error::Unavailable(format!("{shown} {reason}")));
            }
            Err(error) => return Err(refused(error.into())),
        }
        Ok(Self {
            path: path.to_owned(),
            handle,
        })
    }

    pub(super) fn file_path(&self) -> PathBuf {
        self.path.join(FILE)
    }

    /// Opens the store file and sets its mode to 0600; `None` when there is none.
    pub(super) fn open_file(&self) -> Result<Option<File>, Error> {
        match self.open_at(FILE, OFlags::empty()) {
            Ok(file) => Ok(Some(file)),
            Err(Refused::Errno(Errno::NOENT)) => Ok(None),
            Err(refused) => Err(self.explain(FILE, &refused)),
        }
    }

    /// Makes an empty file to become the store file. What a crash left of an earlier one goes.
    pub(super) fn create_new_file(&self) -> Result<File, Error> {
        self.open_at(NEW_FILE, OFlags::CREATE | OFlags::TRUNC)
            .map_err(|refused| self.explain(NEW_FILE, &refused))
    }

    /// Gives the new file its name, durably. A store file is whole from its first moment.
    pub(super) fn promote_new_file(&self) -> Result<(), Error> {
        let flags = RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&self.handle, NEW_FILE, &self.handle, FILE, flags)
            .and_then(|()| rustix::fs::fsync(&self.handle))
            .map_err(|error| self.explain(FILE, &Refused::Errno(error)))
    }

    fn open_at(&self, name: &str, flags: OFlags) -> Result<File, Refused> {
        let flags = flags | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = rustix::fs::openat(&self.handle, name, flags, mode)?;
        let meta = rustix::fs::fstat(&file)?;
        if !FileType::from_raw_mode(meta.st_mode).is_file() {
            return Err(Refused::Irregular);
        }
        if meta.st_mode & 0o777 != 0o600 {
            rustix::fs::fchmod(&file, mode)?;
        }
        Ok(File::from(file))
    }

    fn explain(&self, name: &str, refused: &Refused) -> Error {
        let path = self.path.join(name);
        let reason = match refused {
            Refused::Irregular => "is not a regular file".to_owned(),
            Refused::Errno(Errno::LOOP) => "is a symbolic link".to_owned(),
            Refused::Errno(error) => format!("cannot be opened: {error}"),
        };
        Error::Unavailable(format!("{} {reason}", path.display()))
    }

    /// Size of the file in bytes; 0 when there is none.
    pub(super) fn file_size(&self) -> u64 {
        rustix::fs::statat(&self.handle, FILE, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(0, |meta| u64::try_from(meta.st_size).unwrap_or(0))
    }
}

/// Why a file was not opened.
enum Refused {
    Irregular,
    Errno(Errno),
}

impl From<Errno> for Refused {
    fn from(error: Errno) -> Self {
        Self::Errno(error)
    }
}
