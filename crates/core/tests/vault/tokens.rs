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

/// A token that may use every role and holds little itself.
async fn role_user(harness: &Harness) -> String {
    let rules = r#"path "auth/token/create/*" { capabilities = ["update"] }"#;
    harness
        .write("sys/policies/acl/maker", json!({"policy": rules}))
        .await;
    harness.token(json!({"policies": ["maker"]})).await
}

async fn by_role(
    harness: &Harness,
    token: &str,
    role: &str,
    body: Value,
) -> crate::harness::Answered {
    harness
        .call(
            Verb::Write,
            &format!("auth/token/create/{role}"),
            token,
            body,
        )
        .await
}

#[tokio::test]
async fn a_role_gives_what_it_says_and_nothing_else() {
    let harness = with_reader().await;
    let user = role_user(&harness).await;
    harness
        .write(
            "auth/token/roles/web",
            json!({
                "allowed_policies": "reader", "allowed_policies_glob": ["team-*"], "disallowed_policies_glob": "team-admin*",
                "orphan": true, "token_period": "1h", "token_explicit_max_ttl": "2h", "token_num_uses": 3, "path_suffix": "ci",
                "token_bound_cidrs": "127.0.0.0/8", "renewable": false,
            }),
        )
        .await;
    let made = by_role(&harness, &user, "web", json!({})).await;
    let auth = &made.body["auth"];
    assert_eq!(
        auth["policies"],
        json!(["default", "reader"]),
        "{}",
        made.text
    );
    assert_eq!(
        (&auth["orphan"], &auth["renewable"], &auth["num_uses"]),
        (&json!(true), &json!(false), &json!(3))
    );
    let token = auth["client_token"].as_str().unwrap();
    let me = harness
        .call(Verb::Read, "auth/token/lookup-self", token, Value::Null)
        .await
        .body;
    assert_eq!(me["data"]["path"], "auth/token/create/web/ci");
    assert_eq!(
        (&me["data"]["period"], &me["data"]["explicit_max_ttl"]),
        (&json!(3600), &json!(7200))
    );
    assert_eq!(
        by_role(&harness, &user, "web", json!({"policies": ["team-a"]}))
            .await
            .fault,
        None
    );
    for policies in [
        json!(["other"]),
        json!(["team-admin"]),
        json!(["root"]),
        json!(["reader", "maker"]),
        json!(["Root"]),
    ] {
        let refused = by_role(
            &harness,
            &user,
            "web",
            json!({"policies": policies.clone()}),
        )
        .await;
        assert_eq!(refused.fault, Some(Kind::Invalid), "{policies}");
    }
    assert_eq!(
        by_role(&harness, &user, "nobody", json!({})).await.fault,
        Some(Kind::Invalid)
    );
}

/// A glob names no policy: who asks for none through such a role gets `default`, and never what the
/// parent has, root least of all.
#[tokio::test]
async fn a_role_of_globs_alone_gives_nothing_that_was_not_asked_for() {
    let harness = with_reader().await;
    let role = json!({"allowed_policies_glob": ["*"]});
    harness.write("auth/token/roles/globs", role).await;
    let root = harness.root.clone();
    let user = role_user(&harness).await;
    for token in [&root, &user] {
        let made = by_role(&harness, token, "globs", json!({})).await;
        assert_eq!(made.body["auth"]["policies"], json!(["default"]));
    }
    // What every token of the role gets may be asked for as well; without it the role says.
    let role = json!({"allowed_policies_glob": ["team-*"]});
    harness.write("auth/token/roles/teams", role).await;
    for (asked, policies) in [
        (json!({"policies": ["default"]}), Some(json!(["default"]))),
        (
            json!({"policies": ["default", "team-a"]}),
            Some(json!(["default", "team-a"])),
        ),
        (
            json!({"policies": ["default"], "no_default_policy": true}),
            None,
        ),
        (json!({"policies": ["reader"]}), None),
    ] {
        let made = by_role(&harness, &user, "teams", asked.clone()).await;
        match policies {
            Some(policies) => assert_eq!(made.body["auth"]["policies"], policies, "{asked}"),
            None => assert_eq!(made.fault, Some(Kind::Invalid), "{asked}"),
        }
    }
}

