//! Writes files into one directory in memory; a reader sees the old or the new content, never less.
//!
//! The order for each file (DELIV-4): create under a temporary name with mode 0000, give it to its
//! owner, write, set the mode, rename. Nobody but root can open it before the rename, and an open
//! descriptor keeps the old content. [`Directory::replace`] changes several files in one step with
//! the layout Kubernetes uses for its volumes: `NAME -> ..data/NAME`, `..data -> GENERATION`.
//!
//! A reader who has followed `..data` and not yet opened the file walks in the old generation. So
//! that one stays until its [`Superseded`] is discarded, which the caller does some seconds later:
//! removed at once, it would turn such a reader's open into "no such file".

use super::{Access, Error, memory};
use crate::FileName;
use cofferdam_secret::Secret;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, RawMode, ResolveFlags, Uid, fchmod, fchown, mkdirat,
    openat2, readlinkat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// The link that is swapped when several files change together.
const CURRENT: &str = "..data";
/// Temporary names and generations begin so; a [`FileName`] cannot.
const TEMPORARY: &str = ".cofferdam-";
const GENERATION: &str = "..cofferdam-";

/// An open directory on a memory filesystem.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

/// One file of a generation.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// Its name.
    pub name: &'a FileName,
    /// Its bytes.
    pub value: &'a Secret<Vec<u8>>,
    /// Who may read it.
    pub access: Access,
}

/// A generation that is no longer current. Readers may still be on their way into it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "its values stay in memory until it is discarded"]
pub struct Superseded(String);

impl Directory {
    /// Opens `path` (absolute, without `..`), refusing symbolic links anywhere on the way and any
    /// filesystem that is not in memory.
    ///
    /// # Errors
    /// [`Error`]; nothing was created.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        if !path.is_absolute() || !path.components().all(plain) {
            return Err(Error::NotAbsolute {
                path: path.to_owned(),
            });
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let fd =
            openat2(rustix::fs::CWD, path, flags, Mode::empty(), resolve).map_err(|error| {
                match error {
                    Errno::LOOP => Error::Link {
                        path: path.to_owned(),
                    },
                    error => Error::system("open", path, error),
                }
            })?;
        memory::require(&fd, path)?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of a file in it.
    #[must_use]
    pub fn path_of(&self, name: &FileName) -> PathBuf {
        self.path.join(name.as_str())
    }

    /// Puts one file, replacing an older one of the name in one step.
    ///
    /// # Errors
    /// [`Error::Occupied`] when the name belongs to something that is no plain file; the older
    /// file stays untouched on any error.
    pub fn put(
        &self,
        name: &FileName,
        value: &Secret<Vec<u8>>,
        access: Access,
    ) -> Result<(), Error> {
        let standing = self.standing(name.as_str())?;
        if standing.is_some_and(|kind| kind != FileType::RegularFile) {
            return Err(self.occupied(name.as_str()));
        }
        let temporary = Temporary::new(self, TEMPORARY)?;
        self.write(&self.fd, &temporary.name, value, access)?;
        temporary.rename_to(name.as_str())
    }

    /// Makes the directory hold exactly `files`, all of them changing in one step; gives the
    /// generation that was current before.
    ///
    /// Whoever has seen one new file sees only new files from then on; readers that open
    /// `DIRECTORY/..data` once and read from there see one generation.
    ///
    /// # Errors
    /// As [`Directory::put`]; until the step the old generation stays complete.
    pub fn replace(&self, files: &[Content<'_>]) -> Result<Option<Superseded>, Error> {
        for file in files {
            self.require_ours(file.name)?;
        }
        let old = self.current();
        let generation = Temporary::new(self, GENERATION)?;
        let fd = self.make_generation(&generation.name)?;
        for file in files {
            self.write(&fd, file.name.as_str(), file.value, file.access)?;
        }
        // Before the step, where they lead nowhere: a new name comes with the others, not later.
        for file in files {
            let name = file.name;
            if self.link_target(name.as_str()).is_none() {
                self.link(&format!("{CURRENT}/{name}"), name.as_str())?;
            }
        }
        self.link(&generation.name, CURRENT)?;
        let _ = generation.keep();
        let wanted: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        for name in self.names()? {
            let stale_link = self.is_our_link(&name) && !wanted.contains(name.as_str());
            if stale_link {
                self.unlink(&name, AtFlags::empty())?;
            }
        }
        Ok(old.map(Superseded))
    }

    /// Removes a generation that no reader can be on the way into any more.
    ///
    /// # Errors
    /// [`Error::System`]; that it is gone is none.
    pub fn discard(&self, old: &Superseded) -> Result<(), Error> {
        match self.standing(&old.0)? {
            Some(FileType::Directory) => self.remove_tree(&old.0),
            _ => Ok(()),
        }
    }

    /// What a writer that was killed left: generations that are not current, and files it had not
    /// finished.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn sweep(&self) -> Result<(), Error> {
        let current = self.current();
        for name in self.names()? {
            if name.starts_with(GENERATION) && Some(&name) != current.as_ref() {
                self.discard(&Superseded(name))?;
            } else if name.starts_with(TEMPORARY) {
                self.unlink(&name, AtFlags::empty())?;
            }
        }
        Ok(())
    }

