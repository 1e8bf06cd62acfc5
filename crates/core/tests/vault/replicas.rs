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
