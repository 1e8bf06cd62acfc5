//! Many at once: nothing lost, nothing seen half, nothing seen late.

use super::{Factory, done, key};
use crate::{Commit, Span, Store, Transaction};
use std::sync::Arc;
use tokio::task::JoinSet;

const TASKS: usize = 12;
const ROUNDS: usize = 20;

pub(super) async fn check(factory: &dyn Factory) {
    concurrent_increments_are_all_counted(factory).await;
    acknowledged_write_is_read_by_everybody(factory).await;
    transactions_are_never_seen_half(factory).await;
    revisions_are_given_once(factory).await;
}

async fn number(store: &dyn Store, at: &str) -> (u64, Option<crate::Revision>) {
    let Some(entry) = store.get(&key(at)).await.unwrap() else {
        return (0, None);
    };
    let text = std::str::from_utf8(&entry.value).unwrap();
    (text.parse().unwrap(), Some(entry.revision))
}

async fn concurrent_increments_are_all_counted(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                loop {
                    let (count, revision) = number(&*store, "counter").await;
                    let transaction = Transaction::new()
                        .expect(key("counter"), revision)
                        .put(key("counter"), format!("{}", count + 1));
                    if store.commit(transaction).await.unwrap() != Commit::Conflict {
                        break;
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    let (count, _) = number(&*store, "counter").await;
    assert_eq!(count, (TASKS * ROUNDS) as u64, "increments were lost");
}

async fn acknowledged_write_is_read_by_everybody(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let at = format!("task/{task}");
            for round in 0..ROUNDS as u64 {
                let write = Transaction::new().put(key(&at), format!("{round}"));
                let revision = done(&*store, write).await;
                // Another task reads: promise 3 is about all readers, not about this one.
                let (store, at) = (Arc::clone(&store), at.clone());
                let reader = tokio::spawn(async move {
                    assert!(store.barrier().await.unwrap() >= revision);
                    assert_eq!(number(&*store, &at).await.0, round, "a read was stale");
                });
                reader.await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

async fn transactions_are_never_seen_half(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let write = |number: usize| {
        (0..8).fold(Transaction::new(), |transaction, at| {
            transaction.put(key(&format!("all/{at}")), format!("{number}"))
        })
    };
    done(&*store, write(0)).await;
    let reader = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut last = 0;
            while last < TASKS * ROUNDS {
                let page = store.range(&Span::prefix(b"all/"), None, 99).await.unwrap();
                assert_eq!(page.entries.len(), 8);
                let first = &page.entries[0];
                for entry in &page.entries {
                    assert_eq!(entry.value, first.value, "a transaction was seen half");
                    assert_eq!(entry.revision, first.revision);
                }
                let text = std::str::from_utf8(&first.value).unwrap();
                let seen = text.parse().unwrap();
                assert!(seen >= last, "history was seen backwards");
                last = seen;
                tokio::task::yield_now().await;
            }
        }
    });
    for number in 1..=TASKS * ROUNDS {
        done(&*store, write(number)).await;
    }
    reader.await.unwrap();
}

async fn revisions_are_given_once(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut given = Vec::new();
            for _ in 0..ROUNDS {
                let write = Transaction::new().put(key(&format!("{task}")), "");
                given.push(done(&*store, write).await);
            }
            assert!(given.is_sorted(), "a later commit got an earlier revision");
            given
        });
    }
    let mut given = tasks.join_all().await.concat();
    given.sort();
    given.dedup();
    assert_eq!(given.len(), TASKS * ROUNDS, "a revision was given twice");
    assert_eq!(store.barrier().await.unwrap(), *given.last().unwrap());
}
