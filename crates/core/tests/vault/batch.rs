//! Batch tokens: all that is known of one is in its text.

use crate::harness::{Harness, arrival};
use crate::replicas::replica;
use cofferdam_core::{Kind, Peer, Verb};
use cofferdam_store::Span;
use serde_json::{Value, json};
use std::time::Duration;

const ALL: &str =
    r#"path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }"#;

async fn opened() -> Harness {
    let harness = Harness::open().await;
    harness
        .write("sys/policies/acl/all", json!({"policy": ALL}))
        .await;
    harness
}

/// What `token` makes, with this body.
async fn made(harness: &Harness, token: &str, path: &str, body: Value) -> Value {
    let answered = harness.call(Verb::Write, path, token, body).await;
    assert_eq!(answered.fault, None, "{}", answered.text);
    answered.body["auth"].clone()
}

fn text(auth: &Value) -> String {
    auth["client_token"].as_str().unwrap().to_owned()
}

async fn batch(harness: &Harness, token: &str) -> String {
    let body = json!({"type": "batch", "policies": ["all"], "ttl": "10m", "meta": {"a": "b"}});
    text(&made(harness, token, "auth/token/create", body).await)
}

async fn uses(harness: &Harness, token: &str) -> Option<Kind> {
    let path = "auth/token/lookup-self";
    harness
        .call(Verb::Read, path, token, Value::Null)
        .await
        .fault
}

async fn stored(harness: &Harness) -> usize {
    let all = Span::prefix(b"");
    let page = harness.store.range(&all, None, usize::MAX).await.unwrap();
    page.entries.len()
}

#[tokio::test]
async fn it_is_stored_nowhere_and_knows_itself() {
    let harness = opened().await;
    let root = harness.root.clone();
    // The first one takes a block of encryptions from the store.
    batch(&harness, &root).await;
    let before = (
        stored(&harness).await,
        harness.store.barrier().await.unwrap(),
    );
    let token = batch(&harness, &root).await;
    let again = batch(&harness, &root).await;
    let after = (
        stored(&harness).await,
        harness.store.barrier().await.unwrap(),
    );
    assert_eq!(before, after);
    assert!(token.starts_with("hvb.") && token != again);
    harness.later(Duration::from_secs(60));
    let path = "auth/token/lookup-self";
    let seen = harness.call(Verb::Read, path, &token, Value::Null).await;
    let seen = &seen.body["data"];
    let expected = json!({
        "accessor": "", "creation_ttl": 600, "display_name": "token", "entity_id": "", "explicit_max_ttl": 0,
        "id": token, "meta": {"a": "b"}, "num_uses": 0, "orphan": false, "path": "auth/token/create",
        "policies": ["all", "default"], "renewable": false, "ttl": 540, "type": "batch",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&seen[name], value, "{name}");
    }
    let listed = harness
        .call(Verb::List, "auth/token/accessors", &root, Value::Null)
        .await;
    assert_eq!(listed.body["data"]["keys"].as_array().unwrap().len(), 1);
    harness.later(Duration::from_secs(541));
    assert_eq!(uses(&harness, &token).await, Some(Kind::Denied));
}

#[tokio::test]
async fn it_ends_with_its_parent_on_every_replica_at_once() {
    let first = opened().await;
    let second = replica(&first).await;
    for end in [
        "auth/token/revoke",
        "auth/token/revoke-orphan",
        "the parent's time",
    ] {
        let parent = first.token(json!({"policies": ["all"], "ttl": "5m"})).await;
        let token = batch(&first, &parent).await;
        let orphan = json!({"type": "batch", "policies": ["default"]});
        let orphan = text(&made(&first, &parent, "auth/token/create-orphan", orphan).await);
        for _ in 0..2 {
            assert_eq!(uses(&first, &token).await, None);
            assert_eq!(uses(&second, &token).await, None);
        }
        if end.starts_with("auth") {
            first.write(end, json!({"token": parent})).await;
        } else {
            first.later(Duration::from_secs(301));
        }
        assert_eq!(uses(&first, &token).await, Some(Kind::Denied), "{end}");
        assert_eq!(uses(&second, &token).await, Some(Kind::Denied), "{end}");
        assert_eq!(uses(&second, &orphan).await, None, "{end}");
    }
}

