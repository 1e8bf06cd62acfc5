//! PRE-3: what answers without a token, flooded by somebody who has none: no state changes.

use crate::house::{House, Served, arrival};
use crate::signer::Signer;
use cofferdam_core::engine::Access;
use cofferdam_core::fields::Kind as Takes;
use cofferdam_core::{Kind, Vault, Verb};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a stranger leaves behind: one entry for everybody, overwritten, so that a guess at a name that
/// nobody has costs what one at a name that somebody has does.
fn feigned(key: &str) -> bool {
    key.ends_with("/lockout/.nobody")
}

/// Every method set up, so that requests get as far as they can.
async fn furnished() -> House {
    let house = House::full().await;
    let role = json!({"role_id": "web", "bind_secret_id": true});
    house.write("auth/approle/role/web", role).await;
    let user = json!({"password": "right"});
    house.write("auth/userpass/users/bob", user).await;
    let keys = json!({"jwt_validation_pubkeys": Signer::ed25519().pem()});
    for mount in ["jwt", "oidc"] {
        house
            .write(&format!("auth/{mount}/config"), keys.clone())
            .await;
        let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "x"});
        house.write(&format!("auth/{mount}/role/web"), role).await;
    }
    let role = json!({"bound_labels": "app=web"});
    house.write("auth/docker/role/web", role).await;
    let key = json!({"algorithm": "EdDSA", "allowed_client_ids": "*"});
    house.write("identity/oidc/key/k", key).await;
    let client = json!({"key": "k", "redirect_uris": "https://a.example/cb"});
    house.write("identity/oidc/client/c", client).await;
    let provider = json!({"allowed_client_ids": "*"});
    house.write("identity/oidc/provider/p", provider).await;
    house
        .write("kv2/data/kept", json!({"data": {"k": "v"}}))
        .await;
    house
}

/// Bodies for a row: nothing, every field as text, every field of its kind, and what guesses send.
fn bodies(served: &Served) -> Vec<Value> {
    let fields = served.row.fields.body();
    let filled = |value: &dyn Fn(&str, Takes) -> Value| {
        let named = fields.iter();
        let named = named.map(|field| (field.name.to_owned(), value(field.name, field.kind)));
        Value::Object(named.collect::<Map<_, _>>())
    };
    let fitting = |name: &str, kind: Takes| match (name, kind) {
        ("role", _) => json!("web"),
        ("role_id", _) => json!("web"),
        ("token", _) => json!("hvs.CAESIGd1ZXNz"),
        ("jwt", _) => json!("eyJhbGciOiJFZERTQSJ9.e30.AAAA"),
        (_, Takes::Integer | Takes::Number | Takes::Duration) => json!(1),
        (_, Takes::Boolean) => json!(true),
        (_, Takes::List) => json!(["x"]),
        (_, Takes::Map | Takes::Object) => json!({"a": "b"}),
        _ => json!("x"),
    };
    vec![
        Value::Null,
        json!({}),
        filled(&|_, _| json!("x")),
        filled(&fitting),
        json!({"token": "hvs.x", "policies": ["root"], "force": true, "reset": true}),
    ]
}

/// What everybody may ask, by the tables.
async fn open_routes(house: &House) -> Vec<Served> {
    let all = house.served().await.into_iter();
    let open = |access| matches!(access, Access::Anonymous | Access::Wrapping | Access::Known);
    all.filter(|served| open(served.row.access)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_every_open_route_changes_nothing() {
    let house = furnished().await;
    let open = open_routes(&house).await;
    let named: Vec<_> = open.iter().map(|served| served.path.as_str()).collect();
    for known in [
        "auth/approle/login",
        "auth/userpass/login/name",
        "auth/jwt/login",
        "auth/oidc/oidc/auth_url",
        "auth/cert/login",
        "auth/aws/login",
        "auth/kubernetes/login",
        "sys/wrapping/unwrap",
    ] {
        assert!(
            named.contains(&known),
            "{known} is not in the tables: {named:?}"
        );
    }
    let mut requests: Vec<(Verb, String, Value)> = Vec::new();
    for served in &open {
        for body in bodies(served) {
            requests.push((served.row.verb, served.path.clone(), body));
        }
    }
    for (verb, path) in Vault::exempt_routes() {
        for body in [
            Value::Null,
            json!({}),
            json!({"secret_shares": 1, "secret_threshold": 1}),
            json!({"key": "AAAA", "migrate": true}),
            json!({"reset": true}),
        ] {
            requests.push((verb, path.to_owned(), body));
        }
    }
    assert!(requests.len() > 100, "{}", requests.len());
    let before = house.stored().await;
    let mut served = 0;
    for round in 0..6 {
        let token = ["", "hvs.guess", "hvb.AAAA"][round % 3];
        let answers = join_all(requests.iter().map(|(verb, path, body)| {
            let mut arrival = arrival(*verb, path, token, body);
            arrival.query = vec![
                ("scope".into(), "openid".into()),
                ("code".into(), "x".into()),
            ];
            house.arrive(arrival)
        }));
        for (answered, (verb, path, _)) in answers.await.iter().zip(&requests) {
            served += usize::from(answered.fault.is_none());
            assert!(
                !matches!(answered.fault, Some(Kind::Internal)),
                "{verb:?} {path}: {}",
                answered.text
            );
            assert!(answered.body["auth"].is_null(), "{verb:?} {path} logged in");
            assert!(answered.body["root_token"].is_null());
        }
    }
    assert!(served > 0, "nothing was answered at all");
    let changed = difference(&before, &house.stored().await);
    let strange: Vec<_> = changed.iter().filter(|key| !feigned(key)).collect();
    assert!(strange.is_empty(), "a stranger changed {strange:?}");
    house.read("kv2/data/kept").await;
}

/// The same of a sealed vault, where nothing but the exempt routes may answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_a_sealed_vault_changes_nothing() {
    let house = furnished().await;
    let all = house.served().await;
    house.write("sys/seal", Value::Null).await;
    let before = house.stored().await;
    for served in &all {
        for body in bodies(served) {
            let answered = house.call(served.row.verb, &served.path, "", body).await;
            assert_eq!(answered.fault, Some(Kind::Sealed), "{}", served.path);
        }
    }
    let mut slowed = 0;
    for number in 0..200 {
        let key = format!("{number:064x}01");
        for body in [json!({"key": key}), json!({"reset": true})] {
            let answered = house.call(Verb::Write, "sys/unseal", "", body).await;
            slowed += usize::from(answered.fault == Some(Kind::TooMany));
        }
        let counts = json!({"secret_shares": 1, "secret_threshold": 1});
        let answered = house.call(Verb::Write, "sys/init", "", counts).await;
        assert_eq!(answered.fault, Some(Kind::Invalid));
    }
    assert!(slowed > 200, "{slowed} of 400 were slowed down");
    assert_eq!(
        difference(&before, &house.stored().await),
        Vec::<String>::new()
    );
}

fn difference(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<String> {
    let keys = before.keys().chain(after.keys());
    let mut changed: Vec<_> = keys
        .filter(|key| before.get(*key) != after.get(*key))
        .cloned()
        .collect();
    changed.sort();
    changed.dedup();
    changed
}
