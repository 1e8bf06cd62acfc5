//! Events: who is told what, and when a stream ends.

use crate::harness::{Answered, Harness, arrival, parts};
use cofferdam_core::events::{End, Notice, Subscription};
use cofferdam_core::{Answer, Kind, Vault, Verb};
use serde_json::{Value, json};
use std::time::Duration;

/// A stream that says nothing for so long has nothing to say. Only for asserting silence after a
/// later event was seen is no time needed.
const PATIENCE: Duration = Duration::from_secs(20);

impl Harness {
    async fn subscribe(&self, token: &str, query: &[(&str, &str)]) -> Result<Subscription, Kind> {
        let mut asked = arrival(
            Verb::Read,
            "sys/events/subscribe/probe/*",
            token,
            &Value::Null,
        );
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        asked.query = query.iter().map(owned).collect();
        match self.vault.handle(asked).await.into_answer() {
            Answer::Stream(events) => Ok(*events),
            Answer::Fault(fault) => Err(fault.kind()),
            _ => panic!("neither a stream nor a refusal"),
        }
    }

    async fn reader(&self, rules: &str) -> String {
        let opening = "path \"sys/events/subscribe/*\" { capabilities = [\"read\"] }";
        let policy = json!({"policy": format!("{opening}\n{rules}")});
        self.write("sys/policy/told", policy).await;
        self.token(json!({"policies": ["told"], "no_default_policy": true}))
            .await
    }
}

const JSON: &[(&str, &str)] = &[("json", "true")];

async fn next(events: &mut Subscription) -> Notice {
    tokio::time::timeout(PATIENCE, events.next())
        .await
        .expect("the stream says something")
}

async fn event(events: &mut Subscription) -> Value {
    match next(events).await {
        Notice::Event(json) => serde_json::from_slice(&json).unwrap(),
        Notice::End(end) => panic!("the stream ended: {end:?}"),
    }
}

