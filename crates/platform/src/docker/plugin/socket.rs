//! The listening socket: only ours, never half made, gone at the end.

use super::Error;
use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// A bound socket. Its file is removed on drop, unless somebody else has taken the name.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Errs when another process answers at `path`, or something that is no socket is there.
    pub(super) async fn require_free(path: &Path) -> Result<(), Error> {
        clear_stale(path).await
    }

    /// Binds `path`, readable for root alone. A socket that nobody answers on any more is removed.
    pub(super) async fn bind(path: &Path) -> Result<Self, Error> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        // As dockerd itself makes it; one that is there stays as it is.
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory);
        made.map_err(|e| Error::system("create", directory, e))?;
        clear_stale(path).await?;
        // Bound under another name, so that no moment exists in which others may connect. dockerd
        // only looks at names that end in .sock.
        let unfinished = directory.join(format!(".cofferdam-{}", std::process::id()));
        let _ = fs::remove_file(&unfinished);
        let listener =
            UnixListener::bind(&unfinished).map_err(|e| Error::system("listen at", path, e))?;
        let finished = fs::set_permissions(&unfinished, Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&unfinished, path))
            .and_then(|()| fs::symlink_metadata(path));
        match finished {
            Ok(found) => Ok(Self {
                listener,
                path: path.to_owned(),
                inode: found.ino(),
            }),
            Err(error) => {
                let _ = fs::remove_file(&unfinished);
                Err(Error::system("listen at", path, error))
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn clear_stale(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::system("look at", path, error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::Occupied(path.to_owned()));
        }
        Ok(_) => {}
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(Error::Taken(path.to_owned()));
    }
    fs::remove_file(path).map_err(|e| Error::system("remove the stale", path, e))
}
