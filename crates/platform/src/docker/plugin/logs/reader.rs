//! `docker logs`: entries from the files, and new ones as they are written.

use super::entry::Entry;
use super::file::{Line, open_all, open_newest, parse_time};
use bytes::Bytes;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, watch};

/// Entries on the way to dockerd.
const AHEAD: usize = 64;

/// What dockerd asks for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker::plugin) struct Wanted {
    since: String,
    until: String,
    tail: i64,
    follow: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            since: String::new(),
            until: String::new(),
            tail: -1,
            follow: false,
        }
    }
}

impl Wanted {
    fn takes(&self, entry: &Entry) -> bool {
        let not_before = parse_time(&self.since).is_none_or(|since| entry.nanoseconds >= since);
        let not_after = parse_time(&self.until).is_none_or(|until| entry.nanoseconds <= until);
        not_before && not_after
    }
}

/// Begins to read. `written` is there while the log is being written.
pub(super) fn read(
    directory: PathBuf,
    wanted: Wanted,
    written: Option<watch::Receiver<u64>>,
) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let sent = send(&directory, &wanted, written, &sender, &runtime);
        if let Err(error) = sent {
            tracing::warn!(%error, "a log cannot be read");
        }
    });
    receiver
}

fn send(
    directory: &Path,
    wanted: &Wanted,
    written: Option<watch::Receiver<u64>>,
    to: &mpsc::Sender<Bytes>,
    runtime: &tokio::runtime::Handle,
) -> io::Result<()> {
    let mut skipped = match usize::try_from(wanted.tail) {
        Ok(tail) => {
            let mut all = 0_usize;
            for file in open_all(directory)? {
                all += entries(file).filter(|entry| wanted.takes(entry)).count();
            }
            all.saturating_sub(tail)
        }
        Err(_) => 0,
    };
    let mut last = None;
    for file in open_all(directory)? {
        let mut follower = Follower::new(file);
        while let Some(entry) = follower.next()? {
            if wanted.takes(&entry) {
                if skipped > 0 {
                    skipped -= 1;
                } else if to.blocking_send(entry.encode().into()).is_err() {
                    return Ok(());
                }
            }
        }
        last = Some(follower);
    }
    match (wanted.follow, last, written) {
        (true, Some(file), Some(written)) => {
            runtime.block_on(follow(directory, file, written, wanted, to))
        }
        _ => Ok(()),
    }
}

/// New entries until the log ends or nobody reads.
async fn follow(
    directory: &Path,
    mut file: Follower,
    mut written: watch::Receiver<u64>,
    wanted: &Wanted,
    to: &mpsc::Sender<Bytes>,
) -> io::Result<()> {
    let mut ended = false;
    loop {
        while let Some(entry) = file.next()? {
            if wanted.takes(&entry) && to.send(entry.encode().into()).await.is_err() {
                return Ok(());
            }
        }
        // It may have been renamed; what was written to it until then has been read.
        let newest = open_newest(directory)?;
        if !file.is(&newest)? {
            file = Follower::new(newest);
            continue;
        }
        if ended {
            return Ok(());
        }
        tokio::select! {
            changed = written.changed() => ended = changed.is_err(),
            () = to.closed() => return Ok(()),
        }
    }
}

fn entries(file: File) -> impl Iterator<Item = Entry> {
    let mut follower = Follower::new(file);
    std::iter::from_fn(move || follower.next().ok().flatten())
}

/// Whole lines of a file that may grow.
struct Follower {
    file: BufReader<File>,
    line: Vec<u8>,
}

impl Follower {
    fn new(file: File) -> Self {
        Self {
            file: BufReader::new(file),
            line: Vec::new(),
        }
    }

    /// Whether it is the same file.
    fn is(&self, other: &File) -> io::Result<bool> {
        let (this, other) = (self.file.get_ref().metadata()?, other.metadata()?);
        Ok((this.dev(), this.ino()) == (other.dev(), other.ino()))
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            self.line.clear();
            let read = self.file.read_until(b'\n', &mut self.line)?;
            if !self.line.ends_with(b"\n") {
                // It is being written: it is read again, whole.
                let back = i64::try_from(read).unwrap_or(0);
                self.file.seek(SeekFrom::Current(-back))?;
                return Ok(None);
            }
            // What a killed daemon left of a line is none.
            if let Ok(line) = serde_json::from_slice::<Line>(&self.line) {
                return Ok(Some(line.into_entry()));
            }
        }
    }
}
