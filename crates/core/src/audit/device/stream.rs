//! Standard output, or any other descriptor that only takes bytes.

use super::{Device, Failed, Failure};
use rustix::io::Errno;
use std::os::fd::{AsFd as _, OwnedFd};

/// Writes to a descriptor it cannot read back or cut.
pub struct Stream {
    kind: &'static str,
    out: OwnedFd,
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
            torn: false,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let mut kept = 0;
        while let Some(rest) = bytes.get(kept..).filter(|rest| !rest.is_empty()) {
            match rustix::io::write(&self.out, rest) {
                Ok(written) => {
                    self.torn = true;
                    kept += written;
                }
                Err(Errno::INTR) => {}
                Err(errno) => {
                    return Err(Failed {
                        failure: Failure::io("write")(errno),
                        kept,
                    });
                }
            }
        }
        self.torn = false;
        Ok(())
    }
}

impl Device for Stream {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), Failed> {
        if self.torn {
            self.write(b"\n").map_err(|failed| failed.failure)?;
        }
        self.write(lines)
    }
}
