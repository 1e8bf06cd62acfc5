//! One transaction over any number of records of identity.

use super::{Record, Stored};
use crate::fault::Fault;
use crate::record::encode;
use cofferdam_barrier::Batch;
use cofferdam_secret::Secret;
use std::collections::BTreeMap;

/// Records and the ways to them, as they were and as they shall be. It is committed only where every
/// record is as it was read, and every name that is new is nobody's.
#[derive(Default)]
pub(super) struct Change {
    batch: Batch,
    before: BTreeMap<String, String>,
    after: BTreeMap<String, String>,
}

impl Change {
    /// Puts `new` in the place of `old`; `None`: there is none.
    pub(super) fn record<R: Record>(
        mut self,
        old: Option<&Stored<R>>,
        new: Option<&R>,
    ) -> Result<Self, Fault> {
        let ways = |record: &R| {
            let id = record.id().to_owned();
            record
                .indexes()
                .into_iter()
                .map(move |way| (way, id.clone()))
        };
        if let Some(key) = old.map(|old| old.record.key()).or(new.map(Record::key)) {
            self.batch = self.batch.expect(key, old.map(|old| old.revision));
        }
        if let Some(old) = old {
            self.before.extend(ways(&old.record));
        }
        self.batch = match (old, new) {
            (_, Some(new)) => {
                self.after.extend(ways(new));
                self.batch.put(new.key(), encode(new)?)
            }
            (Some(old), None) => self.batch.delete(old.record.key()),
            (None, None) => self.batch,
        };
        Ok(self)
    }

    /// The record must be as it was read, and stays so.
    pub(super) fn unchanged<R: Record>(mut self, old: &Stored<R>) -> Self {
        self.batch = self.batch.expect(old.record.key(), Some(old.revision));
        self
    }

    /// What else belongs to the transaction.
    pub(super) fn with(mut self, more: impl FnOnce(Batch) -> Batch) -> Self {
        self.batch = more(self.batch);
        self
    }

    pub(super) fn finish(self) -> Batch {
        let Self {
            mut batch,
            before,
            after,
        } = self;
        for way in before.keys().filter(|way| !after.contains_key(*way)) {
            batch = batch.delete(way.clone());
        }
        for (way, id) in after {
            match before.get(&way) {
                Some(same) if *same == id => continue,
                // It led to another record of this transaction, which is compared itself.
                Some(_) => {}
                None => batch = batch.expect_absent(way.clone()),
            }
            batch = batch.put(way, Secret::new(id.into_bytes()));
        }
        batch
    }
}
