//! One record that is damaged stops nothing but itself: work in the background goes on with the others.

use crate::harness::Harness;
use crate::meddle::{damage, kept};
use crate::replicas::replica;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};
use std::time::Duration;

async fn published(harness: &Harness) -> Vec<Value> {
    let path = "identity/oidc/.well-known/keys";
    let answered = harness.call(Verb::Read, path, "", Value::Null).await;
    answered.body["keys"].as_array().unwrap().clone()
}

#[tokio::test]
async fn keys_of_identity_tokens_rotate_beside_damaged_codes_and_keys() {
    let harness = Harness::open().await;
    for name in ["a", "b"] {
        let key = json!({"algorithm": "EdDSA", "rotation_period": "1h", "verification_ttl": "1h"});
        harness
            .write(&format!("identity/oidc/key/{name}"), key)
            .await;
    }
    let role = json!({"key": "b", "ttl": "10m"});
    harness.write("identity/oidc/role/r", role).await;
    let before = published(&harness).await;
    damage(&harness.store, "identity/oidc/code/0123").await;
    damage(&harness.store, "identity/oidc/key/a").await;
    damage(&harness.store, "identity/oidc/key/never-a-name").await;
    harness.later(Duration::from_secs(3601));
    let second = replica(&harness).await;
    let after = published(&second).await;
    assert_eq!(after.len(), 3, "{after:?}");
    assert_eq!(after[0], before[1], "the next one signs");
    // What was not done is not undone either.
    let codes = kept(&harness.store, "identity/oidc/code/").await;
    assert_eq!(codes.len(), 1);
}

#[tokio::test]
async fn tokens_end_beside_damaged_ones() {
    let harness = Harness::open().await;
    for _ in 0..4 {
        harness.token(json!({"ttl": "1h"})).await;
    }
    let ids = kept(&harness.store, "token/id/").await;
    let rows = kept(&harness.store, "token/expiry/").await;
    // Whatever the first one to end is, it is damaged; so is the row of the second.
    let first = rows[0].rsplit('/').next().unwrap();
    damage(&harness.store, &format!("token/id/{first}")).await;
    damage(&harness.store, &rows[1]).await;
    damage(&harness.store, "token/revoking/0000").await;
    harness.later(Duration::from_hours(2));
    harness.write("sys/leases/tidy", json!({})).await;
    let left = kept(&harness.store, "token/id/").await;
    assert_eq!(left.len(), ids.len() - 3, "{left:?}");
    assert!(left.contains(&format!("token/id/{first}")));
}

#[tokio::test]
async fn a_method_that_is_disabled_takes_its_tokens_along_beside_damaged_marks() {
    let harness = Harness::open().await;
    let login = harness.call(Verb::Write, "auth/probe/login", "", json!({}));
    let token = login.await.body["auth"]["client_token"].clone();
    harness.token(json!({"ttl": "1h"})).await;
    damage(&harness.store, "core/revoking-mount/0").await;
    // The token of somebody else cannot be read.
    let other = harness.token(json!({"ttl": "1h"})).await;
    let ids = kept(&harness.store, "token/id/").await;
    harness
        .write("auth/token/revoke", json!({"token": other}))
        .await;
    let left = kept(&harness.store, "token/id/").await;
    let other = ids.iter().find(|id| !left.contains(id)).unwrap();
    damage(&harness.store, other).await;
    let path = "sys/auth/probe";
    let disabled = harness.call(Verb::Delete, path, &harness.root, Value::Null);
    let disabled = disabled.await;
    assert_eq!(disabled.fault, None, "{}", disabled.text);
    let path = "auth/token/lookup-self";
    let looked = harness.call(Verb::Read, path, token.as_str().unwrap(), Value::Null);
    assert_eq!(looked.await.fault, Some(Kind::Denied));
    let marks = kept(&harness.store, "core/revoking-mount/").await;
    assert_eq!(
        marks,
        ["core/revoking-mount/0"],
        "its own mark is worked off"
    );
}

#[tokio::test]
async fn what_a_disabled_mount_left_goes_away_damaged_or_not() {
    let harness = Harness::open().await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    let mount = kept(&harness.store, "mount/").await;
    let place = mount
        .iter()
        .find(|key| key.ends_with("/data/a"))
        .unwrap()
        .clone();
    damage(&harness.store, &place).await;
    let path = "sys/mounts/secret";
    let disabled = harness.call(Verb::Delete, path, &harness.root, Value::Null);
    let disabled = disabled.await;
    assert_eq!(disabled.fault, None, "{}", disabled.text);
    assert!(!kept(&harness.store, "mount/").await.contains(&place));
}