#[tokio::test]
async fn it_can_be_neither_renewed_nor_revoked_nor_a_parent() {
    let harness = opened().await;
    let token = batch(&harness, &harness.root).await;
    let named = json!({"token": token});
    let more = json!({"policies": ["default"]});
    for (caller, path, body, said) in [
        (
            &token,
            "auth/token/renew-self",
            json!({}),
            "batch tokens cannot be renewed",
        ),
        (
            &harness.root,
            "auth/token/renew",
            named.clone(),
            "batch tokens cannot be renewed",
        ),
        (
            &token,
            "auth/token/revoke-self",
            json!({}),
            "batch tokens cannot be revoked",
        ),
        (
            &harness.root,
            "auth/token/revoke",
            named.clone(),
            "batch tokens cannot be revoked",
        ),
        (
            &harness.root,
            "auth/token/revoke-orphan",
            named,
            "batch tokens cannot be revoked",
        ),
        (
            &token,
            "auth/token/create",
            more.clone(),
            "batch tokens cannot create more tokens",
        ),
        (
            &token,
            "auth/token/create-orphan",
            more,
            "batch tokens cannot create more tokens",
        ),
    ] {
        let refused = harness.call(Verb::Write, path, caller, body).await;
        assert_eq!(
            (refused.fault, refused.text.as_str()),
            (Some(Kind::Invalid), said),
            "{path}"
        );
    }
    assert_eq!(uses(&harness, &token).await, None);
}

#[tokio::test]
async fn what_only_a_stored_token_can_have_is_refused() {
    let harness = opened().await;
    for (body, said) in [
        (json!({}), "batch tokens cannot be root tokens"),
        (
            json!({"policies": ["default"], "num_uses": 3}),
            "batch tokens cannot have \"num_uses\" set",
        ),
        (
            json!({"policies": ["default"], "period": "5m"}),
            "batch tokens cannot have \"period\" set",
        ),
        (
            json!({"policies": ["default"], "explicit_max_ttl": "5m"}),
            "batch tokens cannot have \"explicit_max_ttl\" set",
        ),
        (
            json!({"policies": ["default"], "id": "mine"}),
            "batch tokens cannot have \"id\" set",
        ),
        (
            json!({"policies": ["default"], "metadata": {"a": "x".repeat(4000)}}),
            "the batch token would be longer than 4096 bytes: fewer policies, or less metadata",
        ),
        (
            json!({"policies": ["default"], "type": "default-batch"}),
            "invalid 'token_type' value",
        ),
    ] {
        let mut body = body;
        if body.get("type").is_none() {
            body["type"] = json!("batch");
        }
        let refused = harness
            .call(Verb::Write, "auth/token/create", &harness.root, body)
            .await;
        assert_eq!(
            (refused.fault, refused.text.as_str()),
            (Some(Kind::Invalid), said)
        );
    }
}

#[tokio::test]
async fn another_text_is_another_token_and_no_token() {
    let harness = opened().await;
    let token = batch(&harness, &harness.root).await;
    for at in 4..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(bytes).unwrap();
        assert_eq!(
            uses(&harness, &other).await,
            Some(Kind::Denied),
            "byte {at}"
        );
    }
    for bad in [
        "hvb.",
        "hvb.!",
        &token[..token.len() - 1],
        &format!("{token}A"),
        &token.replace("hvb.", "hvs."),
        &format!("hvb.{}", "A".repeat(5000)),
    ] {
        assert_eq!(uses(&harness, bad).await, Some(Kind::Denied));
    }
    // Something else that the same keys have sealed: a stored value, moved out of the store.
    harness.write("secret/data/a", json!({"k": "v"})).await;
    let all = Span::prefix(b"data/mount/");
    let page = harness.store.range(&all, None, 9).await.unwrap();
    for entry in page.entries {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&entry.value);
        let moved = format!("hvb.{text}");
        assert_eq!(uses(&harness, &moved).await, Some(Kind::Denied));
    }
    assert_eq!(uses(&harness, &token).await, None);
}

#[tokio::test]
async fn it_outlives_a_rotation_of_keys_and_a_seal() {
    let harness = opened().await;
    let second = replica(&harness).await;
    let before = batch(&harness, &harness.root).await;
    harness.write("sys/rotate", json!({})).await;
    let after = batch(&harness, &harness.root).await;
    for token in [&before, &after] {
        assert_eq!(uses(&harness, token).await, None);
        assert_eq!(uses(&second, token).await, None);
    }
    harness.write("sys/seal", json!({})).await;
    harness.unseal().await;
    for token in [&before, &after] {
        assert_eq!(uses(&harness, token).await, None);
    }
}

