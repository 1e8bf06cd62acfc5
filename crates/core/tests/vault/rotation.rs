//! `sys/rotate`, `sys/rotate/config` and `sys/key-status`.

use crate::harness::Harness;
use crate::meddle::Meddler;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};
use std::time::Duration;

async fn term(harness: &Harness) -> u64 {
    let status = harness.read("sys/key-status").await;
    status["data"]["term"].as_u64().unwrap()
}

async fn reopened(harness: &Harness) {
    harness.write("sys/seal", Value::Null).await;
    harness.unseal().await;
}

#[tokio::test]
async fn a_key_tells_its_age_and_how_often_it_was_used() {
    let harness = Harness::open().await;
    let first = harness.read("sys/key-status").await["data"].clone();
    assert_eq!(first["term"], 1);
    let written = first["encryptions"].as_u64().unwrap();
    // The process that initialized lost what it had taken and not used: never too low.
    assert!((1..200_000).contains(&written), "{written}");
    let rules = r#"path "a" { capabilities = ["read"] }"#;
    harness
        .write("sys/policy/p", json!({"policy": rules}))
        .await;
    let second = harness.read("sys/key-status").await["data"].clone();
    assert!(second["encryptions"].as_u64().unwrap() > written);
    assert_eq!(second["install_time"], first["install_time"]);

    harness.later(Duration::from_mins(1));
    harness.write("sys/rotate", Value::Null).await;
    let third = harness.read("sys/key-status").await["data"].clone();
    assert_eq!(third["term"], 2);
    assert_ne!(third["install_time"], first["install_time"]);
    reopened(&harness).await;
    let fourth = harness.read("sys/key-status").await["data"].clone();
    assert_eq!(fourth["install_time"], third["install_time"]);
    // What this process had taken and not used is counted: never too low.
    assert!(fourth["encryptions"].as_u64() >= third["encryptions"].as_u64());
}

#[tokio::test]
async fn a_key_changes_when_it_is_old_enough_and_only_then() {
    let harness = Harness::open().await;
    harness
        .write("sys/rotate/config", json!({"interval": "25h"}))
        .await;
    harness.later(Duration::from_hours(24));
    reopened(&harness).await;
    assert_eq!(term(&harness).await, 1);
    harness.later(Duration::from_hours(2));
    reopened(&harness).await;
    assert_eq!(term(&harness).await, 2);
    reopened(&harness).await;
    assert_eq!(term(&harness).await, 2, "its time begins anew");
    harness
        .write("sys/rotate/keyring/config", json!({"enabled": false}))
        .await;
    harness.later(Duration::from_hours(100));
    reopened(&harness).await;
    assert_eq!(term(&harness).await, 2);
}

#[tokio::test]
async fn settings_read_back_and_bad_ones_change_nothing() {
    let harness = Harness::open().await;
    let config = harness.read("sys/rotate/config").await;
    assert_eq!(
        config["data"],
        json!({"enabled": true, "interval": 0, "max_operations": 1_073_741_824})
    );
    let wanted =
        json!({"enabled": false, "interval": "25h0m0s", "max_operations": 3_865_470_566_u64});
    harness.write("sys/rotate/config", wanted.clone()).await;
    for body in [
        json!({"interval": "1h"}),
        json!({"interval": "x"}),
        json!({"interval": -1}),
        json!({"max_operations": 100}),
        json!({"max_operations": 4_000_000_000_u64}),
        json!({"max_operations": -1}),
        json!({"max_operations": 0, "interval": 0}),
    ] {
        let answered = harness
            .call(
                Verb::Write,
                "sys/rotate/config",
                &harness.root,
                body.clone(),
            )
            .await;
        assert_eq!(answered.fault, Some(Kind::Invalid), "{body}");
    }
    let config = harness.read("sys/rotate/keyring/config").await;
    assert_eq!(config["data"], wanted);
    harness
        .write("sys/rotate/config", json!({"interval": 0}))
        .await;
    let config = harness.read("sys/rotate/config").await;
    assert_eq!(config["data"]["interval"], 0);
    assert_eq!(config["data"]["enabled"], false, "what is not said stays");
}

/// Each says one field: what one said is not lost to the other, who had read before it.
#[tokio::test]
async fn two_writers_of_the_settings_lose_nothing() {
    let harness = Harness::open().await;
    let meddler = Meddler::of(&harness.store, "");
    let slow = meddler.vault(&harness).await;
    *meddler.held.lock().unwrap() = Some("rotation/config");
    let first = slow.write("sys/rotate/config", json!({"max_operations": 1_234_567}));
    let second = async {
        meddler.arrived.acquire().await.unwrap().forget();
        harness
            .write("sys/rotate/config", json!({"interval": "25h"}))
            .await;
        meddler.go.add_permits(1);
    };
    tokio::join!(first, second);
    let config = harness.read("sys/rotate/config").await;
    assert_eq!(config["data"]["max_operations"], 1_234_567);
    assert_eq!(config["data"]["interval"], "25h0m0s");
}
