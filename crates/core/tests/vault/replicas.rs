//! Two vaults on one store are one vault: what one acknowledged, the other knows.

use crate::harness::{Harness, parts};
use cofferdam_core::{Kind, Vault, Verb};
use serde_json::{Value, json};

/// Another replica of an open vault, unsealed.
pub async fn replica(first: &Harness) -> Harness {
    let vault = Vault::open(parts(first.store.clone(), first.clock.clone()))
        .await
        .unwrap();
    let second = Harness {
        vault,
        clock: first.clock.clone(),
        store: first.store.clone(),
        root: first.root.clone(),
        keys: first.keys.clone(),
    };
    second.unseal().await;
    second
}

async fn uses(harness: &Harness, token: &str) -> Option<Kind> {
    let path = "auth/token/lookup-self";
    harness
        .call(Verb::Read, path, token, Value::Null)
        .await
        .fault
}

#[tokio::test]
async fn a_token_revoked_on_one_replica_is_refused_on_the_other_at_once() {
    let first = Harness::open().await;
    let second = replica(&first).await;
    for _ in 0..50 {
        let token = first.token(json!({"policies": ["default"]})).await;
        // Twice: the second time from what the replica keeps in memory.
        assert_eq!(uses(&second, &token).await, None);
        assert_eq!(uses(&second, &token).await, None);
        first
            .write("auth/token/revoke", json!({"token": token}))
            .await;
        assert_eq!(uses(&second, &token).await, Some(Kind::Denied));
    }
}

#[tokio::test]
async fn what_is_kept_of_a_token_follows_its_renewal_and_its_end() {
    let first = Harness::open().await;
    let second = replica(&first).await;
    let token = first
        .token(json!({"policies": ["default"], "ttl": "60s"}))
        .await;
    assert_eq!(uses(&second, &token).await, None);
    first.later(std::time::Duration::from_secs(50));
    first
        .write(
            "auth/token/renew",
            json!({"token": token, "increment": "60s"}),
        )
        .await;
    first.later(std::time::Duration::from_secs(50));
    assert_eq!(uses(&second, &token).await, None);
    first.later(std::time::Duration::from_secs(20));
    assert_eq!(uses(&second, &token).await, Some(Kind::Denied));
}

#[tokio::test]
async fn uses_are_counted_across_replicas() {
    let first = Harness::open().await;
    let second = replica(&first).await;
    let token = first
        .token(json!({"policies": ["default"], "num_uses": 5}))
        .await;
    let mut allowed = 0;
    for turn in 0..10 {
        let here = if turn % 2 == 0 { &first } else { &second };
        allowed += usize::from(uses(here, &token).await.is_none());
    }
    assert_eq!(allowed, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uses_are_counted_when_replicas_are_asked_at_the_same_moment() {
    let first = std::sync::Arc::new(Harness::open().await);
    let second = std::sync::Arc::new(replica(&first).await);
    for _ in 0..5 {
        let token = first
            .token(json!({"policies": ["default"], "num_uses": 3}))
            .await;
        let asked: Vec<_> = (0..20)
            .map(|turn| {
                let here = if turn % 2 == 0 { &first } else { &second };
                let (here, token) = (here.clone(), token.clone());
                tokio::spawn(async move { uses(&here, &token).await })
            })
            .collect();
        let mut allowed = 0;
        for asked in asked {
            allowed += usize::from(asked.await.unwrap().is_none());
        }
        assert_eq!(allowed, 3);
    }
}

/// Losing a race is nothing that the holder of a token did: it is not told that the token is bad.
#[tokio::test]
async fn a_token_that_is_too_busy_is_not_called_bad() {
    let harness = Harness::open().await;
    let cut = crate::migrate::Cut::of(&harness.store);
    let busy = cut.vault(&harness).await;
    let counted = json!({"policies": ["default"], "num_uses": 5});
    let (token, other) = (
        busy.token(counted).await,
        busy.token(json!({"policies": ["default"]})).await,
    );
    let renew = async || {
        let path = "auth/token/renew-self";
        busy.call(Verb::Write, path, &other, Value::Null)
            .await
            .fault
    };
    cut.lost.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(uses(&busy, &token).await, Some(Kind::Unavailable));
    assert_eq!(renew().await, Some(Kind::Unavailable));
    cut.lost.store(false, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(uses(&busy, &token).await, None);
    }
    assert_eq!(uses(&busy, &token).await, Some(Kind::Denied));
    assert_eq!(renew().await, None);
}