#[tokio::test]
async fn roles_decide_or_leave_it_to_the_request() {
    let harness = opened().await;
    for (role, body) in [
        (
            "batch",
            json!({"token_type": "batch", "orphan": true, "renewable": false}),
        ),
        ("default-batch", json!({"token_type": "default-batch"})),
        ("service", json!({"token_type": "service"})),
        ("default-service", json!({"token_type": "default-service"})),
    ] {
        harness
            .write(&format!("auth/token/roles/{role}"), body)
            .await;
        let read = harness.read(&format!("auth/token/roles/{role}")).await;
        assert_eq!(read["data"]["token_type"], role);
        for asked in ["", "service", "batch"] {
            let path = format!("auth/token/create/{role}");
            let body = json!({"type": asked, "policies": ["default"]});
            let auth = made(&harness, &harness.root, &path, body).await;
            let expected = match (role, asked) {
                ("batch", _) | ("default-batch", "") => "batch",
                ("service", _) | (_, "") => "service",
                (_, asked) => asked,
            };
            assert_eq!(auth["token_type"], expected, "{role}, {asked}");
            assert_eq!(auth["renewable"], expected == "service");
            assert_eq!(auth["orphan"], role == "batch");
        }
    }
    let base = json!({"token_type": "batch", "orphan": true, "renewable": false});
    for (name, value) in [
        ("orphan", json!(false)),
        ("renewable", json!(true)),
        ("token_period", json!("1h")),
        ("token_explicit_max_ttl", json!("1h")),
        ("token_num_uses", json!(3)),
    ] {
        let mut body = base.clone();
        body[name] = value;
        let refused = harness
            .call(Verb::Write, "auth/token/roles/bad", &harness.root, body)
            .await;
        assert_eq!(refused.fault, Some(Kind::Invalid), "{name}");
        let begins = "'token_type' cannot be 'batch' when role is set to generate";
        assert!(refused.text.starts_with(begins), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_mount_decides_for_its_logins() {
    let harness = opened().await;
    for (tuned, expected) in [
        ("batch", "batch"),
        ("service", "service"),
        ("default-batch", "batch"),
        ("default-service", "service"),
        ("", "service"),
    ] {
        harness
            .write("sys/auth/probe/tune", json!({"token_type": tuned}))
            .await;
        let auth = made(&harness, "", "auth/probe/login", json!({})).await;
        assert_eq!(auth["token_type"], expected, "{tuned}");
        assert_eq!(auth["accessor"] == "", expected == "batch");
        assert_eq!(auth["orphan"], true);
        assert_eq!(uses(&harness, &text(&auth)).await, None);
    }
    for (path, kind) in [
        ("sys/auth/token/tune", "batch"),
        ("sys/mounts/secret/tune", "batch"),
        ("sys/auth/probe/tune", "canary"),
    ] {
        let refused = harness
            .call(
                Verb::Write,
                path,
                &harness.root,
                json!({"token_type": kind}),
            )
            .await;
        assert_eq!(refused.fault, Some(Kind::Invalid), "{path}");
        assert!(!refused.text.contains("canary"));
    }
}

#[tokio::test]
async fn a_child_is_bound_to_its_parents_addresses() {
    let harness = opened().await;
    let role = json!({"token_bound_cidrs": "127.0.0.0/8", "allowed_policies": "all"});
    harness.write("auth/token/roles/bound", role).await;
    let bound = made(
        &harness,
        &harness.root,
        "auth/token/create/bound",
        json!({"policies": ["all"]}),
    )
    .await;
    for kind in ["service", "batch"] {
        let body = json!({"type": kind, "policies": ["all"]});
        let child = text(&made(&harness, &text(&bound), "auth/token/create", body).await);
        assert_eq!(uses(&harness, &child).await, None);
        let mut elsewhere = arrival(Verb::Read, "auth/token/lookup-self", &child, &Value::Null);
        elsewhere.peer = Peer::Network("10.1.1.1:4000".parse().unwrap());
        let refused = harness.arrive(elsewhere).await;
        assert_eq!(refused.fault, Some(Kind::Denied), "{kind}");
    }
}
