//! `sys/records` and `sys/tools/version-ids`.

use crate::harness::Harness;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};

fn of(path: &str, version: u64) -> Value {
    json!({
        "subject": [{"name": "shop:1", "digest": {"sha256": "ab12"}}],
        "secrets": [{"name": "NPM", "path": path, "field": "value", "version": version}],
        "attributes": {"builder": "docker build"},
    })
}

#[tokio::test]
async fn a_record_is_made_once_and_found_by_its_secret() {
    let harness = Harness::open().await;
    let made = harness
        .write("sys/records/build/one", of("secret/shop/NPM", 3))
        .await;
    assert_eq!(made["data"]["id"], "one");
    assert!(
        made["data"]["at"]
            .as_str()
            .unwrap()
            .starts_with("2023-11-14T")
    );
    harness.later(std::time::Duration::from_secs(60));
    harness
        .write("sys/records/push/two", of("secret/shop/NPM", 4))
        .await;
    harness
        .write("sys/records/build/three", of("secret/shop", 1))
        .await;

    let read = harness.read("sys/records/build/one").await;
    assert_eq!(read["data"]["secrets"], of("secret/shop/NPM", 3)["secrets"]);
    assert_eq!(read["data"]["subject"][0]["digest"]["sha256"], "ab12");
    assert_eq!(read["data"]["attributes"]["builder"], "docker build");
    assert_eq!(read["data"]["by"], "root");

    let again = harness
        .call(
            Verb::Write,
            "sys/records/build/one",
            &harness.root,
            of("secret/other", 1),
        )
        .await;
    assert_eq!(again.fault, Some(Kind::Invalid), "records never change");
    let unchanged = harness.read("sys/records/build/one").await;
    assert_eq!(unchanged["data"], read["data"]);

    let found = harness.read("sys/records/by-secret/secret/shop/NPM").await;
    assert_eq!(found["data"]["keys"], json!(["build/one", "push/two"]));
    assert_eq!(found["data"]["records"][1]["version"], 4);
    let mut arrival = crate::harness::arrival(
        Verb::Read,
        "sys/records/by-secret/secret/shop/NPM",
        &harness.root,
        &Value::Null,
    );
    arrival.query = vec![("version".to_owned(), "3".to_owned())];
    let third = harness.arrive(arrival).await;
    assert_eq!(third.body["data"]["keys"], json!(["build/one"]));
    let listed = harness
        .call(Verb::List, "sys/records/build", &harness.root, Value::Null)
        .await;
    assert_eq!(listed.body["data"]["keys"], json!(["one", "three"]));
    let nobody = harness
        .call(
            Verb::Read,
            "sys/records/by-secret/secret/unknown",
            &harness.root,
            Value::Null,
        )
        .await;
    assert_eq!(nobody.fault, Some(Kind::Missing));
}

#[tokio::test]
async fn what_is_no_record_is_refused() {
    let harness = Harness::open().await;
    let empty = json!({"subject": [], "secrets": []});
    let no_version = {
        let mut body = of("secret/a", 1);
        body["secrets"][0]["version"] = json!(0);
        body
    };
    let control = {
        let mut body = of("secret/a", 1);
        body["subject"][0]["name"] = json!("a\u{1b}[2J");
        body
    };
    for (path, body) in [
        ("sys/records/other/one", of("secret/a", 1)),
        ("sys/records/build/one", empty),
        ("sys/records/build/one", no_version),
        ("sys/records/build/one", control),
        ("sys/records/build/one", of("secret//a", 1)),
        ("sys/records/build/one", of("secret/../a", 1)),
        ("sys/records/build/one", of("", 1)),
        ("sys/records/build/one", json!({"secrets": "x"})),
    ] {
        let answered = harness
            .call(Verb::Write, path, &harness.root, body.clone())
            .await;
        assert_eq!(answered.fault, Some(Kind::Invalid), "{path} {body}");
    }
    let unchanged = harness
        .call(Verb::List, "sys/records/build", &harness.root, Value::Null)
        .await;
    assert_eq!(unchanged.fault, Some(Kind::Missing));
}

