//! Lines on their way to where the log is kept: a bounded queue and a thread that empties it.
//!
//! Promises: to say something never waits, whoever reads the other end of the pipe or does not. What
//! does not fit is dropped and counted, and the count is a line of its own as soon as there is room.

use crate::cli::Failure;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait: about a MiB of ordinary ones.
const WAITING: usize = 4096;

/// Where lines end.
pub(super) enum Sink {
    Stderr,
    File(PathBuf, File),
}

impl Sink {
    /// Appends to a file.
    pub(super) fn file(path: &Path) -> Result<Self, Failure> {
        match open(path) {
            Ok(file) => Ok(Self::File(path.to_owned(), file)),
            Err(error) => Err(Failure::local(format!(
                "cannot write the log file {}: {error}",
                path.display()
            ))),
        }
    }

    fn write(&mut self, line: &[u8]) {
        // There is nobody to tell that the log cannot be written.
        let _ = match self {
            Self::Stderr => io::stderr().lock().write_all(line),
            Self::File(_, file) => file.write_all(line),
        };
    }

    /// The old file goes on being used where the new one cannot be opened.
    fn reopen(&mut self) {
        if let Self::File(path, file) = self
            && let Ok(opened) = open(path)
        {
            *file = opened;
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)
}

enum Message {
    Line(Vec<u8>),
    Reopen,
    Flush(SyncSender<()>),
}

/// The entrance of the queue.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Starts the thread.
    pub(super) fn begin(sink: Sink, json: bool) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("log".to_owned())
            .stack_size(128 << 10)
            .spawn(move || write(sink, &waiting, &counted, json))?;
        Ok(Self { queue, lost })
    }

    pub(super) fn reopen(&self) {
        // Where the queue is full the next signal finds room.
        let _ = self.queue.try_send(Message::Reopen);
    }

    /// Waits until everything said before is written, but not for long.
    pub(super) fn flush(&self, patience: Duration) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // Either way the process ends now.
            let _ = wait.recv_timeout(patience);
        }
    }
}

fn write(mut sink: Sink, waiting: &Receiver<Message>, lost: &AtomicU64, json: bool) {
    while let Ok(message) = waiting.recv() {
        match message {
            Message::Line(line) => sink.write(&line),
            Message::Reopen => sink.reopen(),
            // Whoever asked may have given up.
            Message::Flush(done) => drop(done.send(())),
        }
        let count = lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            sink.write(loss(count, json).as_bytes());
        }
    }
}

fn loss(count: u64, json: bool) -> String {
    word(
        &format!("{count} lines of this log were dropped: nobody took them in time"),
        json,
    )
}

/// A line about the log itself. `text` has no quotes in it.
pub(super) fn word(text: &str, json: bool) -> String {
    if json {
        format!(
            "{{\"level\":\"WARN\",\"fields\":{{\"message\":\"{text}\"}},\"target\":\"cofferdam::serve::log\"}}\n"
        )
    } else {
        format!("WARN cofferdam::serve::log: {text}\n")
    }
}

/// One line being made.
pub(super) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    /// The formatter writes a whole line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_pipe_that_is_not_read() {
        let (reader, writer) = io::pipe().unwrap();
        let sink = Sink::File(
            PathBuf::from("/nowhere"),
            File::from(std::os::fd::OwnedFd::from(writer)),
        );
        let lines = Lines::begin(sink, true).unwrap();
        let said = [b'x'; 100];
        // A pipe takes 64 KiB, the queue the next 4096 lines; then everything is lost, at once. The
        // count begins anew where a loss is told while the pipe still has room.
        let mut written = 0;
        while lines.lost.load(Ordering::Relaxed) <= 10_000 {
            lines.make_writer().write_all(&said).unwrap();
            written += 1;
            assert!(written < 1_000_000, "nothing is lost");
        }
        // Once somebody reads, the loss is told.
        use io::BufRead as _;
        let told = io::BufReader::new(reader)
            .split(b'\n')
            .map_while(Result::ok)
            .next();
        let told = String::from_utf8(told.unwrap()).unwrap();
        assert!(told.contains("lines of this log were dropped"), "{told}");
    }

    #[test]
    fn a_file_that_was_moved_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let lines = Lines::begin(Sink::file(&path).unwrap(), false).unwrap();
        let say = |text: &str| {
            lines.make_writer().write_all(text.as_bytes()).unwrap();
            lines.flush(Duration::from_secs(30));
        };
        say("one\n");
        std::fs::rename(&path, directory.path().join("log.1")).unwrap();
        say("two\n");
        lines.reopen();
        say("three\n");
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(
            (read("log.1"), read("log")),
            ("one\ntwo\n".to_owned(), "three\n".to_owned())
        );
    }
}
