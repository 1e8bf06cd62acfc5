//! The log of one container on the disk: lines of JSON as Docker's own `json-file` writes them, in
//! files that take turns. Nothing comes here that was not redacted.

use super::entry::Entry;
use super::turns::Turns;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How large a file becomes, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limits {
    pub(super) size: u64,
    pub(super) files: u32,
}

impl Default for Limits {
    /// 100 MiB in all: without a limit a log fills the disk, and then nothing works.
    fn default() -> Self {
        Self {
            size: 20 << 20,
            files: 5,
        }
    }
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    log: String,
    stream: String,
    time: String,
}

impl Line {
    /// Bytes that are no text become U+FFFD, as in `json-file`.
    pub(super) fn new(source: &str, nanoseconds: i64, text: &[u8]) -> Self {
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds.into());
        let time = time.ok().and_then(|time| time.format(&Rfc3339).ok());
        Self {
            log: String::from_utf8_lossy(text).into_owned(),
            stream: source.to_owned(),
            time: time.unwrap_or_default(),
        }
    }

    pub(super) fn into_entry(self) -> Entry {
        Entry {
            nanoseconds: parse_time(&self.time).unwrap_or(0),
            source: self.stream,
            line: self.log.into_bytes(),
            partial: false,
        }
    }
}

/// Nanoseconds since 1970; `None` for no time, and for Go's zero time.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let nanoseconds = i64::try_from(time.unix_timestamp_nanos()).ok()?;
    (time.year() > 1).then_some(nanoseconds)
}

/// The files, written at the end.
pub(super) struct Writer {
    directory: PathBuf,
    limits: Limits,
    file: File,
    size: u64,
    turns: Arc<Turns>,
}

impl Writer {
    pub(super) fn open(directory: &Path, limits: Limits) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        let file = append(&path(directory, 0))?;
        let size = file.metadata()?.len();
        let mut writer = Self {
            turns: Turns::new(File::open(path(directory, 0))?),
            directory: directory.to_owned(),
            limits,
            file,
            size,
        };
        writer.end_broken_line()?;
        Ok(writer)
    }

    /// Whoever wrote before us may have been killed in the middle of a line.
    fn end_broken_line(&mut self) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        let mut last = [b'\n'];
        if let Some(before) = self.size.checked_sub(1) {
            File::open(path(&self.directory, 0))?.read_exact_at(&mut last, before)?;
        }
        if last != *b"\n" {
            self.file.write_all(b"\n")?;
            self.size += 1;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let length = text.len() as u64;
        if self.size > 0 && self.size + length > self.limits.size {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(&text) {
            // What came of it is no line, and the next one is not to be a part of it.
            self.size = self.file.metadata().map_or(self.size, |found| found.len());
            let _ = self.end_broken_line();
            return Err(error);
        }
        self.size += length;
        Ok(())
    }

    /// The files, for those who read along.
    pub(super) fn turns(&self) -> Arc<Turns> {
        Arc::clone(&self.turns)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let (directory, last) = (&self.directory, self.limits.files.saturating_sub(1));
        let mut new = None;
        self.turns.turn(self.size, || {
            for number in (0..last).rev() {
                match fs::rename(path(directory, number), path(directory, number + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            if last == 0 {
                fs::remove_file(path(directory, 0))?;
            }
            new = Some(append(&path(directory, 0))?);
            File::open(path(directory, 0))
        })?;
        if let Some(file) = new {
            self.file = file;
            self.size = 0;
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

pub(super) fn path(directory: &Path, number: u32) -> PathBuf {
    match number {
        0 => directory.join("json.log"),
        number => directory.join(format!("json.log.{number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::turns::open_from;
    use super::*;
    use std::io::Read as _;

    fn all(directory: &Path) -> String {
        let mut text = String::new();
        for file in open_from(directory, 0).unwrap() {
            (&*file).read_to_string(&mut text).unwrap();
        }
        text
    }

    #[test]
    fn lines_are_as_docker_writes_them_and_files_take_turns() {
        let directory = tempfile::tempdir().unwrap();
        let limits = Limits {
            size: 200,
            files: 2,
        };
        let mut writer = Writer::open(directory.path(), limits).unwrap();
        let line = |text: &str| Line::new("stdout", 1_700_000_000_000_000_001, text.as_bytes());
        writer.write(&line("first\n")).unwrap();
        let expected = "{\"log\":\"first\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20.000000001Z\"}\n";
        assert_eq!(all(directory.path()), expected);
        for number in 0..9 {
            writer.write(&line(&format!("{number}\n"))).unwrap();
        }
        let left = all(directory.path());
        assert!(
            !left.contains("first") && left.contains("\"8\\n\""),
            "{left}"
        );
        assert!(left.len() <= 400);
    }

    #[test]
    fn a_line_that_was_never_finished_ends() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("json.log"), "{\"log\":\"hal").unwrap();
        let mut writer = Writer::open(directory.path(), Limits::default()).unwrap();
        writer.write(&Line::new("stderr", 0, b"whole\n")).unwrap();
        let text = all(directory.path());
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn no_time_is_the_beginning_of_go() {
        assert_eq!(parse_time("0001-01-01T00:00:00Z"), None);
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Some(1_000_000_000));
        assert_eq!(parse_time("soon"), None);
    }
}
