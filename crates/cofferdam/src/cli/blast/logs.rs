//! Audit logs as they lie on the disk: the one that is written, and those that were put aside.
//!
//! logrotate leaves `NAME.1`, `NAME.2.gz`, or with `dateext` `NAME-20261125` and `NAME-20261125.gz`. All
//! of them are read, the newest first, within a bound; what is left out is said by name.

use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files of one log at most.
const MOST: usize = 400;
/// Text of all logs at most, unpacked.
pub(super) const LONGEST: u64 = 64 << 30;

/// The files of a log.
#[derive(Debug, Default)]
pub(super) struct Logs {
    /// The newest first.
    pub(super) files: Vec<PathBuf>,
    /// What is not read, and why.
    pub(super) left: Vec<String>,
}

/// The log that a device writes, with those of before.
pub(super) fn with_rotated(file: &Path) -> Logs {
    let mut logs = Logs::default();
    logs.files.push(file.to_owned());
    let directory = file.parent().filter(|path| !path.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
        return logs;
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            let (shown, kind) = (directory.display(), error.kind());
            logs.left.push(format!("rotated logs in {shown}: {kind}"));
            return logs;
        }
    };
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let Some(suffix) = entry
            .file_name()
            .to_str()
            .and_then(|other| other.strip_prefix(name))
            .and_then(rotated)
        else {
            continue;
        };
        let path = entry.path();
        // Without following a link: what it leads to is another log, or waits for a writer.
        match entry.metadata() {
            Ok(about) if about.is_file() => match suffix {
                Suffix::Readable => {
                    let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    found.push((changed, path));
                }
                Suffix::Packed => logs.left.push(format!(
                    "{}: packed in a way that is not read",
                    path.display()
                )),
            },
            Ok(_) => logs.left.push(format!("{}: no file", path.display())),
            Err(error) => logs
                .left
                .push(format!("{}: {}", path.display(), error.kind())),
        }
    }
    logs.left.sort();
    // Cut off while it was packed: both are there, and are the same.
    let plain: Vec<PathBuf> = found.iter().map(|(_, path)| path.clone()).collect();
    found.retain(|(_, path)| {
        let unpacked = path.extension().is_some_and(|end| end == "gz");
        !(unpacked && plain.contains(&path.with_extension("")))
    });
    found.sort_by(|one, other| other.cmp(one));
    for (_, path) in found.iter().skip(MOST) {
        let reason = format!("{}: more than {MOST} files", path.display());
        logs.left.push(reason);
    }
    logs.files
        .extend(found.into_iter().take(MOST).map(|(_, path)| path));
    logs
}

enum Suffix {
    Readable,
    Packed,
}

/// What stands behind the name of a log that was put aside.
fn rotated(suffix: &str) -> Option<Suffix> {
    let (number, kind) = match suffix.rsplit_once('.') {
        Some((number, "gz")) => (number, Suffix::Readable),
        Some((number, "bz2" | "xz" | "zst" | "lz4" | "Z")) => (number, Suffix::Packed),
        _ => (suffix, Suffix::Readable),
    };
    let digits = number.strip_prefix(['.', '-'])?;
    let legal = |byte: u8| byte.is_ascii_digit() || byte == b'-';
    (digits.starts_with(|first: char| first.is_ascii_digit()) && digits.bytes().all(legal))
        .then_some(kind)
}

/// Opens a log, packed or not: its first bytes tell, whatever it is called.
pub(super) fn open(file: &Path) -> io::Result<Box<dyn BufRead>> {
    // A FIFO would wait for somebody to write.
    if !std::fs::metadata(file)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut log = BufReader::with_capacity(1 << 20, File::open(file)?);
    if log.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        let unpacked = MultiGzDecoder::new(log);
        return Ok(Box::new(BufReader::with_capacity(1 << 20, unpacked)));
    }
    Ok(Box::new(log))
}

/// The next line, within a bound on all of them; `None` at the end.
pub(super) fn line(
    log: &mut dyn BufRead,
    longest: u64,
    left: &mut u64,
    line: &mut Vec<u8>,
) -> io::Result<Option<()>> {
    line.clear();
    if *left == 0 {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let read = log.take(longest.min(*left)).read_until(b'\n', line)?;
    *left = left.saturating_sub(read as u64);
    Ok((read > 0).then_some(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::time::Duration;

    fn place(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (age, name) in names.iter().enumerate() {
            let file = File::create(directory.path().join(name)).unwrap();
            let age = Duration::from_secs(1_700_000_000 - 60 * age as u64);
            file.set_modified(SystemTime::UNIX_EPOCH + age).unwrap();
        }
        directory
    }

    #[test]
    fn what_logrotate_leaves_is_found_newest_first() {
        let names = [
            "audit.log",
            "audit.log.1",
            "audit.log-20261124.gz",
            "audit.log.3.gz",
            "audit.log.2",
            "audit.log.2.gz",
            "audit.log.4.xz",
            "audit.log.old",
            "audit.log.1x",
            "audit.log.",
            "audit.log2",
            "other.log.1",
            "audit.log.swp",
        ];
        let directory = place(&names);
        std::os::unix::fs::symlink("/dev/zero", directory.path().join("audit.log.9")).unwrap();
        std::fs::create_dir(directory.path().join("audit.log.8")).unwrap();
        let logs = with_rotated(&directory.path().join("audit.log"));
        let short = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let found: Vec<String> = logs.files.iter().map(|path| short(path)).collect();
        assert_eq!(
            found,
            [
                "audit.log",
                "audit.log.1",
                "audit.log-20261124.gz",
                "audit.log.3.gz",
                "audit.log.2"
            ]
        );
        let left = logs.left;
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(left[0].ends_with("audit.log.4.xz: packed in a way that is not read"));
        assert!(
            left[1].ends_with("audit.log.8: no file") && left[2].ends_with("audit.log.9: no file")
        );
    }

    #[test]
    fn packed_or_not_the_lines_are_the_same_and_a_bomb_ends() {
        let directory = tempfile::tempdir().unwrap();
        let packed = directory.path().join("called.as.you.like");
        let mut out = flate2::write::GzEncoder::new(
            File::create(&packed).unwrap(),
            flate2::Compression::fast(),
        );
        out.write_all(b"one\ntwo\n").unwrap();
        out.write_all(&vec![b'\n'; 1 << 20]).unwrap();
        out.finish().unwrap();
        let mut log = open(&packed).unwrap();
        let (mut text, mut left) = (Vec::new(), 100);
        for wanted in ["one\n", "two\n"] {
            line(&mut *log, 64, &mut left, &mut text).unwrap().unwrap();
            assert_eq!(text, wanted.as_bytes());
        }
        let ended = loop {
            match line(&mut *log, 64, &mut left, &mut text) {
                Ok(Some(())) => {}
                other => break other,
            }
        };
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let fifo = directory.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        assert!(open(&fifo).is_err());
    }
}