    /// Whether the current generation holds exactly these names and bytes.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn holds(&self, files: &[Content<'_>]) -> Result<bool, Error> {
        let Some(current) = self.current() else {
            return Ok(false);
        };
        let fd = self.open_generation(&current)?;
        let names = names_in(&fd).map_err(|e| Error::system("list", &self.path, e))?;
        let there: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let wanted: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        if there != wanted {
            return Ok(false);
        }
        for file in files {
            let path = self.path_of(file.name);
            let open = openat2(
                &fd,
                file.name.as_str(),
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            )
            .map_err(|e| Error::system("open", &path, e))?;
            let same = same_bytes(File::from(open), file.value.expose());
            if !same.map_err(|e| Error::system("read", &path, e))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes one file; that it is not there is no error.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn remove(&self, name: &FileName) -> Result<(), Error> {
        self.unlink(name.as_str(), AtFlags::empty())
    }

    /// Removes everything that is in the directory.
    ///
    /// # Errors
    /// [`Error::System`] for the first thing that would not go; the others are still tried.
    pub fn clear(&self) -> Result<(), Error> {
        let mut first = Ok(());
        for name in self.names()? {
            let gone = match self.standing(&name)? {
                Some(FileType::Directory) => self.remove_tree(&name),
                _ => self.unlink(&name, AtFlags::empty()),
            };
            first = first.and(gone);
        }
        first
    }

    /// Names in it, the sink's own included.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn names(&self) -> Result<Vec<String>, Error> {
        names_in(&self.fd).map_err(|e| Error::system("list", &self.path, e))
    }

    fn write(
        &self,
        parent: impl AsFd,
        name: &str,
        value: &Secret<Vec<u8>>,
        access: Access,
    ) -> Result<(), Error> {
        let path = self.path.join(name);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let fd = openat2(parent, name, flags, Mode::empty(), resolve)
            .map_err(|e| Error::system("create", &path, e))?;
        give(&fd, &self.path, access)?;
        let mut file = File::from(fd);
        file.write_all(value.expose())
            .map_err(|e| Error::system("write", &path, e))?;
        // Only now: with the content complete, and still under a name nobody knows.
        let mode = Mode::from_raw_mode(access.mode as RawMode & 0o777);
        fchmod(&file, mode).map_err(|e| Error::system("set the mode of", &path, e))
    }

    fn make_generation(&self, name: &str) -> Result<OwnedFd, Error> {
        let path = self.path.join(name);
        let mode = Mode::from_raw_mode(0o755);
        mkdirat(&self.fd, name, mode).map_err(|e| Error::system("create", &path, e))?;
        let fd = self.open_generation(name)?;
        // mkdir obeys the umask; readers of another uid must be able to walk in.
        fchmod(&fd, mode).map_err(|e| Error::system("set the mode of", &path, e))?;
        Ok(fd)
    }

