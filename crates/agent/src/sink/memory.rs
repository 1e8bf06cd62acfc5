//! Tells memory filesystems from disks by what the kernel says, not by their path.

use super::Error;
use rustix::fd::AsFd;
use rustix::fs::fstatfs;
use std::path::Path;

/// `statfs(2)`, `linux/magic.h`.
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Names for the message; anything else is shown as a number.
const KNOWN: [(u64, &str); 9] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x794c_7630, "overlay"),
    (0x2fc1_2fc1, "zfs"),
    (0xf2f5_2010, "f2fs"),
    (0x6969, "nfs"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
];

/// Errs unless the open directory `fd`, known as `path`, is on a tmpfs or ramfs.
///
/// # Errors
/// [`Error::NotMemory`] with the filesystem's name.
pub fn require(fd: impl AsFd, path: &Path) -> Result<(), Error> {
    let stat = fstatfs(fd).map_err(|e| Error::system("ask for the filesystem of", path, e))?;
    // The field's width and sign differ between architectures; the magic numbers have 32 bits.
    #[allow(
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "only the low 32 bits carry meaning"
    )]
    let magic = stat.f_type as u64 & 0xffff_ffff;
    if magic == TMPFS || magic == RAMFS {
        return Ok(());
    }
    let known = KNOWN.iter().find(|(number, _)| *number == magic);
    Err(Error::NotMemory {
        path: path.to_owned(),
        kind: known.map_or_else(
            || format!("type {magic:#x}"),
            |(_, name)| (*name).to_owned(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn proc_and_disks_are_not_memory_and_shm_is() {
        let check = |path: &str| require(File::open(path).unwrap(), Path::new(path));
        check("/dev/shm").unwrap();
        for path in ["/proc", "/sys", "/usr"] {
            let error = check(path).unwrap_err();
            assert!(matches!(error, Error::NotMemory { .. }), "{path}");
            assert!(error.hint().unwrap().contains("/dev/shm"));
        }
    }
}
