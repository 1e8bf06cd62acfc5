//! A tmpfs of our own: mount, freeze, unmount.

use super::{Error, place};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use std::ffi::CString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A tmpfs takes what is in it, this only stops a runaway: values of the largest size that any
/// reader takes (500 KiB) fit a hundred times.
const OPTIONS: &str = "size=64m,nr_inodes=4096";

fn flags() -> MountFlags {
    MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC
}

/// Mounts a tmpfs that nobody can run programs from and, where the kernel can (Linux 6.4), that
/// never reaches swap. `mode` are the bits of its top directory.
///
/// # Errors
/// [`Error::System`]: not root, or no right to mount.
pub fn mount_tmpfs(path: &Path, mode: u32) -> Result<(), Error> {
    let attempt = |extra: &str| {
        let options = format!("{OPTIONS},mode={mode:o}{extra}");
        let options = CString::new(options).map_err(|_| Errno::INVAL)?;
        mount("cofferdam", path, "tmpfs", flags(), &*options)
    };
    attempt(",noswap")
        .or_else(|_| attempt(""))
        .map_err(|e| Error::system("mount a tmpfs on", path, e))
}

/// Makes the mount at `path` read-only or writable again. Mounts made from it meanwhile, such as
/// those in containers, keep what they had.
///
/// # Errors
/// [`Error::System`].
pub fn set_read_only(path: &Path, read_only: bool) -> Result<(), Error> {
    let mut all = flags() | MountFlags::BIND;
    all.set(MountFlags::RDONLY, read_only);
    mount_remount(path, all, c"").map_err(|e| Error::system("change the mount", path, e))
}

/// A second, writable mount of a tmpfs that is mounted read-only where others see it; gone on drop.
///
/// The read-only mount is not made writable meanwhile: whoever mounts from it at that moment, as a
/// container that is just starting, would get a writable one and keep it.
#[derive(Debug)]
pub struct Writable(PathBuf);

impl Writable {
    /// Mounts what is at `mounted` at `at` as well, a path that is for us alone.
    ///
    /// # Errors
    /// [`Error::System`]; nothing is left behind.
    pub fn open(mounted: &Path, at: &Path) -> Result<Self, Error> {
        place::make_own(at, 0o700)?;
        mount_bind(mounted, at).map_err(|e| Error::system("mount", at, e))?;
        let writable = Self(at.to_owned());
        set_read_only(at, false)?;
        Ok(writable)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Writable {
    fn drop(&mut self) {
        let gone = unmount_tmpfs(&self.0).and_then(|()| {
            std::fs::remove_dir(&self.0).map_err(|e| Error::system("remove", &self.0, e))
        });
        if let Err(error) = gone {
            tracing::warn!(%error, "a mount for writing stays");
        }
    }
}

/// Unmounts what is at `path`. A reader with an open file does not prevent it and keeps that file.
///
/// # Errors
/// [`Error::System`].
pub fn unmount_tmpfs(path: &Path) -> Result<(), Error> {
    unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
        .map_err(|e| Error::system("unmount", path, e))
}

/// Whether another filesystem begins at `path`.
#[must_use]
pub fn is_mount_point(path: &Path) -> bool {
    let device = |path: &Path| {
        std::fs::symlink_metadata(path)
            .map(|found| found.dev())
            .ok()
    };
    let (inner, outer) = (device(path), path.parent().and_then(device));
    inner.is_some() && inner != outer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::rooted::is_inside;
    use crate::sink::{Access, Directory};
    use cofferdam_secret::Secret;

    #[test]
    fn the_mount_that_others_see_stays_read_only_while_we_write() {
        if !is_inside(
            "sink::mount::tests::the_mount_that_others_see_stays_read_only_while_we_write",
        ) {
            return;
        }
        let base = tempfile::tempdir().unwrap();
        let (seen, ours) = (base.path().join("seen"), base.path().join("ours"));
        std::fs::create_dir(&seen).unwrap();
        mount_tmpfs(&seen, 0o755).unwrap();
        set_read_only(&seen, true).unwrap();
        let name = "k".parse().unwrap();
        let value = Secret::new(b"v".to_vec());
        {
            let writable = Writable::open(&seen, &ours).unwrap();
            let directory = Directory::open(writable.path()).unwrap();
            directory.put(&name, &value, Access::default()).unwrap();
            assert!(std::fs::write(seen.join("x"), "x").is_err());
        }
        let read = std::fs::read(seen.join("k"));
        unmount_tmpfs(&seen).unwrap();
        assert_eq!(read.unwrap(), b"v");
        assert!(!ours.exists());
    }
}
