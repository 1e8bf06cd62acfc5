//! The socket, in a directory that containers mount.
//!
//! A mounted directory is the directory itself, whatever happens in it: so it is made once and stays,
//! and the socket in it is put in place anew by each daemon. A mounted socket would be that one
//! socket, dead after the first restart. Everybody may connect: who a caller is decides.

use super::Error;
use rustix::process::geteuid;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// The name in the directory: mounted at `/run/cofferdam`, it is where our own client looks first.
pub(super) const NAME: &str = "cofferdam.sock";

/// A bound socket. Its file is removed on drop, unless somebody else has taken the name.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Binds in `directory`, which is made if it is not there.
    pub(super) async fn bind(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(NAME);
        let failed = |source| Error::Socket {
            path: path.clone(),
            source,
        };
        prepare(directory).map_err(failed)?;
        clear_stale(&path).await?;
        // dockerd and containers know only the final name.
        let unfinished = directory.join(format!(".{}", std::process::id()));
        let _ = fs::remove_file(&unfinished);
        let listener = UnixListener::bind(&unfinished).map_err(failed)?;
        let finished = fs::set_permissions(&unfinished, Permissions::from_mode(0o666))
            .and_then(|()| fs::rename(&unfinished, &path))
            .and_then(|()| fs::symlink_metadata(&path));
        match finished {
            Ok(found) => Ok(Self {
                listener,
                inode: found.ino(),
                path,
            }),
            Err(error) => {
                let _ = fs::remove_file(&unfinished);
                Err(failed(error))
            }
        }
    }

    /// Whether the name still leads to us.
    pub(super) fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The directory: to be entered by everybody and changed by us alone.
fn prepare(directory: &Path) -> io::Result<()> {
    if let Some(above) = directory.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(above)?;
    }
    match DirBuilder::new().mode(0o755).create(directory) {
        // Whatever the umask was.
        Ok(()) => fs::set_permissions(directory, Permissions::from_mode(0o755))?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(directory)?;
    let known = found.uid() == 0 || found.uid() == geteuid().as_raw();
    if found.is_dir() && known && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::other(
        "its directory is not one that only root can change",
    ))
}

async fn clear_stale(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Socket {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(failed(io::Error::other("something else stands there")));
        }
        Ok(_) => {}
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(Error::Taken(path.to_owned()));
    }
    fs::remove_file(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_directory_stays_and_the_socket_is_made_anew() {
        let base = tempfile::tempdir().unwrap();
        let directory = base.path().join("run/workload");
        let first = Socket::bind(&directory).await.unwrap();
        let inode = fs::metadata(&directory).unwrap().ino();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(first.path()), 0o666);
        assert_eq!(mode(&directory), 0o755);
        assert_eq!(
            mode(&base.path().join("run")),
            0o700,
            "no other user comes near it"
        );
        assert!(matches!(
            Socket::bind(&directory).await,
            Err(Error::Taken(_))
        ));
        drop(first);
        assert!(!directory.join(NAME).exists());
        // What a killed daemon leaves is taken over, anything else is not.
        drop(std::os::unix::net::UnixListener::bind(directory.join(NAME)).unwrap());
        let second = Socket::bind(&directory).await.unwrap();
        assert!(second.is_in_place());
        assert_eq!(fs::metadata(&directory).unwrap().ino(), inode);
        fs::rename(second.path(), directory.join("moved")).unwrap();
        fs::write(directory.join(NAME), "a file").unwrap();
        assert!(!second.is_in_place());
        drop(second);
        assert!(directory.join(NAME).exists(), "not ours to remove");
        assert!(matches!(
            Socket::bind(&directory).await,
            Err(Error::Socket { .. })
        ));
    }

    #[tokio::test]
    async fn a_directory_that_others_can_change_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let directory = base.path().join("workload");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
        assert!(Socket::bind(&directory).await.is_err());
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        let link = base.path().join("link");
        std::os::unix::fs::symlink(&directory, &link).unwrap();
        assert!(Socket::bind(&link).await.is_err());
        assert!(Socket::bind(&directory).await.is_ok());
    }
}
