use crate::harness::{Harness, arrival};
use cofferdam_core::engine::{Route, Routed};
use cofferdam_core::json::Data;
use cofferdam_core::mount::Class;
use cofferdam_core::{Kind, Offer, Outcome, Response, Verb};
use serde_json::{Value, json};
use std::sync::Arc;

async fn wrapped(harness: &Harness) -> String {
    harness.write("secret/data/a", json!({"k": "v"})).await;
    let mut request = arrival(Verb::Read, "secret/data/a", &harness.root, &Value::Null);
    request.wrap_ttl = Some("60s".to_owned());
    let answered = harness.arrive(request).await;
    assert_eq!(answered.body["data"], Value::Null);
    assert_eq!(answered.body["wrap_info"]["creation_path"], "secret/data/a");
    answered.body["wrap_info"]["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn of_many_who_unwrap_exactly_one_gets_the_reply() {
    let harness = Arc::new(Harness::open().await);
    let token = wrapped(&harness).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (harness, token) = (harness.clone(), token.clone());
            tokio::spawn(async move {
                harness
                    .call(Verb::Write, "sys/wrapping/unwrap", &token, Value::Null)
                    .await
            })
        })
        .collect();
    let mut opened = 0;
    for task in tasks {
        let answered = task.await.unwrap();
        if answered.fault.is_none() {
            assert_eq!(answered.body["data"]["k"], "v");
            opened += 1;
        }
    }
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn a_wrapping_token_is_good_for_nothing_else() {
    let harness = Harness::open().await;
    let token = wrapped(&harness).await;
    for path in ["secret/data/a", "sys/mounts", "auth/token/lookup-self"] {
        assert_eq!(
            harness
                .call(Verb::Read, path, &token, Value::Null)
                .await
                .fault,
            Some(Kind::Denied),
            "{path}"
        );
    }
    let looked = harness
        .write("sys/wrapping/lookup", json!({"token": token}))
        .await;
    assert_eq!(looked["data"]["creation_ttl"], 60);
    let moved = harness
        .write("sys/wrapping/rewrap", json!({"token": token}))
        .await;
    let moved = moved["wrap_info"]["token"].as_str().unwrap();
    assert!(
        harness
            .call(Verb::Write, "sys/wrapping/unwrap", &token, Value::Null)
            .await
            .fault
            .is_some(),
        "the old token is gone"
    );
    assert_eq!(
        harness
            .write("sys/wrapping/unwrap", json!({"token": moved}))
            .await["data"]["k"],
        "v"
    );
}

#[tokio::test]
async fn anything_can_be_wrapped() {
    let harness = Harness::open().await;
    let plain = harness
        .call(
            Verb::Write,
            "sys/wrapping/wrap",
            &harness.root,
            json!({"a": "b"}),
        )
        .await;
    assert_eq!(
        plain.fault,
        Some(Kind::Invalid),
        "without a TTL there is nothing to do"
    );
    let mut request = arrival(
        Verb::Write,
        "sys/wrapping/wrap",
        &harness.root,
        &json!({"a": "b"}),
    );
    request.wrap_ttl = Some("5m".to_owned());
    let token = harness.arrive(request).await.body["wrap_info"]["token"].clone();
    assert_eq!(
        harness
            .write("sys/wrapping/unwrap", json!({"token": token}))
            .await["data"]["a"],
        "b"
    );
}

/// Answers with a part that failed, and with what is gone.
struct Halves;

impl Routed for Halves {
    const ROUTES: &'static [Route<Self>] = &[
        Route::new(
            "partial",
            &[(Verb::Read, |_, _| {
                Box::pin(async {
                    let data = Data::of(&json!({"k": "canary-half"})).unwrap();
                    Ok(Outcome::Partial(Response::of(data), 400))
                })
            })],
        ),
        Route::new(
            "gone",
            &[(Verb::Read, |_, _| {
                Box::pin(async {
                    let data = Data::of(&json!({"k": "canary-half"})).unwrap();
                    Ok(Outcome::Gone(Response::of(data)))
                })
            })],
        ),
    ];
}

/// Who asks for wrapping, or must, gets nothing in the open when parts failed.
#[tokio::test]
async fn what_is_answered_in_parts_is_wrapped_as_well() {
    let first = Harness::open().await;
    let harness = first
        .beside(Offer {
            class: Class::Secret,
            kind: "halves",
            engine: Arc::new(Halves),
        })
        .await;
    harness
        .write("sys/mounts/halves", json!({"type": "halves"}))
        .await;
    for path in ["halves/partial", "halves/gone"] {
        let mut request = arrival(Verb::Read, path, &harness.root, &Value::Null);
        request.wrap_ttl = Some("60s".to_owned());
        let answered = harness.arrive(request).await;
        assert!(!answered.body.to_string().contains("canary-half"), "{path}");
        let token = answered.body["wrap_info"]["token"].as_str().unwrap();
        let opened = harness
            .call(Verb::Write, "sys/wrapping/unwrap", token, Value::Null)
            .await;
        assert_eq!(opened.body["data"]["k"], "canary-half", "{path}");
    }
}
