//! Whether this program runs in any image: a statically linked one needs no loader and no library.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The segment that names a loader (`PT_INTERP`, elf(5)).
const INTERPRETER: u32 = 3;

/// The most that is read: header and program headers come first in what linkers write.
const MAX_HEADERS: u64 = 64 * 1024;

/// Whether the file at `path` is an ELF program for 64 bits that names no loader.
pub(super) fn is_static(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(MAX_HEADERS).read_to_end(&mut head)?;
    Ok(has_no_interpreter(&head).unwrap_or(false))
}

fn has_no_interpreter(head: &[u8]) -> Option<bool> {
    let is_elf = head.starts_with(b"\x7fELF\x02\x01");
    if !is_elf {
        return None;
    }
    let start = usize::try_from(number::<8>(head, 32)?).ok()?;
    let size = usize::try_from(number::<2>(head, 54)?).ok()?;
    let count = usize::try_from(number::<2>(head, 56)?).ok()?;
    for index in 0..count {
        let at = start.checked_add(index.checked_mul(size)?)?;
        if number::<4>(head, at)? == u64::from(INTERPRETER) {
            return Some(false);
        }
    }
    Some(true)
}

/// A number of `N` bytes, least significant first.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(N)?)?;
    Some(
        part.iter()
            .rev()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_tell_whether_they_need_a_loader() {
        // What every Debian has, of each kind.
        assert!(!is_static(Path::new("/bin/sh")).unwrap());
        let busybox = ["/bin/busybox", "/usr/bin/busybox"];
        for busybox in busybox.map(Path::new).iter().filter(|path| path.exists()) {
            assert!(is_static(busybox).unwrap(), "{}", busybox.display());
        }
        assert!(!is_static(Path::new("/etc/passwd")).unwrap());
        assert!(is_static(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn a_broken_header_is_no_static_program() {
        let mut head = b"\x7fELF\x02\x01".to_vec();
        head.resize(64, 0xff);
        assert_eq!(has_no_interpreter(&head), None);
        for length in 0..head.len() {
            assert_ne!(has_no_interpreter(&head[..length]), Some(true));
        }
    }
}
