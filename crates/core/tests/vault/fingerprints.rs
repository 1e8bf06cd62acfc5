//! `sys/fingerprints`: who gets which, and what is left behind.

use crate::harness::{Answered, Harness, arrival};
use cofferdam_core::{Kind, Peer, Verb};
use serde_json::{Value, json};

async fn session(harness: &Harness, token: &str) -> Answered {
    let mut asked = arrival(Verb::Read, "sys/fingerprints/session", token, &Value::Null);
    asked.peer = Peer::Local {
        uid: 1000,
        admin: false,
    };
    harness.arrive(asked).await
}

#[tokio::test]
async fn key_is_given_over_the_local_socket_only_and_to_the_granted_only() {
    let harness = Harness::open().await;
    let given = session(&harness, &harness.root).await;
    assert_eq!(given.fault, None, "{}", given.text);
    assert_eq!(given.body["data"]["prints"], "[]");
    assert_eq!(given.body["data"]["generation"], 1);
    let over_the_network = harness
        .call(
            Verb::Read,
            "sys/fingerprints/session",
            &harness.root,
            Value::Null,
        )
        .await;
    assert_eq!(over_the_network.fault, Some(Kind::Invalid));
    harness
        .write(
            "sys/policy/other",
            json!({"policy": "path \"secret/*\" { capabilities = [\"read\"] }"}),
        )
        .await;
    let other = harness.token(json!({"policies": ["other"]})).await;
    assert_eq!(session(&harness, &other).await.fault, Some(Kind::Denied));
    harness.write("sys/seal", Value::Null).await;
    assert_eq!(
        session(&harness, &harness.root).await.fault,
        Some(Kind::Sealed)
    );
}

#[tokio::test]
async fn rotation_needs_sudo_and_changes_the_key() {
    let harness = Harness::open().await;
    harness
        .write(
            "sys/policy/half",
            json!({"policy": "path \"sys/fingerprints/*\" { capabilities = [\"read\", \"update\"] }"}),
        )
        .await;
    let half = harness.token(json!({"policies": ["half"]})).await;
    let refused = harness
        .call(Verb::Write, "sys/fingerprints/rotate", &half, json!({}))
        .await;
    assert_eq!(refused.fault, Some(Kind::Denied));
    let before = session(&harness, &half).await.body["data"].clone();
    let rotated = harness.write("sys/fingerprints/rotate", json!({})).await;
    assert_eq!(rotated["data"]["generation"], 2);
    let after = session(&harness, &half).await.body["data"].clone();
    assert_ne!(before["key"], after["key"]);
    let config = harness.read("sys/fingerprints/config").await;
    assert_eq!(config["data"]["signer"], rotated["data"]["signer"]);
    let signer = harness
        .write("sys/fingerprints/rotate", json!({"signer": true}))
        .await;
    assert_ne!(config["data"]["signer"], signer["data"]["signer"]);
}

#[tokio::test]
async fn who_asks_all_the_time_is_slowed_down() {
    let harness = Harness::open().await;
    let mut refused = None;
    for _ in 0..500 {
        let given = session(&harness, &harness.root).await;
        if given.fault.is_some() {
            refused = given.fault;
            break;
        }
    }
    assert_eq!(refused, Some(Kind::TooMany));
    harness
        .write(
            "sys/policy/scan",
            json!({"policy": "path \"sys/fingerprints/*\" { capabilities = [\"read\"] }"}),
        )
        .await;
    let other = harness.token(json!({"policies": ["scan"]})).await;
    let given = session(&harness, &other).await;
    assert_eq!(given.fault, None, "another caller is another count");
}

#[tokio::test]
async fn pack_has_bounds() {
    let harness = Harness::open().await;
    let made = harness
        .write("sys/fingerprints/export", json!({"ttl": "1h"}))
        .await;
    assert_eq!(made["data"]["taken"], 0);
    for ttl in ["0", "91d", "-1h", "soon"] {
        let refused = harness
            .call(
                Verb::Write,
                "sys/fingerprints/export",
                &harness.root,
                json!({"ttl": ttl}),
            )
            .await;
        assert_eq!(refused.fault, Some(Kind::Invalid), "{ttl}");
    }
}
