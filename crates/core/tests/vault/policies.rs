//! Policies: versions, check-and-set, and their end.

use crate::harness::Harness;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};
use std::time::Duration;

const READ: &str = r#"path "secret/data/a" { capabilities = ["read"] }"#;
const X: &str = "sys/policies/acl/x";

async fn refused(harness: &Harness, verb: Verb, body: Value) -> String {
    let answered = harness.call(verb, X, &harness.root, body).await;
    assert_eq!(answered.fault, Some(Kind::Invalid), "{}", answered.text);
    answered.text
}

async fn patch(harness: &Harness, body: Value) {
    let answered = harness.call(Verb::Patch, X, &harness.root, body).await;
    assert_eq!(answered.fault, None, "{}", answered.text);
}

#[tokio::test]
async fn every_change_is_a_version_and_a_writer_may_name_the_one_it_has_seen() {
    let harness = Harness::open().await;
    let text = |more: Value| {
        let mut body = json!({"policy": READ});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let off = refused(&harness, Verb::Write, text(json!({"cas": 5}))).await;
    assert!(off.contains("check-and-set parameter 5 did not match the current version 0"));
    harness.write(X, text(json!({"cas": -1}))).await;
    let there = refused(&harness, Verb::Write, text(json!({"cas": "-1"}))).await;
    assert!(there.contains("check-and-set parameter set to -1 on existing entry"));
    harness.write(X, text(json!({"cas": 1}))).await;
    let stale = refused(&harness, Verb::Write, text(json!({"cas": 1}))).await;
    assert!(stale.contains("check-and-set parameter 1 did not match the current version 2"));
    let read = harness.read(X).await["data"].clone();
    assert_eq!(read["version"], 2);
    assert_eq!(read["policy"], READ);
    assert_eq!(read["cas_required"], false);
    assert!(
        read["modified"]
            .as_str()
            .unwrap()
            .starts_with("2023-11-14T")
    );

    // Once it is demanded, nobody writes blindly, but for those who change one thing only.
    harness
        .write(X, text(json!({"cas": 2, "cas_required": true})))
        .await;
    let blind = refused(&harness, Verb::Write, text(json!({}))).await;
    assert!(blind.contains("check-and-set parameter required for this call"));
    patch(&harness, json!({"expiration": "2030-01-02T03:04:05Z"})).await;
    let read = harness.read(X).await["data"].clone();
    assert_eq!(read["expiration"], "2030-01-02T03:04:05Z");
    assert_eq!(read["cas_required"], true);
    assert_eq!(
        (&read["version"], &read["policy"]),
        (&json!(4), &json!(READ))
    );
    refused(&harness, Verb::Patch, json!({"cas": 3})).await;
    refused(&harness, Verb::Patch, json!({"policy": ""})).await;
    refused(&harness, Verb::Patch, json!({"policy": "garbage"})).await;
    refused(&harness, Verb::Patch, json!({"expiration": ""})).await;
    refused(
        &harness,
        Verb::Patch,
        json!({"ttl": "1h", "expiration": 1_893_456_000}),
    )
    .await;
    assert_eq!(
        harness.read(X).await["data"],
        read,
        "what is refused changes nothing"
    );
    harness.write(X, text(json!({"cas": 4}))).await;
    let read = harness.read(X).await["data"].clone();
    assert_eq!(read["cas_required"], false, "a new text says all anew");
    assert_eq!(read.get("expiration"), None);
    let old = harness.read("sys/policy/x").await["data"].clone();
    assert_eq!((&old["rules"], &old["version"]), (&json!(READ), &json!(5)));

    let nothing = harness
        .call(
            Verb::Patch,
            "sys/policies/acl/nothing",
            &harness.root,
            json!({"cas_required": true}),
        )
        .await;
    assert_eq!(nothing.fault, Some(Kind::Invalid));
    let root = harness.read("sys/policies/acl/root").await["data"].clone();
    assert_eq!((&root["version"], &root["policy"]), (&json!(0), &json!("")));
}

#[tokio::test]
async fn of_writers_that_saw_the_same_version_one_wins() {
    let harness = Harness::open().await;
    harness.write(X, json!({"policy": READ})).await;
    let body = json!({"policy": READ, "cas": 1});
    let one = harness.call(Verb::Write, X, &harness.root, body.clone());
    let two = harness.call(Verb::Write, X, &harness.root, body);
    let (one, two) = tokio::join!(one, two);
    assert!(one.fault.is_none() != two.fault.is_none());
    assert_eq!(harness.read(X).await["data"]["version"], 2);
}

#[tokio::test]
async fn a_policy_grants_nothing_from_the_moment_of_its_end() {
    let harness = Harness::open().await;
    harness
        .write("secret/data/a", json!({"data": {"k": "v"}}))
        .await;
    harness.write(X, json!({"policy": READ, "ttl": "1h"})).await;
    let token = harness
        .token(json!({"policies": ["x"], "ttl": "10h"}))
        .await;
    let may = async || {
        let read = harness
            .call(Verb::Read, "secret/data/a", &token, Value::Null)
            .await;
        read.fault
    };
    assert_eq!(may().await, None);
    harness.later(Duration::from_mins(59));
    assert_eq!(may().await, None);
    harness.later(Duration::from_mins(1));
    assert_eq!(may().await, Some(Kind::Denied));
    let gone = harness
        .call(Verb::Read, X, &harness.root, Value::Null)
        .await;
    assert_eq!(gone.fault, Some(Kind::Missing));
    let listed = harness.read("sys/policies/acl").await;
    let keys = listed["data"]["keys"].as_array().unwrap().clone();
    assert!(!keys.contains(&json!("x")));

    // What comes after it is a first version, and a passed end is refused.
    for body in [
        json!({"policy": READ, "ttl": 0}),
        json!({"policy": READ, "expiration": "2020-01-01T00:00:00Z"}),
        json!({"policy": READ, "ttl": -1}),
    ] {
        refused(&harness, Verb::Write, body).await;
    }
    harness.write(X, json!({"policy": READ, "cas": -1})).await;
    assert_eq!(harness.read(X).await["data"]["version"], 1);
    assert_eq!(may().await, None);
    // Sealed and opened again, what has ended is not there either.
    harness.write(X, json!({"policy": READ, "ttl": "1h"})).await;
    harness.later(Duration::from_hours(2));
    harness.write("sys/seal", Value::Null).await;
    harness.unseal().await;
    assert_eq!(may().await, Some(Kind::Denied));
}

#[tokio::test]
async fn the_built_in_policy_comes_back_when_what_stood_for_it_ends() {
    let harness = Harness::open().await;
    let before = harness.read("sys/policies/acl/default").await["data"].clone();
    assert_eq!(before["version"], 0);
    harness
        .write(
            "sys/policies/acl/default",
            json!({"policy": READ, "ttl": "1h"}),
        )
        .await;
    assert_eq!(
        harness.read("sys/policies/acl/default").await["data"]["policy"],
        READ
    );
    harness.later(Duration::from_hours(1));
    let after = harness.read("sys/policies/acl/default").await["data"].clone();
    assert_eq!(after, before);
}

/// An engine may read a parameter from the query of a request that has a body as well.
#[tokio::test]
async fn a_rule_about_parameters_holds_for_query_and_body_together() {
    let harness = Harness::open().await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    let rules = r#"path "secret/data/a" {
        capabilities = ["read"]
        denied_parameters = { version = [] }
    }
    path "secret/data/b" {
        capabilities = ["update"]
        allowed_parameters = { k = [] }
        required_parameters = ["k"]
    }"#;
    harness
        .write("sys/policy/p", json!({"policy": rules}))
        .await;
    let token = harness.token(json!({"policies": ["p"]})).await;
    let ask = async |verb, path: &str, query: &[(&str, &str)], body: Value| {
        let mut arrival = crate::harness::arrival(verb, path, &token, &body);
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        arrival.query = query.iter().map(own).collect();
        harness.arrive(arrival).await.fault
    };
    let denied = Some(Kind::Denied);
    let version = [("version", "1")];
    let path = "secret/data/a";
    assert_eq!(ask(Verb::Read, path, &[], Value::Null).await, None);
    assert_eq!(ask(Verb::Read, path, &[], json!({"x": 1})).await, None);
    assert_eq!(ask(Verb::Read, path, &version, Value::Null).await, denied);
    assert_eq!(
        ask(Verb::Read, path, &version, json!({"x": 1})).await,
        denied
    );
    let path = "secret/data/b";
    let body = json!({"k": "v"});
    assert_eq!(ask(Verb::Write, path, &[], body.clone()).await, None);
    assert_eq!(ask(Verb::Write, path, &version, body).await, denied);
    assert_eq!(ask(Verb::Write, path, &[("k", "v")], json!({})).await, None);
}

