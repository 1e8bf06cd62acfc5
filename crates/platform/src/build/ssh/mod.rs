//! An ssh agent for one build: its keys come from the store and never are files.
//!
//! BuildKit forwards an agent's socket into `RUN --mount=type=ssh` (`moby.sshforward.v1`), so a
//! step can sign in somewhere and cannot take the key along. The socket lies in a directory that
//! only this user may enter, and only the build's own processes are answered: the kernel says who is
//! at the other end, and its parents must lead to us. What is answered: the list of keys, and
//! signatures. Adding, removing, locking and extensions are refused, as the protocol allows
//! (draft-ietf-sshm-ssh-agent, section 3).

mod key;
mod openssh;
mod rsa;
mod wire;

pub use key::{Key, KeyError};
pub use wire::Request;

use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, geteuid, getpid};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Longest request, in bytes; OpenSSH's own limit.
const LONGEST: u32 = 256 * 1024;
/// A chain of parents that is longer is none of ours.
const GENERATIONS: usize = 256;

/// An agent that answers until it is dropped.
#[derive(Debug)]
pub struct Agent {
    socket: PathBuf,
    ending: Arc<AtomicBool>,
}

impl Agent {
    /// Listens at `socket`, in a directory that is this user's alone and not on a disk: the caller
    /// made it ([`cofferdam_agent::sink::Place`]).
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn start(socket: &Path, keys: Vec<Key>) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
        let ending = Arc::new(AtomicBool::new(false));
        let (keys, ended) = (Arc::new(keys), Arc::clone(&ending));
        std::thread::Builder::new()
            .name("ssh-agent".to_owned())
            .spawn(move || serve(&listener, &keys, &ended))?;
        Ok(Self {
            socket: socket.to_owned(),
            ending,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread, which looks at the mark and goes.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn serve(listener: &UnixListener, keys: &Arc<Vec<Key>>, ending: &Arc<AtomicBool>) {
    for stream in listener.incoming() {
        if ending.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if !is_of_this_build(&stream) {
            tracing::warn!("a process that is no part of the build asked the ssh agent");
            continue;
        }
        let keys = Arc::clone(keys);
        // A peer that breaks off ends its own connection only.
        let _ = std::thread::Builder::new().spawn(move || converse(stream, &keys));
    }
}

fn is_of_this_build(stream: &UnixStream) -> bool {
    socket_peercred(stream)
        .is_ok_and(|peer| peer.uid == geteuid() && descends(peer.pid, getpid(), &parent))
}

/// Whether `process` is `ancestor` or comes from it.
fn descends(process: Pid, ancestor: Pid, parent: &dyn Fn(Pid) -> Option<Pid>) -> bool {
    let chain = std::iter::successors(Some(process), |process| parent(*process));
    chain.take(GENERATIONS).any(|process| process == ancestor)
}

/// The parent, from `/proc/PID/stat`: the second number behind the name, which may hold anything.
fn parent(process: Pid) -> Option<Pid> {
    let text = std::fs::read(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (_, rest) = text.rsplit_once(')')?;
    let number = rest.split_whitespace().nth(1)?.parse().ok()?;
    Pid::from_raw(number)
}

fn converse(mut stream: UnixStream, keys: &[Key]) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length == 0 || length > LONGEST {
            return Ok(());
        }
        let mut message = vec![0; usize::try_from(length).unwrap_or_default()];
        stream.read_exact(&mut message)?;
        stream.write_all(&wire::framed(&answer(keys, &message)))?;
    }
}

/// The answer to one message. Whatever is not understood or not done is a failure.
fn answer(keys: &[Key], message: &[u8]) -> Vec<u8> {
    match Request::parse(message) {
        Some(Request::Identities) => {
            wire::identities(keys.iter().map(|key| (key.public(), key.comment())))
        }
        Some(Request::Sign { key, data, flags }) => {
            let known = keys.iter().find(|known| known.public() == key);
            let signature = known.and_then(|key| key.sign(data, flags));
            signature.map_or_else(wire::failure, |signature| wire::signature(&signature))
        }
        None => wire::failure(),
    }
}

#[cfg(test)]
mod tests;
