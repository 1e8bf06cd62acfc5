//! The project's files: read within the project, replaced whole or not at all.

use rustix::fs::{Gid, Uid};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Longest file that is read.
const LONGEST: u64 = 1 << 20;

/// The directory that nothing is read or written outside of.
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        directory.canonicalize().map(Self)
    }

    /// A file's text; nothing where there is none. Errors name no content.
    pub(super) fn read(&self, path: &Path) -> Result<Option<String>, String> {
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if !real.starts_with(&self.0) {
            return Err("it is outside of the project's directory".to_owned());
        }
        let metadata = std::fs::metadata(&real).map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("not a plain file".to_owned());
        }
        let mut bytes = Vec::new();
        let file = File::open(&real).map_err(|error| error.to_string())?;
        let read = file.take(LONGEST + 1).read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        if bytes.len() as u64 > LONGEST {
            return Err("line 1: the file is larger than 1 MiB".to_owned());
        }
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            return Err(format!("line {}: a NUL byte", line(&bytes, at)));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Err(format!("line {}: not UTF-8", line(error.as_bytes(), at)))
            }
        }
    }

    /// Replaces a file that is still what was read. Mode and owner stay; a link stays a link.
    pub(super) fn replace(&self, path: &Path, expected: &str, new: &str) -> io::Result<()> {
        let real = path.canonicalize()?;
        if !real.starts_with(&self.0) {
            return Err(io::Error::other("it is outside of the project's directory"));
        }
        let name = real
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let staged = real.with_file_name(format!(".{name}.fix-{}", std::process::id()));
        let written = stage(&real, &staged, expected, new);
        if written.is_err() {
            let _ = std::fs::remove_file(&staged);
        }
        written
    }
}

fn stage(real: &Path, staged: &Path, expected: &str, new: &str) -> io::Result<()> {
    let before = std::fs::metadata(real)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(staged)?;
    file.write_all(new.as_bytes())?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
        let (uid, gid) = (Uid::from_raw(before.uid()), Gid::from_raw(before.gid()));
        rustix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(before.mode() & 0o7777))?;
    file.sync_all()?;
    // As late as can be: whoever has written meanwhile keeps what he wrote.
    let now = std::fs::read(real)?;
    if now != expected.as_bytes() {
        return Err(io::Error::other("it has changed meanwhile"));
    }
    std::fs::rename(staged, real)?;
    if let Some(directory) = real.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn line(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let link = directory.path().join("l");
        std::os::unix::fs::symlink("f", &link).unwrap();
        let root = Root::new(directory.path()).unwrap();
        root.replace(&link, "old", "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        let refused = root.replace(&file, "old", "x").unwrap_err();
        assert!(refused.to_string().contains("changed meanwhile"));
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            2,
            "nothing staged is left"
        );
        let outside = tempfile::NamedTempFile::new().unwrap();
        let away = directory.path().join("away");
        std::os::unix::fs::symlink(outside.path(), &away).unwrap();
        assert!(root.read(&away).unwrap_err().contains("outside"));
        assert!(root.replace(&away, "", "x").is_err());
        for (bytes, says) in [
            (&b"a\nb\0"[..], "line 2: a NUL"),
            (b"a\n\nb\xff", "line 3: not UTF-8"),
        ] {
            std::fs::write(&file, bytes).unwrap();
            assert!(root.read(&file).unwrap_err().contains(says));
        }
        std::fs::write(&file, vec![b'x'; 2 << 20]).unwrap();
        assert!(root.read(&file).unwrap_err().contains("1 MiB"));
        assert_eq!(root.read(&directory.path().join("none")).unwrap(), None);
    }
}
