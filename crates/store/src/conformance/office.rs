//! Fenced leadership, on the backend's own transactions and in real time.

use super::{Factory, key, put};
use crate::leadership::{Candidate, Leadership, Lost};
use crate::{Commit, Store, Transaction};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
const FOREVER: Duration = Duration::from_secs(3600);

pub(super) async fn check(factory: &dyn Factory) {
    one_of_many_candidates_wins(factory).await;
    replaced_leader_cannot_write(factory).await;
}

fn candidate(id: usize, ttl: Duration) -> Candidate {
    Candidate {
        office: "office".to_owned(),
        id: format!("{id}"),
        ttl,
    }
}

async fn one_of_many_candidates_wins(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut running = JoinSet::new();
    for id in 0..8 {
        running.spawn(candidate(id, FOREVER).campaign(Arc::clone(&store)));
    }
    let winner = timeout(PATIENCE, running.join_next()).await;
    let winner = winner.expect("nobody wins a vacant office");
    let leader = winner.unwrap().unwrap().unwrap();
    for number in 0..50 {
        // Gives the others every chance to go wrong.
        put(&*store, "other", &format!("{number}")).await;
        assert!(running.try_join_next().is_none(), "two won at once");
    }
    running.shutdown().await;
    leader.resign().await.unwrap();
    let next = timeout(PATIENCE, candidate(9, FOREVER).campaign(Arc::clone(&store))).await;
    next.expect("a resigned office is not vacant").unwrap();
}

async fn replaced_leader_cannot_write(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let ttl = Duration::from_millis(100);
    let mut old = candidate(1, ttl)
        .campaign(Arc::clone(&store))
        .await
        .unwrap();
    assert!(write(&*store, &old, "old").await);
    let new = timeout(PATIENCE, candidate(2, ttl).campaign(Arc::clone(&store))).await;
    let new = new.expect("a silent leader keeps the office").unwrap();
    assert!(!write(&*store, &old, "late").await, "two leaders wrote");
    assert!(write(&*store, &new, "new").await);
    assert_eq!(old.renew().await.unwrap(), Err(Lost));
}

async fn write(store: &dyn Store, leader: &Leadership, value: &'static str) -> bool {
    let mut transaction = Transaction::new().put(key("work"), value);
    transaction.compares.push(leader.fence());
    store.commit(transaction).await.unwrap() != Commit::Conflict
}
