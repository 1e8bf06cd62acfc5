//! The local socket. The kernel tells who connected (`SO_PEERCRED`, fixed at connect time, so a
//! reused process id changes nothing), and that is the whole proof: root and the user who owns the
//! server are admin. See `docs/adr/0008-local-admin.md`.

use super::census::Census;
use super::connection::{Protocol, drive};
use super::{ListenError, breathe};
use crate::door::Door;
use crate::http::Shared;
use cofferdam_core::Peer;
use rustix::fs::{AtFlags, CWD, Mode};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::geteuid;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// Longest path of a socket: `sun_path` less its final zero.
const LONGEST: usize = 107;

/// A local socket as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Where.
    pub path: PathBuf,
    /// Permission bits of the socket; 0600 keeps everybody but root and the owner out.
    pub mode: u32,
    /// Lets other users in, who then need a token like everybody on the network.
    pub others: bool,
}

impl Local {
    /// A socket for root and this user only.
    #[must_use]
    pub const fn private(path: PathBuf) -> Self {
        Self {
            path,
            mode: 0o600,
            others: false,
        }
    }
}

/// Which inode is ours.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Inode(u64, u64);

impl Inode {
    fn of(path: &Path) -> Option<Self> {
        std::fs::symlink_metadata(path)
            .ok()
            .map(|found| Self(found.dev(), found.ino()))
    }
}

/// A bound local socket; removes its own name on drop, and nobody else's.
pub(super) struct Listener {
    listener: UnixListener,
    local: Local,
    inode: Option<Inode>,
    /// Whether the file is ours to remove.
    made: bool,
}

impl Listener {
    /// Binds. A dead socket is replaced; a live one, or anything else in its place, is refused.
    pub(super) fn bind(local: Local) -> Result<Self, ListenError> {
        check_name(&local.path)?;
        let directory = prepare_directory(&local.path)?;
        make_way(&local.path)?;
        let failed = |source| ListenError::Address {
            address: local.path.display().to_string(),
            source,
        };
        let listener = place(&local, &directory).map_err(failed)?;
        let inode = Inode::of(&local.path);
        Ok(Self {
            listener,
            local,
            inode,
            made: true,
        })
    }

    /// Takes over a socket that was bound before us and stays when we end.
    pub(super) fn kept(
        listener: std::os::unix::net::UnixListener,
        local: Local,
    ) -> Result<Self, ListenError> {
        let taken = listener
            .set_nonblocking(true)
            .and_then(|()| UnixListener::from_std(listener));
        let listener = taken.map_err(|source| ListenError::Address {
            address: local.path.display().to_string(),
            source,
        })?;
        let inode = Inode::of(&local.path);
        Ok(Self {
            listener,
            local,
            inode,
            made: false,
        })
    }

    pub(super) fn address(&self) -> String {
        format!("unix://{}", self.local.path.display())
    }

    pub(super) async fn accept_all<D: Door>(
        &self,
        shared: &Arc<Shared<D>>,
        census: &Arc<Census>,
        stop: &watch::Receiver<bool>,
    ) {
        let mut replaced = false;
        let mut looks = tokio::time::interval(Duration::from_secs(2));
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream, shared, census, stop),
                    Err(error) => breathe(&error).await,
                },
                _ = looks.tick() => {
                    if self.inode != Inode::of(&self.local.path) && !replaced {
                        replaced = true;
                        tracing::error!("the local socket was replaced or removed: {}", self.local.path.display());
                        tracing::error!("hint: whoever did it can now answer in our place; check the directory, then restart the server");
                    }
                }
            }
        }
    }

    fn admit<D: Door>(
        &self,
        stream: UnixStream,
        shared: &Arc<Shared<D>>,
        census: &Arc<Census>,
        stop: &watch::Receiver<bool>,
    ) {
        // Not through rustix: its type has no room for process id 0, which is what the kernel says of
        // a peer in another pid namespace.
        let Ok(uid) = stream.peer_cred().map(|credentials| credentials.uid()) else {
            return;
        };
        let admin = uid == 0 || uid == geteuid().as_raw();
        if !admin && !self.local.others {
            tracing::warn!(
                uid,
                "connection to the local socket refused: neither root nor the owner of the server"
            );
            return;
        }
        let peer = Peer::Local { uid, admin };
        let Some(seat) = census.admit(&peer) else {
            return;
        };
        let watch = Arc::clone(seat.watch());
        let (shared, stop) = (Arc::clone(shared), stop.clone());
        let task = tokio::spawn(async move {
            drive(stream, Protocol::Http1, peer, &seat, &shared, stop).await
        });
        Census::driven_by(&watch, task.abort_handle());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.made && self.inode.is_some() && self.inode == Inode::of(&self.local.path) {
            // At the end of the process; a name left behind is replaced at the next start.
            let _ = std::fs::remove_file(&self.local.path);
        }
    }
}

fn check_name(path: &Path) -> Result<(), ListenError> {
    let name = path.as_os_str().as_encoded_bytes();
    match name.first() {
        Some(b'@' | 0) | None => Err(ListenError::Abstract),
        Some(_) if name.len() > LONGEST => Err(ListenError::Long(path.to_owned())),
        Some(_) => Ok(()),
    }
}

/// The directory, made 0700 if absent. One that others can write to would let them replace the socket.
fn prepare_directory(path: &Path) -> Result<PathBuf, ListenError> {
    use std::os::unix::fs::DirBuilderExt;
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => return Err(ListenError::NotASocket(path.to_owned())),
    };
    let failed = |source| ListenError::Address {
        address: path.display().to_string(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(failed)?;
    let found = std::fs::symlink_metadata(&directory).map_err(failed)?;
    let owner_is_known = found.uid() == 0 || found.uid() == geteuid().as_raw();
    if !found.is_dir() || !owner_is_known || found.mode() & 0o022 != 0 {
        return Err(ListenError::Directory(directory));
    }
    Ok(directory)
}

/// Whether the name is free or belongs to a socket nobody listens on any more.
fn make_way(path: &Path) -> Result<(), ListenError> {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        // Full backlog means alive as well.
        Ok(_) => Err(ListenError::Alive(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => Err(ListenError::Alive(path.to_owned())),
    }
}

/// Binds under a private directory and moves the socket to its place with its final mode, so that
/// there is no moment in which the umask decides who may connect.
fn place(local: &Local, directory: &Path) -> io::Result<UnixListener> {
    let nursery = directory.join(format!(".cf{}", std::process::id()));
    // Left over from a process of the same id that was killed here.
    let _ = std::fs::remove_file(nursery.join("s"));
    let _ = std::fs::remove_dir(&nursery);
    rustix::fs::mkdirat(CWD, &nursery, Mode::RWXU)?;
    let placed = (|| {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        let staged = nursery.join("s");
        rustix::net::bind(&socket, &SocketAddrUnix::new(&staged)?)?;
        rustix::fs::chmodat(
            CWD,
            &staged,
            Mode::from_raw_mode(local.mode & 0o777),
            AtFlags::empty(),
        )?;
        rustix::net::listen(&socket, 1024)?;
        rustix::fs::rename(&staged, &local.path)?;
        UnixListener::from_std(std::os::unix::net::UnixListener::from(socket))
    })();
    let _ = std::fs::remove_file(nursery.join("s"));
    let _ = std::fs::remove_dir(&nursery);
    placed
}
