//! The files of a log that take turns, and who reads behind the one that writes.
//!
//! A file that is full is renamed, later removed; a reader that has not come to its end still has to see
//! all of it, and after it the next one, however many there were meanwhile. So a file stays open as long
//! as a reader may come to it. Names are not asked: they mean another file a moment later.
//!
//! What is held for readers is bounded ([`FILES`], [`BYTES`]), because whoever runs `docker logs -f` into
//! a pipe that nobody empties would fill the disk with files that are removed already. A reader that is
//! further behind loses whole files, and is told how many.

use super::file::path;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files that stay open behind the newest, and their bytes together.
const FILES: usize = 64;
const BYTES: u64 = 64 << 20;

/// The files since this daemon has the log.
pub(super) struct Turns {
    state: Mutex<State>,
}

struct State {
    /// Number of the first that is held.
    first: u64,
    /// The last one is being written.
    held: VecDeque<Held>,
    /// How many readers are at each number.
    readers: BTreeMap<u64, usize>,
}

struct Held {
    file: Arc<File>,
    /// What it had when its turn was over.
    size: u64,
}

/// One that reads along; gives its place back on drop.
pub(super) struct Reader {
    turns: Arc<Turns>,
    at: u64,
}

/// The next file.
pub(super) struct Next {
    pub(super) file: Arc<File>,
    /// How many between it and the last one are lost.
    pub(super) lost: u64,
}

impl Turns {
    /// Begins with the file that is written now.
    pub(super) fn new(file: File) -> Arc<Self> {
        let held = Held {
            file: Arc::new(file),
            size: 0,
        };
        Arc::new(Self {
            state: Mutex::new(State {
                first: 0,
                held: VecDeque::from([held]),
                readers: BTreeMap::new(),
            }),
        })
    }

    /// The next file's turn: `rename` makes room for it and opens it to be read. The last one had `size`.
    pub(super) fn turn(
        &self,
        size: u64,
        rename: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<()> {
        let mut state = self.state();
        let file = Arc::new(rename()?);
        if let Some(last) = state.held.back_mut() {
            last.size = size;
        }
        state.held.push_back(Held { file, size: 0 });
        state.let_go();
        Ok(())
    }

    /// All files of `directory`, the oldest first, and a place behind the last of them. None of them is
    /// renamed meanwhile.
    pub(super) fn all(self: &Arc<Self>, directory: &Path) -> io::Result<(Vec<Arc<File>>, Reader)> {
        let mut state = self.state();
        let mut files = open_from(directory, 1)?;
        let now = state.held.back().ok_or(io::ErrorKind::NotFound)?;
        files.push(Arc::clone(&now.file));
        let at = state.newest();
        *state.readers.entry(at).or_default() += 1;
        drop(state);
        let turns = Arc::clone(self);
        Ok((files, Reader { turns, at }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn newest(&self) -> u64 {
        self.first + self.held.len().saturating_sub(1) as u64
    }

    /// Closes what no reader comes to, and what is too much.
    fn let_go(&mut self) {
        let needed = self.readers.keys().next().copied().unwrap_or(u64::MAX);
        let mut bytes: u64 = self.held.iter().map(|held| held.size).sum();
        while self.held.len() > 1
            && (self.first < needed || self.held.len() > FILES + 1 || bytes > BYTES)
        {
            let gone = self.held.pop_front().map_or(0, |held| held.size);
            bytes = bytes.saturating_sub(gone);
            self.first += 1;
        }
    }

    fn leave(&mut self, at: u64) {
        if let Some(count) = self.readers.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.readers.remove(&at);
            }
        }
    }
}

impl Reader {
    /// Whether nothing more is written to the file it is at. To be asked before the file is read to its
    /// end: what came in between would be missed.
    pub(super) fn is_over(&self) -> bool {
        self.at < self.turns.state().newest()
    }

    /// Goes on to the next file, if there is one.
    pub(super) fn next(&mut self) -> Option<Next> {
        let mut state = self.turns.state();
        let next = (self.at + 1).max(state.first);
        let at = usize::try_from(next - state.first).ok()?;
        let file = Arc::clone(&state.held.get(at)?.file);
        let lost = next - self.at - 1;
        state.leave(self.at);
        *state.readers.entry(next).or_default() += 1;
        state.let_go();
        drop(state);
        self.at = next;
        Some(Next { file, lost })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.leave(self.at);
        state.let_go();
    }
}

/// The files that there are from a number on, the oldest first, opened: what is renamed later is still
/// read.
pub(super) fn open_from(directory: &Path, first: u32) -> io::Result<Vec<Arc<File>>> {
    let mut files = Vec::new();
    for number in first.. {
        match File::open(path(directory, number)) {
            Ok(file) => files.push(Arc::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    files.reverse();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    fn held(turns: &Turns) -> usize {
        turns.state().held.len()
    }

    #[test]
    fn files_stay_open_for_readers_alone_and_not_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let turns = Turns::new(file());
        for _ in 0..10 {
            turns.turn(100, || Ok(file())).unwrap();
        }
        assert_eq!(held(&turns), 1, "nobody reads");
        let (_, mut reader) = turns.all(directory.path()).unwrap();
        assert!(!reader.is_over());
        for _ in 0..3 {
            turns.turn(100, || Ok(file())).unwrap();
        }
        assert_eq!(held(&turns), 4);
        assert!(reader.is_over());
        assert_eq!(reader.next().unwrap().lost, 0);
        assert_eq!(held(&turns), 3, "what it has read is closed");
        for _ in 0..1000 {
            turns.turn(100, || Ok(file())).unwrap();
        }
        assert_eq!(held(&turns), FILES + 1);
        let lost = reader.next().unwrap().lost;
        assert_eq!(lost, 1002 - FILES as u64 - 1, "and it is told");
        for _ in 0..2 {
            turns.turn(BYTES / 2 + 1, || Ok(file())).unwrap();
        }
        assert!(held(&turns) <= 2, "by bytes too");
        while reader.next().is_some() {}
        assert!(!reader.is_over());
        drop(reader);
        assert_eq!(held(&turns), 1);
        assert!(turns.state().readers.is_empty());
    }

    #[test]
    fn a_turn_that_fails_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let turns = Turns::new(file());
        let (_, mut reader) = turns.all(directory.path()).unwrap();
        let failed = turns.turn(1, || Err(io::ErrorKind::StorageFull.into()));
        assert!(failed.is_err() && !reader.is_over() && reader.next().is_none());
    }
}