#[tokio::test]
async fn a_builder_may_record_without_reading_what_others_recorded() {
    let harness = Harness::open().await;
    let rules = r#"path "sys/records/build/*" { capabilities = ["create"] }
        path "sys/records/by-secret/secret/mine/*" { capabilities = ["read"] }"#;
    harness
        .write("sys/policy/builder", json!({"policy": rules}))
        .await;
    let token = harness.token(json!({"policies": ["builder"]})).await;
    let ask = async |verb, path: &str, body| harness.call(verb, path, &token, body).await.fault;
    let mine = of("secret/mine/a", 1);
    assert_eq!(
        ask(Verb::Write, "sys/records/build/x", mine.clone()).await,
        None
    );
    let denied = Some(Kind::Denied);
    assert_eq!(ask(Verb::Write, "sys/records/build/x", mine).await, denied);
    assert_eq!(
        ask(Verb::Read, "sys/records/build/x", Value::Null).await,
        denied
    );
    let by_mine = "sys/records/by-secret/secret/mine/a";
    assert_eq!(ask(Verb::Read, by_mine, Value::Null).await, None);
    let by_other = "sys/records/by-secret/secret/other/a";
    assert_eq!(ask(Verb::Read, by_other, Value::Null).await, denied);
}

#[tokio::test]
async fn the_oldest_records_make_room_with_all_that_points_at_them() {
    let harness = Harness::open().await;
    let defaults = harness.read("sys/config/records/delivery").await;
    assert_eq!(
        defaults["data"],
        json!({"max_count": 100_000, "max_age": 7_776_000})
    );
    let builds = harness.read("sys/config/records/build").await;
    assert_eq!(builds["data"]["max_age"], 0, "an image may run for years");
    harness
        .write(
            "sys/config/records/delivery",
            json!({"max_count": "3", "max_age": "1h"}),
        )
        .await;
    let listed = async |kind: &str| {
        let path = format!("sys/records/{kind}");
        let answer = harness
            .call(Verb::List, &path, &harness.root, Value::Null)
            .await;
        answer.body["data"]["keys"].clone()
    };
    let deliver = async |id: &str| {
        harness
            .write(&format!("sys/records/delivery/{id}"), of("secret/a", 1))
            .await;
        harness.later(std::time::Duration::from_secs(60));
    };
    harness
        .write("sys/records/build/stays", of("secret/a", 1))
        .await;
    for id in ["one", "two", "three", "four", "five"] {
        deliver(id).await;
    }
    assert_eq!(listed("delivery").await, json!(["five", "four", "three"]));
    let found = harness.read("sys/records/by-secret/secret/a").await;
    assert_eq!(
        found["data"]["keys"],
        json!([
            "build/stays",
            "delivery/three",
            "delivery/four",
            "delivery/five"
        ])
    );
    let gone = harness
        .call(
            Verb::Read,
            "sys/records/delivery/one",
            &harness.root,
            Value::Null,
        )
        .await;
    assert_eq!(gone.fault, Some(Kind::Missing));
    harness.later(std::time::Duration::from_secs(2 * 60 * 60));
    deliver("six").await;
    assert_eq!(listed("delivery").await, json!(["six"]), "by age");
    assert_eq!(
        listed("build").await,
        json!(["stays"]),
        "another kind is left alone"
    );
    // Zero is for ever.
    harness
        .write(
            "sys/config/records/delivery",
            json!({"max_count": 0, "max_age": 0}),
        )
        .await;
    harness.later(std::time::Duration::from_secs(2 * 60 * 60));
    for id in ["7", "8", "9", "10"] {
        deliver(id).await;
    }
    assert_eq!(
        listed("delivery").await,
        json!(["10", "7", "8", "9", "six"])
    );
    let unknown = harness
        .call(
            Verb::Read,
            "sys/config/records/other",
            &harness.root,
            Value::Null,
        )
        .await;
    assert_eq!(unknown.fault, Some(Kind::Invalid));
}

