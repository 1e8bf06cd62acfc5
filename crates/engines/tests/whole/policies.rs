//! NAME-4: nobody spells the root policy, wherever a request can name policies.

use crate::house::House;
use crate::signer::Signer;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};

/// Everything that was ever taken for `root`, and what leads to it.
const SPELLINGS: &[&str] = &[
    "root",
    "Root",
    "ROOT",
    "root ",
    " root",
    "root\n",
    "r\u{43e}\u{43e}t",
    "\u{ff52}oot",
    "root\u{200b}",
    "roo\u{17f}",
    "../root",
    "ns/../root",
    "/root",
    "root/",
    "root\0",
    "web,Root",
];

/// A certificate that nobody has the key of.
fn certificate() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.self_signed(&key).unwrap().pem()
}

/// What makes a write good besides, by where it goes.
fn besides(path: &str) -> Value {
    let mut body = match path {
        path if path.starts_with("auth/userpass/users/") && !path.ends_with("/policies") => {
            json!({"password": "right"})
        }
        "auth/jwt/role/name" | "auth/oidc/role/name" => {
            json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "x"})
        }
        "auth/kubernetes/role/name" => {
            json!({"bound_service_account_names": "a", "bound_service_account_namespaces": "b"})
        }
        "auth/cert/certs/name" => json!({"certificate": certificate()}),
        "auth/docker/role/name" => json!({"bound_labels": "app=web"}),
        "auth/aws/role/name" => json!({
            "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/web", "resolve_aws_unique_ids": false,
        }),
        _ => json!({}),
    };
    if path.starts_with("auth/jwt") {
        body["jwt_validation_pubkeys"] = json!(Signer::ed25519().pem());
    }
    body
}

/// Fields that say what somebody must not get: `root` is a fine word there.
fn takes_away(field: &str) -> bool {
    field.starts_with("disallowed_") || field.ends_with("_glob")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_spells_the_root_policy_where_policies_are_named() {
    let house = House::full().await;
    let everything = r#"path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "scan", "sudo"] }"#;
    let policy = json!({ "policy": everything });
    house.write("sys/policies/acl/boss", policy.clone()).await;
    house.write("sys/policies/acl/web", policy).await;
    let boss = house.token(json!({"policies": ["boss", "web"]})).await;
    for path in ["auth/userpass/users/username", "auth/userpass/users/name"] {
        let user = json!({"password": "right"});
        house.call(Verb::Write, path, &boss, user).await;
    }
    for path in ["auth/approle/role/role_name", "auth/approle/role/name"] {
        house.call(Verb::Write, path, &boss, json!({})).await;
    }
    house.write("auth/token/roles/role", json!({})).await;
    let made = async |kind: &str| {
        let made = house.write(&format!("identity/{kind}"), json!({})).await;
        made["data"]["id"].as_str().unwrap().to_owned()
    };
    let (entity, group) = (made("entity").await, made("group").await);
    // Where a path names what the server gave a name.
    let named = |path: &str| match path {
        "identity/entity/id/id" => format!("identity/entity/id/{entity}"),
        "identity/group/id/id" => format!("identity/group/id/{group}"),
        path => path.to_owned(),
    };
    let (mut found, mut unfit) = (Vec::new(), Vec::new());
    for served in house.served().await {
        if !matches!(served.row.verb, Verb::Write) {
            continue;
        }
        let fields = served.row.fields.body().into_iter();
        for field in fields.filter(|field| field.name.ends_with("policies")) {
            if takes_away(field.name) {
                continue;
            }
            let (path, verb) = (named(&served.path), served.row.verb);
            let path = path.as_str();
            found.push(format!("{path} {}", field.name));
            let mut good = besides(path);
            good[field.name] = json!(["web"]);
            let answered = house.call(verb, path, &boss, good.clone()).await;
            if answered.fault.is_some() {
                unfit.push(format!("{path}: {}", answered.text));
                continue;
            }
            for spelled in SPELLINGS {
                for value in [json!([spelled]), json!(["web", spelled]), json!(spelled)] {
                    let mut bad = good.clone();
                    bad[field.name] = value.clone();
                    let answered = house.call(verb, path, &boss, bad).await;
                    assert_eq!(answered.fault, Some(Kind::Invalid), "{path} {value}");
                }
            }
        }
    }
    assert!(unfit.is_empty(), "nothing good goes there: {unfit:#?}");
    for known in [
        "auth/token/create policies",
        "auth/approle/role/name token_policies",
        "auth/userpass/users/name token_policies",
        "auth/jwt/role/name token_policies",
        "auth/kubernetes/role/name token_policies",
        "auth/cert/certs/name token_policies",
        "auth/aws/role/name token_policies",
        "auth/docker/role/name token_policies",
        "identity/entity policies",
        "identity/group policies",
        "auth/token/roles/role allowed_policies",
    ] {
        assert!(found.iter().any(|one| one == known), "{known}: {found:#?}");
    }
}
