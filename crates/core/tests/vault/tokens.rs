use crate::harness::{Harness, arrival};
use cofferdam_core::{Kind, Peer, Verb};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const READER: &str = r#"path "secret/data/*" { capabilities = ["read"] }"#;

async fn with_reader() -> Harness {
    let harness = Harness::open().await;
    harness
        .write("sys/policies/acl/reader", json!({"policy": READER}))
        .await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    harness
}

#[tokio::test]
async fn a_token_may_do_what_its_policies_say_and_nothing_else() {
    let harness = with_reader().await;
    let token = harness.token(json!({"policies": ["reader"]})).await;
    assert_eq!(
        harness
            .call(Verb::Read, "secret/data/a", &token, Value::Null)
            .await
            .body["data"]["k"],
        "v"
    );
    for (verb, path) in [
        (Verb::Write, "secret/data/a"),
        (Verb::Read, "sys/mounts"),
        (Verb::Read, "nowhere"),
        (Verb::Write, "sys/seal"),
    ] {
        assert_eq!(
            harness
                .call(verb, path, &token, json!({"x": "y"}))
                .await
                .fault,
            Some(Kind::Denied),
            "{path}"
        );
    }
    for bad in ["", "hvs.unknown", "root"] {
        assert_eq!(
            harness
                .call(Verb::Read, "secret/data/a", bad, Value::Null)
                .await
                .fault,
            Some(Kind::Denied)
        );
    }
}

#[tokio::test]
async fn a_removed_policy_is_gone_for_the_next_request() {
    let harness = with_reader().await;
    let token = harness.token(json!({"policies": ["reader"]})).await;
    harness
        .call(
            Verb::Delete,
            "sys/policies/acl/reader",
            &harness.root,
            Value::Null,
        )
        .await;
    assert_eq!(
        harness
            .call(Verb::Read, "secret/data/a", &token, Value::Null)
            .await
            .fault,
        Some(Kind::Denied)
    );
}