    fn open_generation(&self, name: &str) -> Result<OwnedFd, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        openat2(&self.fd, name, flags, Mode::empty(), resolve)
            .map_err(|e| Error::system("open", &self.path.join(name), e))
    }

    /// The generation that readers are led to.
    fn current(&self) -> Option<String> {
        self.link_target(CURRENT)
            .filter(|name| name.starts_with(GENERATION))
    }

    /// Points the link `name` at `target`, in one step.
    fn link(&self, target: &str, name: &str) -> Result<(), Error> {
        let temporary = Temporary::new(self, TEMPORARY)?;
        symlinkat(target, &self.fd, &*temporary.name)
            .map_err(|e| Error::system("create", &self.path.join(name), e))?;
        temporary.rename_to(name)
    }

    fn standing(&self, name: &str) -> Result<Option<FileType>, Error> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::system("look at", &self.path.join(name), error)),
        }
    }

    fn require_ours(&self, name: &FileName) -> Result<(), Error> {
        if self.standing(name.as_str())?.is_none() || self.is_our_link(name.as_str()) {
            Ok(())
        } else {
            Err(self.occupied(name.as_str()))
        }
    }

    fn is_our_link(&self, name: &str) -> bool {
        self.link_target(name)
            .is_some_and(|target| target == format!("{CURRENT}/{name}"))
    }

    fn link_target(&self, name: &str) -> Option<String> {
        let target = readlinkat(&self.fd, name, Vec::new()).ok()?;
        target.into_string().ok()
    }

    fn remove_tree(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        let fd = self.open_generation(name)?;
        for inner in names_in(&fd).map_err(|e| Error::system("list", &path, e))? {
            unlinkat(&fd, &*inner, AtFlags::empty())
                .map_err(|e| Error::system("remove", &path.join(&inner), e))?;
        }
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    fn unlink(&self, name: &str, flags: AtFlags) -> Result<(), Error> {
        match unlinkat(&self.fd, name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Error::system("remove", &self.path.join(name), error)),
        }
    }

    fn occupied(&self, name: &str) -> Error {
        Error::Occupied {
            path: self.path.join(name),
        }
    }
}

fn give(fd: &OwnedFd, path: &Path, access: Access) -> Result<(), Error> {
    if access.uid.is_none() && access.gid.is_none() {
        return Ok(());
    }
    let (uid, gid) = (access.uid.map(Uid::from_raw), access.gid.map(Gid::from_raw));
    let shown = |id: Option<u32>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    fchown(fd, uid, gid).map_err(|error| match error {
        Errno::PERM => Error::Ownership {
            path: path.to_owned(),
            uid: shown(access.uid),
            gid: shown(access.gid),
        },
        error => Error::system("give away", path, error),
    })
}

/// Compares piece by piece, so that no whole copy of the value is made.
fn same_bytes(mut file: File, wanted: &[u8]) -> std::io::Result<bool> {
    if file.metadata()?.len() != wanted.len() as u64 {
        return Ok(false);
    }
    let mut piece = Secret::new(vec![0_u8; 4096]);
    let mut rest = wanted;
    loop {
        let count = file.read(piece.expose_mut())?;
        let Some(read) = piece.expose().get(..count).filter(|read| !read.is_empty()) else {
            return Ok(rest.is_empty());
        };
        match rest.split_at_checked(count) {
            Some((head, tail)) if head == read => rest = tail,
            _ => return Ok(false),
        }
    }
}

/// Names in order: a file system lists them as it likes.
fn names_in(fd: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        // Whoever put a name there that is no UTF-8, it was not this room.
        if let Some(name) = name.to_str().filter(|name| !matches!(*name, "." | "..")) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// A random name in the directory, removed on drop unless it was renamed or kept.
struct Temporary<'a> {
    directory: &'a Directory,
    name: String,
    armed: bool,
}

impl<'a> Temporary<'a> {
    fn new(directory: &'a Directory, prefix: &str) -> Result<Self, Error> {
        let random = super::place::random_suffix(&directory.path)?;
        Ok(Self {
            directory,
            name: format!("{prefix}{random}"),
            armed: true,
        })
    }

    fn rename_to(mut self, name: &str) -> Result<(), Error> {
        let fd = &self.directory.fd;
        renameat(fd, &*self.name, fd, name)
            .map_err(|e| Error::system("rename to", &self.directory.path.join(name), e))?;
        self.armed = false;
        Ok(())
    }

    fn keep(mut self) -> String {
        self.armed = false;
        std::mem::take(&mut self.name)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let gone = match self.directory.standing(&self.name) {
            Ok(Some(FileType::Directory)) => self.directory.remove_tree(&self.name),
            _ => self.directory.unlink(&self.name, AtFlags::empty()),
        };
        if let Err(error) = gone {
            tracing::warn!(%error, "a half-written file was left in the delivery directory");
        }
    }
}

#[cfg(test)]
mod tests;
