//! Shares given to an open vault: a new root key, new shares, a root token.

use crate::harness::{Answered, Harness, parts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cofferdam_core::{Kind, Vault, Verb};
use cofferdam_store::{Commit, Key, Transaction};
use serde_json::{Value, json};
use std::time::Duration;

const OTP: &str = "sys/generate-root-token";

async fn give(harness: &Harness, path: &str, nonce: &Value, key: &str) -> Answered {
    let body = json!({"nonce": nonce, "key": key});
    harness.call(Verb::Write, path, &harness.root, body).await
}

fn keys(body: &Value) -> Vec<String> {
    let keys = body["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect()
}

/// A second vault over the same store, sealed.
async fn beside(harness: &Harness, keys: &[String]) -> Harness {
    let vault = Vault::open(parts(harness.store.clone(), harness.clock.clone()))
        .await
        .unwrap();
    Harness {
        vault,
        clock: harness.clock.clone(),
        store: harness.store.clone(),
        root: harness.root.clone(),
        keys: keys.to_vec(),
    }
}

#[tokio::test]
async fn enough_shares_make_a_root_token_under_a_pad() {
    let harness = Harness::open().await;
    let begun = harness.write(&format!("{OTP}/attempt"), json!({})).await;
    let (nonce, otp) = (&begun["nonce"], begun["otp"].as_str().unwrap());
    let busy = harness
        .call(
            Verb::Write,
            &format!("{OTP}/attempt"),
            &harness.root,
            json!({}),
        )
        .await;
    assert_eq!(busy.fault, Some(Kind::Invalid));
    let update = format!("{OTP}/update");
    let wrong = give(&harness, &update, &json!("x"), &harness.keys[0]).await;
    assert!(wrong.text.contains("nonce"), "{}", wrong.text);
    let first = give(&harness, &update, nonce, &harness.keys[0]).await;
    assert_eq!(first.body["progress"], 1);
    let same = give(&harness, &update, nonce, &harness.keys[0]).await;
    assert_eq!(same.body["progress"], 1, "one share counts once");
    let status = harness.read(&format!("{OTP}/attempt")).await;
    assert_eq!(
        (&status["progress"], &status["otp"]),
        (&json!(1), &json!(""))
    );
    let last = give(&harness, &update, nonce, &harness.keys[2]).await;
    assert_eq!(last.body["complete"], true, "{}", last.text);
    let padded = STANDARD_NO_PAD
        .decode(last.body["encoded_token"].as_str().unwrap())
        .unwrap();
    let token: Vec<u8> = padded.iter().zip(otp.bytes()).map(|(a, b)| a ^ b).collect();
    let token = String::from_utf8(token).unwrap();
    let me = harness
        .call(Verb::Read, "auth/token/lookup-self", &token, Value::Null)
        .await;
    assert_eq!(me.body["data"]["policies"], json!(["root"]));
    let again = give(&harness, &update, nonce, &harness.keys[2]).await;
    assert_eq!(again.fault, Some(Kind::Invalid), "one set works once");
}

#[tokio::test]
async fn nobody_without_a_token_touches_a_ceremony() {
    let harness = Harness::open().await;
    let plain = harness.token(json!({"policies": ["default"]})).await;
    let paths = [
        "sys/generate-root-token/attempt",
        "sys/generate-root/attempt",
        "sys/rotate/root/init",
        "sys/rotate/recovery/init",
        "sys/rotate/root/verify",
        "sys/rekey/init",
        "sys/rekey/verify",
        "sys/rekey-recovery-key/init",
    ];
    let begun = harness
        .write(
            "sys/rekey/init",
            json!({"secret_shares": 1, "secret_threshold": 1}),
        )
        .await;
    for token in ["", "hvs.unknown", &plain] {
        for path in paths {
            for verb in [Verb::Read, Verb::Write, Verb::Delete] {
                let answered = harness
                    .call(
                        verb,
                        path,
                        token,
                        json!({"secret_shares": 5, "secret_threshold": 3}),
                    )
                    .await;
                assert_eq!(answered.fault, Some(Kind::Denied), "{verb:?} {path}");
            }
        }
        let fed = harness
            .call(
                Verb::Write,
                "sys/rekey/update",
                token,
                json!({"key": harness.keys[0], "nonce": begun["nonce"]}),
            )
            .await;
        assert_eq!(fed.fault, Some(Kind::Denied));
    }
    let status = harness.read("sys/rekey/init").await;
    assert_eq!(
        (&status["nonce"], &status["progress"]),
        (&begun["nonce"], &json!(0))
    );
}

#[tokio::test]
async fn new_shares_open_and_old_ones_do_not() {
    let harness = Harness::open().await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    let begun = harness
        .write(
            "sys/rotate/root/init",
            json!({"secret_shares": 4, "secret_threshold": 3}),
        )
        .await;
    assert_eq!(
        (&begun["t"], &begun["n"], &begun["required"]),
        (&json!(3), &json!(4), &json!(2))
    );
    let update = "sys/rotate/root/update";
    give(&harness, update, &begun["nonce"], &harness.keys[0]).await;
    let done = give(&harness, update, &begun["nonce"], &harness.keys[1]).await;
    assert_eq!(done.body["complete"], true, "{}", done.text);
    let new = keys(&done.body);
    assert_eq!(new.len(), 4);
    assert_eq!(harness.read("secret/data/a").await["data"]["k"], "v");
    let status = harness
        .call(Verb::Read, "sys/seal-status", "", Value::Null)
        .await
        .body;
    assert_eq!((&status["t"], &status["n"]), (&json!(3), &json!(4)));

    harness.write("sys/seal", Value::Null).await;
    let mut refused = None;
    for key in harness.keys.iter().take(3) {
        refused = harness
            .call(Verb::Write, "sys/unseal", "", json!({"key": key}))
            .await
            .fault;
    }
    assert_eq!(
        refused,
        Some(Kind::Invalid),
        "the old shares are worth nothing"
    );
    for key in &new[1..] {
        harness
            .call(Verb::Write, "sys/unseal", "", json!({"key": key}))
            .await;
    }
    assert_eq!(harness.read("secret/data/a").await["data"]["k"], "v");
}

#[tokio::test]
async fn shares_that_must_be_verified_change_nothing_before_they_are() {
    let harness = Harness::open().await;
    let wanted = json!({"secret_shares": 3, "secret_threshold": 2, "require_verification": true});
    let begun = harness.write("sys/rekey/init", wanted).await;
    give(
        &harness,
        "sys/rekey/update",
        &begun["nonce"],
        &harness.keys[0],
    )
    .await;
    let made = give(
        &harness,
        "sys/rekey/update",
        &begun["nonce"],
        &harness.keys[1],
    )
    .await
    .body;
    assert_eq!(made["verification_required"], true);
    let (new, nonce) = (keys(&made), &made["verification_nonce"]);
    // Still the old ones.
    let other = beside(&harness, &harness.keys).await;
    other.unseal().await;
    assert_eq!(
        give(
            &harness,
            "sys/rekey/update",
            &begun["nonce"],
            &harness.keys[2]
        )
        .await
        .fault,
        Some(Kind::Invalid)
    );

    assert_eq!(
        give(&harness, "sys/rekey/verify", nonce, &new[0])
            .await
            .body["progress"],
        1
    );
    let wrong = give(&harness, "sys/rekey/verify", nonce, &harness.keys[0]).await;
    assert_eq!(wrong.fault, Some(Kind::Invalid));
    assert_eq!(harness.read("sys/rekey/verify").await["progress"], 0);
    give(&harness, "sys/rekey/verify", nonce, &new[2]).await;
    let done = give(&harness, "sys/rekey/verify", nonce, &new[1]).await;
    assert_eq!(done.body["complete"], true, "{}", done.text);
    let other = beside(&harness, &new).await;
    other.unseal().await;
    other.read("sys/mounts").await;
    assert_eq!(
        harness
            .call(Verb::Read, "sys/rekey/verify", &harness.root, Value::Null)
            .await
            .fault,
        Some(Kind::Invalid)
    );
}

#[tokio::test]
async fn a_foreign_share_resets_and_tells_nothing() {
    let (harness, stranger) = (Harness::open().await, Harness::open().await);
    let begun = harness.write("sys/generate-root/attempt", json!({})).await;
    let update = "sys/generate-root/update";
    assert_eq!(
        give(&harness, update, &begun["nonce"], &stranger.keys[0])
            .await
            .body["progress"],
        1
    );
    let refused = give(&harness, update, &begun["nonce"], &harness.keys[1]).await;
    assert_eq!(refused.fault, Some(Kind::Invalid));
    assert_eq!(
        harness.read("sys/generate-root/attempt").await["progress"],
        0
    );
    for bad in ["", "zz", "00", &"00".repeat(33), &"ff".repeat(40)] {
        assert_eq!(
            give(&harness, update, &begun["nonce"], bad).await.fault,
            Some(Kind::Invalid),
            "{bad}"
        );
    }
    give(&harness, update, &begun["nonce"], &harness.keys[0]).await;
    assert_eq!(
        give(&harness, update, &begun["nonce"], &harness.keys[1])
            .await
            .body["complete"],
        true
    );
}

/// STORE-3: two ceremonies at once, their shares given by turns. Each counts its own, and the name of
/// one opens nothing in the other.
#[tokio::test]
async fn ceremonies_that_run_at_once_know_nothing_of_each_other() {
    let harness = Harness::open().await;
    let other = beside(&harness, &harness.keys).await;
    other.unseal().await;
    let counts = json!({"secret_shares": 3, "secret_threshold": 2});
    let rekey = harness.write("sys/rekey/init", counts).await["nonce"].clone();
    let token = other.write("sys/generate-root/attempt", json!({})).await["nonce"].clone();
    assert_ne!(rekey, token);
    let (to_rekey, to_token) = ("sys/rekey/update", "sys/generate-root/update");
    for (path, nonce) in [
        (to_rekey, &token),
        (to_token, &rekey),
        (to_rekey, &json!("")),
        (to_token, &Value::Null),
    ] {
        let strange = give(&harness, path, nonce, &harness.keys[0]).await;
        assert_eq!(strange.fault, Some(Kind::Invalid), "{path} {nonce}");
    }
    let progress = async |path: &str| other.read(path).await["progress"].clone();
    give(&harness, to_rekey, &rekey, &harness.keys[0]).await;
    assert_eq!(progress("sys/rekey/init").await, 1);
    assert_eq!(progress("sys/generate-root/attempt").await, 0);
    // What is wrong in one costs the other nothing.
    let stranger = Harness::open().await;
    give(&other, to_token, &token, &stranger.keys[0]).await;
    let refused = give(&harness, to_token, &token, &harness.keys[1]).await;
    assert_eq!(refused.fault, Some(Kind::Invalid));
    assert_eq!(progress("sys/rekey/init").await, 1);
    assert_eq!(progress("sys/generate-root/attempt").await, 0);
    give(&harness, to_token, &token, &harness.keys[2]).await;
    let made = give(&other, to_token, &token, &harness.keys[0]).await;
    assert_eq!(made.body["complete"], true, "{}", made.text);
    // One is over: its name is worth nothing in the one that goes on, and the other one's goes on.
    for (path, nonce) in [(to_rekey, &token), (to_token, &token)] {
        let over = give(&harness, path, nonce, &harness.keys[1]).await;
        assert_eq!(over.fault, Some(Kind::Invalid), "{path}");
    }
    let made = give(&other, to_rekey, &rekey, &harness.keys[1]).await;
    assert_eq!(made.body["complete"], true, "{}", made.text);
    let again = harness.write("sys/generate-root/attempt", json!({})).await;
    assert_ne!(again["nonce"], token, "a name is used once");
}

#[tokio::test]
async fn an_attempt_is_cancelled_or_ends_by_itself() {
    let harness = Harness::open().await;
    for path in ["sys/generate-root/attempt", "sys/rekey/init"] {
        let wanted = json!({"secret_shares": 1, "secret_threshold": 1});
        harness.write(path, wanted.clone()).await;
        let cancelled = harness
            .call(Verb::Delete, path, &harness.root, Value::Null)
            .await;
        assert_eq!(cancelled.fault, None);
        assert_eq!(harness.read(path).await["started"], false);
        harness.write(path, wanted.clone()).await;
        harness.later(Duration::from_hours(1));
        assert_eq!(harness.read(path).await["started"], false);
        harness.write(path, wanted).await;
    }
}

#[tokio::test]
async fn shares_come_in_by_different_replicas() {
    let harness = Harness::open().await;
    let other = beside(&harness, &harness.keys).await;
    other.unseal().await;
    let begun = harness.write("sys/generate-root/attempt", json!({})).await;
    give(
        &harness,
        "sys/generate-root/update",
        &begun["nonce"],
        &harness.keys[0],
    )
    .await;
    let done = give(
        &other,
        "sys/generate-root/update",
        &begun["nonce"],
        &harness.keys[1],
    )
    .await;
    assert_eq!(done.body["complete"], true, "{}", done.text);
}

#[tokio::test]
async fn a_new_root_key_is_under_the_same_shares() {
    let harness = Harness::open().await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    let other = beside(&harness, &harness.keys).await;
    other.unseal().await;
    let record = async || {
        let entry = harness.store.get(&Key::from("barrier/seal")).await.unwrap();
        String::from_utf8(entry.unwrap().value.to_vec()).unwrap()
    };
    let before = record().await;
    for token in ["", "hvs.unknown"] {
        let asked = harness
            .call(Verb::Write, "sys/rotate/root", token, json!({}))
            .await;
        assert_eq!(asked.fault, Some(Kind::Denied));
    }
    assert_eq!(record().await, before);
    for replica in [&harness, &other] {
        replica.write("sys/rotate/root", json!({})).await;
        assert_eq!(harness.read("secret/data/a").await["data"]["k"], "v");
        assert_eq!(other.read("secret/data/a").await["data"]["k"], "v");
    }
    let after = record().await;
    assert_ne!(before, after);
    harness.write("sys/seal", Value::Null).await;
    harness.unseal().await;
    assert_eq!(harness.read("secret/data/a").await["data"]["k"], "v");

    // The shares go on: they make new ones, under which the root key is new once more.
    let counts = json!({"secret_shares": 1, "secret_threshold": 1});
    let begun = harness.write("sys/rekey/init", counts).await;
    give(
        &harness,
        "sys/rekey/update",
        &begun["nonce"],
        &harness.keys[0],
    )
    .await;
    let made = give(
        &harness,
        "sys/rekey/update",
        &begun["nonce"],
        &harness.keys[2],
    )
    .await;
    let fresh = keys(&made.body);
    harness.write("sys/rotate/root", json!({})).await;
    let third = beside(&harness, &fresh).await;
    third.unseal().await;
    assert_eq!(third.read("secret/data/a").await["data"]["k"], "v");
    let stale = beside(&harness, &harness.keys).await;
    for key in &harness.keys {
        stale
            .call(Verb::Write, "sys/unseal", "", json!({"key": key}))
            .await;
    }
    assert_ne!(
        stale.vault.standing().await,
        cofferdam_core::Standing::Active
    );
}

#[tokio::test]
async fn nobody_else_is_put_into_the_record_for_the_people() {
    let harness = Harness::open().await;
    let entry = harness
        .store
        .get(&Key::from("barrier/seal"))
        .await
        .unwrap()
        .unwrap();
    let mut record: Value = serde_json::from_slice(&entry.value).unwrap();
    assert!(record["people"].is_string());
    let stranger = STANDARD_NO_PAD.encode([7; 32]) + "=";
    for people in [json!(stranger), json!("AAAA"), Value::Null] {
        record["people"] = people;
        let changed = Transaction::new().put(
            Key::from("barrier/seal"),
            serde_json::to_vec(&record).unwrap(),
        );
        let done = harness.store.commit(changed).await.unwrap();
        assert!(matches!(done, Commit::Done(_)));
        let asked = harness
            .call(Verb::Write, "sys/rotate/root", &harness.root, json!({}))
            .await;
        assert_eq!(asked.fault, Some(Kind::Invalid), "{}", asked.text);
        assert!(asked.text.contains("make new shares"), "{}", asked.text);
    }
    harness.write("sys/seal", Value::Null).await;
    harness.unseal().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let harness = Harness::open().await;
    let refused = async |path: &str, body: Value| {
        harness
            .call(Verb::Write, path, &harness.root, body)
            .await
            .fault
    };
    for (shares, threshold) in [(0, 0), (3, 4), (5, 1), (1, 2), (256, 3)] {
        let body = json!({"secret_shares": shares, "secret_threshold": threshold});
        assert_eq!(refused("sys/rekey/init", body).await, Some(Kind::Invalid));
    }
    let counts = json!({"secret_shares": 1, "secret_threshold": 1});
    assert_eq!(
        refused("sys/rotate/recovery/init", counts.clone()).await,
        Some(Kind::Invalid)
    );
    let mut pgp = counts.clone();
    pgp["pgp_keys"] = json!(["AAAA"]);
    assert_eq!(refused("sys/rekey/init", pgp).await, Some(Kind::Invalid));
    let mut nobody = counts;
    nobody["backup"] = json!(true);
    assert_eq!(refused("sys/rekey/init", nobody).await, Some(Kind::Invalid));
    for body in [
        json!({"pgp_key": "AAAA"}),
        json!({"pgp_key": "AAAA", "otp": "x".repeat(28)}),
    ] {
        let answer = refused("sys/generate-root/attempt", body).await;
        assert_eq!(answer, Some(Kind::Invalid));
    }
    assert_eq!(
        refused("sys/generate-root/attempt", json!({"otp": "short"})).await,
        Some(Kind::Invalid)
    );
    assert_eq!(
        refused("sys/rekey/update", json!({"key": "00"})).await,
        Some(Kind::Invalid)
    );
}
