//! Disk space kept for the records that tell how the disk became full.

use super::Failure;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use std::path::{Path, PathBuf};

/// A file of blank blocks beside the log (`audit.log.reserve`). When the disk is full it is given
/// up once, so that requests go on while the alarm is raised; it comes back when there is room.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// A reserve of `bytes` beside `log`; 0 for none.
    pub(super) fn beside(log: &Path, bytes: u64) -> Self {
        let mut path = log.as_os_str().to_owned();
        path.push(".reserve");
        let mut reserve = Self {
            path: path.into(),
            bytes,
            held: false,
        };
        reserve.hold();
        reserve
    }

    /// Takes the space, if it is not held already. Without room, or where the filesystem cannot
    /// promise blocks, the log goes on without.
    pub(super) fn hold(&mut self) {
        if self.held || self.bytes == 0 {
            return;
        }
        // A reserve that a crash left behind is made anew: nothing is in it.
        let _absent = rustix::fs::unlink(&self.path);
        match self.allocate() {
            Ok(()) => self.held = true,
            Err(failure) => {
                let _absent = rustix::fs::unlink(&self.path);
                tracing::debug!(path = ?self.path, %failure, "no reserve for the audit file");
            }
        }
    }

    fn allocate(&self) -> Result<(), Failure> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = rustix::fs::open(&self.path, flags, mode).map_err(Failure::io("open"))?;
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.bytes)
            .map_err(Failure::io("allocate"))
    }

    /// Gives the space back to the disk; `false` when there was none to give.
    pub(super) fn release(&mut self) -> bool {
        std::mem::take(&mut self.held) && rustix::fs::unlink(&self.path).is_ok()
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        self.release();
    }
}