/// Whoever may make records could otherwise make so many that the trace of a leak has to go.
#[tokio::test]
async fn many_records_of_one_push_out_none_of_another() {
    let harness = Harness::open().await;
    harness
        .write("sys/config/records/build", json!({"max_count": 6}))
        .await;
    let rules = r#"path "sys/records/build/*" { capabilities = ["create"] }"#;
    harness
        .write("sys/policy/builder", json!({"policy": rules}))
        .await;
    let token = harness
        .token(json!({"policies": ["builder"], "display_name": "flood"}))
        .await;
    for id in ["one", "two", "three"] {
        harness
            .write(&format!("sys/records/build/{id}"), of("secret/a", 1))
            .await;
        harness.later(std::time::Duration::from_secs(1));
    }
    for id in 100..130 {
        let path = format!("sys/records/build/{id}");
        let made = harness
            .call(Verb::Write, &path, &token, of("secret/a", 1))
            .await;
        assert_eq!(made.fault, None, "{}", made.text);
        harness.later(std::time::Duration::from_secs(1));
    }
    let listed = harness
        .call(Verb::List, "sys/records/build", &harness.root, Value::Null)
        .await;
    assert_eq!(
        listed.body["data"]["keys"],
        json!(["127", "128", "129", "one", "three", "two"])
    );
    let found = harness.read("sys/records/by-secret/secret/a").await;
    assert_eq!(found["data"]["keys"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn version_ids_change_with_path_and_version_and_outlive_the_process() {
    let harness = Harness::open().await;
    let ask = async |path: &str, version: u64| {
        let body = json!({"secrets": [{"path": path, "version": version}]});
        let made = harness.write("sys/tools/version-ids", body).await;
        made["data"]["ids"][0].as_str().unwrap().to_owned()
    };
    let first = ask("secret/a", 1).await;
    assert_eq!(first.len(), 32);
    assert_eq!(first, ask("secret/a", 1).await);
    assert_ne!(first, ask("secret/a", 2).await);
    assert_ne!(first, ask("secret/b", 1).await);
    harness.write("sys/seal", Value::Null).await;
    harness.unseal().await;
    assert_eq!(first, ask("secret/a", 1).await);
    for body in [
        json!({}),
        json!({"secrets": [{"path": "a//b", "version": 1}]}),
        json!({"secrets": [{"path": "a", "version": 0}]}),
    ] {
        let answered = harness
            .call(Verb::Write, "sys/tools/version-ids", &harness.root, body)
            .await;
        assert_eq!(answered.fault, Some(Kind::Invalid));
    }
    let other = Harness::open().await;
    let body = json!({"secrets": [{"path": "secret/a", "version": 1}]});
    let elsewhere = other.write("sys/tools/version-ids", body).await;
    assert_ne!(elsewhere["data"]["ids"][0], first.as_str());
}

/// Names are chosen by whoever makes child tokens; whose they are is not.
#[tokio::test]
async fn many_names_of_one_holder_push_out_nothing_of_another() {
    let harness = Harness::open().await;
    harness
        .write("sys/config/records/build", json!({"max_count": 6}))
        .await;
    let rules = r#"path "sys/records/build/*" { capabilities = ["create"] }
path "auth/token/create" { capabilities = ["update"] }"#;
    harness
        .write("sys/policy/builder", json!({"policy": rules}))
        .await;
    let role = json!({"allowed_entity_aliases": "host", "allowed_policies": "builder"});
    harness.write("auth/token/roles/r", role).await;
    let made = harness
        .write("auth/token/create/r", json!({"entity_alias": "host"}))
        .await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (host, entity) = (
        text(&made["auth"]["client_token"]),
        text(&made["auth"]["entity_id"]),
    );
    for id in ["one", "two", "three"] {
        harness
            .write(&format!("sys/records/build/{id}"), of("secret/a", 1))
            .await;
        harness.later(std::time::Duration::from_secs(1));
    }
    for number in 100..115 {
        let wanted = json!({"policies": ["builder"], "display_name": format!("n{number}")});
        let child = harness
            .call(Verb::Write, "auth/token/create", &host, wanted)
            .await;
        let child = text(&child.body["auth"]["client_token"]);
        let path = format!("sys/records/build/{number}");
        let made = harness
            .call(Verb::Write, &path, &child, of("secret/a", 1))
            .await;
        assert_eq!(made.fault, None, "{}", made.text);
        harness.later(std::time::Duration::from_secs(1));
    }
    let listed = harness
        .call(Verb::List, "sys/records/build", &harness.root, Value::Null)
        .await;
    let keys = listed.body["data"]["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 6, "{keys:?}");
    for id in ["one", "two", "three"] {
        assert!(keys.contains(&json!(id)), "{id}: {keys:?}");
    }
    let own = keys.iter().find(|key| text(key).starts_with('1')).unwrap();
    let read = harness
        .read(&format!("sys/records/build/{}", text(own)))
        .await;
    assert_eq!(read["data"]["entity_id"], json!(entity));
    assert_eq!(read["data"]["by"], format!("token-n{}", text(own)));
}
