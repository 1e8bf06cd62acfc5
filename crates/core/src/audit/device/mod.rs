//! Where lines go.

mod file;
mod reserve;
mod stream;

pub use file::{File, FileOptions};
pub use stream::Stream;

use super::chain::{ChainKey, Head};
use super::{Names, Pieces};
use rustix::io::Errno;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use thiserror::Error;

/// Why a device cannot take lines.
#[derive(Debug, Error)]
pub enum Failure {
    /// The path is not absolute. The administrator's mistake.
    #[error("not an absolute path")]
    NotAbsolute,
    /// Something that is not a plain file stands there: a link, a FIFO, a socket, a directory.
    #[error("not a plain file")]
    NotAFile,
    /// The file belongs to somebody else, or has a second name elsewhere.
    #[error("file belongs to another user or has a second name")]
    NotOurs,
    /// Another device or another process writes to it: two chains in one file verify for nobody.
    #[error("another audit device or server writes to this file")]
    InUse,
    /// No space left.
    #[error("no space left on the device")]
    Full,
    /// The system refused.
    #[error("{action}: {}", .source.kind())]
    Io {
        /// What was tried.
        action: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl Failure {
    pub(super) fn io(action: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| match errno {
            Errno::NOSPC | Errno::DQUOT => Self::Full,
            errno => Self::Io {
                action,
                source: errno.into(),
            },
        }
    }
}

/// An append that failed.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// How many bytes of the lines are in the log all the same and could not be taken back.
    pub kept: usize,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, kept: 0 }
    }
}

/// Slices that one `writev` takes (`IOV_MAX` of Linux).
const SLICES: usize = 1024;

/// Writes all of `pieces` and counts in `kept` what was written, also where it fails.
fn write_all(out: &OwnedFd, pieces: &Pieces, kept: &mut usize) -> Result<(), Failure> {
    let mut slices = pieces.slices();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        let next = rest.get(..SLICES).unwrap_or(rest);
        match rustix::io::writev(out, next) {
            Ok(0) => return Err(Failure::Full),
            Ok(written) => {
                *kept += written;
                IoSlice::advance_slices(&mut rest, written);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::io("write")(errno)),
        }
    }
    Ok(())
}

/// How much room is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Cannot be known, or was looked at only just now.
    Unknown,
    /// Enough.
    Enough,
    /// Worryingly few bytes.
    Low(u64),
}

/// Something that lines are appended to. It lives in a thread of its own and may block there.
pub trait Device: Send {
    /// The word for it in configuration: `file`, `stdout`.
    fn kind(&self) -> &'static str;

    /// Appends `lines` (whole lines, each with its line end), or nothing. A line that is torn all
    /// the same is closed with a line end before the next.
    ///
    /// # Errors
    /// [`Failed`]; the next call tries again.
    fn append(&mut self, lines: &Pieces) -> Result<(), Failed>;

    /// The head of the chain it already holds; `None` when it is empty or cannot be read back.
    ///
    /// # Errors
    /// [`Failure`] when it ought to be readable and is not.
    fn head(&mut self, key: &ChainKey) -> Result<Option<Head>, Failure> {
        let _keyless = key;
        Ok(None)
    }

    /// What it is to be told of the names in a list.
    fn names(&self) -> Names {
        Names::Hashed
    }

    /// How much room is left.
    fn space(&mut self) -> Space {
        Space::Unknown
    }
}