async fn path(events: &mut Subscription) -> String {
    event(events).await["data"]["event"]["metadata"]["data_path"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_told_with_its_path_and_without_its_value() {
    let harness = Harness::open().await;
    let mut events = harness.subscribe(&harness.root, JSON).await.unwrap();
    harness
        .write("secret/data/a", json!({"k": "canary-9f3b"}))
        .await;
    let Notice::Event(text) = next(&mut events).await else {
        panic!("no event")
    };
    assert!(!String::from_utf8_lossy(&text).contains("canary"));
    let told: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(told["specversion"], "1.0");
    assert_eq!(told["data"]["event_type"], "probe/write");
    let metadata = &told["data"]["event"]["metadata"];
    assert_eq!(metadata["path"], "secret/data/a");
    assert_eq!(metadata["operation"], "write");
    let plugin = &told["data"]["plugin_info"];
    assert_eq!(
        (&plugin["mount_path"], &plugin["plugin"]),
        (&json!("secret/"), &json!("probe"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_tells_the_same() {
    let one = Harness::open().await;
    let two = Harness {
        vault: Vault::open(parts(one.store.clone(), one.clock.clone()))
            .await
            .unwrap(),
        clock: one.clock.clone(),
        store: one.store.clone(),
        root: one.root.clone(),
        keys: one.keys.clone(),
    };
    two.unseal().await;
    let mut here = one.subscribe(&one.root, JSON).await.unwrap();
    let mut there = two.subscribe(&two.root, JSON).await.unwrap();
    for number in 0..20 {
        let (writer, path) = (
            if number % 2 == 0 { &one } else { &two },
            format!("secret/data/{number}"),
        );
        writer.write(&path, json!({"k": 1})).await;
    }
    for number in 0..20 {
        let (a, b) = (event(&mut here).await, event(&mut there).await);
        assert_eq!(a["id"], b["id"]);
        let told = &a["data"]["event"]["metadata"]["path"];
        assert_eq!(*told, format!("secret/data/{number}"));
        assert_eq!(a["data"], b["data"]);
    }
}

/// Every sort of rule about a path, with one that allows everything for the last path: once that
/// one's event is there, all before it were held against the rules.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_policy_lets_read_or_subscribe_is_told() {
    let harness = Harness::open().await;
    let subscribe =
        |types: &str| format!("capabilities = [\"subscribe\"]\n subscribe_event_types = [{types}]");
    let cases = [
        ("none", String::new(), false),
        ("read", "capabilities = [\"read\"]".to_owned(), true),
        ("list", "capabilities = [\"list\"]".to_owned(), false),
        (
            "update",
            "capabilities = [\"update\", \"create\"]".to_owned(),
            false,
        ),
        ("deny", "capabilities = [\"deny\"]".to_owned(), false),
        (
            "read-deny",
            "capabilities = [\"read\", \"deny\"]".to_owned(),
            false,
        ),
        ("subscribe", subscribe("\"probe/write\""), true),
        ("subscribe-glob", subscribe("\"other\", \"probe/*\""), true),
        ("subscribe-other", subscribe("\"kv-v2/*\""), false),
        (
            "subscribe-none",
            "capabilities = [\"subscribe\"]".to_owned(),
            false,
        ),
        (
            "wrapped",
            "capabilities = [\"read\"]\n min_wrapping_ttl = \"10s\"".to_owned(),
            false,
        ),
        ("z-last", "capabilities = [\"read\"]".to_owned(), true),
    ];
    let mut rules = String::new();
    for (name, rule, _) in &cases {
        if !rule.is_empty() {
            rules.push_str(&format!("path \"secret/data/{name}\" {{ {rule} }}\n"));
        }
    }
    let token = harness.reader(&rules).await;
    let mut events = harness.subscribe(&token, JSON).await.unwrap();
    for (name, ..) in &cases {
        harness
            .write(&format!("secret/data/{name}"), json!({"k": 1}))
            .await;
    }
    for (name, _, told) in &cases {
        if *told {
            assert_eq!(path(&mut events).await, format!("secret/data/{name}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_that_comes_later_holds_for_the_next_event() {
    let harness = Harness::open().await;
    let all = "path \"secret/data/*\" { capabilities = [\"read\"] }";
    let token = harness.reader(all).await;
    let mut events = harness.subscribe(&token, JSON).await.unwrap();
    harness.write("secret/data/a", json!({"k": 1})).await;
    assert_eq!(path(&mut events).await, "secret/data/a");
    let denied = format!("{all}\npath \"secret/data/a\" {{ capabilities = [\"deny\"] }}");
    harness.reader(&denied).await;
    harness.write("secret/data/a", json!({"k": 2})).await;
    harness.write("secret/data/b", json!({"k": 1})).await;
    assert_eq!(path(&mut events).await, "secret/data/b");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_types_narrow_what_is_told() {
    let harness = Harness::open().await;
    let query = [("json", "true"), ("filter", "data_path contains \"yes\"")];
    let mut some = harness.subscribe(&harness.root, &query).await.unwrap();
    for name in ["no", "yes-1", "no", "yes-2"] {
        harness
            .write(&format!("secret/data/{name}"), json!({"k": 1}))
            .await;
    }
    assert_eq!(path(&mut some).await, "secret/data/yes-1");
    assert_eq!(path(&mut some).await, "secret/data/yes-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token_whatever_way_that_ends() {
    let harness = Harness::open().await;
    let rules = "path \"secret/data/*\" { capabilities = [\"read\"] }";
    harness.reader(rules).await;
    for way in ["revoked", "expired", "parent", "right"] {
        let parent = harness.token(json!({"policies": ["root"]})).await;
        let child = json!({"policies": ["told"], "ttl": "1h"});
        let made = harness
            .call(Verb::Write, "auth/token/create", &parent, child)
            .await;
        let token = made.body["auth"]["client_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut events = harness.subscribe(&token, JSON).await.unwrap();
        match way {
            "revoked" => {
                harness
                    .write("auth/token/revoke", json!({"token": token}))
                    .await;
            }
            "parent" => {
                harness
                    .write("auth/token/revoke", json!({"token": parent}))
                    .await;
            }
            "expired" => harness.later(Duration::from_secs(3_601)),
            _ => {
                harness
                    .write("sys/policy/told", json!({"policy": rules}))
                    .await;
                // No event tells of policies: the next one that it could have had ends it.
                harness.write("secret/data/a", json!({"k": 1})).await;
            }
        }
        assert_eq!(next(&mut events).await, Notice::End(End::Denied), "{way}");
        assert_eq!(
            next(&mut events).await,
            Notice::End(End::Denied),
            "and stays so"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_ends_every_stream() {
    let harness = Harness::open().await;
    let mut events = harness.subscribe(&harness.root, JSON).await.unwrap();
    harness.write("sys/seal", Value::Null).await;
    assert_eq!(next(&mut events).await, Notice::End(End::Sealed));
    assert!(matches!(
        harness.subscribe(&harness.root, JSON).await,
        Err(Kind::Sealed)
    ));
    harness.unseal().await;
    let mut events = harness.subscribe(&harness.root, JSON).await.unwrap();
    harness.write("secret/data/a", json!({"k": 1})).await;
    assert_eq!(path(&mut events).await, "secret/data/a");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_too_slowly_is_told_that_events_are_lost() {
    let harness = Harness::open().await;
    let mut slow = harness.subscribe(&harness.root, JSON).await.unwrap();
    let mut quick = harness.subscribe(&harness.root, JSON).await.unwrap();
    for number in 0..1_200 {
        harness
            .write(&format!("secret/data/{number}"), json!({"k": 1}))
            .await;
        assert_eq!(path(&mut quick).await, format!("secret/data/{number}"));
    }
    assert_eq!(next(&mut slow).await, Notice::End(End::Behind));
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_is_audited_and_held_to_its_rule() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.log");
    let harness = Harness::open().await;
    let file = json!({"type": "file", "options": {"file_path": log}});
    harness.write("sys/audit/main", file).await;
    let lines = || {
        let text = std::fs::read_to_string(&log).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let before = lines().len();
    let _events = harness.subscribe(&harness.root, JSON).await.unwrap();
    let after = lines();
    assert_eq!(after.len() - before, 2);
    for line in &after[before..] {
        assert!(line.contains("sys/events/subscribe/probe/*"), "{line}");
    }
    harness
        .write(
            "sys/policy/other",
            json!({"policy": "path \"secret/*\" { capabilities = [\"read\"] }"}),
        )
        .await;
    let token = harness.token(json!({"policies": ["other"]})).await;
    for token in [token.as_str(), "", "hvs.unknown"] {
        let refused = harness.subscribe(token, JSON).await;
        assert!(matches!(refused, Err(Kind::Denied)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_is_refused() {
    let harness = Harness::open().await;
    for (query, kind) in [
        (&[][..], Kind::Unsupported),
        (&[("json", "false")], Kind::Unsupported),
        (&[("json", "true"), ("namespaces", "a")], Kind::Unsupported),
        (&[("json", "true"), ("filter", "nonsense")], Kind::Invalid),
    ] {
        let refused = harness.subscribe(&harness.root, query).await;
        assert!(refused.is_err_and(|refused| refused == kind), "{query:?}");
    }
    let mut wrapped = arrival(
        Verb::Read,
        "sys/events/subscribe/*",
        &harness.root,
        &Value::Null,
    );
    wrapped.query = vec![("json".to_owned(), "true".to_owned())];
    wrapped.wrap_ttl = Some("60s".to_owned());
    let Answered { fault, .. } = harness.arrive(wrapped).await;
    assert_eq!(fault, Some(Kind::Invalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_has_a_bounded_number_of_streams() {
    let harness = Harness::open().await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(harness.subscribe(&harness.root, JSON).await.unwrap());
    }
    let refused = harness.subscribe(&harness.root, JSON).await;
    assert!(refused.is_err_and(|refused| refused == Kind::TooMany));
    let other = harness.token(json!({"policies": ["root"]})).await;
    assert!(
        harness.subscribe(&other, JSON).await.is_ok(),
        "another caller"
    );
    open.pop();
    assert!(
        harness.subscribe(&harness.root, JSON).await.is_ok(),
        "after one was closed"
    );
}
