//! A wall clock that is put back (a step of NTP, a machine that was resumed) holds nobody up.

use crate::harness::Harness;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_window_of_a_limit_of_rates_ends_as_if_nothing_had_happened() {
    let harness = Harness::open().await;
    let rule = json!({"rate": 2, "interval": "10s", "block_interval": "30s", "path": "secret/"});
    harness.write("sys/quotas/rate-limit/few", rule).await;
    let asked = async || {
        let path = "secret/data/a";
        let answered = harness.call(Verb::Read, path, &harness.root, Value::Null);
        answered.await.fault
    };
    for fault in [Kind::Missing, Kind::Missing, Kind::TooMany] {
        assert_eq!(asked().await, Some(fault));
    }
    harness.clock.put_back(Duration::from_hours(1));
    harness.later(Duration::from_secs(29));
    assert_eq!(asked().await, Some(Kind::TooMany));
    harness.later(Duration::from_secs(1));
    assert_eq!(asked().await, Some(Kind::Missing));
}

#[tokio::test]
async fn the_key_of_the_barrier_is_changed_in_its_time() {
    let harness = Harness::open().await;
    let config = json!({"interval": "25h"});
    harness.write("sys/rotate/config", config).await;
    let term = async || harness.read("sys/key-status").await["data"]["term"].clone();
    harness.clock.put_back(Duration::from_hours(200));
    let reopened = async || {
        harness.write("sys/seal", Value::Null).await;
        harness.unseal().await;
    };
    reopened().await;
    harness.later(Duration::from_hours(24));
    reopened().await;
    assert_eq!(term().await, 1);
    harness.later(Duration::from_hours(2));
    reopened().await;
    assert_eq!(term().await, 2);
}

#[tokio::test]
async fn an_attempt_does_not_hold_its_place_for_longer() {
    let harness = Harness::open().await;
    for path in ["sys/generate-root/attempt", "sys/rekey/init"] {
        let wanted = json!({"secret_shares": 1, "secret_threshold": 1});
        harness.write(path, wanted.clone()).await;
        harness.clock.put_back(Duration::from_hours(50));
        let begun = harness.read(path).await;
        assert_eq!(begun["started"], true, "it goes on");
        harness.later(Duration::from_mins(59));
        assert_eq!(harness.read(path).await["nonce"], begun["nonce"]);
        harness.later(Duration::from_mins(1));
        assert_eq!(harness.read(path).await["started"], false);
        harness.write(path, wanted).await;
    }
}
