//! A value in an anonymous memory file that nobody can change any more.
//!
//! For `docker build --secret src=/proc/self/fd/N` (`facts/docker.md` 4.1): unlike a pipe, each
//! open of that path starts at the beginning, so two `RUN`s on one secret both see it.

use super::Error;
use cofferdam_secret::Secret;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, memfd_create};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// A sealed memory file. The kernel frees it with its last descriptor.
#[derive(Debug)]
pub struct SealedFile {
    fd: OwnedFd,
}

impl SealedFile {
    /// Puts `value` into a new memory file and seals it against any change.
    ///
    /// `label` shows in `/proc/PID/fd` and must not be secret.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn new(label: &str, value: &Secret<Vec<u8>>) -> Result<Self, Error> {
        let path = Path::new(label);
        let failed = |action| move |e: std::io::Error| Error::system(action, path, e);
        let fd = create(label).map_err(|e| Error::system("create a memory file for", path, e))?;
        // Its default mode is 0777; whoever may open /proc/PID/fd may still be the wrong user.
        fchmod(&fd, Mode::RUSR).map_err(|e| Error::system("protect", path, e))?;
        let mut file = File::from(fd);
        file.write_all(value.expose()).map_err(failed("fill"))?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&file, seals).map_err(|e| Error::system("seal", path, e))?;
        Ok(Self { fd: file.into() })
    }

    /// How a process that inherits the descriptor opens the file.
    #[must_use]
    pub fn inherited_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }

    /// Lets children inherit the descriptor. Call it just before the one child is started: any
    /// other child started in between would inherit it as well.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn share_with_children(&self) -> Result<(), Error> {
        fcntl_setfd(&self.fd, FdFlags::empty())
            .map_err(|e| Error::system("share", &self.inherited_path(), e))
    }

    /// Ends what [`Self::share_with_children`] began: children that start from now on get nothing.
    pub fn keep_from_children(&self) {
        // Fails only for a descriptor that is none.
        let _ = fcntl_setfd(&self.fd, FdFlags::CLOEXEC);
    }
}

impl AsFd for SealedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn create(label: &str) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Hosts with vm.memfd_noexec=2 take only NOEXEC_SEAL; kernels before 6.3 do not know it.
    match memfd_create(label, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(label, flags),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FallocateFlags, fallocate, fcntl_get_seals, fstat};

    #[test]
    fn a_sealed_file_reads_from_the_start_each_time_and_cannot_change() {
        let value = b"\0two\r\nreaders\xff".to_vec();
        let sealed = SealedFile::new("x", &Secret::new(value.clone())).unwrap();
        for _ in 0..2 {
            assert_eq!(std::fs::read(sealed.inherited_path()).unwrap(), value);
        }
        assert!(
            fcntl_get_seals(&sealed.fd)
                .unwrap()
                .contains(SealFlags::WRITE)
        );
        assert!(rustix::io::pwrite(&sealed.fd, b"x", 0).is_err());
        assert!(fallocate(&sealed.fd, FallocateFlags::empty(), 0, 4096).is_err());
        assert_eq!(fstat(&sealed.fd).unwrap().st_mode & 0o777, 0o400);
    }
}
