//! Random histories, against an ordered map as the model.

use super::Factory;
use crate::{Commit, Entry, Event, Key, Revision, Span, Store, Transaction, Write};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

const HISTORIES: usize = 24;

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u8, Guess)>, Vec<(u8, Option<Vec<u8>>)>),
    Range(u8, u8, Option<u8>, usize),
    Get(u8),
    Reopen,
}

/// What a condition claims.
#[derive(Clone, Copy, Debug)]
enum Guess {
    Truth,
    Absent,
    Number(u64),
}

/// A store in ten lines.
#[derive(Default)]
struct Model {
    entries: BTreeMap<Key, (Bytes, Revision)>,
    revision: u64,
}

pub(super) async fn check(factory: &dyn Factory) {
    let mut runner = TestRunner::new(Config::default());
    let histories = prop::collection::vec(step(), 1..50);
    for _ in 0..HISTORIES {
        let history = histories.new_tree(&mut runner).unwrap().current();
        follow(factory, history).await;
    }
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..12_u8;
    let guess = prop_oneof![
        6 => Just(Guess::Truth),
        1 => Just(Guess::Absent),
        1 => (0..20_u64).prop_map(Guess::Number),
    ];
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..300));
    let compares = prop::collection::vec((at.clone(), guess), 0..3);
    let writes = prop::collection::vec((at.clone(), value), 0..5);
    prop_oneof![
        8 => (compares, writes).prop_map(|(compares, writes)| Step::Commit(compares, writes)),
        3 => (at.clone(), at.clone(), prop::option::of(at.clone()), 0..8_usize)
            .prop_map(|(start, end, after, limit)| Step::Range(start, end, after, limit)),
        2 => at.prop_map(Step::Get),
        1 => Just(Step::Reopen),
    ]
}

/// Short keys, prefixes of each other among them.
fn key(number: u8) -> Key {
    Key::new(
        vec![b'k'; 1 + usize::from(number % 4)]
            .into_iter()
            .chain([number / 4])
            .collect::<Vec<_>>(),
    )
}

async fn follow(factory: &dyn Factory, history: Vec<Step>) {
    let mut store = factory.fresh().await;
    let mut model = Model::default();
    let mut watch = store.watch(Revision(0)).await.unwrap();
    let context = format!("{history:?}");
    for step in history {
        match step {
            Step::Commit(compares, writes) => {
                let transaction = model.transaction(compares, writes);
                let expected = model.apply(&transaction);
                let outcome = store.commit(transaction).await.unwrap();
                let revision = model.revision;
                match expected {
                    None => assert_eq!(outcome, Commit::Conflict, "{context}"),
                    Some(event) => {
                        assert_eq!(outcome, Commit::Done(Revision(revision)), "{context}");
                        if !event.changes.is_empty() {
                            assert_eq!(watch.next().await.unwrap(), event, "{context}");
                        }
                    }
                }
            }
            Step::Get(at) => {
                let found = store.get(&key(at)).await.unwrap();
                assert_eq!(found, model.get(&key(at)), "{context}");
            }
            Step::Range(start, end, after, limit) => {
                let span = Span {
                    start: key(start),
                    end: Some(key(end)),
                };
                let after = after.map(key);
                model
                    .compare_range(&*store, &span, after.as_ref(), limit)
                    .await;
            }
            Step::Reopen => {
                let Some(reopened) = factory.reopened(store).await else {
                    return;
                };
                store = reopened;
                watch = store.watch(Revision(model.revision)).await.unwrap();
            }
        }
    }
    let whole = Span::prefix(b"");
    model.compare_range(&*store, &whole, None, usize::MAX).await;
}

impl Model {
    fn get(&self, key: &Key) -> Option<Entry> {
        self.entries.get(key).map(|(value, revision)| Entry {
            key: key.clone(),
            value: value.clone(),
            revision: *revision,
        })
    }

    fn transaction(
        &self,
        compares: Vec<(u8, Guess)>,
        writes: Vec<(u8, Option<Vec<u8>>)>,
    ) -> Transaction {
        let mut transaction = Transaction::new();
        for (at, guess) in compares {
            let expected = match guess {
                Guess::Truth => self.get(&key(at)).map(|entry| entry.revision),
                Guess::Absent => None,
                Guess::Number(number) => Some(Revision(number)),
            };
            transaction = transaction.expect(key(at), expected);
        }
        for (at, value) in writes {
            transaction = match value {
                Some(value) => transaction.put(key(at), value),
                None => transaction.delete(key(at)),
            };
        }
        transaction
    }

    fn apply(&mut self, transaction: &Transaction) -> Option<Event> {
        let at = |key: &Key| self.entries.get(key).map(|(_, revision)| *revision);
        let mut compares = transaction.compares.iter();
        if !compares.all(|compare| at(&compare.key) == compare.expected) {
            return None;
        }
        if !transaction.writes.is_empty() {
            self.revision += 1;
        }
        let revision = Revision(self.revision);
        let mut changes = BTreeMap::new();
        for write in &transaction.writes {
            match write {
                Write::Put(key, value) => {
                    changes.insert(key.clone(), Some(value.clone()));
                    self.entries.insert(key.clone(), (value.clone(), revision));
                }
                Write::Delete(key) => {
                    changes.insert(key.clone(), None);
                    self.entries.remove(key);
                }
            }
        }
        let change = |(key, value)| crate::Change { key, value };
        Some(Event {
            revision,
            changes: changes.into_iter().map(change).collect(),
        })
    }

    async fn compare_range(
        &self,
        store: &dyn Store,
        span: &Span,
        after: Option<&Key>,
        limit: usize,
    ) {
        let inside = |key: &&Key| span.contains(key) && after.is_none_or(|after| *key > after);
        let keys: Vec<_> = self.entries.keys().filter(inside).collect();
        let expected: Vec<_> = keys
            .iter()
            .take(limit)
            .filter_map(|key| self.get(key))
            .collect();
        let page = store.range(span, after, limit).await.unwrap();
        assert_eq!(page.entries, expected);
        assert_eq!(page.more, keys.len() > limit);
    }
}