/// A name is one name in every case, in scripts beyond ASCII too; and a deny that is written with
/// capitals denies at least what is spelled like it (CVE-2026-89322).
#[tokio::test]
async fn a_deny_on_a_name_holds_for_every_script() {
    let harness = Harness::open().await;
    let entity = json!({"policies": ["kept"]});
    for name in ["\u{e4}rger", "\u{3c0}\u{3af}"] {
        harness
            .write(&format!("identity/entity/name/{name}"), entity.clone())
            .await;
    }
    let rules = "path \"identity/entity/name/*\" { capabilities = [\"read\", \"update\", \"create\", \"delete\"] }
        path \"identity/entity/name/\u{e4}rger\" { capabilities = [\"deny\"] }
        path \"identity/entity/name/\u{3c0}\u{3af}\" { capabilities = [\"deny\"] }
        path \"identity/entity/name/Ops\" { capabilities = [\"deny\"] }";
    harness
        .write("sys/policy/p", json!({"policy": rules}))
        .await;
    let token = harness.token(json!({"policies": ["p"]})).await;
    for name in [
        "\u{e4}rger",
        "\u{c4}rger",
        "\u{c4}RGER",
        "\u{3a0}\u{38a}",
        "\u{3c0}\u{38a}",
        "Ops",
    ] {
        let path = format!("identity/entity/name/{name}");
        for verb in [Verb::Read, Verb::Write, Verb::Delete] {
            let body = json!({"policies": ["mine"]});
            let answered = harness.call(verb, &path, &token, body).await;
            assert_eq!(answered.fault, Some(Kind::Denied), "{verb:?} {path}");
        }
    }
    let other = "identity/entity/name/\u{d6}L";
    let made = harness.call(Verb::Write, other, &token, entity).await;
    assert_eq!(made.fault, None, "{}", made.text);
    let read = harness.read("identity/entity/name/\u{f6}l").await;
    assert_eq!(read["data"]["policies"], json!(["kept"]));
}
