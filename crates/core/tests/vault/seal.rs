use crate::harness::{Harness, parts};
use cofferdam_core::{Kind, Standing, Vault, Verb};
use serde_json::{Value, json};

#[tokio::test]
async fn a_sealed_vault_answers_only_what_is_exempt() {
    let harness = Harness::open().await;
    harness.write("sys/seal", Value::Null).await;
    assert_eq!(harness.vault.standing().await, Standing::Sealed);
    for path in [
        "secret/data/a",
        "sys/mounts",
        "auth/token/lookup-self",
        "sys/policy",
        "nowhere",
    ] {
        assert_eq!(
            harness
                .call(Verb::Read, path, &harness.root, Value::Null)
                .await
                .fault,
            Some(Kind::Sealed),
            "{path}"
        );
    }
    for path in ["sys/health", "sys/seal-status", "sys/init"] {
        assert_eq!(
            harness.call(Verb::Read, path, "", Value::Null).await.fault,
            None,
            "{path}"
        );
    }
    harness.unseal().await;
    assert_eq!(harness.vault.standing().await, Standing::Active);
    harness.read("sys/mounts").await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let harness = Harness::open().await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    let vault = Vault::open(parts(harness.store.clone(), harness.clock.clone()))
        .await
        .unwrap();
    let again = Harness {
        vault,
        clock: harness.clock.clone(),
        store: harness.store.clone(),
        root: harness.root.clone(),
        keys: harness.keys.clone(),
    };
    again.unseal().await;
    assert_eq!(again.read("secret/data/a").await["data"]["k"], "v");
}

#[tokio::test]
async fn init_happens_once() {
    let harness = Harness::open().await;
    let again = harness
        .call(
            Verb::Write,
            "sys/init",
            "",
            json!({"secret_shares": 1, "secret_threshold": 1}),
        )
        .await;
    assert_eq!(again.fault, Some(Kind::Invalid));
}

#[tokio::test]
async fn counts_that_make_no_sense_are_refused_and_nothing_is_initialized() {
    let harness = Harness::blank().await;
    for (shares, threshold) in [(0, 0), (3, 4), (5, 1), (1, 2), (256, 3)] {
        let body = json!({"secret_shares": shares, "secret_threshold": threshold});
        assert_eq!(
            harness.call(Verb::Write, "sys/init", "", body).await.fault,
            Some(Kind::Invalid),
            "{shares} {threshold}"
        );
    }
    assert_eq!(harness.vault.standing().await, Standing::Uninitialized);
}

#[tokio::test]
async fn wrong_shares_give_one_error_and_reset_the_progress() {
    let harness = Harness::open().await;
    let other = Harness::open().await;
    harness.write("sys/seal", Value::Null).await;
    let give = async |key: &str| {
        harness
            .call(Verb::Write, "sys/unseal", "", json!({"key": key}))
            .await
    };
    assert_eq!(give(&harness.keys[0]).await.body["progress"], 1);
    assert_eq!(
        give(&harness.keys[0]).await.body["progress"],
        1,
        "the same share twice counts once"
    );
    assert_eq!(give(&other.keys[1]).await.fault, Some(Kind::Invalid));
    let status = harness
        .call(Verb::Read, "sys/seal-status", "", Value::Null)
        .await
        .body;
    assert_eq!(
        (&status["progress"], &status["sealed"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(give("no share at all").await.fault, Some(Kind::Invalid));
    harness.unseal().await;
}

#[tokio::test]
async fn a_flood_of_shares_is_slowed_down() {
    let harness = Harness::open().await;
    harness.write("sys/seal", Value::Null).await;
    let mut refused = 0;
    for _ in 0..200 {
        let answered = harness
            .call(Verb::Write, "sys/unseal", "", json!({"reset": true}))
            .await;
        refused += usize::from(answered.fault == Some(Kind::TooMany));
    }
    assert!(refused > 100, "{refused} of 200 were refused");
}
