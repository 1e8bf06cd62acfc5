//! The one thread that writes.

use super::database::{self, Group, Snapshot};
use super::directory::Directory;
use super::disk::Layer;
use super::fault::{Fault, guarded};
use super::{Options, Shared};
use crate::{Commit, Error, Event, Revision, Transaction, Write};
use crossbeam_channel::Receiver;
use redb::Database;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Transactions in one durable commit at most: more would not make a flush any cheaper, and would
/// let the first of them wait.
pub(super) const GROUP: usize = 256;

/// Bytes in one durable commit at most, counted before the one that exceeds it.
const GROUP_BYTES: usize = 8 << 20;

type Answer = oneshot::Sender<Result<Commit, Error>>;

/// What the committer is asked to do.
pub(super) enum Request {
    Commit(Transaction, Answer),
    /// Open the file again if that is due; asked by a reader that found nothing to read from.
    Recover,
}

/// The writer's side of the store.
pub(super) struct Committer {
    directory: Directory,
    options: Options,
    layer: Layer,
    /// `None` after a failure, until the file could be opened again.
    database: Option<Database>,
    /// Newest revision that was acknowledged or found on disk.
    newest: Revision,
}

impl Committer {
    pub(super) fn open(
        directory: Directory,
        options: Options,
        layer: Layer,
    ) -> Result<(Self, Snapshot), Error> {
        let mut committer = Self {
            directory,
            options,
            layer,
            database: None,
            newest: Revision::default(),
        };
        let directory = &committer.directory;
        if directory.open_file()?.is_none() {
            let file = directory.create_new_file()?;
            guarded(&directory.file_path(), || {
                database::create(file, committer.layer.clone())
            })?;
            directory.promote_new_file()?;
        }
        let verify = directory.file_size() <= options.verify;
        let snapshot = committer.open_database(verify)?;
        Ok((committer, snapshot))
    }

    fn open_database(&mut self, verify: bool) -> Result<Snapshot, Error> {
        let file = self.open_file()?;
        let path = self.directory.file_path();
        let (layer, cache) = (self.layer.clone(), self.options.cache);
        let (database, snapshot) = guarded(&path, || {
            let database = database::open(file, layer, cache, verify)?;
            let snapshot = Snapshot::of(&database)?;
            Ok((database, snapshot))
        })?;
        if snapshot.revision < self.newest {
            return Err(Fault::Damaged("it lost acknowledged writes").at(&path));
        }
        self.newest = snapshot.revision;
        self.database = Some(database);
        Ok(snapshot)
    }

    fn open_file(&self) -> Result<std::fs::File, Error> {
        let gone = || {
            let path = self.directory.file_path();
            Error::Unavailable(format!("{} was removed", path.display()))
        };
        self.directory.open_file()?.ok_or_else(gone)
    }

    /// Serves requests until the store is dropped.
    pub(super) fn run(mut self, queue: &Receiver<Request>, shared: &Shared) {
        while let Ok(first) = queue.recv() {
            let (transactions, answers) = gather(first, queue);
            match self.serve(transactions, shared) {
                Ok(outcomes) => {
                    for (answer, outcome) in answers.into_iter().zip(outcomes) {
                        // Whoever no longer waits does not need to know.
                        let _ = answer.send(Ok(outcome));
                    }
                }
                Err(error) => refuse(answers, &error),
            }
        }
        // Readers hold no more than this snapshot; the file closes cleanly behind it.
        shared.snapshot.store(None);
        self.close();
    }

    /// Closes the file, so that the next open finds it clean.
    fn close(mut self) {
        let path = self.directory.file_path();
        let Some(database) = self.database.take() else {
            return;
        };
        // An error here costs only the check of the next open: everything acknowledged is durable.
        let closed = guarded(&path, || Ok(database.close()?));
        if let Err(error) = closed {
            tracing::warn!(%error, "the store was not closed cleanly");
        }
    }

