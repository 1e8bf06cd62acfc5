//! `sys/leaks`: reports of searches.

use crate::harness::Harness;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};
use std::time::Duration;

fn report(place: &str) -> Value {
    json!({
        "host": "build-1",
        "secrets": 3,
        "places": [{"place": place, "state": "looked"}],
        "exposures": [{
            "path": "secret/shop/db", "version": 7, "field": "password",
            "place": place, "form": "raw", "location": "app:1: layer 2: .env, byte 7",
            "first_seen": "1999-01-01T00:00:00Z",
        }],
    })
}

#[tokio::test]
async fn first_and_last_sight_are_the_servers_word() {
    let harness = Harness::open().await;
    let one = harness
        .write("sys/leaks/reports", report("image-layers"))
        .await["data"]
        .clone();
    assert_eq!(one["exposures"][0]["first_seen"], one["at"]);
    assert_eq!(one["by"], "root");
    harness.later(Duration::from_hours(24));
    let two = harness
        .write("sys/leaks/reports", report("image-layers"))
        .await["data"]
        .clone();
    assert_eq!(two["exposures"][0]["first_seen"], one["at"]);
    assert_eq!(two["exposures"][0]["last_seen"], two["at"]);
    let other = harness.write("sys/leaks/reports", report("git")).await["data"].clone();
    assert_eq!(other["exposures"][0]["first_seen"], other["at"]);

    let listed = harness
        .call(Verb::List, "sys/leaks/reports", &harness.root, Value::Null)
        .await;
    let keys = listed.body["data"]["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0], one["id"], "in the order of time");
    let read = harness
        .read(&format!(
            "sys/leaks/reports/{}",
            one["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(read["data"], one, "a report never changes");
    let gone = format!("sys/leaks/reports/{}", two["id"].as_str().unwrap());
    let deleted = harness
        .call(Verb::Delete, &gone, &harness.root, Value::Null)
        .await;
    assert_eq!(deleted.fault, None);
    let missing = harness
        .call(Verb::Read, &gone, &harness.root, Value::Null)
        .await;
    assert_eq!(missing.fault, Some(Kind::Missing));
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let harness = Harness::open().await;
    let mut control = report("git");
    control["exposures"][0]["location"] = json!("a\u{1b}[2J");
    let mut many = report("git");
    many["exposures"] = Value::Array(vec![report("git")["exposures"][0].clone(); 1001]);
    for (body, kind) in [
        (control, Kind::Invalid),
        (many, Kind::TooLarge),
        (json!({}), Kind::Invalid),
        (json!({"places": "x"}), Kind::Invalid),
    ] {
        let answered = harness
            .call(Verb::Write, "sys/leaks/reports", &harness.root, body)
            .await;
        assert_eq!(answered.fault, Some(kind), "{}", answered.text);
    }
}

#[tokio::test]
async fn who_may_report_may_not_read_what_others_reported() {
    let harness = Harness::open().await;
    let rules = r#"path "sys/leaks/reports" { capabilities = ["update"] }"#;
    harness
        .write("sys/policy/reporter", json!({"policy": rules}))
        .await;
    let token = harness.token(json!({"policies": ["reporter"]})).await;
    let made = harness
        .call(Verb::Write, "sys/leaks/reports", &token, report("git"))
        .await;
    assert_eq!(made.fault, None, "{}", made.text);
    let id = made.body["data"]["id"].as_str().unwrap();
    let path = format!("sys/leaks/reports/{id}");
    for (verb, path) in [
        (Verb::Read, path.as_str()),
        (Verb::List, "sys/leaks/reports"),
    ] {
        let answered = harness.call(verb, path, &token, Value::Null).await;
        assert_eq!(answered.fault, Some(Kind::Denied), "{path}");
    }
}

/// As many as are kept, and two: the oldest go, and with them the memory of what only they have seen.
#[tokio::test]
async fn reports_are_kept_in_bounds() {
    let harness = Harness::open().await;
    let first = harness
        .write("sys/leaks/reports", report("image-layers"))
        .await["data"]["id"]
        .clone();
    for _ in 0..10_000 {
        harness.later(Duration::from_secs(1));
        harness.write("sys/leaks/reports", report("git")).await;
    }
    let path = format!("sys/leaks/reports/{}", first.as_str().unwrap());
    let gone = harness
        .call(Verb::Read, &path, &harness.root, Value::Null)
        .await;
    assert_eq!(gone.fault, Some(Kind::Missing));
    harness.later(Duration::from_secs(1));
    let again = harness.write("sys/leaks/reports", report("git")).await["data"].clone();
    assert_ne!(again["exposures"][0]["first_seen"], again["at"]);
    let anew = harness
        .write("sys/leaks/reports", report("image-layers"))
        .await["data"]
        .clone();
    assert_eq!(anew["exposures"][0]["first_seen"], anew["at"]);
}