#[tokio::test]
async fn a_role_without_lists_gives_what_the_parent_has() {
    let harness = with_reader().await;
    let user = role_user(&harness).await;
    harness.write("auth/token/roles/plain", json!({})).await;
    let made = by_role(&harness, &user, "plain", json!({})).await;
    assert_eq!(made.body["auth"]["policies"], json!(["default", "maker"]));
    for policies in ["reader", "root"] {
        let refused = by_role(&harness, &user, "plain", json!({"policies": [policies]})).await;
        assert_eq!(refused.fault, Some(Kind::Invalid), "{policies}");
    }
    harness
        .write(
            "auth/token/roles/no",
            json!({"disallowed_policies": "default,reader"}),
        )
        .await;
    let made = by_role(&harness, &user, "no", json!({"policies": ["anything"]})).await;
    assert_eq!(made.body["auth"]["policies"], json!(["anything"]));
    assert_eq!(
        by_role(&harness, &user, "no", json!({"policies": ["reader"]}))
            .await
            .fault,
        Some(Kind::Invalid)
    );
    assert_eq!(
        by_role(&harness, &user, "no", json!({"policies": ["root"]}))
            .await
            .fault,
        Some(Kind::Invalid)
    );
}

#[tokio::test]
async fn a_token_follows_its_role_and_ends_with_it() {
    let harness = with_reader().await;
    harness
        .write(
            "auth/token/roles/r",
            json!({"allowed_policies": "reader", "token_period": "1h"}),
        )
        .await;
    let made = by_role(&harness, &harness.root, "r", json!({})).await;
    let token = made.body["auth"]["client_token"]
        .as_str()
        .unwrap()
        .to_owned();
    harness
        .write("auth/token/roles/r", json!({"token_period": "30m"}))
        .await;
    let renewed = harness
        .call(Verb::Write, "auth/token/renew-self", &token, json!({}))
        .await;
    assert_eq!(
        renewed.body["auth"]["lease_duration"], 1800,
        "{}",
        renewed.text
    );
    harness
        .call(
            Verb::Delete,
            "auth/token/roles/r",
            &harness.root,
            Value::Null,
        )
        .await;
    let refused = harness
        .call(Verb::Write, "auth/token/renew-self", &token, json!({}))
        .await;
    assert_eq!(refused.fault, Some(Kind::Invalid));
}

#[tokio::test]
async fn a_role_is_read_back_as_it_was_written() {
    let harness = Harness::open().await;
    let written = json!({
        "allowed_entity_aliases": null, "allowed_policies": ["a", "b"], "allowed_policies_glob": ["x*"],
        "disallowed_policies": ["c"], "disallowed_policies_glob": ["y*"], "explicit_max_ttl": 7200, "name": "Full",
        "orphan": true, "path_suffix": "abc", "period": 3600, "renewable": false, "token_bound_cidrs": ["127.0.0.0/8"],
        "token_explicit_max_ttl": 7200, "token_no_default_policy": true, "token_num_uses": 3, "token_period": 3600,
        "token_type": "service",
    });
    harness
        .write("auth/token/roles/Full", written.clone())
        .await;
    assert_eq!(harness.read("auth/token/roles/Full").await["data"], written);
    let listed = harness
        .call(Verb::List, "auth/token/roles", &harness.root, Value::Null)
        .await;
    assert_eq!(listed.body["data"]["keys"], json!(["Full"]));
    assert_eq!(
        harness
            .call(
                Verb::Read,
                "auth/token/roles/full",
                &harness.root,
                Value::Null
            )
            .await
            .fault,
        Some(Kind::Missing)
    );
    for body in [
        json!({"path_suffix": "a/../b"}),
        json!({"token_type": "foo"}),
        json!({"token_bound_cidrs": "nope"}),
        json!({"allowed_policies": "a b"}),
        json!({"allowed_policies_glob": "a b*"}),
        json!({"allowed_policies": "root"}),
        json!({"token_period": "9999h"}),
    ] {
        let refused = harness
            .call(
                Verb::Write,
                "auth/token/roles/x",
                &harness.root,
                body.clone(),
            )
            .await;
        assert_eq!(refused.fault, Some(Kind::Invalid), "{body}");
    }
}

