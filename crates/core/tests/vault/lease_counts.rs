//! Limits of leases: they hold for all replicas together, count what was there before, and give back
//! the place of whatever ends.

use crate::harness::Harness;
use crate::meddle::kept;
use crate::migrate::Cut;
use crate::replicas::replica;
use cofferdam_core::{Kind, Verb};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const LIMIT: &str = "sys/quotas/lease-count/";

async fn limit(harness: &Harness, name: &str, rule: Value) {
    harness.write(&format!("{LIMIT}{name}"), rule).await;
}

/// Makes a token that ends; why not, else.
async fn make(harness: &Harness) -> Result<String, Option<Kind>> {
    let body = json!({"policies": ["default"], "ttl": "1h"});
    let path = "auth/token/create";
    let made = harness.call(Verb::Write, path, &harness.root, body).await;
    let token = made.body["auth"]["client_token"].as_str();
    token.map(str::to_owned).ok_or(made.fault)
}

async fn refused(harness: &Harness) -> bool {
    match make(harness).await {
        Ok(_) => false,
        Err(why) => {
            assert_eq!(why, Some(Kind::TooMany));
            true
        }
    }
}

async fn revoke(harness: &Harness, token: &str) {
    let body = json!({ "token": token });
    harness.write("auth/token/revoke", body).await;
}

#[tokio::test]
async fn a_limit_holds_for_all_replicas_together() {
    let first = Harness::open().await;
    let second = replica(&first).await;
    limit(
        &first,
        "few",
        json!({"path": "auth/token", "max_leases": 7}),
    )
    .await;
    for round in 0..3 {
        let tries = (0..40).map(|turn| make(if turn % 2 == 0 { &first } else { &second }));
        let made = join_all(tries).await;
        let tokens: Vec<String> = made.iter().filter_map(|made| made.clone().ok()).collect();
        assert_eq!(tokens.len(), 7, "{round}");
        let others = made.iter().filter(|made| made.is_err());
        assert!(others.clone().all(|made| *made == Err(Some(Kind::TooMany))));
        // Ended by both at once, each gives back its place once.
        let ends = tokens
            .iter()
            .flat_map(|token| [revoke(&first, token), revoke(&second, token)]);
        join_all(ends).await;
    }
}

#[tokio::test]
async fn what_ends_by_itself_gives_back_its_place() {
    let harness = Harness::open().await;
    limit(&harness, "one", json!({"max_leases": 1})).await;
    assert!(make(&harness).await.is_ok());
    assert!(refused(&harness).await);
    harness.later(Duration::from_hours(2));
    harness.write("sys/leases/tidy", json!({})).await;
    assert!(make(&harness).await.is_ok());
    assert!(refused(&harness).await);
    harness
        .write("sys/leases/revoke-prefix/auth/token/create", json!({}))
        .await;
    let batch = json!({"policies": ["default"], "type": "batch", "ttl": "1h"});
    for _ in 0..3 {
        // Stored nowhere, so not counted.
        harness.write("auth/token/create", batch.clone()).await;
    }
    assert!(make(&harness).await.is_ok());
    assert!(refused(&harness).await);
}

#[tokio::test]
async fn what_was_there_before_counts_and_the_narrowest_limit_alone() {
    let harness = Harness::open().await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(make(&harness).await.unwrap());
    }
    limit(&harness, "all", json!({"max_leases": 3})).await;
    assert!(refused(&harness).await);
    // More are there than it allows: nothing ends, and nothing new is made.
    limit(
        &harness,
        "narrow",
        json!({"path": "auth/token/", "max_leases": 2}),
    )
    .await;
    revoke(&harness, &tokens.pop().unwrap()).await;
    assert!(refused(&harness).await);
    revoke(&harness, &tokens.pop().unwrap()).await;
    tokens.push(make(&harness).await.unwrap());
    assert!(refused(&harness).await);
    // The wide one has nobody meanwhile: a limit about another place is free.
    limit(
        &harness,
        "narrow",
        json!({"path": "cubbyhole/", "max_leases": 1}),
    )
    .await;
    tokens.push(make(&harness).await.unwrap());
    assert!(refused(&harness).await, "three count against the wide one");
    let gone = format!("{LIMIT}all");
    let removed = harness
        .call(Verb::Delete, &gone, &harness.root, Value::Null)
        .await;
    assert_eq!(removed.fault, None);
    for _ in 0..5 {
        tokens.push(make(&harness).await.unwrap());
    }
    // Written again, it counts anew.
    limit(&harness, "all", json!({"max_leases": 8})).await;
    assert!(refused(&harness).await);
    revoke(&harness, &tokens.pop().unwrap()).await;
    assert!(!refused(&harness).await);
}

