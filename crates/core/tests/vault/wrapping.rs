use crate::harness::{Harness, arrival};
use crate::migrate::Cut;
use crate::replicas::replica;
use cofferdam_core::engine::{Access, Route, Routed};
use cofferdam_core::json::Data;
use cofferdam_core::mount::Class;
use cofferdam_core::{Kind, Offer, Outcome, Response, Verb};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
async fn a_wrapping_token_lives_no_longer_than_any_token() {
    const MOST: u64 = 768 * 60 * 60;
    let harness = Harness::open().await;
    for (asked, given) in [
        ("100000h", MOST),
        ("769h", MOST),
        ("768h", MOST),
        ("767h", MOST - 3600),
        ("9223372036", MOST),
    ] {
        let body = json!({"a": "b"});
        let mut request = arrival(Verb::Write, "sys/wrapping/wrap", &harness.root, &body);
        request.wrap_ttl = Some(asked.to_owned());
        let wrapped = harness.arrive(request).await.body["wrap_info"].clone();
        assert_eq!(wrapped["ttl"], given, "{asked}");
        let token = json!({"token": wrapped["token"]});
        let looked = harness.write("sys/wrapping/lookup", token.clone()).await;
        assert_eq!(looked["data"]["creation_ttl"], given, "{asked}");
        let moved = harness.write("sys/wrapping/rewrap", token).await;
        assert_eq!(moved["wrap_info"]["ttl"], given, "{asked}");
        harness.later(std::time::Duration::from_secs(given));
        let ended = json!({"token": moved["wrap_info"]["token"]});
        let unwrap = "sys/wrapping/unwrap";
        let late = harness.call(Verb::Write, unwrap, &harness.root, ended);
        assert_eq!(late.await.fault, Some(Kind::Invalid), "{asked}");
    }
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

/// Answers everybody, as the beginning of a login with a browser does.
struct Hall;

impl Routed for Hall {
    const ROUTES: &'static [Route<Self>] = &[Route::new(
        "page",
        &[(Verb::Read, |_, _| {
            Box::pin(async {
                let data = Data::of(&json!({"k": "v"})).unwrap();
                Ok(Outcome::Data(Response::of(data)))
            })
        })],
    )
    .access(Access::Anonymous)];
}

/// A wrapping token lies in the store: strangers could fill it.
#[tokio::test]
async fn a_stranger_stores_nothing_by_asking_for_a_wrapping_token() {
    let first = Harness::open().await;
    let harness = first
        .beside(Offer {
            class: Class::Secret,
            kind: "hall",
            engine: Arc::new(Hall),
        })
        .await;
    harness
        .write("sys/mounts/hall", json!({"type": "hall"}))
        .await;
    let tokens = || {
        harness.call(
            Verb::List,
            "auth/token/accessors",
            &harness.root,
            Value::Null,
        )
    };
    let before = tokens().await.body["data"]["keys"].clone();
    for token in ["", "hvs.guess", &harness.root] {
        let mut request = arrival(Verb::Read, "hall/page", token, &Value::Null);
        request.wrap_ttl = Some("768h".to_owned());
        let answered = harness.arrive(request).await;
        assert_eq!(answered.fault, Some(Kind::Invalid), "{token}");
        let open = harness.call(Verb::Read, "hall/page", token, Value::Null);
        assert_eq!(open.await.body["data"]["k"], "v", "{token}");
    }
    assert!(before.is_array());
    assert_eq!(tokens().await.body["data"]["keys"], before);
}

/// The reply is in the old token or in the new one, whenever the store goes away.
#[tokio::test]
async fn a_crash_loses_no_reply_that_is_wrapped_anew() {
    let mut moved_at = Vec::new();
    for writes in 0..6 {
        let harness = Harness::open().await;
        let token = wrapped(&harness).await;
        let cut = Cut::of(&harness.store);
        let breaking = cut.vault(&harness).await;
        cut.writes_left.store(writes, Ordering::SeqCst);
        let moved = breaking
            .call(Verb::Write, "sys/wrapping/rewrap", &token, Value::Null)
            .await;
        let fresh = moved.body["wrap_info"]["token"].as_str();
        let held = fresh.unwrap_or(&token);
        moved_at.push(fresh.is_some());
        let opened = harness
            .call(Verb::Write, "sys/wrapping/unwrap", held, Value::Null)
            .await;
        assert_eq!(opened.body["data"]["k"], "v", "{writes}: {}", opened.text);
    }
    assert_eq!((moved_at[0], moved_at[5]), (false, true));
}

/// Two replicas are asked at the same moment: one of all callers gets the reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_replicas_one_opens_a_wrapping_token() {
    let first = Arc::new(Harness::open().await);
    let second = Arc::new(replica(&first).await);
    for round in 0..20 {
        let token = wrapped(&first).await;
        let ask = |here: &Arc<Harness>, path: &'static str| {
            let (here, token) = (here.clone(), token.clone());
            tokio::spawn(async move { here.call(Verb::Write, path, &token, Value::Null).await })
        };
        let all = [
            ask(&first, "sys/wrapping/unwrap"),
            ask(&second, "sys/wrapping/unwrap"),
            ask(&first, "sys/wrapping/rewrap"),
            ask(&second, "sys/wrapping/rewrap"),
        ];
        let mut given = 0;
        for asked in all {
            given += usize::from(asked.await.unwrap().fault.is_none());
        }
        assert_eq!(given, 1, "round {round}");
    }
}
