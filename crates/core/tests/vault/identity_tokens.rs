//! Identity tokens on any number of replicas: who gets one, how long its key is published, and what
//! is there as long as something refers to it.

use crate::harness::Harness;
use crate::meddle::Meddler;
use crate::replicas::replica;
use cofferdam_core::{Kind, Verb};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

const RULES: &str = r#"path "identity/oidc/token/*" { capabilities = ["read"] }"#;

async fn with_role() -> Harness {
    let harness = Harness::open().await;
    harness
        .write("sys/policies/acl/reader", json!({"policy": RULES}))
        .await;
    let key = json!({"algorithm": "EdDSA", "allowed_client_ids": "*", "rotation_period": "1h", "verification_ttl": "30m"});
    harness.write("identity/oidc/key/k", key).await;
    let role = json!({"key": "k", "ttl": "10m", "client_id": "shop"});
    harness.write("identity/oidc/role/r", role).await;
    harness
}

/// Token and entity of somebody who logged in.
async fn login(harness: &Harness, name: &str) -> (String, String) {
    let path = format!("auth/probe/login/{name}");
    let answered = harness
        .call(Verb::Write, &path, "", json!({"policies": ["reader"]}))
        .await;
    let text = |field: &str| answered.body["auth"][field].as_str().unwrap().to_owned();
    (text("client_token"), text("entity_id"))
}

async fn signed(harness: &Harness, token: &str) -> Result<String, (Kind, String)> {
    let path = "identity/oidc/token/r";
    let answered = harness.call(Verb::Read, path, token, Value::Null).await;
    match answered.fault {
        None => Ok(answered.body["data"]["token"].as_str().unwrap().to_owned()),
        Some(kind) => Err((kind, answered.text)),
    }
}

async fn judged(harness: &Harness, token: &str) -> Value {
    harness
        .write("identity/oidc/introspect", json!({"token": token}))
        .await
}