    fn serve(
        &mut self,
        transactions: Vec<Transaction>,
        shared: &Shared,
    ) -> Result<Vec<Commit>, Error> {
        if self.database.is_none() {
            self.recover(shared)?;
        }
        if transactions.is_empty() {
            return Ok(Vec::new());
        }
        let outcome = guarded(&shared.path, || self.commit(transactions));
        match outcome {
            Ok(Done {
                answers,
                events,
                snapshot,
            }) => {
                if let Some(snapshot) = snapshot {
                    self.newest = snapshot.revision;
                    shared.snapshot.store(Some(Arc::new(snapshot)));
                }
                shared.feed.publish(events);
                Ok(answers)
            }
            Err(error) => {
                tracing::error!(%error, "a write to the store failed");
                // Nobody may go on with what memory says: only the disk knows what is durable.
                shared.snapshot.store(None);
                let database = self.database.take();
                let _ = guarded(&shared.path, || {
                    drop(database);
                    Ok(())
                });
                if let Err(error) = self.recover(shared) {
                    tracing::error!(%error, "the store could not be opened again");
                }
                Err(error)
            }
        }
    }

    fn commit(&self, transactions: Vec<Transaction>) -> Result<Done, Fault> {
        let closed = || Fault::Io("it is closed".to_owned());
        let database = self.database.as_ref().ok_or_else(closed)?;
        let mut group = Group::begin(database, self.newest)?;
        let answers = group.apply(transactions)?;
        let events = group.finish()?;
        let snapshot = if events.is_empty() {
            None
        } else {
            Some(Snapshot::of(database)?)
        };
        Ok(Done {
            answers,
            events,
            snapshot,
        })
    }

    /// Opens the file again after a failure, from what is on the disk and not in the page cache: a
    /// failed flush leaves pages in the cache that look written and are not.
    fn recover(&mut self, shared: &Shared) -> Result<(), Error> {
        let file = self.open_file()?;
        // A hint only; where it is ignored, the checksums of the open below still decide.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        drop(file);
        let before = self.newest;
        let snapshot = self.open_database(true)?;
        if snapshot.revision > before {
            // A transaction that was answered with an error is on disk after all. Its watchers
            // never saw it, and must read again.
            shared.feed.restart(snapshot.revision);
        }
        tracing::info!("the store was opened again");
        shared.snapshot.store(Some(Arc::new(snapshot)));
        Ok(())
    }
}

struct Done {
    answers: Vec<Commit>,
    events: Vec<Event>,
    /// The state behind the events; `None` when nothing was written.
    snapshot: Option<Snapshot>,
}

/// Takes what has queued up behind `first`.
fn gather(first: Request, queue: &Receiver<Request>) -> (Vec<Transaction>, Vec<Answer>) {
    let (mut transactions, mut answers) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for request in std::iter::once(first).chain(queue.try_iter()) {
        if let Request::Commit(transaction, answer) = request {
            bytes += size(&transaction);
            transactions.push(transaction);
            answers.push(answer);
        }
        if transactions.len() >= GROUP || bytes >= GROUP_BYTES {
            break;
        }
    }
    (transactions, answers)
}

fn size(transaction: &Transaction) -> usize {
    let value = |write: &Write| match write {
        Write::Put(_, value) => value.len(),
        Write::Delete(_) => 0,
    };
    transaction.writes.iter().map(value).sum()
}

/// Tells everybody in the group; the error itself cannot be cloned.
fn refuse(answers: Vec<Answer>, error: &Error) {
    for answer in answers {
        let error = match error {
            Error::Damaged(how) => Error::Damaged(how.clone()),
            Error::Unavailable(how) => Error::Unavailable(how.clone()),
            Error::Failed(how) => Error::Failed(how.clone()),
            other => Error::Failed(other.to_string()),
        };
        let _ = answer.send(Err(error));
    }
}
