//! What all backends share about a transaction: its limits and what its writes amount to.

use crate::{Change, Error, Key, Revision, Span, Transaction, Write};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Longest key, in bytes: a canonical path of 4,096 bytes and room for the prefixes before it.
pub const MAX_KEY: usize = 8 << 10;

/// Largest transaction, keys and values together, in bytes: the largest request body (32 MiB)
/// and room for what goes with it.
pub const MAX_TRANSACTION: usize = 48 << 20;

/// The effect of a transaction whose conditions hold.
pub(crate) struct Applied {
    pub(crate) revision: Revision,
    /// One a key, in key order.
    pub(crate) changes: Vec<Change>,
}

/// Reduces writes to one change a key, at the revision they get in a store that is at `newest`.
pub(crate) fn apply(newest: Revision, writes: Vec<Write>) -> Applied {
    let mut changes: BTreeMap<Key, Option<Bytes>> = BTreeMap::new();
    for write in writes {
        match write {
            Write::Put(key, value) => changes.insert(key, Some(value)),
            Write::Delete(key) => changes.insert(key, None),
        };
    }
    let step = u64::from(!changes.is_empty());
    Applied {
        revision: Revision(newest.0 + step),
        changes: changes
            .into_iter()
            .map(|(key, value)| Change { key, value })
            .collect(),
    }
}

impl Transaction {
    /// Refuses what no backend has to take, so that a write does not depend on the backend.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn check_size(&self) -> Result<(), Error> {
        let keys = self.compares.iter().map(|compare| (&compare.key, 0));
        let writes = self.writes.iter().map(|write| match write {
            Write::Put(key, value) => (key, value.len()),
            Write::Delete(key) => (key, 0),
        });
        let mut total = 0_usize;
        for (key, value) in keys.chain(writes) {
            if key.as_bytes().len() > MAX_KEY {
                return Err(Error::TooLarge("key"));
            }
            total = total.saturating_add(key.as_bytes().len() + value);
        }
        if total > MAX_TRANSACTION {
            return Err(Error::TooLarge("transaction"));
        }
        Ok(())
    }
}

impl Span {
    /// The bounds of a read after `after`, or `None` when nothing can lie between them (ordered
    /// maps refuse a start beyond the end).
    pub(crate) fn bounds<'a>(
        &'a self,
        after: Option<&'a Key>,
    ) -> Option<(Bound<&'a Key>, Bound<&'a Key>)> {
        let start = match after {
            Some(after) if *after >= self.start => Bound::Excluded(after),
            _ => Bound::Included(&self.start),
        };
        let Some(end) = &self.end else {
            return Some((start, Bound::Unbounded));
        };
        let first = match start {
            Bound::Included(key) | Bound::Excluded(key) => key,
            Bound::Unbounded => return Some((start, Bound::Excluded(end))),
        };
        (first < end).then_some((start, Bound::Excluded(end)))
    }
}
