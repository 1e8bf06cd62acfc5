//! The listening socket of a plugin: only ours, never half made, gone at the end.
//!
//! Or one that was made before us: systemd keeps a socket over our restarts, so dockerd can connect
//! while nobody runs, and is answered as soon as somebody does. Such a name is not ours to remove.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// Where a plugin listens.
#[derive(Debug)]
pub enum Listen {
    /// At this path; the file is made and removed by us.
    At(PathBuf),
    /// On a socket that is bound already and stays when we end.
    Inherited(std::os::unix::net::UnixListener),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(path) => path.display().fmt(f),
            Self::Inherited(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                match path {
                    Some(path) => write!(f, "{} (kept by systemd)", path.display()),
                    None => f.write_str("a socket without a name"),
                }
            }
        }
    }
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Caller: another process answers on the socket.
    #[error("another plugin already answers at {}", .0.display())]
    Taken(PathBuf),
    /// Caller: something that is no socket has its place.
    #[error("something that is no socket stands at {}", .0.display())]
    Occupied(PathBuf),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    fn system(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::System {
            action,
            path: path.into(),
            source,
        }
    }
}

/// A bound socket. A file that we made is removed on drop, unless somebody else has taken the name.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    /// Kept for its end only.
    _made: Option<Made>,
}

/// The file of a socket that we made.
struct Made {
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Errs when another process answers there, or something that is no socket is in the way.
    pub(super) async fn require_free(listen: &Listen) -> Result<(), Error> {
        match listen {
            Listen::At(path) => clear_stale(path).await,
            Listen::Inherited(_) => Ok(()),
        }
    }

    /// Binds, or takes over what is bound.
    pub(super) async fn open(listen: Listen) -> Result<Self, Error> {
        match listen {
            Listen::At(path) => Self::bind(&path).await,
            Listen::Inherited(listener) => {
                let taken = listener
                    .set_nonblocking(true)
                    .and_then(|()| UnixListener::from_std(listener));
                let listener = taken.map_err(|e| Error::system("take over", "the socket", e))?;
                Ok(Self {
                    listener,
                    _made: None,
                })
            }
        }
    }

    /// Binds `path`, readable for root alone. A socket that nobody answers on any more is removed.
    async fn bind(path: &Path) -> Result<Self, Error> {
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
                _made: Some(Made {
                    path: path.to_owned(),
                    inode: found.ino(),
                }),
            }),
            Err(error) => {
                let _ = fs::remove_file(&unfinished);
                Err(Error::system("listen at", path, error))
            }
        }
    }
}

impl Drop for Made {
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
