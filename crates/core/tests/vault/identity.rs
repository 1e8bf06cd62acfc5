//! Entities and aliases, and what they mean to the tokens of logins.

use crate::harness::Harness;
use crate::replicas::replica;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};

const READER: &str = r#"path "secret/data/*" { capabilities = ["read"] }"#;

async fn with_method() -> Harness {
    let harness = Harness::open().await;
    harness
        .write("sys/policies/acl/reader", json!({"policy": READER}))
        .await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    harness
        .write("sys/auth/people", json!({"type": "probe"}))
        .await;
    harness
}

struct LoggedIn {
    token: String,
    auth: Value,
    entity: String,
}

async fn login(harness: &Harness, name: &str) -> LoggedIn {
    let path = format!("auth/people/login/{name}");
    let answered = harness.call(Verb::Write, &path, "", json!({})).await;
    assert_eq!(answered.fault, None, "{}", answered.text);
    let auth = answered.body["auth"].clone();
    let text = |field: &str| auth[field].as_str().unwrap().to_owned();
    LoggedIn {
        token: text("client_token"),
        entity: text("entity_id"),
        auth,
    }
}

async fn reads(harness: &Harness, token: &str) -> Option<Kind> {
    let path = "secret/data/a";
    harness
        .call(Verb::Read, path, token, Value::Null)
        .await
        .fault
}

async fn write(harness: &Harness, path: &str, body: Value) -> (Option<Kind>, String) {
    let answered = harness.call(Verb::Write, path, &harness.root, body).await;
    (answered.fault, answered.text)
}