#[tokio::test]
async fn a_login_too_many_is_refused_and_so_is_a_wrapping_token() {
    let harness = Harness::open().await;
    limit(
        &harness,
        "probe",
        json!({"path": "auth/probe", "max_leases": 1}),
    )
    .await;
    let login = || harness.call(Verb::Write, "auth/probe/login", "", json!({}));
    assert_eq!(login().await.fault, None);
    let second = login().await;
    assert_eq!(second.fault, Some(Kind::TooMany));
    assert_eq!(second.text, "lease count quota exceeded");
    limit(
        &harness,
        "wraps",
        json!({"path": "sys/wrapping/*", "max_leases": 1}),
    )
    .await;
    let wrap = || async {
        let mut arrival = crate::harness::arrival(
            Verb::Write,
            "sys/wrapping/wrap",
            &harness.root,
            &json!({"a": 1}),
        );
        arrival.wrap_ttl = Some("60s".to_owned());
        harness.arrive(arrival).await
    };
    let wrapped = wrap().await;
    assert_eq!(wrapped.fault, None, "{}", wrapped.text);
    assert_eq!(wrap().await.fault, Some(Kind::TooMany));
    let token = wrapped.body["wrap_info"]["token"].as_str().unwrap();
    let opened = harness
        .call(Verb::Write, "sys/wrapping/unwrap", token, json!({}))
        .await;
    assert_eq!(opened.fault, None, "{}", opened.text);
    assert_eq!(wrap().await.fault, None, "its place was given back");
}

#[tokio::test]
async fn limits_that_promise_nothing_are_refused() {
    let harness = Harness::open().await;
    let refusals = [
        (json!({}), "'max_leases' is invalid"),
        (json!({"max_leases": 0}), "'max_leases' is invalid"),
        (
            json!({"max_leases": 5, "path": "nothing/there"}),
            "nothing is mounted there",
        ),
        (
            json!({"max_leases": 5, "path": "sys", "role": "x"}),
            "no auth method",
        ),
        (
            json!({"max_leases": 5, "path": "auth/token", "role": "x"}),
            "does not support",
        ),
        (
            json!({"max_leases": 5, "path": "auth/token", "inheritable": true}),
            "inheritable",
        ),
    ];
    for (rule, why) in refusals {
        let path = format!("{LIMIT}bad");
        let answered = harness
            .call(Verb::Write, &path, &harness.root, rule.clone())
            .await;
        assert_eq!(answered.fault, Some(Kind::Invalid), "{rule}");
        assert!(answered.text.contains(why), "{rule}: {}", answered.text);
    }
    limit(&harness, "one", json!({"max_leases": "5"})).await;
    let read = harness.read(&format!("{LIMIT}one")).await;
    let expected = json!({
        "inheritable": true, "max_leases": 5, "name": "one", "path": "", "role": "", "type": "lease-count",
    });
    assert_eq!(read["data"], expected);
    let path = format!("{LIMIT}two");
    let twice = harness
        .call(Verb::Write, &path, &harness.root, json!({"max_leases": 9}))
        .await;
    assert_eq!(twice.fault, Some(Kind::Invalid));
}

/// Cut off at every write of it, a count is gone on with by whoever opens next.
#[tokio::test]
async fn a_count_that_was_cut_off_goes_on_when_somebody_opens() {
    let (mut cut_off, mut whole) = (0, 0);
    for writes in 0..10 {
        let harness = Harness::open().await;
        for _ in 0..3 {
            make(&harness).await.unwrap();
        }
        let cut = Cut::of(&harness.store);
        let dying = cut.vault(&harness).await;
        cut.writes_left.store(writes, Ordering::SeqCst);
        let rule = json!({"max_leases": 3});
        let path = format!("{LIMIT}few");
        let written = dying.call(Verb::Write, &path, &harness.root, rule).await;
        let next = replica(&harness).await;
        let found = next.call(Verb::Read, &path, &harness.root, Value::Null);
        let stands = found.await.fault.is_none();
        match written.fault {
            Some(_) => cut_off += u32::from(stands),
            None => whole += u32::from(stands),
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while !kept(&harness.store, "core/lease-count/").await.is_empty() {
            assert!(Instant::now() < deadline, "{writes}: nobody goes on");
            tokio::task::yield_now().await;
        }
        assert_eq!(refused(&next).await, stands, "{writes}");
    }
    // In the middle of three tokens, after them, and not at all.
    assert!(cut_off >= 4 && whole >= 1, "{cut_off} {whole}");
}

#[tokio::test]
async fn a_limit_of_leases_says_how_often_it_refused() {
    let harness = Harness::open().await;
    let refusals = async || {
        let told = harness.read("sys/metrics").await;
        let counters = told["Counters"].as_array().unwrap().clone();
        let name = "vault.quota.lease_count_violation";
        let found = counters.iter().find(|counter| counter["Name"] == name);
        found.unwrap()["Count"].as_f64().unwrap()
    };
    limit(&harness, "one", json!({"max_leases": 1})).await;
    assert!(make(&harness).await.is_ok());
    assert_eq!(refusals().await, 0.0);
    assert!(refused(&harness).await);
    assert_eq!(refusals().await, 1.0);
    // A login is refused before it is judged, and counted once.
    let login = harness.call(Verb::Write, "auth/probe/login", "", json!({}));
    assert_eq!(login.await.fault, Some(Kind::TooMany));
    assert_eq!(refusals().await, 2.0);
}
