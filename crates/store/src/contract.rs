//! The contract of design decision D2: point and ordered-range reads, all-or-nothing
//! transactions, one monotonic revision, a watch from a revision and a read barrier.
//!
//! Promises every backend makes, and `conformance` checks:
//!
//! 1. A transaction is applied whole or not at all, and is durable when it is acknowledged.
//! 2. Every applied transaction that writes has a revision greater than all before it. One that
//!    only compares is answered with the newest revision and changes nothing.
//! 3. A read sees every transaction acknowledged before the read began.
//! 4. Keys are ordered as byte strings. One answer of a range read is of one revision.
//! 5. A watch delivers each transaction after the given revision once, in order, or ends with
//!    [`Error::Compacted`]: the watcher must then read again from scratch.

use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;

/// A key: bytes, ordered as bytes. Names in keys are plain; only values are ciphertext.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

/// A point in the history of one store. Zero is the empty store, before any transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A key with its value and the revision of the transaction that last put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub key: Key,
    /// Ciphertext.
    pub value: Bytes,
    /// The transaction that put this value.
    pub revision: Revision,
}

/// Half-open range of keys `[start, end)`; no `end` means to the last key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First key that belongs to it.
    pub start: Key,
    /// First key that no longer does.
    pub end: Option<Key>,
}

impl Span {
    /// All keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        // The next prefix: drop trailing 0xff, then add one. All 0xff means "to the end".
        while end.pop_if(|byte| *byte == u8::MAX).is_some() {}
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Self {
            start: Key::new(prefix.to_vec()),
            end: (!end.is_empty()).then(|| Key::new(end)),
        }
    }

    /// Whether `key` lies in it.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        *key >= self.start && self.end.as_ref().is_none_or(|end| key < end)
    }
}

/// One answer of a range read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In key order.
    pub entries: Vec<Entry>,
    /// There are more keys in the span after the last entry.
    pub more: bool,
}

/// A condition of a transaction: the key is still at this revision, or (`None`) absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key looked at.
    pub key: Key,
    /// What must still be so.
    pub expected: Option<Revision>,
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets the value.
    Put(Key, Bytes),
    /// Removes the key; removing an absent key is no error.
    Delete(Key),
}

/// Conditions and writes, applied all or not at all. Of several writes to one key the last wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// All must hold.
    pub compares: Vec<Compare>,
    /// All are applied, in order.
    pub writes: Vec<Write>,
}

impl Transaction {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if `key` is still at `expected` (`None`: absent).
    #[must_use]
    pub fn expect(mut self, key: Key, expected: Option<Revision>) -> Self {
        self.compares.push(Compare { key, expected });
        self
    }

    /// Sets a value.
    #[must_use]
    pub fn put(mut self, key: Key, value: impl Into<Bytes>) -> Self {
        self.writes.push(Write::Put(key, value.into()));
        self
    }

    /// Removes a key.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.writes.push(Write::Delete(key));
        self
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a conflict means that nothing was written"]
pub enum Commit {
    /// Applied and durable.
    Done(Revision),
    /// A condition did not hold; nothing was written.
    Conflict,
}

impl Commit {
    /// For transactions without conditions, which cannot conflict, and for those where losing is as
    /// good as winning.
    pub const fn ignore(self) {}
}

/// What one transaction did to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Key,
    /// The new value; `None`: removed.
    pub value: Option<Bytes>,
}

/// One applied transaction, as a watcher sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its revision.
    pub revision: Revision,
    /// What it did, one entry a key, in key order.
    pub changes: Vec<Change>,
}

/// A running watch.
#[async_trait]
pub trait Watch: Send {
    /// The next transaction.
    ///
    /// # Errors
    /// [`Error::Compacted`] when events were lost, [`Error::Closed`] when the store is gone.
    async fn next(&mut self) -> Result<Event, Error>;
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The revision asked for is no longer kept.
    #[error("the watched revision is no longer kept; read again from the start")]
    Compacted,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// What is on disk is not what was written. Names the file, never its content.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Somebody else has it open, or its files may not be read.
    #[error("the store cannot be opened: {0}")]
    Unavailable(String),
    /// Disk full, input/output error, lost connection. The transaction was not acknowledged.
    #[error("the store failed: {0}")]
    Failed(String),
    /// Larger than the backend takes.
    #[error("too large for the store: {0}")]
    TooLarge(&'static str),
}

/// A store. All methods may be called from many tasks at once.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// One key.
    async fn get(&self, key: &Key) -> Result<Option<Entry>, Error>;

    /// Keys of a span in order, after `after` (exclusive) if given, at most `limit`.
    async fn range(&self, span: &Span, after: Option<&Key>, limit: usize) -> Result<Page, Error>;

    /// Applies a transaction; returns when it is durable, or was not applied.
    ///
    /// # Errors
    /// After an error the caller cannot know whether it was applied, and must read again.
    async fn commit(&self, transaction: Transaction) -> Result<Commit, Error>;

    /// The read barrier: the newest committed revision, linearizable. Whoever has applied it has
    /// seen everything acknowledged before this call began.
    async fn barrier(&self) -> Result<Revision, Error>;

    /// All transactions after `after`, in order.
    async fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, Error>;
}
