//! The store of tests and of `inmem`: an ordered map behind a lock. Nothing survives the process.

use crate::feed::{Feed, History};
use crate::transaction::{self, Applied};
use crate::{Commit, Entry, Error, Event, Key, Page, Revision, Span, Store, Transaction, Watch};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

/// A store in memory. Clone the `Arc` to share it, as several replicas would.
pub struct Memory {
    state: RwLock<State>,
    feed: Arc<Feed>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Key, (Bytes, Revision)>,
    revision: Revision,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::with_history(History::default())
    }

    /// An empty store that keeps this much for watchers.
    #[must_use]
    pub fn with_history(history: History) -> Self {
        Self {
            state: RwLock::default(),
            feed: Feed::new(Revision::default(), history),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn apply(&mut self, transaction: Transaction) -> Option<Event> {
        let holds = |key: &Key| self.entries.get(key).map(|(_, revision)| *revision);
        let held = transaction
            .compares
            .iter()
            .all(|compare| holds(&compare.key) == compare.expected);
        if !held {
            return None;
        }
        let Applied { revision, changes } = transaction::apply(self.revision, transaction.writes);
        for change in &changes {
            match &change.value {
                Some(value) => {
                    let entry = (value.clone(), revision);
                    self.entries.insert(change.key.clone(), entry);
                }
                None => {
                    self.entries.remove(&change.key);
                }
            }
        }
        self.revision = revision;
        Some(Event { revision, changes })
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, Error> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Ok(state.entries.get(key).map(|stored| entry(key, stored)))
    }

    async fn range(&self, span: &Span, after: Option<&Key>, limit: usize) -> Result<Page, Error> {
        let Some(bounds) = span.bounds(after) else {
            return Ok(Page::default());
        };
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut rest = state
            .entries
            .range::<Key, (Bound<&Key>, Bound<&Key>)>(bounds);
        let entries = rest
            .by_ref()
            .take(limit)
            .map(|(key, stored)| entry(key, stored))
            .collect();
        Ok(Page {
            entries,
            more: rest.next().is_some(),
        })
    }

    async fn commit(&self, transaction: Transaction) -> Result<Commit, Error> {
        transaction.check_size()?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let Some(event) = state.apply(transaction) else {
            return Ok(Commit::Conflict);
        };
        let revision = event.revision;
        if !event.changes.is_empty() {
            // Under the lock, so that events are published in the order of their revisions.
            self.feed.publish(vec![event]);
        }
        Ok(Commit::Done(revision))
    }

    async fn barrier(&self) -> Result<Revision, Error> {
        Ok(self
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .revision)
    }

    async fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, Error> {
        self.feed.watch(after)
    }
}

fn entry(key: &Key, (value, revision): &(Bytes, Revision)) -> Entry {
    Entry {
        key: key.clone(),
        value: value.clone(),
        revision: *revision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, Factory};

    struct InMemory;

    #[async_trait]
    impl Factory for InMemory {
        async fn fresh(&self) -> Arc<dyn Store> {
            Arc::new(Memory::with_history(History {
                events: conformance::HISTORY,
                ..History::default()
            }))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn memory_keeps_the_contract() {
        conformance::run(&InMemory).await;
    }
}
