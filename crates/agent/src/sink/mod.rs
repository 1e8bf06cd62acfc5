//! Where values are put: a directory in memory, or a sealed memory file.
//!
//! * [`memory`] proves that a filesystem lives in memory;
//! * [`place`] finds or mounts such a directory for one process and removes it at the end, and
//!   sweeps those whose owner was killed; [`Guest`] uses a directory that somebody else made;
//! * [`mount`] makes one, [`private`] hides it from everybody else;
//! * [`directory`] writes files into it, each change visible at once or not at all;
//! * [`memfd`] hands a value to a child without any directory.
//!
//! Rules from `facts/docker.md` section 5 (`/run` may be a disk) and `design.md` D8. Nothing here
//! overwrites before it unlinks: in memory that is no protection, the page is simply freed.

pub mod directory;
mod guest;
pub mod memfd;
pub mod memory;
pub mod mount;
pub mod place;
pub mod private;
#[cfg(test)]
mod rooted;

pub use directory::Directory;
pub use guest::Guest;
pub use memfd::SealedFile;
pub use place::Place;

use std::io;
use std::path::{Path, PathBuf};

/// Who may read a delivered file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Owning user; `None` leaves it ours.
    pub uid: Option<u32>,
    /// Owning group; `None` leaves it ours.
    pub gid: Option<u32>,
    /// Permission bits, at most 0777.
    pub mode: u32,
}

impl Default for Access {
    /// Readable by the owner only: whoever needs more says so.
    fn default() -> Self {
        Self {
            uid: None,
            gid: None,
            mode: 0o400,
        }
    }
}

impl Access {
    /// Permission bits in octal, 1 to 0777; `None` for anything else.
    #[must_use]
    pub fn parse_mode(text: &str) -> Option<u32> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let bits = u32::from_str_radix(text, 8).ok();
        bits.filter(|bits| digits && *bits <= 0o777 && *bits != 0)
    }

    /// A numeric user or group. The largest number is none: `chown` takes it for "as it is".
    #[must_use]
    pub fn parse_id(text: &str) -> Option<u32> {
        text.parse().ok().filter(|number| *number != u32::MAX)
    }
}

/// Why a value could not be put somewhere.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Caller: the directory is on a disk (or on something that cannot be told from one).
    #[error("not a memory filesystem: {} ({kind})", path.display())]
    NotMemory {
        /// The directory.
        path: PathBuf,
        /// Name of its filesystem.
        kind: String,
    },
    /// Caller: no directory in memory was found for this user.
    #[error("no memory filesystem to write to: looked at {looked}")]
    NoMemory {
        /// The directories that were tried.
        looked: String,
    },
    /// Caller: the path is relative or has `..` in it.
    #[error("not an absolute path without \"..\": {}", path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
    /// Caller or an attacker: a symbolic link stands where a directory must.
    #[error("a symbolic link on the way: {}", path.display())]
    Link {
        /// The path.
        path: PathBuf,
    },
    /// Caller or an attacker: something that is no plain file has the name.
    #[error("something that is no plain file stands at {}", path.display())]
    Occupied {
        /// The path.
        path: PathBuf,
    },
    /// An attacker or another user: the directory is not ours alone.
    #[error("not a directory of this user alone: {}", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// Caller: a file is there already, and it is not ours to replace.
    #[error("a file is already there: {}", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// Caller: only root may give files away.
    #[error("cannot give files in {} to uid {uid}, gid {gid}", path.display())]
    Ownership {
        /// The directory.
        path: PathBuf,
        /// Asked for; `-` for unchanged.
        uid: String,
        /// Asked for; `-` for unchanged.
        gid: String,
    },
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
    /// The next thing to do, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotMemory { .. } | Self::NoMemory { .. } => {
                "choose a directory on a tmpfs: df -t tmpfs (mostly /dev/shm or /run)".to_owned()
            }
            Self::Link { path } => match path.canonicalize() {
                Ok(real) => format!("name the real path if it is yours: {}", real.display()),
                Err(_) => format!("look at it: ls -ld {}", path.display()),
            },
            Self::Occupied { path } | Self::NotOurs { path } | Self::Exists { path } => {
                format!("look at it: ls -ld {}", path.display())
            }
            Self::Ownership { .. } => "only root may give files away: run it as root".to_owned(),
            Self::NotAbsolute { .. } | Self::System { .. } => return None,
        })
    }

    pub(crate) fn system(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::System {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}