/// OpenBao caps a period by the maximum of the mount; else a role would be a way around it.
#[tokio::test]
async fn a_period_is_never_longer_than_the_maximum() {
    let harness = Harness::open().await;
    let made = harness
        .write(
            "auth/token/create",
            json!({"policies": ["default"], "period": "100000h"}),
        )
        .await;
    let most = 768 * 3600;
    assert_eq!(made["auth"]["lease_duration"], most);
    let token = made["auth"]["client_token"].as_str().unwrap();
    harness.later(Duration::from_secs(most - 1));
    let renewed = harness
        .write("auth/token/renew", json!({"token": token}))
        .await;
    assert_eq!(renewed["auth"]["lease_duration"], most);
}

/// Numbers that mean no time, and times that no clock has.
#[tokio::test]
async fn no_lifetime_overflows() {
    let harness = Harness::open().await;
    let long = "9".repeat(30);
    let fields = ["ttl", "period", "explicit_max_ttl", "lease"];
    for field in fields {
        for bad in [
            json!("1e3"),
            json!("-1"),
            json!(-1),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1.5),
            json!(1e30),
            json!("99999999999h"),
            json!(long),
            json!(format!("{long}h")),
            json!("1h-2h"),
            json!("0x10"),
            json!("\u{664}"),
            json!([1]),
            json!({"s": 1}),
            json!(true),
        ] {
            let body = json!({field: bad});
            let answered = harness
                .call(Verb::Write, "auth/token/create", &harness.root, body)
                .await;
            assert_eq!(answered.fault, Some(Kind::Invalid), "{field} {bad}");
        }
        // As far as Go counts: 292 years.
        let body = json!({"policies": ["default"], field: "2562047h"});
        let made = harness.write("auth/token/create", body).await;
        let seconds = made["auth"]["lease_duration"].as_u64().unwrap();
        assert!((1..=768 * 3600).contains(&seconds), "{field} {seconds}");
    }
    let mut far = crate::harness::arrival(Verb::Read, "sys/mounts", &harness.root, &Value::Null);
    far.wrap_ttl = Some("2562047h".to_owned());
    assert_eq!(harness.arrive(far).await.fault, None);
}

/// Where a token may be used from holds for its renewal, for every way to write an address.
#[tokio::test]
async fn a_bound_token_is_renewed_from_where_it_is_bound() {
    let harness = Harness::open().await;
    harness
        .write(
            "auth/token/roles/r",
            json!({"token_bound_cidrs": ["10.0.0.0/8"], "allowed_policies": ["default"]}),
        )
        .await;
    let made = harness.write("auth/token/create/r", json!({})).await;
    let token = made["auth"]["client_token"].as_str().unwrap();
    let from = async |address: &str, path: &str| {
        let verb = match path {
            "auth/token/lookup-self" => Verb::Read,
            _ => Verb::Write,
        };
        let mut arrival = arrival(verb, path, token, &Value::Null);
        arrival.peer = Peer::Network(address.parse().unwrap());
        harness.arrive(arrival).await.fault
    };
    for path in ["auth/token/renew-self", "auth/token/lookup-self"] {
        for good in ["10.1.2.3:1", "[::ffff:10.1.2.3]:1"] {
            assert_eq!(from(good, path).await, None, "{good} {path}");
        }
        for bad in ["11.1.2.3:1", "[::ffff:11.1.2.3]:1", "[::1]:1", "[a00::1]:1"] {
            assert_eq!(from(bad, path).await, Some(Kind::Denied), "{bad} {path}");
        }
    }
}
