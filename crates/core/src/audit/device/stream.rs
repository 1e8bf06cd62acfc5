//! Standard output, or any other descriptor that only takes bytes.

use super::{Device, Failed, Failure, write_all};
use crate::audit::{Names, Pieces};
use std::os::fd::{AsFd as _, OwnedFd};

/// Writes to a descriptor it cannot read back or cut.
pub struct Stream {
    kind: &'static str,
    out: OwnedFd,
    names: Names,
    /// The last write ended in the middle of a line.
    torn: bool,
}

impl Stream {
    /// The process's standard output, through a descriptor of its own.
    ///
    /// # Errors
    /// [`Failure::Io`] when it is closed.
    pub fn stdout() -> Result<Self, Failure> {
        let out = std::io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map_err(|source| Failure::Io {
                action: "open standard output",
                source,
            })?;
        Ok(Self::new("stdout", out))
    }

    /// Any descriptor that blocks when it is full.
    #[must_use]
    pub const fn new(kind: &'static str, out: OwnedFd) -> Self {
        Self {
            kind,
            out,
            names: Names::Hashed,
            torn: false,
        }
    }

    /// The same, told this of the names in a list.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    fn write(&mut self, pieces: &Pieces) -> Result<(), Failed> {
        let mut kept = 0;
        let outcome = write_all(&self.out, pieces, &mut kept);
        self.torn = outcome.is_err() && (kept > 0 || self.torn);
        outcome.map_err(|failure| Failed { failure, kept })
    }
}

impl Device for Stream {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn names(&self) -> Names {
        self.names
    }

    fn append(&mut self, lines: &Pieces) -> Result<(), Failed> {
        if self.torn {
            self.write(&Pieces::from(b"\n".as_slice()))
                .map_err(|failed| failed.failure)?;
        }
        self.write(lines)
    }
}
