//! `sys/fingerprints`: who gets which, and what is left behind.

use crate::harness::{Answered, Harness, arrival};
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Kept, Pending, Route, Routed, View};
use cofferdam_core::mount::Class;
use cofferdam_core::{Kind, Offer, Peer, Verb};
use cofferdam_secret::Secret;
use serde_json::{Value, json};
use std::sync::Arc;

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

/// Keeps `a/b` and `c`.
struct Shelf;

impl Routed for Shelf {
    const ROUTES: &'static [Route<Self>] = &[];

    fn kept<'a>(
        &'a self,
        _: &'a View,
        after: Option<&'a str>,
        most: usize,
        _: Time,
    ) -> Pending<'a, Vec<Kept>> {
        let paths = ["a/b", "c"].into_iter();
        let paths = paths.filter(|path| after.is_none_or(|after| *path > after));
        let kept = paths.take(most).map(|path| Kept {
            path: path.to_owned(),
            incarnation: 1,
            current: 1,
            versions: vec![1],
            owner: None,
        });
        let kept = kept.collect();
        Box::pin(async move { Ok(kept) })
    }

    fn content<'a>(
        &'a self,
        _: &'a View,
        _: &'a Kept,
        _: u64,
    ) -> Pending<'a, Option<Secret<Vec<u8>>>> {
        let content = br#"{"k": "long enough to have a print"}"#.to_vec();
        Box::pin(async { Ok(Some(Secret::new(content))) })
    }
}

/// Who asks about one secret is never told of another one below it.
#[tokio::test]
async fn a_path_without_a_secret_has_no_fingerprints() {
    let first = Harness::open().await;
    let harness = first
        .beside(Offer {
            class: Class::Secret,
            kind: "shelf",
            engine: Arc::new(Shelf),
        })
        .await;
    harness
        .write("sys/mounts/shelf", json!({"type": "shelf"}))
        .await;
    for (path, found) in [("shelf/a/b", None), ("shelf/a", Some(Kind::Missing))] {
        let path = format!("sys/fingerprints/secrets/{path}");
        let mut asked = arrival(Verb::Read, &path, &harness.root, &Value::Null);
        asked.peer = Peer::Local {
            uid: 1000,
            admin: false,
        };
        let answered = harness.arrive(asked).await;
        assert_eq!(answered.fault, found, "{path}: {}", answered.body);
    }
}
