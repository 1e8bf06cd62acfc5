//! NAME-6: two mounts of a kind are two tenants. What one was answered, kept or locked is never the
//! other's, whatever their names look like when they are joined.

use crate::house::House;
use crate::signer::Signer;
use cofferdam_core::clock::Clock as _;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};

/// Mounts and names of which two and two are the same text when they are joined without care.
const JOINED: [(&str, &str); 6] = [
    ("a", "bc"),
    ("ab", "c"),
    ("a-b", "c"),
    ("a.b", "c"),
    ("x/a", "b/c"),
    ("x/ab", "c"),
];

async fn said(houses: &[House; 2], path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for house in houses {
        // Twice: the second time from what the replica keeps.
        for _ in 0..2 {
            all.push(house.read(path).await["data"].clone());
        }
    }
    all
}

async fn pair() -> [House; 2] {
    let first = House::empty().await;
    let second = first.beside().await;
    [first, second]
}

async fn mount(house: &House, path: &str, body: Value) {
    house.write(&format!("sys/mounts/{path}"), body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_one_mount_is_never_anothers() {
    let houses = pair().await;
    for (path, _) in JOINED {
        let kv = json!({"type": "kv", "options": {"version": "2"}});
        mount(&houses[0], path, kv).await;
        mount(&houses[0], &format!("t/{path}"), json!({"type": "transit"})).await;
        mount(&houses[0], &format!("o/{path}"), json!({"type": "totp"})).await;
        mount(&houses[0], &format!("1/{path}"), json!({"type": "kv"})).await;
    }
    // The same text in the other order, too, so that nobody is simply the last one.
    for (number, (path, name)) in JOINED.iter().enumerate() {
        let value = json!({"data": {"of": number}});
        houses[number % 2]
            .write(&format!("{path}/data/{name}"), value)
            .await;
        let value = json!({"of": number});
        houses[number % 2]
            .write(&format!("1/{path}/{name}"), value)
            .await;
        let name = name.replace('/', "-");
        houses[0]
            .write(&format!("t/{path}/keys/{name}"), json!({}))
            .await;
        let seed = ["JBSWY3DPEHPK3PXA", "JBSWY3DPEHPK3PXB", "JBSWY3DPEHPK3PXC"][number % 3];
        houses[0]
            .write(&format!("o/{path}/keys/{name}"), json!({"key": seed}))
            .await;
    }
    let mut closed: Vec<String> = Vec::new();
    for (number, (path, name)) in JOINED.iter().enumerate() {
        for data in said(&houses, &format!("{path}/data/{name}")).await {
            assert_eq!(data["data"]["of"], json!(number), "{path} {name}");
        }
        for data in said(&houses, &format!("1/{path}/{name}")).await {
            assert_eq!(data["of"], json!(number), "{path} {name}");
        }
        for house in &houses {
            let listed = house
                .call(
                    Verb::List,
                    &format!("{path}/metadata"),
                    &house.root,
                    Value::Null,
                )
                .await;
            let first = name.split_inclusive('/').next().unwrap();
            assert_eq!(listed.body["data"]["keys"], json!([first]), "{path}");
        }
        let name = name.replace('/', "-");
        let plain = json!({"plaintext": "AAAA"});
        let made = houses[1]
            .write(&format!("t/{path}/encrypt/{name}"), plain)
            .await;
        closed.push(made["data"]["ciphertext"].as_str().unwrap().to_owned());
    }
    for (number, (path, name)) in JOINED.iter().enumerate() {
        let path = format!("t/{path}/decrypt/{}", name.replace('/', "-"));
        for house in &houses {
            for (of, text) in closed.iter().enumerate() {
                let body = json!({"ciphertext": text});
                let answered = house.call(Verb::Write, &path, &house.root, body).await;
                assert_eq!(
                    answered.fault.is_none(),
                    of == number,
                    "{path}: {}",
                    answered.text
                );
            }
        }
    }
    // A code of one key is none of another's, and its use is nobody else's.
    let code = async |path: &str| {
        let read = houses[0].read(&format!("o/{path}/code/{}", "c")).await;
        read["data"]["code"].clone()
    };
    let (one, other) = (code("ab").await, code("a-b").await);
    assert_ne!(one, other);
    let valid = async |path: &str, code: &Value| {
        let path = format!("o/{path}/code/c");
        let body = json!({ "code": code });
        let checked = houses[1]
            .call(Verb::Write, &path, &houses[1].root, body)
            .await;
        checked.body["data"]["valid"] == json!(true)
    };
    assert!(!valid("a-b", &one).await);
    assert!(valid("ab", &one).await && !valid("ab", &one).await);
    assert!(valid("a-b", &other).await);
}

/// A path that was one mount's and is another's now: nothing of before is under it.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_changes_hands_brings_nothing_along() {
    let houses = pair().await;
    for version in ["1", "2"] {
        let kv = json!({"type": "kv", "options": {"version": version}});
        let data = if version == "2" { "data/" } else { "" };
        let body = if version == "2" {
            json!({"data": {"of": "first"}})
        } else {
            json!({"of": "first"})
        };
        for turn in 0..3 {
            let outer = format!("m{turn}");
            mount(&houses[0], &outer, kv.clone()).await;
            houses[0]
                .write(&format!("{outer}/{data}b/c"), body.clone())
                .await;
            let _kept = said(&houses, &format!("{outer}/{data}b/c")).await;
            for house in &houses {
                let path = format!(
                    "{outer}/{}",
                    if version == "2" { "metadata/b" } else { "b" }
                );
                house
                    .call(Verb::List, &path, &house.root, Value::Null)
                    .await;
            }
            let gone = format!("sys/mounts/{outer}");
            let gone = houses[turn % 2].call(Verb::Delete, &gone, &houses[0].root, Value::Null);
            assert_eq!(gone.await.fault, None);
            // The same text now ends elsewhere between mount and name; then the same mount again.
            for again in [format!("{outer}/b"), outer.clone()] {
                mount(&houses[1], &again, kv.clone()).await;
                for house in &houses {
                    for path in [format!("{outer}/b/{data}c"), format!("{outer}/{data}b/c")] {
                        let answered = house
                            .call(Verb::Read, &path, &house.root, Value::Null)
                            .await;
                        // Gone, with a word about version 2, or not there at all.
                        let nothing = answered.fault.is_none() && answered.body["data"].is_null();
                        assert!(
                            nothing
                                || matches!(
                                    answered.fault,
                                    Some(Kind::Missing | Kind::Unsupported)
                                ),
                            "{path}: {answered:?}"
                        );
                    }
                }
                let gone = format!("sys/mounts/{again}");
                houses[0]
                    .call(Verb::Delete, &gone, &houses[0].root, Value::Null)
                    .await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_of_one_mount_are_never_anothers() {
    let houses = pair().await;
    let signers = [Signer::ed25519(), Signer::ed25519()];
    let now = houses[0].clock.now().seconds();
    let claims = json!({"sub": "ann", "aud": "x", "iat": now, "exp": now + 600});
    for (number, at) in ["one", "one-two"].into_iter().enumerate() {
        let house = &houses[number];
        for kind in ["approle", "userpass", "jwt"] {
            house
                .write(&format!("sys/auth/{at}/{kind}"), json!({"type": kind}))
                .await;
        }
        let role = json!({"role_id": "same", "secret_id_num_uses": 0});
        house
            .write(&format!("auth/{at}/approle/role/r"), role)
            .await;
        let user = json!({"password": format!("pass{number}")});
        house
            .write(&format!("auth/{at}/userpass/users/ann"), user)
            .await;
        let keys = json!({"jwt_validation_pubkeys": signers[number].pem()});
        house.write(&format!("auth/{at}/jwt/config"), keys).await;
        let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "x"});
        house.write(&format!("auth/{at}/jwt/role/r"), role).await;
    }
    let mut entities = std::collections::BTreeSet::new();
    for (number, at) in ["one", "one-two"].into_iter().enumerate() {
        let other = ["one-two", "one"][number];
        let made = houses[number]
            .write(&format!("auth/{at}/approle/role/r/secret-id"), json!({}))
            .await;
        let secret = json!({"role_id": "same", "secret_id": made["data"]["secret_id"]});
        let pass = json!({"password": format!("pass{number}")});
        let token = json!({"role": "r", "jwt": signers[number].plain(&claims)});
        for house in houses.iter().chain(&houses) {
            for (path, body) in [
                ("approle/login", &secret),
                ("userpass/login/ann", &pass),
                ("jwt/login", &token),
            ] {
                let here = format!("auth/{at}/{path}");
                let answered = house.call(Verb::Write, &here, "", body.clone()).await;
                assert_eq!(answered.fault, None, "{here}: {}", answered.text);
                let entity = answered.body["auth"]["entity_id"].as_str().unwrap();
                entities.insert(entity.to_owned());
                let there = format!("auth/{other}/{path}");
                let answered = house.call(Verb::Write, &there, "", body.clone()).await;
                assert_eq!(answered.fault, Some(Kind::Invalid), "{there}");
            }
        }
    }
    // The same name at each mount is somebody else: three methods, two mounts.
    assert_eq!(entities.len(), 6);
    // Locked here is not locked there. Four wrong ones were counted above, two of them at the other.
    for _ in 0..5 {
        let wrong = json!({"password": "wrong"});
        houses[0]
            .call(Verb::Write, "auth/one/userpass/login/ann", "", wrong)
            .await;
    }
    for (at, fine) in [("one", false), ("one-two", true)] {
        let number = usize::from(at == "one-two");
        let pass = json!({"password": format!("pass{number}")});
        let path = format!("auth/{at}/userpass/login/ann");
        let answered = houses[1].call(Verb::Write, &path, "", pass).await;
        assert_eq!(answered.fault.is_none(), fine, "{at}: {}", answered.text);
    }
}

/// What one tenant holds, another finds as little as what nobody holds.
#[tokio::test(flavor = "multi_thread")]
async fn handles_of_another_tenant_are_the_same_as_none() {
    let houses = pair().await;
    let house = &houses[0];
    let rules = |name: &str| {
        format!(
            "path \"{name}/*\" {{ capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }}\n\
                 path \"cubbyhole/*\" {{ capabilities = [\"read\", \"create\", \"list\"] }}"
        )
    };
    let mut tokens = Vec::new();
    for name in ["red", "blue"] {
        mount(house, name, json!({"type": "kv"})).await;
        let policy = json!({"policy": rules(name)});
        house
            .write(&format!("sys/policies/acl/{name}"), policy)
            .await;
        tokens.push(house.token(json!({"policies": [name]})).await);
        house.write(&format!("{name}/a"), json!({"of": name})).await;
    }
    let (red, blue) = (&tokens[0], &tokens[1]);
    let put = houses[1]
        .call(Verb::Write, "cubbyhole/mine", red, json!({"of": "red"}))
        .await;
    assert_eq!(put.fault, None, "{}", put.text);
    for house in &houses {
        let own = house
            .call(Verb::Read, "cubbyhole/mine", red, Value::Null)
            .await;
        assert_eq!(own.body["data"]["of"], "red");
        let foreign = house
            .call(Verb::Read, "cubbyhole/mine", blue, Value::Null)
            .await;
        let nobodys = house
            .call(Verb::Read, "cubbyhole/none", blue, Value::Null)
            .await;
        assert_eq!(
            (foreign.fault, &foreign.text),
            (Some(Kind::Missing), &nobodys.text)
        );
        let listed = house.call(Verb::List, "cubbyhole", blue, Value::Null).await;
        assert_eq!(listed.fault, Some(Kind::Missing));
    }
    // Who may not ask is told the same of what is there and of what is not.
    let accessor = house
        .write("auth/token/lookup", json!({"token": red}))
        .await["data"]["accessor"]
        .clone();
    for (path, field) in [
        ("auth/token/lookup-accessor", "accessor"),
        ("auth/token/revoke-accessor", "accessor"),
        ("auth/token/renew-accessor", "accessor"),
        ("sys/capabilities-accessor", "accessor"),
        ("sys/wrapping/unwrap", "token"),
        ("sys/wrapping/lookup", "token"),
        ("sys/leases/revoke", "lease_id"),
        ("auth/token/lookup", "token"),
        ("auth/token/revoke", "token"),
    ] {
        let held = if field == "token" {
            json!(red)
        } else {
            accessor.clone()
        };
        let mut answers = Vec::new();
        for value in [held, json!("nobodys")] {
            let answered = houses[1]
                .call(Verb::Write, path, blue, json!({field: value}))
                .await;
            answers.push((answered.fault, answered.text));
        }
        assert!(answers[0].0.is_some(), "{path}");
        assert_eq!(answers[0], answers[1], "{path}");
    }
    assert_eq!(
        house
            .call(Verb::Read, "red/a", red, Value::Null)
            .await
            .fault,
        None
    );
}
