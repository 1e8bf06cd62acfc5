//! Conditions, all or nothing, and what a restart keeps.

use super::{Factory, done, key, put, value};
use crate::{Commit, Revision, Span, Store, Transaction};

pub(super) async fn check(factory: &dyn Factory) {
    conditions_are_on_the_revision(factory).await;
    refused_transaction_changes_nothing(factory).await;
    last_write_to_a_key_wins(factory).await;
    comparing_alone_changes_nothing(factory).await;
    acknowledged_writes_survive_a_restart(factory).await;
}

async fn commit(store: &dyn Store, transaction: Transaction) -> Commit {
    store.commit(transaction).await.unwrap()
}

async fn conditions_are_on_the_revision(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let write = |expected| {
        Transaction::new()
            .expect(key("a"), expected)
            .put(key("a"), "x")
    };
    let absent = commit(&*store, write(Some(Revision(1)))).await;
    assert_eq!(absent, Commit::Conflict, "an absent key is at no revision");
    let first = done(&*store, write(None)).await;
    assert_eq!(commit(&*store, write(None)).await, Commit::Conflict);
    put(
        &*store,
        "other",
        "moves the store's revision, not the key's",
    )
    .await;
    let second = done(&*store, write(Some(first))).await;
    let stale = commit(&*store, write(Some(first))).await;
    assert_eq!(stale, Commit::Conflict);
    let future = commit(&*store, write(Some(Revision(second.0 + 1)))).await;
    assert_eq!(future, Commit::Conflict);
    done(&*store, Transaction::new().delete(key("a"))).await;
    let deleted = commit(&*store, write(Some(second))).await;
    assert_eq!(deleted, Commit::Conflict);
    let again = done(&*store, write(None)).await;
    assert!(again > second, "a key that comes back has a new revision");
}

async fn refused_transaction_changes_nothing(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let at = put(&*store, "a", "1").await;
    let before = store.barrier().await.unwrap();
    let transaction = Transaction::new()
        .expect(key("a"), Some(at))
        .expect(key("b"), Some(at))
        .put(key("a"), "2")
        .put(key("c"), "2")
        .delete(key("a"));
    assert_eq!(commit(&*store, transaction).await, Commit::Conflict);
    assert_eq!(value(&*store, "a").await.as_deref(), Some("1"));
    assert_eq!(value(&*store, "c").await, None);
    assert_eq!(store.barrier().await.unwrap(), before);
}

async fn last_write_to_a_key_wins(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let transaction = Transaction::new()
        .put(key("a"), "1")
        .put(key("a"), "2")
        .delete(key("b"))
        .put(key("b"), "3")
        .put(key("c"), "4")
        .delete(key("c"))
        .delete(key("never there"));
    let revision = done(&*store, transaction).await;
    assert_eq!(value(&*store, "a").await.as_deref(), Some("2"));
    assert_eq!(value(&*store, "b").await.as_deref(), Some("3"));
    assert_eq!(value(&*store, "c").await, None);
    let entry = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(entry.revision, revision);
}

async fn comparing_alone_changes_nothing(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let at = put(&*store, "a", "1").await;
    let holds = Transaction::new().expect(key("a"), Some(at));
    assert_eq!(commit(&*store, holds).await, Commit::Done(at));
    let fails = Transaction::new().expect(key("a"), None);
    assert_eq!(commit(&*store, fails).await, Commit::Conflict);
    assert_eq!(store.barrier().await.unwrap(), at);
}

async fn acknowledged_writes_survive_a_restart(factory: &dyn Factory) {
    let store = factory.fresh().await;
    for round in 0..40 {
        let transaction = Transaction::new()
            .put(key(&format!("k/{}", round % 7)), format!("{round}"))
            .delete(key(&format!("k/{}", (round + 3) % 7)));
        done(&*store, transaction).await;
    }
    let span = Span::prefix(b"");
    let before = store.range(&span, None, usize::MAX).await.unwrap();
    let newest = store.barrier().await.unwrap();
    let Some(store) = factory.reopened(store).await else {
        return;
    };
    let after = store.range(&span, None, usize::MAX).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(store.barrier().await.unwrap(), newest);
    assert!(
        put(&*store, "a", "1").await > newest,
        "a revision was reused"
    );
    let Some(store) = factory.reopened(store).await else {
        return;
    };
    assert_eq!(value(&*store, "a").await.as_deref(), Some("1"));
}
