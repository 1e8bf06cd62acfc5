//! Leases of tokens: by id and by prefix.

use crate::harness::Harness;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};
use std::time::Duration;

async fn listed(harness: &Harness, prefix: &str) -> Vec<String> {
    let path = format!("sys/leases/lookup/{prefix}");
    let answered = harness
        .call(Verb::List, &path, &harness.root, Value::Null)
        .await;
    if answered.fault == Some(Kind::Missing) {
        return Vec::new();
    }
    assert_eq!(answered.fault, None, "{prefix}: {}", answered.text);
    serde_json::from_value(answered.body["data"]["keys"].clone()).unwrap()
}

async fn alive(harness: &Harness, token: &str) -> bool {
    let path = "auth/token/lookup-self";
    let answered = harness.call(Verb::Read, path, token, Value::Null).await;
    answered.fault.is_none()
}

/// The ids below the place where tokens are made, except root's own.
async fn made(harness: &Harness) -> Vec<String> {
    let names = listed(harness, "auth/token/create").await;
    let ids = names.iter().map(|name| format!("auth/token/create/{name}"));
    ids.collect()
}

async fn refusal(harness: &Harness, path: &str, body: Value) -> String {
    let answered = harness.call(Verb::Write, path, &harness.root, body).await;
    assert_eq!(answered.fault, Some(Kind::Invalid), "{path}");
    answered.text
}

async fn login(harness: &Harness) -> String {
    harness
        .write(
            "sys/policies/acl/reader",
            json!({"policy": "path \"a\" { capabilities = [\"read\"] }"}),
        )
        .await;
    let answered = harness
        .call(Verb::Write, "auth/probe/login", "", json!({}))
        .await;
    answered.body["auth"]["client_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_lease_is_looked_up_and_revoked_by_its_id() {
    let harness = Harness::open().await;
    let token = harness
        .token(json!({"policies": ["default"], "ttl": "1h"}))
        .await;
    let ids = made(&harness).await;
    assert_eq!(ids.len(), 1);
    let id = &ids[0];
    harness.later(Duration::from_secs(60));
    let seen = harness
        .write("sys/leases/lookup", json!({"lease_id": id}))
        .await;
    let seen = &seen["data"];
    assert_eq!(
        (&seen["id"], &seen["path"], &seen["ttl"], &seen["renewable"]),
        (
            &json!(id),
            &json!("auth/token/create"),
            &json!(3540),
            &json!(true)
        )
    );
    assert!(!seen.to_string().contains(&token));
    assert_eq!(
        refusal(&harness, "sys/leases/renew", json!({"lease_id": id})).await,
        "tokens cannot be renewed through this endpoint"
    );
    // The right name at another path is no lease; so is a name that is none.
    let hash = id.rsplit('/').next().unwrap();
    for wrong in [
        format!("auth/approle/login/{hash}"),
        hash.to_owned(),
        format!("auth/token/create/h{}", "0".repeat(64)),
        "auth/token/create/h../../key".to_owned(),
        id.to_uppercase(),
    ] {
        let body = json!({"lease_id": wrong});
        assert_eq!(
            refusal(&harness, "sys/leases/lookup", body.clone()).await,
            "invalid lease"
        );
        assert_eq!(
            refusal(&harness, "sys/leases/renew", body.clone()).await,
            "lease not found"
        );
        harness.write("sys/leases/revoke", body).await;
    }
    assert!(alive(&harness, &token).await);
    for path in ["sys/leases/lookup", "sys/leases/renew", "sys/leases/revoke"] {
        assert_eq!(
            refusal(&harness, path, json!({})).await,
            "lease_id must be specified"
        );
    }
    harness
        .write(&format!("sys/leases/revoke/{id}"), json!({"sync": true}))
        .await;
    assert!(!alive(&harness, &token).await);
    harness
        .write("sys/leases/revoke", json!({"lease_id": id}))
        .await;
    assert_eq!(
        refusal(&harness, "sys/leases/lookup", json!({"lease_id": id})).await,
        "invalid lease"
    );
}

#[tokio::test]
async fn leases_are_listed_a_level_at_a_time_and_revoked_below_a_prefix() {
    let harness = Harness::open().await;
    let kept = harness.token(json!({"policies": ["default"]})).await;
    let logins = [login(&harness).await, login(&harness).await];
    assert_eq!(listed(&harness, "").await, ["auth/"]);
    assert_eq!(listed(&harness, "auth").await, ["probe/", "token/"]);
    assert_eq!(listed(&harness, "auth/probe/").await, ["login/"]);
    assert_eq!(listed(&harness, "auth/probe/login").await.len(), 2);
    assert!(listed(&harness, "auth/pro").await.is_empty());
    // A part of a segment is no prefix.
    harness
        .write("sys/leases/revoke-prefix/auth/pro", json!({}))
        .await;
    assert!(alive(&harness, &logins[0]).await);
    harness
        .write("sys/leases/revoke-prefix/auth/probe", json!({}))
        .await;
    for token in &logins {
        assert!(!alive(&harness, token).await);
    }
    assert!(alive(&harness, &kept).await);
    let again = login(&harness).await;
    harness
        .write("sys/leases/revoke-force/auth/probe/login", json!({}))
        .await;
    assert!(!alive(&harness, &again).await && alive(&harness, &kept).await);
}

#[tokio::test]
async fn only_sudo_lists_and_revokes_by_prefix() {
    let harness = Harness::open().await;
    let rule = r#"path "sys/leases/*" { capabilities = ["create", "read", "update", "list"] }"#;
    harness
        .write("sys/policies/acl/leases", json!({"policy": rule}))
        .await;
    let token = harness.token(json!({"policies": ["leases"]})).await;
    for (verb, path) in [
        (Verb::List, "sys/leases/lookup/auth"),
        (Verb::Write, "sys/leases/revoke-prefix/auth"),
        (Verb::Write, "sys/leases/revoke-force/auth"),
        (Verb::Write, "sys/leases/tidy"),
        (Verb::Read, "sys/leases/count"),
        (Verb::Read, "sys/leases"),
    ] {
        let refused = harness.call(verb, path, &token, json!({})).await;
        assert_eq!(refused.fault, Some(Kind::Denied), "{path}");
    }
    assert!(alive(&harness, &token).await);
    harness.write("sys/leases/tidy", json!({})).await;
}
