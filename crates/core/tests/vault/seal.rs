use crate::harness::{Harness, parts};
use cofferdam_core::engine::{Pending, Route, Routed};
use cofferdam_core::json::Data;
use cofferdam_core::mount::Class;
use cofferdam_core::{Call, Kind, Offer, Outcome, Response, Standing, Vault, Verb};
use cofferdam_secret::Secret;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

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

/// PRE-3: a crowd at the doors of two replicas; one of it is served, and what it was given opens both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_crowd_that_initializes_exactly_one_is_served() {
    for _ in 0..5 {
        let first = Arc::new(Harness::blank().await);
        let vault = Vault::open(parts(first.store.clone(), first.clock.clone()))
            .await
            .unwrap();
        let second = Arc::new(Harness {
            vault,
            clock: first.clock.clone(),
            store: first.store.clone(),
            root: String::new(),
            keys: Vec::new(),
        });
        let mut crowd = tokio::task::JoinSet::new();
        for number in 0..24 {
            let here = [&first, &second][number % 2].clone();
            // Some send what nobody can be served with.
            let (shares, threshold) = [(1, 1), (3, 2), (0, 0), (2, 3)][number / 2 % 4];
            let body = json!({"secret_shares": shares, "secret_threshold": threshold});
            crowd.spawn(async move { here.call(Verb::Write, "sys/init", "", body).await });
        }
        let answers = crowd.join_all().await;
        let (served, refused): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|answered| answered.fault.is_none());
        assert_eq!(served.len(), 1, "served more than once, or nobody");
        for answered in refused {
            assert_eq!(answered.fault, Some(Kind::Invalid), "{}", answered.text);
            assert!(answered.body.is_null());
        }
        let keys = served[0].body["keys"].as_array().unwrap();
        for house in [&first, &second] {
            for key in keys.iter().take(2) {
                let body = json!({ "key": key });
                let answered = house.call(Verb::Write, "sys/unseal", "", body).await;
                assert_eq!(answered.fault, None, "{}", answered.text);
            }
            let root = served[0].body["root_token"].as_str().unwrap();
            let asked = house.call(Verb::Read, "sys/mounts", root, Value::Null);
            assert_eq!(asked.await.fault, None);
        }
    }
}

/// What a stranger may say to an empty vault and to a sealed one leaves nothing behind.
#[tokio::test]
async fn a_flood_of_bad_initializations_leaves_nothing_behind() {
    let harness = Harness::blank().await;
    for round in 0..50 {
        for body in [
            Value::Null,
            json!({}),
            json!({"secret_shares": 255, "secret_threshold": 256}),
            json!({"secret_shares": "x"}),
            json!({"secret_shares": 2, "secret_threshold": 2, "pgp_keys": ["AAAA", "BBBB"]}),
            json!({"recovery_shares": 5, "recovery_threshold": 3}),
            json!({"secret_shares": 1, "secret_threshold": 1, "root_token_pgp_key": "AAAA"}),
            json!({"secret_shares": 1, "secret_threshold": 1, "stored_shares": 2}),
        ] {
            let answered = harness
                .call(Verb::Write, "sys/init", "", body.clone())
                .await;
            assert_eq!(answered.fault, Some(Kind::Invalid), "{round} {body}");
        }
    }
    let all = cofferdam_store::Span::prefix(b"");
    let stored = harness.store.range(&all, None, 9).await.unwrap();
    assert!(stored.entries.is_empty(), "{:?}", stored.entries);
    assert_eq!(harness.vault.standing().await, Standing::Uninitialized);
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

/// Keeps what it read, as transit does with keys.
#[derive(Default)]
struct Keeper(Mutex<HashMap<String, Vec<u8>>>);

impl Keeper {
    fn kept(&self) -> MutexGuard<'_, HashMap<String, Vec<u8>>> {
        self.0.lock().unwrap()
    }
}

impl Routed for Keeper {
    const ROUTES: &'static [Route<Self>] = &[Route::new(
        "data/:name",
        &[(Verb::Read, read), (Verb::Write, write)],
    )];

    fn forget(&self, _: Option<&[String]>) {
        self.kept().clear();
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a handler takes its call by value, whether it consumes it or not"
)]
fn read<'a>(keeper: &'a Keeper, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = call.path.as_str();
        let known = keeper.kept().get(key).cloned();
        let bytes = match known {
            Some(known) => known,
            None => call.view.get(key).await?.unwrap().value.expose().clone(),
        };
        keeper.kept().insert(key.to_owned(), bytes.clone());
        let data = Data::from_raw(Secret::new(bytes));
        Ok(Outcome::Data(Response::of(data)))
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a handler takes its call by value, whether it consumes it or not"
)]
fn write<'a>(_: &'a Keeper, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let value = Secret::new(call.body.as_bytes().to_vec());
        let batch = call.view.batch().put(call.path.as_str(), value);
        call.view.commit(batch).await?.ignore();
        Ok(Outcome::Done)
    })
}

/// What engines decoded goes with the keys, and does not come back after a change by another replica.
#[tokio::test]
async fn sealing_drops_what_engines_keep_and_unsealing_brings_nothing_stale_back() {
    let first = Harness::open().await;
    let keepers = [Arc::new(Keeper::default()), Arc::new(Keeper::default())];
    let mut replicas = Vec::new();
    for keeper in &keepers {
        let offer = Offer {
            class: Class::Secret,
            kind: "keeper",
            engine: keeper.clone(),
        };
        replicas.push(first.beside(offer).await);
    }
    let [one, two] = &replicas[..] else { panic!() };
    one.write("sys/mounts/kept", json!({"type": "keeper"}))
        .await;
    one.write("kept/data/a", json!({"k": "old"})).await;
    assert_eq!(one.read("kept/data/a").await["data"]["k"], "old");
    assert_eq!(keepers[0].kept().len(), 1);
    one.write("sys/seal", Value::Null).await;
    assert_eq!(keepers[0].kept().len(), 0, "it is gone with the keys");
    // As if a request under way had kept it after the seal.
    let stale = json!({"k": "old"}).to_string().into_bytes();
    keepers[0].kept().insert("data/a".to_owned(), stale);
    two.write("kept/data/a", json!({"k": "new"})).await;
    one.unseal().await;
    assert_eq!(one.read("kept/data/a").await["data"]["k"], "new");
}
