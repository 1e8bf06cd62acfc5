//! The default store: one file, one process, safe against crashes.
//!
//! A copy-on-write B-tree (redb) behind one committer thread. The committer takes what has queued
//! up since its last commit, up to [`committer::GROUP`] transactions, and makes one durable commit
//! of it: the cost of a disk flush is shared by all who waited for it. Readers work on the snapshot
//! of the last commit and wait for nobody.
//!
//! Order of a commit: durable on disk, visible to readers, published to watchers, acknowledged.
//!
//! After a failed write the file is opened again from what is truly on the disk, so a full disk is
//! over when there is space again. Why redb, and what was weighed against it, is in
//! `docs/adr/0004-embedded-store.md`.

mod committer;
mod database;
mod directory;
mod disk;
mod fault;

pub use directory::FILE;

use crate::feed::{Feed, History};
use crate::{Commit, Entry, Error, Key, Page, Revision, Span, Store, Transaction, Watch};
use async_trait::async_trait;
use committer::{Committer, Request};
use database::Snapshot;
use directory::Directory;
use fault::guarded;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// How an embedded store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of pages held in memory. The system's page cache holds the rest, so this can be small.
    pub cache: usize,
    /// What is kept for watchers.
    pub history: History,
    /// Files up to this size, in bytes, have every page checked when they are opened. Larger ones
    /// only after a crash: reading them whole would delay the start.
    pub verify: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache: 6 << 20,
            history: History::default(),
            verify: 64 << 20,
        }
    }
}

/// An open embedded store. Dropping it finishes what was queued and closes the file.
pub struct Embedded {
    shared: Arc<Shared>,
    requests: Option<crossbeam_channel::Sender<Request>>,
    committer: Option<JoinHandle<()>>,
}

/// What readers and the committer both see.
struct Shared {
    path: PathBuf,
    /// Empty while the file is being opened again after a failure.
    snapshot: arc_swap::ArcSwapOption<Snapshot>,
    feed: Arc<Feed>,
}

impl Embedded {
    /// Opens the store in the directory `path`, making both if they are not there.
    ///
    /// The directory is made or set to mode 0700 and the file to 0600, whatever the umask.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when another process has it open, or the directory is a symbolic
    /// link or belongs to somebody else; [`Error::Damaged`], naming the file.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let directory = Directory::open(path.as_ref())?;
        Self::start(directory, options, disk::Layer::default())
    }

    fn start(directory: Directory, options: Options, layer: disk::Layer) -> Result<Self, Error> {
        let path = directory.file_path();
        let (committer, snapshot) = Committer::open(directory, options, layer)?;
        let shared = Arc::new(Shared {
            path,
            feed: Feed::new(snapshot.revision, options.history),
            snapshot: arc_swap::ArcSwapOption::from_pointee(snapshot),
        });
        let (requests, queue) = crossbeam_channel::unbounded();
        let thread = std::thread::Builder::new().name("store".to_owned());
        let committer = thread
            .spawn({
                let shared = Arc::clone(&shared);
                move || committer.run(&queue, &shared)
            })
            .map_err(|error| Error::Unavailable(format!("no thread for it: {error}")))?;
        Ok(Self {
            shared,
            requests: Some(requests),
            committer: Some(committer),
        })
    }

    /// Runs a read on the newest snapshot. A panic in it is damage, not the end of the process.
    fn read<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T, fault::Fault>) -> Result<T, Error> {
        let Some(snapshot) = &*self.shared.snapshot.load() else {
            // Without this, a store that only gets reads would never try again.
            self.send(Request::Recover)?;
            return Err(Error::Failed("it is being opened again".to_owned()));
        };
        guarded(&self.shared.path, || read(snapshot))
    }

    fn send(&self, request: Request) -> Result<(), Error> {
        let requests = self.requests.as_ref().ok_or(Error::Closed)?;
        requests.send(request).map_err(|_| Error::Closed)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The committer ends when the last sender is gone and the queue is empty.
        self.requests = None;
        if let Some(committer) = self.committer.take() {
            // A panic in it was reported where it happened.
            let _ = committer.join();
        }
    }
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, Error> {
        self.read(|snapshot| snapshot.get(key))
    }

    async fn range(&self, span: &Span, after: Option<&Key>, limit: usize) -> Result<Page, Error> {
        self.read(|snapshot| snapshot.range(span, after, limit))
    }

    async fn commit(&self, transaction: Transaction) -> Result<Commit, Error> {
        transaction.check_size()?;
        let (answer, answered) = oneshot::channel();
        self.send(Request::Commit(transaction, answer))?;
        answered.await.unwrap_or(Err(Error::Closed))
    }

    async fn barrier(&self) -> Result<Revision, Error> {
        self.read(|snapshot| Ok(snapshot.revision))
    }

    async fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, Error> {
        self.shared.feed.watch(after)
    }
}

#[cfg(test)]
mod tests;
