//! Watches: everything once, in order, or a clear end.

use super::{Factory, HISTORY, done, key, put};
use crate::{Change, Error, Event, Revision, Span, Store, Transaction, Watch};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Far longer than any backend needs; a hang fails the check instead of the whole run.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn check(factory: &dyn Factory) {
    event_tells_what_the_transaction_did(factory).await;
    watch_starts_after_the_given_revision(factory).await;
    replaying_a_watch_gives_the_store(factory).await;
    lost_history_ends_the_watch(factory).await;
    slow_watcher_blocks_nobody(factory).await;
    closed_store_ends_the_watch(factory).await;
}

async fn next(watch: &mut Box<dyn Watch>) -> Event {
    let next = timeout(PATIENCE, watch.next()).await;
    next.expect("the watch stands still").unwrap()
}

async fn event_tells_what_the_transaction_did(factory: &dyn Factory) {
    let store = factory.fresh().await;
    put(&*store, "gone", "").await;
    let before = store.barrier().await.unwrap();
    let mut watch = store.watch(before).await.unwrap();
    let transaction = Transaction::new()
        .put(key("b"), "1")
        .put(key("a"), "1")
        .put(key("b"), "2")
        .delete(key("gone"));
    let revision = done(&*store, transaction).await;
    let change = |at: &str, value: Option<&'static str>| Change {
        key: key(at),
        value: value.map(Into::into),
    };
    let expected = Event {
        revision,
        changes: vec![
            change("a", Some("1")),
            change("b", Some("2")),
            change("gone", None),
        ],
    };
    assert_eq!(next(&mut watch).await, expected);
}

async fn watch_starts_after_the_given_revision(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut given = Vec::new();
    for round in 0..5 {
        given.push(put(&*store, "a", &format!("{round}")).await);
    }
    for (skip, after) in std::iter::once(&Revision(0)).chain(&given).enumerate() {
        let mut watch = store.watch(*after).await.unwrap();
        for revision in &given[skip..] {
            assert_eq!(next(&mut watch).await.revision, *revision);
        }
    }
    // From the newest on, only what is still to come.
    let mut watch = store.watch(given[4]).await.unwrap();
    let coming = tokio::spawn(async move { next(&mut watch).await.revision });
    let revision = put(&*store, "a", "new").await;
    assert_eq!(coming.await.unwrap(), revision);
}

async fn replaying_a_watch_gives_the_store(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut watch = store.watch(Revision(0)).await.unwrap();
    let follower = tokio::spawn(async move {
        let (mut replayed, mut last) = (BTreeMap::new(), Revision(0));
        loop {
            let event = next(&mut watch).await;
            assert!(event.revision > last, "out of order or twice");
            last = event.revision;
            for change in event.changes {
                if change.key == key("end") {
                    return replayed;
                }
                match change.value {
                    Some(value) => replayed.insert(change.key, (value, last)),
                    None => replayed.remove(&change.key),
                };
            }
        }
    });
    // Fewer than the history holds in all, so that a gap can only be a mistake.
    let mut tasks = JoinSet::new();
    for task in 0..6 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for round in 0..10 {
                let at = |number: usize| key(&format!("k/{}", number % 5));
                let transaction = Transaction::new()
                    .put(at(task + round), format!("{task}.{round}"))
                    .delete(at(task + 2 * round + 1));
                done(&*store, transaction).await;
            }
        });
    }
    tasks.join_all().await;
    put(&*store, "end", "").await;
    let replayed = follower.await.unwrap();
    let page = store.range(&Span::prefix(b"k/"), None, 99).await.unwrap();
    let stored: BTreeMap<_, _> = page
        .entries
        .into_iter()
        .map(|entry| (entry.key, (entry.value, entry.revision)))
        .collect();
    assert_eq!(replayed, stored);
}

async fn overflow(store: &dyn Store) -> Revision {
    let mut newest = Revision(0);
    // Generous: a backend may keep more than it was asked for, but not without bound.
    for round in 0..4 * HISTORY {
        newest = put(store, "a", &format!("{round}")).await;
    }
    newest
}

async fn lost_history_ends_the_watch(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let newest = overflow(&*store).await;
    let outcome = match store.watch(Revision(1)).await {
        Ok(mut watch) => watch.next().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(matches!(outcome, Err(Error::Compacted)), "a silent gap");
    let mut watch = store.watch(newest).await.unwrap();
    let revision = put(&*store, "a", "new").await;
    assert_eq!(next(&mut watch).await.revision, revision);
}

async fn slow_watcher_blocks_nobody(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut watch = store.watch(Revision(0)).await.unwrap();
    timeout(PATIENCE, overflow(&*store))
        .await
        .expect("a watcher that does not read holds up the writers");
    // It may have been handed some events before, but then it must hear of the gap.
    let mut last = Revision(0);
    loop {
        match timeout(PATIENCE, watch.next()).await.unwrap() {
            Ok(event) => {
                assert_eq!(event.revision.0, last.0 + 1, "a silent gap");
                last = event.revision;
            }
            Err(error) => {
                assert!(matches!(error, Error::Compacted), "{error}");
                return;
            }
        }
    }
}

async fn closed_store_ends_the_watch(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut watch = store.watch(Revision(0)).await.unwrap();
    drop(store);
    let end = timeout(PATIENCE, watch.next()).await;
    assert!(matches!(end, Ok(Err(Error::Closed))));
}
