//! Reading a file that holds a key, for the seals whose key lies in one. What may read it beside its
//! owner, and what such a file should be, is theirs to say.

use cofferdam_secret::Secret;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Opens it; no link, and nothing that waits for somebody at its other end.
pub(super) fn open(path: &Path) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(File::from)
}

/// Whether it is a plain file of this user's or root's, which gives none of the rights in `others`.
pub(super) fn is_own(file: &File, others: u32) -> io::Result<bool> {
    let meta = file.metadata()?;
    let me = rustix::process::geteuid().as_raw();
    let owned = meta.uid() == me || meta.uid() == 0;
    Ok(meta.is_file() && owned && meta.mode() & others == 0)
}

/// Its bytes; of a file with more than `most`, one more than that.
pub(super) fn read(mut file: File, most: usize) -> io::Result<Secret<Vec<u8>>> {
    let mut bytes = Secret::new(vec![0; most + 1]);
    let mut length = 0;
    loop {
        let free = bytes.expose_mut().get_mut(length..).unwrap_or_default();
        match file.read(free) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.expose_mut().truncate(length);
    Ok(bytes)
}
