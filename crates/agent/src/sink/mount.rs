//! A tmpfs of our own: mount, freeze, unmount.

use super::Error;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use std::ffi::CString;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

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