async fn accessor(harness: &Harness) -> String {
    let all = harness.read("sys/auth").await;
    all["data"]["people/"]["accessor"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_login_has_one_entity_however_often_it_comes() {
    let harness = with_method().await;
    let first = login(&harness, "ann").await;
    let again = login(&harness, "ann").await;
    let other = login(&harness, "bob").await;
    assert_eq!(first.entity, again.entity);
    assert_ne!(first.entity, other.entity);
    let shown = harness
        .read(&format!("identity/entity/id/{}", first.entity))
        .await;
    let aliases = shown["data"]["aliases"].as_array().unwrap();
    assert_eq!(aliases.len(), 1);
    assert_eq!(aliases[0]["name"], "ann");
    assert_eq!(aliases[0]["mount_path"], "auth/people/");
    let own = harness
        .call(
            Verb::Read,
            "auth/token/lookup-self",
            &first.token,
            Value::Null,
        )
        .await;
    assert_eq!(own.body["data"]["entity_id"], first.entity);
}

#[tokio::test]
async fn logins_at_the_same_moment_make_one_entity() {
    let first = with_method().await;
    let second = replica(&first).await;
    for round in 0..20 {
        let name = format!("new-{round}");
        let (a, b) = tokio::join!(login(&first, &name), login(&second, &name));
        assert_eq!(a.entity, b.entity, "{name}");
    }
    let all = first
        .call(Verb::List, "identity/entity/id", &first.root, Value::Null)
        .await;
    assert_eq!(all.body["data"]["keys"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn policies_of_an_entity_act_at_once_on_tokens_that_are_out_on_all_replicas() {
    let first = with_method().await;
    let second = replica(&first).await;
    let ann = login(&first, "ann").await;
    assert!(ann.auth.get("identity_policies").is_none());
    let path = format!("identity/entity/id/{}", ann.entity);
    for _ in 0..20 {
        first.write(&path, json!({"policies": []})).await;
        for replica in [&first, &second] {
            assert_eq!(reads(replica, &ann.token).await, Some(Kind::Denied));
        }
        first.write(&path, json!({"policies": ["reader"]})).await;
        for replica in [&second, &first] {
            assert_eq!(reads(replica, &ann.token).await, None);
        }
    }
    let own = second
        .call(
            Verb::Read,
            "auth/token/lookup-self",
            &ann.token,
            Value::Null,
        )
        .await;
    assert_eq!(own.body["data"]["identity_policies"], json!(["reader"]));
    assert_eq!(own.body["data"]["policies"], json!(["default"]));
    let again = login(&second, "ann").await;
    assert_eq!(again.auth["policies"], json!(["default", "reader"]));
    assert_eq!(again.auth["token_policies"], json!(["default"]));
    assert_eq!(again.auth["identity_policies"], json!(["reader"]));
}

#[tokio::test]
async fn a_disabled_or_removed_entity_has_no_tokens_that_work() {
    let first = with_method().await;
    let second = replica(&first).await;
    let ann = login(&first, "ann").await;
    let bob = login(&first, "bob").await;
    let path = format!("identity/entity/id/{}", ann.entity);
    first.write(&path, json!({"policies": ["reader"]})).await;
    assert_eq!(reads(&second, &ann.token).await, None);
    first.write(&path, json!({"disabled": true})).await;
    for replica in [&first, &second] {
        assert_eq!(reads(replica, &ann.token).await, Some(Kind::Denied));
        let again = replica
            .call(Verb::Write, "auth/people/login/ann", "", json!({}))
            .await;
        assert_eq!(again.fault, Some(Kind::Denied));
    }
    first.write(&path, json!({"disabled": false})).await;
    assert_eq!(reads(&second, &ann.token).await, None);
    first
        .call(Verb::Delete, &path, &first.root, Value::Null)
        .await;
    assert_eq!(reads(&second, &ann.token).await, Some(Kind::Denied));
    // A new login is a new entity: ids never come again, so the old token stays dead.
    let again = login(&first, "ann").await;
    assert_ne!(again.entity, ann.entity);
    assert_eq!(reads(&first, &ann.token).await, Some(Kind::Denied));
    let own = "auth/token/lookup-self";
    let own = second.call(Verb::Read, own, &bob.token, Value::Null).await;
    assert_eq!(own.fault, None);
}

#[tokio::test]
async fn a_child_token_is_its_parents_holder() {
    let harness = with_method().await;
    harness
        .write(
            "sys/policies/acl/default",
            json!({"policy": r#"path "auth/token/create" { capabilities = ["update"] }"#}),
        )
        .await;
    let ann = login(&harness, "ann").await;
    let made = harness
        .call(Verb::Write, "auth/token/create", &ann.token, json!({}))
        .await;
    assert_eq!(made.body["auth"]["entity_id"], ann.entity);
    let child = made.body["auth"]["client_token"].as_str().unwrap();
    let path = format!("identity/entity/id/{}", ann.entity);
    harness.write(&path, json!({"disabled": true})).await;
    let own = harness
        .call(Verb::Read, "auth/token/lookup-self", child, Value::Null)
        .await;
    assert_eq!(own.fault, Some(Kind::Denied));
}

#[tokio::test]
async fn what_is_written_of_an_entity_is_read() {
    let harness = with_method().await;
    let body = json!({
        "name": "Shop", "policies": ["B", "a", "a"], "metadata": {"team": "web"}, "disabled": true,
    });
    let made = harness.write("identity/entity", body).await;
    let id = made["data"]["id"].as_str().unwrap();
    for path in [
        format!("identity/entity/id/{id}"),
        "identity/entity/name/Shop".to_owned(),
        "identity/entity/name/SHOP".to_owned(),
    ] {
        let shown = harness.read(&path).await["data"].clone();
        assert_eq!(shown["id"], id);
        assert_eq!(shown["name"], "Shop");
        assert_eq!(shown["policies"], json!(["a", "b"]));
        assert_eq!(shown["metadata"], json!({"team": "web"}));
        assert_eq!(shown["disabled"], true);
    }
    let bad = [
        (
            json!({"name": "x", "policies": "root"}),
            "policies cannot contain root",
        ),
        (
            json!({"name": "x", "policies": "ROOT"}),
            "policies cannot contain root",
        ),
        (json!({"id": "nope"}), "entity not found from id"),
    ];
    for (body, says) in bad {
        let (fault, text) = write(&harness, "identity/entity", body).await;
        assert_eq!(fault, Some(Kind::Invalid));
        assert_eq!(text, says);
    }
    harness
        .write("identity/entity", json!({"name": "other"}))
        .await;
    let path = format!("identity/entity/id/{id}");
    let (fault, _) = write(&harness, &path, json!({"name": "OTHER"})).await;
    assert_eq!(fault, Some(Kind::Invalid));
    // A new name frees the old one.
    harness.write(&path, json!({"name": "shop2"})).await;
    let made = harness
        .write("identity/entity", json!({"name": "shop"}))
        .await;
    assert_ne!(made["data"]["id"], id);
    let ids = json!({"entity_ids": [id, "none"]});
    harness.write("identity/entity/batch-delete", ids).await;
    let gone = harness
        .call(Verb::Read, &path, &harness.root, Value::Null)
        .await;
    assert_eq!(gone.fault, Some(Kind::Missing));
    harness
        .write("identity/entity", json!({"name": "shop2"}))
        .await;
}

#[tokio::test]
async fn an_alias_belongs_to_one_entity_and_finds_it_at_login() {
    let harness = with_method().await;
    let accessor = accessor(&harness).await;
    let made = harness
        .write("identity/entity", json!({"name": "ann"}))
        .await;
    let id = made["data"]["id"].as_str().unwrap();
    let body = json!({
        "name": "ann", "canonical_id": id, "mount_accessor": accessor,
        "custom_metadata": {"desk": "4"},
    });
    let alias = harness.write("identity/entity-alias", body).await["data"]["id"].clone();
    assert_eq!(login(&harness, "ann").await.entity, id);
    let path = format!("identity/entity-alias/id/{}", alias.as_str().unwrap());
    let shown = harness.read(&path).await["data"].clone();
    assert_eq!(shown["canonical_id"], id);
    assert_eq!(shown["custom_metadata"], json!({"desk": "4"}));
    assert_eq!(shown["mount_type"], "probe");
    for (body, says) in [
        (
            json!({"name": "two", "canonical_id": id, "mount_accessor": accessor}),
            "Alias already exists for requested entity and mount accessor",
        ),
        (
            json!({"name": "x", "canonical_id": "no", "mount_accessor": accessor}),
            "given 'canonical_id' is not associated with an entity",
        ),
        (
            json!({"name": "x", "canonical_id": id, "mount_accessor": "no"}),
            "invalid mount accessor",
        ),
        (
            json!({"canonical_id": id, "mount_accessor": accessor}),
            "'id' or 'mount_accessor' and 'name' must be provided",
        ),
    ] {
        let (fault, text) = write(&harness, "identity/entity-alias", body).await;
        assert_eq!(fault, Some(Kind::Invalid));
        assert_eq!(text, says);
    }
    let bob = harness
        .write("identity/entity", json!({"name": "bob"}))
        .await;
    let stolen = json!({
        "name": "ann", "canonical_id": bob["data"]["id"], "mount_accessor": accessor,
    });
    let (fault, _) = write(&harness, "identity/entity-alias", stolen).await;
    assert_eq!(fault, Some(Kind::Invalid));
    for sought in [
        json!({"name": "ANN"}),
        json!({"id": id}),
        json!({"alias_id": alias}),
        json!({"alias_name": "ann", "alias_mount_accessor": accessor}),
    ] {
        let found = harness.write("identity/lookup/entity", sought).await;
        assert_eq!(found["data"]["id"], id);
    }
    let nobody = harness
        .write("identity/lookup/entity", json!({"name": "eve"}))
        .await;
    assert_eq!(nobody, Value::Null);
    for unclear in [
        json!({}),
        json!({"id": id, "name": "ann"}),
        json!({"alias_name": "ann"}),
    ] {
        let (fault, _) = write(&harness, "identity/lookup/entity", unclear).await;
        assert_eq!(fault, Some(Kind::Invalid));
    }
    harness
        .call(Verb::Delete, &path, &harness.root, Value::Null)
        .await;
    assert_ne!(login(&harness, "ann").await.entity, id);
}

#[tokio::test]
async fn a_batch_token_carries_its_entity_and_follows_it() {
    let harness = with_method().await;
    let tune = json!({"token_type": "batch"});
    assert_eq!(write(&harness, "sys/auth/people/tune", tune).await.0, None);
    let ann = login(&harness, "ann").await;
    assert_eq!(ann.auth["token_type"], "batch");
    assert_eq!(reads(&harness, &ann.token).await, Some(Kind::Denied));
    let entity = format!("identity/entity/id/{}", ann.entity);
    let reader = json!({"policies": ["reader"]});
    assert_eq!(write(&harness, &entity, reader).await.0, None);
    assert_eq!(reads(&harness, &ann.token).await, None);
    let disabled = json!({"disabled": true});
    assert_eq!(write(&harness, &entity, disabled).await.0, None);
    assert_eq!(reads(&harness, &ann.token).await, Some(Kind::Denied));
}

/// Policy has looked at the path: the body of a request about one entity changes no other.
#[tokio::test]
async fn a_path_with_a_name_is_about_that_name() {
    let harness = Harness::open().await;
    let bob = harness
        .write("identity/entity/name/bob", json!({"policies": ["bobs"]}))
        .await;
    let rules = r#"path "identity/entity/name/alice" { capabilities = ["update"] }"#;
    harness
        .write("sys/policy/p", json!({"policy": rules}))
        .await;
    let token = harness.token(json!({"policies": ["p"]})).await;
    let body = json!({"id": bob["data"]["id"], "policies": ["mine"]});
    for _ in 0..2 {
        let path = "identity/entity/name/alice";
        let answered = harness.call(Verb::Write, path, &token, body.clone()).await;
        assert_eq!(answered.fault, None, "{}", answered.text);
        let read = harness.read("identity/entity/name/bob").await;
        assert_eq!(read["data"]["id"], bob["data"]["id"]);
        assert_eq!(read["data"]["policies"], json!(["bobs"]));
    }
    let alice = harness.read("identity/entity/name/alice").await;
    assert_eq!(alice["data"]["policies"], json!(["mine"]));
}