#[tokio::test]
async fn revoking_a_token_ends_all_its_children_but_not_orphans() {
    let harness = with_reader().await;
    let mint = r#"path "auth/token/create" { capabilities = ["update"] } path "auth/token/create-orphan" { capabilities = ["update", "sudo"] } path "secret/data/*" { capabilities = ["read"] }"#;
    harness
        .write("sys/policies/acl/mint", json!({"policy": mint}))
        .await;
    let parent = harness.token(json!({"policies": ["mint"]})).await;
    let make = async |from: &str, path: &str| {
        let made = harness.call(Verb::Write, path, from, json!({})).await;
        assert_eq!(made.fault, None, "{}", made.text);
        made.body["auth"]["client_token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let child = make(&parent, "auth/token/create").await;
    let grandchild = make(&child, "auth/token/create").await;
    let orphan = make(&child, "auth/token/create-orphan").await;
    harness
        .write("auth/token/revoke", json!({"token": parent}))
        .await;
    let works = async |token: &str| {
        harness
            .call(Verb::Read, "secret/data/a", token, Value::Null)
            .await
            .fault
            .is_none()
    };
    assert!(!works(&parent).await && !works(&child).await && !works(&grandchild).await);
    assert!(works(&orphan).await);
}

#[tokio::test]
async fn a_use_count_holds_under_concurrency() {
    let harness = Arc::new(with_reader().await);
    let token = harness
        .token(json!({"policies": ["reader"], "num_uses": 7}))
        .await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (harness, token) = (harness.clone(), token.clone());
            tokio::spawn(async move {
                harness
                    .call(Verb::Read, "secret/data/a", &token, Value::Null)
                    .await
                    .fault
                    .is_none()
            })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        granted += usize::from(task.await.unwrap());
    }
    assert_eq!(granted, 7);
}

#[tokio::test]
async fn time_ends_a_token_and_renewal_moves_the_end() {
    let harness = with_reader().await;
    let token = harness
        .token(json!({"policies": ["reader"], "ttl": "1h"}))
        .await;
    harness.later(Duration::from_mins(50));
    let renewed = harness
        .call(
            Verb::Write,
            "auth/token/renew-self",
            &token,
            json!({"increment": "2h"}),
        )
        .await;
    assert_eq!(renewed.body["auth"]["lease_duration"], 7200);
    harness.later(Duration::from_mins(110));
    assert_eq!(
        harness
            .call(Verb::Read, "secret/data/a", &token, Value::Null)
            .await
            .fault,
        None
    );
    harness.later(Duration::from_mins(11));
    assert_eq!(
        harness
            .call(Verb::Read, "secret/data/a", &token, Value::Null)
            .await
            .fault,
        Some(Kind::Denied)
    );
}

#[tokio::test]
async fn a_renewal_that_asks_for_nothing_gives_what_the_token_began_with() {
    let harness = with_reader().await;
    let token = harness
        .token(json!({"policies": ["reader"], "ttl": "10m"}))
        .await;
    let renewed = harness
        .call(Verb::Write, "auth/token/renew-self", &token, json!({}))
        .await;
    assert_eq!(
        renewed.body["auth"]["lease_duration"], 600,
        "{}",
        renewed.text
    );
}

#[tokio::test]
async fn revoking_a_token_that_is_not_there_succeeds() {
    let harness = with_reader().await;
    let token = harness.token(json!({"policies": ["reader"]})).await;
    for _ in 0..2 {
        let body = json!({"token": token});
        let revoked = harness
            .call(Verb::Write, "auth/token/revoke", &harness.root, body)
            .await;
        assert_eq!(revoked.fault, None, "{}", revoked.text);
    }
}

#[tokio::test]
async fn an_explicit_maximum_is_never_renewed_past() {
    let harness = with_reader().await;
    let token = harness
        .token(json!({"policies": ["reader"], "ttl": "1h", "explicit_max_ttl": "90m"}))
        .await;
    harness.later(Duration::from_mins(50));
    let renewed = harness
        .call(
            Verb::Write,
            "auth/token/renew-self",
            &token,
            json!({"increment": "5h"}),
        )
        .await;
    assert_eq!(renewed.body["auth"]["lease_duration"], 40 * 60);
}

#[tokio::test]
async fn nobody_gets_more_than_they_have() {
    let harness = with_reader().await;
    let mint = r#"path "auth/token/create" { capabilities = ["update"] }"#;
    harness
        .write("sys/policies/acl/mint", json!({"policy": mint}))
        .await;
    let token = harness.token(json!({"policies": ["mint"]})).await;
    for body in [
        json!({"policies": ["reader"]}),
        json!({"policies": ["root"]}),
        json!({"policies": ["Root"]}),
        json!({"policies": ["r\u{43e}\u{43e}t"]}),
        json!({"policies": ["../root"]}),
        json!({"no_parent": true}),
        json!({"period": "1h"}),
        json!({"id": "mine"}),
        json!({"type": "batch"}),
    ] {
        let answered = harness
            .call(Verb::Write, "auth/token/create", &token, body.clone())
            .await;
        assert!(answered.fault.is_some(), "{body}");
    }
    for name in ["Root", "ROOT", "root ", "../root", "ns%2f..%2froot", "root"] {
        let path = format!("sys/policies/acl/{name}");
        let answered = harness
            .call(Verb::Write, &path, &harness.root, json!({"policy": READER}))
            .await;
        assert!(answered.fault.is_some(), "{name}");
    }
}

#[tokio::test]
async fn an_accessor_looks_up_and_revokes_but_never_shows_the_token() {
    let harness = with_reader().await;
    let made = harness
        .write("auth/token/create", json!({"policies": ["reader"]}))
        .await;
    let (token, accessor) = (
        made["auth"]["client_token"].as_str().unwrap(),
        &made["auth"]["accessor"],
    );
    let found = harness
        .write("auth/token/lookup-accessor", json!({"accessor": accessor}))
        .await;
    assert_eq!(
        (&found["data"]["id"], &found["data"]["accessor"]),
        (&json!(""), accessor)
    );
    let listed = harness
        .call(
            Verb::List,
            "auth/token/accessors",
            &harness.root,
            Value::Null,
        )
        .await;
    assert!(
        listed.body["data"]["keys"]
            .as_array()
            .unwrap()
            .contains(accessor)
    );
    harness
        .write("auth/token/revoke-accessor", json!({"accessor": accessor}))
        .await;
    assert_eq!(
        harness
            .call(Verb::Read, "secret/data/a", token, Value::Null)
            .await
            .fault,
        Some(Kind::Denied)
    );
}

#[tokio::test]
async fn a_login_is_an_outcome_with_a_token_of_its_own() {
    let harness = with_reader().await;
    let answered = harness
        .call(Verb::Write, "auth/probe/login", "", json!({}))
        .await;
    let token = answered.body["auth"]["client_token"].as_str().unwrap();
    assert_eq!(
        answered.body["auth"]["policies"],
        json!(["default", "reader"])
    );
    assert_eq!(
        harness
            .call(Verb::Read, "secret/data/a", token, Value::Null)
            .await
            .fault,
        None
    );
    let gone = harness
        .call(Verb::Delete, "sys/auth/probe", &harness.root, Value::Null)
        .await;
    assert_eq!(gone.fault, None);
    assert_eq!(
        harness
            .call(Verb::Read, "secret/data/a", token, Value::Null)
            .await
            .fault,
        Some(Kind::Denied),
        "ends with its method"
    );
}

#[tokio::test]
async fn the_local_admin_needs_no_token_and_others_on_the_socket_do() {
    let harness = with_reader().await;
    for (admin, fault) in [(true, None), (false, Some(Kind::Denied))] {
        let mut request = arrival(Verb::Read, "sys/mounts", "", &Value::Null);
        request.peer = Peer::Local { uid: 0, admin };
        assert_eq!(harness.arrive(request).await.fault, fault);
    }
}
