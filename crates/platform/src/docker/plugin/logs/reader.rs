//! `docker logs`: entries from the files, and new ones as they are written.
//!
//! Who follows sees every line once and in order, over any number of files that took turns meanwhile
//! ([`super::turns`]). Where one reads too slowly even for what is held for it, it is told so in a line
//! of ours.

use super::entry::Entry;
use super::file::{Line, parse_time};
use super::turns::{Reader, Turns, open_from};
use bytes::Bytes;
use serde::Deserialize;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Entries on the way to dockerd.
const AHEAD: usize = 64;
/// Read at once.
const PIECE: usize = 32 * 1024;

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

/// A log that is being written.
#[derive(Clone)]
pub(super) struct Live {
    /// Counts what was written; its end is the log's.
    pub(super) written: watch::Receiver<u64>,
    pub(super) turns: Arc<Turns>,
}

/// Begins to read. `live` is there while the log is being written.
pub(super) fn read(
    directory: PathBuf,
    wanted: Wanted,
    live: Option<Live>,
) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let sent = send(&directory, &wanted, live, &sender, &runtime);
        if let Err(error) = sent {
            tracing::warn!(%error, "a log cannot be read");
        }
    });
    receiver
}

fn send(
    directory: &Path,
    wanted: &Wanted,
    live: Option<Live>,
    to: &mpsc::Sender<Bytes>,
    runtime: &tokio::runtime::Handle,
) -> io::Result<()> {
    // Opened once: what is counted is what is sent.
    let (files, following) = match live {
        Some(live) => {
            let (files, reader) = live.turns.all(directory)?;
            let follows = wanted.follow.then_some((reader, live.written));
            (files, follows)
        }
        None => (open_from(directory, 0)?, None),
    };
    let mut skipped = match usize::try_from(wanted.tail) {
        Ok(tail) => {
            let files = files.iter().map(|file| Lines::new(Arc::clone(file)));
            let taken = files.map(|lines| lines.filter(|entry| wanted.takes(entry)).count());
            taken.sum::<usize>().saturating_sub(tail)
        }
        Err(_) => 0,
    };
    let mut last = None;
    for file in files {
        let mut lines = Lines::new(file);
        while let Some(entry) = lines.entry()? {
            if wanted.takes(&entry) {
                if skipped > 0 {
                    skipped -= 1;
                } else if to.blocking_send(entry.encode().into()).is_err() {
                    return Ok(());
                }
            }
        }
        last = Some(lines);
    }
    match (last, following) {
        (Some(lines), Some((reader, written))) => {
            runtime.block_on(follow(lines, reader, written, wanted, to))
        }
        _ => Ok(()),
    }
}