async fn published(harness: &Harness) -> Vec<String> {
    let path = "identity/oidc/.well-known/keys";
    let answered = harness.call(Verb::Read, path, "", Value::Null).await;
    let keys = answered.body["keys"].as_array().unwrap().clone();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn only_who_has_an_entity_gets_a_token_and_only_while_it_may_act() {
    let harness = with_role().await;
    let nobody = harness.token(json!({"policies": ["reader"]})).await;
    for token in [nobody.as_str(), harness.root.as_str()] {
        let (kind, text) = signed(&harness, token).await.unwrap_err();
        assert_eq!(kind, Kind::Invalid);
        assert_eq!(text, "no entity associated with the request's token");
    }
    let (token, entity) = login(&harness, "ada").await;
    let mine = signed(&harness, &token).await.unwrap();
    assert_eq!(judged(&harness, &mine).await, json!({"active": true}));

    let at = format!("identity/entity/id/{entity}");
    harness.write(&at, json!({"disabled": true})).await;
    let refused = signed(&harness, &token).await.unwrap_err();
    assert_eq!(refused.0, Kind::Denied);
    let dead = judged(&harness, &mine).await;
    assert_eq!(
        dead,
        json!({"active": false, "error": "entity is disabled"})
    );
    harness.write(&at, json!({"disabled": false})).await;
    assert_eq!(judged(&harness, &mine).await, json!({"active": true}));

    let gone = harness
        .call(Verb::Delete, &at, &harness.root, Value::Null)
        .await;
    assert_eq!(gone.fault, None);
    let dead = judged(&harness, &mine).await;
    assert_eq!(
        dead,
        json!({"active": false, "error": "entity was not found"})
    );
    assert_eq!(signed(&harness, &token).await.unwrap_err().0, Kind::Denied);
}

#[tokio::test]
async fn a_token_is_good_for_its_time_its_client_and_its_issuer() {
    let harness = with_role().await;
    let (token, _) = login(&harness, "ada").await;
    let mine = signed(&harness, &token).await.unwrap();
    let other = json!({"token": mine, "client_id": "bank"});
    let answer = harness.write("identity/oidc/introspect", other).await;
    assert_eq!(answer["active"], false);
    let own = json!({"token": mine, "client_id": "shop"});
    let answer = harness.write("identity/oidc/introspect", own).await;
    assert_eq!(answer["active"], true);
    // Its time and the difference that clocks may have.
    harness.later(Duration::from_secs(10 * 60 + 61));
    assert_eq!(judged(&harness, &mine).await["active"], false);

    let mine = signed(&harness, &token).await.unwrap();
    harness
        .write(
            "identity/oidc/config",
            json!({"issuer": "https://elsewhere.example"}),
        )
        .await;
    assert_eq!(judged(&harness, &mine).await["active"], false);
    let client = json!({"client_id": "other", "key": "k"});
    harness.write("identity/oidc/role/r", client).await;
    harness
        .write("identity/oidc/key/k", json!({"allowed_client_ids": "shop"}))
        .await;
    let (kind, text) = signed(&harness, &token).await.unwrap_err();
    assert_eq!(kind, Kind::Invalid);
    assert!(text.contains("allowed client ID"), "{text}");
}

#[tokio::test]
async fn a_rotated_key_is_published_until_its_last_token_has_ended_on_every_replica() {
    let first = with_role().await;
    let second = replica(&first).await;
    let (token, _) = login(&first, "ada").await;
    let old = signed(&first, &token).await.unwrap();
    let before = published(&second).await;
    assert_eq!(before.len(), 2, "the one that signs, and the next");
    first.write("identity/oidc/key/k/rotate", json!({})).await;
    let after = published(&second).await;
    assert_eq!(after.len(), 3);
    assert!(before.iter().all(|kid| after.contains(kid)));
    let new = signed(&second, &token).await.unwrap();
    for token in [&old, &new] {
        assert_eq!(judged(&second, token).await["active"], true);
    }
    first.later(Duration::from_secs(30 * 60 - 1));
    assert_eq!(published(&first).await.len(), 3);
    first.later(Duration::from_secs(1));
    let left = published(&first).await;
    assert_eq!(left.len(), 2, "by the clock, without a write");
    assert!(!left.contains(&before[0]));
    // At once, where somebody says so.
    first
        .write("identity/oidc/key/k/rotate", json!({"verification_ttl": 0}))
        .await;
    assert!(!published(&second).await.contains(&left[0]));
}

#[tokio::test]
async fn a_key_rotates_by_itself_once_whoever_looks() {
    let first = with_role().await;
    let before = published(&first).await;
    first.later(Duration::from_secs(3599));
    let second = replica(&first).await;
    assert_eq!(published(&second).await, before);
    first.later(Duration::from_secs(1));
    // Each looks when it opens.
    let (third, fourth) = tokio::join!(replica(&first), replica(&first));
    let after = published(&first).await;
    assert_eq!(after.len(), 3, "{after:?}");
    assert_eq!(
        after[0], before[1],
        "the one that was published ahead signs"
    );
    assert_eq!(published(&third).await, after);
    assert_eq!(published(&fourth).await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_never_outlives_its_key_whoever_wins() {
    let first = with_role().await;
    let second = replica(&first).await;
    let (mut kept, mut gone) = (0, 0);
    for round in 0..30 {
        let (key, role) = (
            format!("identity/oidc/key/x{round}"),
            format!("identity/oidc/role/x{round}"),
        );
        first.write(&key, json!({"algorithm": "EdDSA"})).await;
        let body = json!({"key": format!("x{round}"), "ttl": 60});
        let (made, deleted) = tokio::join!(
            first.call(Verb::Write, &role, &first.root, body),
            second.call(Verb::Delete, &key, &second.root, Value::Null)
        );
        let there = |path: String| {
            let first = &first;
            async move {
                first
                    .call(Verb::Read, &path, &first.root, Value::Null)
                    .await
                    .fault
                    .is_none()
            }
        };
        let (key, role) = (there(key).await, there(role).await);
        assert_eq!(key, role, "round {round}");
        assert_eq!(made.fault.is_none(), role);
        assert_eq!(deleted.fault.is_none(), !key);
        if role { kept += 1 } else { gone += 1 }
    }
    assert_eq!(kept + gone, 30);
}

#[tokio::test]
async fn the_default_key_is_there_before_anybody_made_it_and_stays() {
    let harness = Harness::open().await;
    let shown = harness.read("identity/oidc/key/default").await["data"].clone();
    let expected = json!({"algorithm": "RS256", "allowed_client_ids": ["*"], "rotation_period": 86400, "verification_ttl": 86400});
    assert_eq!(shown, expected);
    let delete = |path: &'static str| harness.call(Verb::Delete, path, &harness.root, Value::Null);
    assert_eq!(
        delete("identity/oidc/key/default").await.fault,
        Some(Kind::Invalid)
    );
    harness
        .write("identity/oidc/role/r", json!({"key": "default"}))
        .await;
    assert_eq!(published(&harness).await.len(), 2);
    assert_eq!(delete("identity/oidc/role/r").await.fault, None);
    assert!(
        published(&harness).await.is_empty(),
        "nothing signs with it"
    );
    assert_eq!(delete("identity/oidc/role/r").await.fault, None);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let harness = with_role().await;
    let refused = async |path: &str, body: Value| {
        let answered = harness
            .call(Verb::Write, path, &harness.root, body.clone())
            .await;
        assert_eq!(answered.fault, Some(Kind::Invalid), "{path} {body}");
        answered.text
    };
    for body in [
        json!({"algorithm": "none"}),
        json!({"algorithm": "HS256"}),
        json!({"rotation_period": 59}),
        json!({"rotation_period": 60, "verification_ttl": 601}),
        json!({"verification_ttl": 599}),
    ] {
        refused("identity/oidc/key/k", body).await;
    }
    for body in [
        json!({"ttl": 1801}),
        json!({"key": "nowhere"}),
        json!({"key": ""}),
        json!({"template": "{"}),
        json!({"template": r#"{"sub": "me"}"#}),
    ] {
        refused("identity/oidc/role/r", body).await;
    }
    refused("identity/oidc/config", json!({"issuer": "https://a/b"})).await;
    let text = harness
        .call(
            Verb::Delete,
            "identity/oidc/key/k",
            &harness.root,
            Value::Null,
        )
        .await
        .text;
    assert!(text.contains("referenced by these roles: r"), "{text}");
    for name in [".x", "x-", "a b"] {
        let path = format!("identity/oidc/key/{name}");
        let answered = harness
            .call(Verb::Write, &path, &harness.root, json!({}))
            .await;
        assert!(answered.fault.is_some(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_show_a_code_on_any_replica_one_gets_tokens() {
    let first = with_role().await;
    let second = replica(&first).await;
    let rules = r#"path "identity/oidc/provider/+/authorize" { capabilities = ["update"] }"#;
    first
        .write("sys/policies/acl/reader", json!({"policy": rules}))
        .await;
    let (user, entity) = login(&first, "ada").await;
    let back = "https://shop.example/back";
    let client = json!({"redirect_uris": back, "assignments": "allow_all", "key": "k", "id_token_ttl": "10m"});
    first.write("identity/oidc/client/shop", client).await;
    let client = first.read("identity/oidc/client/shop").await["data"].clone();
    let base = "identity/oidc/provider/default";
    let wanted = json!({"client_id": client["client_id"], "redirect_uri": back, "scope": "openid", "response_type": "code"});
    for round in 0..20 {
        let given = first
            .call(
                Verb::Write,
                &format!("{base}/authorize"),
                &user,
                wanted.clone(),
            )
            .await;
        let body = json!({"grant_type": "authorization_code", "code": given.body["code"], "redirect_uri": back,
            "client_id": client["client_id"], "client_secret": client["client_secret"]});
        let at = format!("{base}/token");
        let (a, b, c, d) = tokio::join!(
            first.call(Verb::Write, &at, "", body.clone()),
            second.call(Verb::Write, &at, "", body.clone()),
            first.call(Verb::Write, &at, "", body.clone()),
            second.call(Verb::Write, &at, "", body.clone())
        );
        let all = [a.body, b.body, c.body, d.body];
        let won: Vec<_> = all
            .iter()
            .filter(|one| one["access_token"].is_string())
            .collect();
        assert_eq!(won.len(), 1, "round {round}: {all:?}");
        assert_eq!(
            all.iter()
                .filter(|one| one["error"] == "invalid_grant")
                .count(),
            3
        );
        // Good for one thing, on every replica, as long as its holder may.
        let access = won[0]["access_token"].as_str().unwrap();
        let about = second
            .call(Verb::Read, &format!("{base}/userinfo"), access, Value::Null)
            .await;
        assert_eq!(about.body, json!({"sub": entity}));
        let other = second
            .call(Verb::Read, "auth/token/lookup-self", access, Value::Null)
            .await;
        assert_eq!(other.fault, Some(Kind::Denied));
    }
    // A code has its time.
    let given = first
        .call(Verb::Write, &format!("{base}/authorize"), &user, wanted)
        .await;
    first.later(Duration::from_mins(5));
    let body = json!({"grant_type": "authorization_code", "code": given.body["code"], "redirect_uri": back,
        "client_id": client["client_id"], "client_secret": client["client_secret"]});
    let late = first
        .call(Verb::Write, &format!("{base}/token"), "", body)
        .await;
    assert_eq!(late.body["error"], "invalid_grant");
    let gone = first
        .call(
            Verb::Delete,
            "identity/oidc/key/k",
            &first.root,
            Value::Null,
        )
        .await;
    assert_eq!(
        gone.fault,
        Some(Kind::Invalid),
        "roles and clients sign with it"
    );
}

#[tokio::test]
async fn a_flood_of_questions_for_keys_reads_the_store_once() {
    let harness = with_role().await;
    let client = json!({"key": "k", "redirect_uris": "https://a.example", "id_token_ttl": "10m"});
    harness.write("identity/oidc/client/c", client).await;
    let meddler = Meddler::of(&harness.store, "identity/oidc/");
    let asked = meddler.vault(&harness).await;
    let paths = [
        "identity/oidc/.well-known/keys",
        "identity/oidc/provider/default/.well-known/keys",
    ];
    let keys = async |path: &str| {
        let answered = asked.call(Verb::Read, path, "", Value::Null).await;
        assert_eq!(answered.fault, None, "{path}");
        answered.body["keys"].as_array().unwrap().len()
    };
    let reads = || meddler.reads.load(Ordering::SeqCst);
    for path in paths {
        let begun = reads();
        let all = join_all((0..50).map(|_| keys(path))).await;
        assert!(all.iter().all(|count| *count == 2), "{all:?}");
        let first = reads() - begun;
        assert_eq!(keys(path).await, 2);
        assert_eq!(reads() - begun, first, "nothing more was read");
        // Each of those who came before anything was kept looked for the provider, and no more.
        assert!(first < 60, "{first}");
    }
    // A change by another replica is seen by the next who asks, and what ends ends by the clock.
    harness.write("identity/oidc/key/k/rotate", json!({})).await;
    for path in paths {
        assert_eq!(keys(path).await, 3, "{path}");
    }
    let begun = reads();
    harness.later(Duration::from_secs(30 * 60));
    for path in paths {
        assert_eq!(keys(path).await, 2, "{path}");
    }
    assert_eq!(reads(), begun);
    let nobody = "identity/oidc/provider/nobody/.well-known/keys";
    let answered = asked.call(Verb::Read, nobody, "", Value::Null).await;
    assert_eq!(answered.fault, Some(Kind::Missing));
    let gone = "identity/oidc/role/r";
    let removed = harness.call(Verb::Delete, gone, &harness.root, Value::Null);
    assert_eq!(removed.await.fault, None);
    assert_eq!(keys(paths[0]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_under_credentials_of_elsewhere_and_under_nobody_else_s() {
    let harness = with_role().await;
    let at = "identity/oidc/client/wiki/credentials";
    let secret = "hvo_secret_of_another_server";
    let body = json!({"client_id": "fromElsewhere", "client_secret": secret, "key": "k", "id_token_ttl": "10m"});
    harness.write(at, body).await;
    let made = harness.read("identity/oidc/client/wiki").await["data"].clone();
    assert_eq!(
        (&made["client_id"], &made["client_secret"], &made["key"]),
        (&json!("fromElsewhere"), &json!(secret), &json!("k"))
    );
    // One that is there gets them, and its old id means nobody any more.
    let other = json!({"key": "k", "id_token_ttl": "10m", "client_type": "public"});
    harness.write("identity/oidc/client/tool", other).await;
    let moved = "identity/oidc/client/tool/credentials";
    let write = async |path: &str, body: Value| {
        let answered = harness.call(Verb::Write, path, &harness.root, body).await;
        (answered.fault.is_some(), answered.text)
    };
    let refused = [
        (
            moved,
            json!({"client_id": "fromElsewhere"}),
            "another client",
        ),
        (
            moved,
            json!({"client_id": "new", "client_secret": secret}),
            "a public client has no",
        ),
        (at, json!({"client_id": "new"}), "missing client_secret"),
        (
            at,
            json!({"client_id": "", "client_secret": secret}),
            "client_id",
        ),
        (
            at,
            json!({"client_id": "a/b", "client_secret": secret}),
            "client_id",
        ),
        (
            at,
            json!({"client_id": "x".repeat(129), "client_secret": secret}),
            "client_id",
        ),
        (
            at,
            json!({"client_id": "new", "client_secret": "canary short"}),
            "client_secret",
        ),
        (
            at,
            json!({"client_id": "new", "client_secret": "ü".repeat(20)}),
            "client_secret",
        ),
    ];
    for (path, body, why) in refused {
        let (fault, text) = write(path, body).await;
        assert!(
            fault && text.contains(why) && !text.contains("canary"),
            "{why}: {text}"
        );
    }
    let (fault, text) = write(moved, json!({"client_id": "theTool"})).await;
    assert!(!fault, "{text}");
    let read = harness.read("identity/oidc/client/wiki").await["data"].clone();
    assert_eq!(read, made, "what was refused changed nothing");
    // Whoever may write clients may not choose what they prove themselves with.
    let rules = r#"path "identity/oidc/client/*" { capabilities = ["create", "update"] }"#;
    harness
        .write("sys/policies/acl/clients", json!({"policy": rules}))
        .await;
    let token = harness
        .write("auth/token/create", json!({"policies": ["clients"]}))
        .await["auth"]["client_token"]
        .clone();
    let body = json!({"client_id": "mine", "client_secret": secret});
    let answered = harness
        .call(Verb::Write, at, token.as_str().unwrap(), body)
        .await;
    assert!(answered.fault.is_some());
}
