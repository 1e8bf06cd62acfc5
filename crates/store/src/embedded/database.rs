//! The tables in the file, and a snapshot of them.
//!
//! `entries`: key → `revision u64 big endian | value`. `meta`: `revision` → the newest one.

use super::disk::{Disk, Layer};
use super::fault::Fault;
use crate::transaction::{self, Applied};
use crate::{Commit, Entry, Event, Key, Page, Revision, Span, Transaction};
use bytes::Bytes;
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase as _, ReadableTable, Table};
use redb::{TableDefinition, WriteTransaction};
use std::fs::File;

const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const NEWEST: &str = "revision";

/// The state after one commit. Reading from it blocks nobody and is blocked by nobody.
pub(super) struct Snapshot {
    entries: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) revision: Revision,
}

/// Opens a store file, with all its pages checked if `verify`.
pub(super) fn open(
    file: File,
    layer: Layer,
    cache: usize,
    verify: bool,
) -> Result<Database, Fault> {
    // redb would take an empty file for a new one; a store file is never empty.
    if file.metadata().is_ok_and(|meta| meta.len() == 0) {
        return Err(Fault::Damaged("it is empty"));
    }
    let mut builder = Database::builder();
    builder.set_cache_size(cache);
    builder.set_check_integrity_on_open(verify);
    Ok(builder.create_with_backend(Disk::new(file, layer)?)?)
}

/// Makes an empty store in an empty file, and closes it.
pub(super) fn create(file: File, layer: Layer) -> Result<(), Fault> {
    let database = Database::builder().create_with_backend(Disk::new(file, layer)?)?;
    let write = database.begin_write()?;
    write.open_table(ENTRIES)?;
    write.open_table(META)?.insert(NEWEST, 0)?;
    write.commit()?;
    Ok(database.close()?)
}

impl Snapshot {
    /// The last committed state.
    pub(super) fn of(database: &Database) -> Result<Self, Fault> {
        let read = database.begin_read()?;
        let newest = read.open_table(META)?.get(NEWEST)?;
        let newest = newest.ok_or(Fault::Damaged("it has no revision"))?.value();
        Ok(Self {
            entries: read.open_table(ENTRIES)?,
            revision: Revision(newest),
        })
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Entry>, Fault> {
        let stored = self.entries.get(key.as_bytes())?;
        stored
            .map(|stored| entry(key.clone(), stored.value()))
            .transpose()
    }

    pub(super) fn range(
        &self,
        span: &Span,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Fault> {
        let Some((start, end)) = span.bounds(after) else {
            return Ok(Page::default());
        };
        let bounds = (start.map(Key::as_bytes), end.map(Key::as_bytes));
        let mut rest = self.entries.range::<&[u8]>(bounds)?;
        let mut entries = Vec::new();
        for stored in rest.by_ref().take(limit) {
            let (key, value) = stored?;
            let key = Key::new(Bytes::copy_from_slice(key.value()));
            entries.push(entry(key, value.value())?);
        }
        Ok(Page {
            entries,
            more: rest.next().transpose()?.is_some(),
        })
    }
}

fn entry(key: Key, stored: &[u8]) -> Result<Entry, Fault> {
    let (revision, value) = split(stored)?;
    Ok(Entry {
        key,
        value: Bytes::copy_from_slice(value),
        revision,
    })
}

fn split(stored: &[u8]) -> Result<(Revision, &[u8]), Fault> {
    let (revision, value) = stored
        .split_first_chunk()
        .ok_or(Fault::Damaged("an entry is too short"))?;
    Ok((Revision(u64::from_be_bytes(*revision)), value))
}

/// Transactions being put into one commit of redb.
pub(super) struct Group {
    write: WriteTransaction,
    newest: Revision,
    /// What watchers will see.
    pub(super) events: Vec<Event>,
}

impl Group {
    pub(super) fn begin(database: &Database, newest: Revision) -> Result<Self, Fault> {
        let mut write = database.begin_write()?;
        // Said although it is the default: nothing is acknowledged before it is on the disk.
        write
            .set_durability(Durability::Immediate)
            .map_err(|error| Fault::Io(error.to_string()))?;
        Ok(Self {
            write,
            newest,
            events: Vec::new(),
        })
    }

    /// Applies transactions in order; each sees those before it. The answers hold only once
    /// [`Group::finish`] has returned.
    pub(super) fn apply(&mut self, transactions: Vec<Transaction>) -> Result<Vec<Commit>, Fault> {
        let mut entries = self.write.open_table(ENTRIES)?;
        let mut answers = Vec::with_capacity(transactions.len());
        for transaction in transactions {
            if !holds(&entries, &transaction)? {
                answers.push(Commit::Conflict);
                continue;
            }
            let applied = transaction::apply(self.newest, transaction.writes);
            put(&mut entries, &applied)?;
            let Applied { revision, changes } = applied;
            self.newest = revision;
            answers.push(Commit::Done(revision));
            if !changes.is_empty() {
                self.events.push(Event { revision, changes });
            }
        }
        Ok(answers)
    }

    /// Makes the group durable. Without writes there is nothing to do.
    pub(super) fn finish(self) -> Result<Vec<Event>, Fault> {
        if self.events.is_empty() {
            self.write.abort()?;
            return Ok(self.events);
        }
        self.write.open_table(META)?.insert(NEWEST, self.newest.0)?;
        self.write.commit()?;
        Ok(self.events)
    }
}

type Entries<'txn> = Table<'txn, &'static [u8], &'static [u8]>;

fn holds(entries: &Entries<'_>, transaction: &Transaction) -> Result<bool, Fault> {
    for compare in &transaction.compares {
        let stored = entries.get(compare.key.as_bytes())?;
        let at = match &stored {
            Some(stored) => Some(split(stored.value())?.0),
            None => None,
        };
        if at != compare.expected {
            return Ok(false);
        }
    }
    Ok(true)
}

fn put(entries: &mut Entries<'_>, applied: &Applied) -> Result<(), Fault> {
    for change in &applied.changes {
        let key = change.key.as_bytes();
        let Some(value) = &change.value else {
            entries.remove(key)?;
            continue;
        };
        let mut slot = entries.insert_reserve(key, 8 + value.len())?;
        if let Some((revision, rest)) = slot.as_mut().split_first_chunk_mut::<8>() {
            *revision = applied.revision.0.to_be_bytes();
            rest.copy_from_slice(value);
        }
    }
    Ok(())
}