/// New entries until the log ends or nobody reads.
async fn follow(
    mut lines: Lines,
    mut reader: Reader,
    mut written: watch::Receiver<u64>,
    wanted: &Wanted,
    to: &mpsc::Sender<Bytes>,
) -> io::Result<()> {
    let mut ended = false;
    loop {
        // Asked first: a file whose turn is over has its last line by now.
        let over = reader.is_over();
        while let Some(entry) = lines.entry()? {
            if wanted.takes(&entry) && to.send(entry.encode().into()).await.is_err() {
                return Ok(());
            }
        }
        if over {
            if let Some(next) = reader.next() {
                if next.lost > 0 && to.send(missing(&lines, next.lost)).await.is_err() {
                    return Ok(());
                }
                lines = Lines::new(next.file);
            }
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

/// What a reader is told that was too slow.
fn missing(lines: &Lines, files: u64) -> Bytes {
    tracing::warn!(files, "a reader of a log was too slow: it misses lines");
    let text = format!(
        "cofferdam: lines are missing here: {files} files of this log took turns before they were read\n"
    );
    let entry = Entry {
        source: "stderr".to_owned(),
        nanoseconds: lines.nanoseconds,
        line: text.into_bytes(),
        partial: false,
    };
    entry.encode().into()
}

/// Whole lines of a file that may grow.
struct Lines {
    file: Arc<File>,
    /// Read up to here.
    at: u64,
    piece: Vec<u8>,
    used: usize,
    /// The beginning of a line that is being written.
    line: Vec<u8>,
    /// When the last one was.
    nanoseconds: i64,
}

impl Lines {
    const fn new(file: Arc<File>) -> Self {
        Self {
            file,
            at: 0,
            piece: Vec::new(),
            used: 0,
            line: Vec::new(),
            nanoseconds: 0,
        }
    }

    /// The next one, if there is one by now.
    fn entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let rest = self.piece.get(self.used..).unwrap_or_default();
            match rest.iter().position(|&byte| byte == b'\n') {
                Some(end) => {
                    self.line.extend(rest.iter().take(end));
                    self.used += end + 1;
                    let line = serde_json::from_slice::<Line>(&self.line);
                    self.line.clear();
                    // What a killed daemon left of a line is none.
                    if let Ok(line) = line {
                        let entry = line.into_entry();
                        self.nanoseconds = entry.nanoseconds;
                        return Ok(Some(entry));
                    }
                }
                None => {
                    self.line.extend_from_slice(rest);
                    if !self.more()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Reads on. The file is shared with other readers, so its own position says nothing.
    fn more(&mut self) -> io::Result<bool> {
        self.used = 0;
        self.piece.resize(PIECE, 0);
        let read = self.file.read_at(&mut self.piece, self.at)?;
        self.piece.truncate(read);
        self.at += read as u64;
        Ok(read > 0)
    }
}

impl Iterator for Lines {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.entry().ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Decoder;
    use super::super::file::{Limits, Writer};
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LIMITS: Limits = Limits {
        size: 4096,
        files: 2,
    };

    struct Site {
        directory: tempfile::TempDir,
        writer: Writer,
        count: watch::Sender<u64>,
        written: usize,
    }

    impl Site {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            Self {
                writer: Writer::open(directory.path(), LIMITS).unwrap(),
                directory,
                count: watch::channel(0).0,
                written: 0,
            }
        }

        fn follow(&self) -> mpsc::Receiver<Bytes> {
            let live = Live {
                written: self.count.subscribe(),
                turns: self.writer.turns(),
            };
            let wanted = Wanted {
                follow: true,
                ..Wanted::default()
            };
            read(self.directory.path().to_owned(), wanted, Some(live))
        }

        /// Without a word to the reader.
        fn write(&mut self) {
            let text = format!("line {}\n", self.written);
            let line = Line::new("stdout", 1_700_000_000_000_000_000, text.as_bytes());
            self.writer.write(&line).unwrap();
            self.written += 1;
        }

        fn say(&self) {
            self.count.send_modify(|count| *count += 1);
        }

        fn files(&self) -> usize {
            open_from(self.directory.path(), 0).unwrap().len()
        }
    }

    fn text(sent: &[u8]) -> String {
        let mut decoder = Decoder::default();
        decoder.push(sent);
        let entry = decoder.next().unwrap();
        String::from_utf8(entry.line).unwrap().trim().to_owned()
    }

    /// Two files are all there is on the disk, and many take turns before the reader looks again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn files_that_took_turns_between_two_looks_are_read_to_their_ends() {
        let mut site = Site::new();
        site.write();
        let mut follower = site.follow();
        assert_eq!(text(&follower.recv().await.unwrap()), "line 0");
        for turns in [1, 2, 5, 20] {
            let first = site.written;
            // More than a reader is ahead of dockerd, and than one file holds.
            for _ in 0..turns * 60 {
                site.write();
            }
            assert_eq!(site.files(), 2);
            site.say();
            for number in first..site.written {
                let sent = follower.recv().await.unwrap();
                assert_eq!(text(&sent), format!("line {number}"));
            }
        }
        site.write();
        let last = site.written - 1;
        drop(site);
        let sent = follower.recv().await.unwrap();
        assert_eq!(text(&sent), format!("line {last}"));
        assert!(follower.recv().await.is_none(), "it ends with the log");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_writer_that_never_waits_for_long_loses_no_line_of_its_followers() {
        const LINES: usize = 30_000;
        let mut site = Site::new();
        let seen: Arc<[AtomicUsize; 3]> = Arc::default();
        let followers: Vec<_> = (0..3).map(|_| site.follow()).collect();
        let tasks: Vec<_> = followers
            .into_iter()
            .enumerate()
            .map(|(which, mut follower)| {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut number = 0;
                    while let Some(sent) = follower.recv().await {
                        assert_eq!(text(&sent), format!("line {number}"));
                        number += 1;
                        seen[which].store(number, Ordering::Relaxed);
                    }
                    number
                })
            })
            .collect();
        let written = tokio::task::spawn_blocking(move || {
            while site.written < LINES {
                site.write();
                site.say();
                // Many files ahead, and fewer than are held for whoever is slow.
                while seen
                    .iter()
                    .any(|seen| seen.load(Ordering::Relaxed) + 1500 < site.written)
                {
                    std::thread::yield_now();
                }
            }
            site.written
        });
        assert_eq!(written.await.unwrap(), LINES);
        for task in tasks {
            assert_eq!(task.await.unwrap(), LINES);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_reader_that_is_too_slow_is_told_that_lines_are_missing() {
        let mut site = Site::new();
        site.write();
        let mut follower = site.follow();
        assert_eq!(text(&follower.recv().await.unwrap()), "line 0");
        for _ in 0..20_000 {
            site.write();
        }
        site.say();
        let mut told = 0;
        let mut number = 0;
        let last = site.written - 1;
        while number < last {
            let text = text(&follower.recv().await.unwrap());
            if text.starts_with("cofferdam: lines are missing here: ") {
                told += 1;
                continue;
            }
            let now: usize = text.strip_prefix("line ").unwrap().parse().unwrap();
            assert!(
                now == number + 1 || (told == 1 && now > number),
                "{number} {text}"
            );
            number = now;
        }
        assert_eq!(told, 1);
    }
}
