use crate::harness::Harness;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};

#[tokio::test]
async fn names_that_are_not_canonical_are_refused_alike_on_every_route() {
    let harness = Harness::open().await;
    let mut texts = std::collections::BTreeSet::new();
    for form in [
        "a//b",
        "a/./b",
        "a/../b",
        "a/%2e%2e/b",
        "a/%252e/b",
        "a/..;/b",
        "a\\b",
        "a/b%2f",
        "a%00b",
        "a/\u{ff0e}",
        "a\u{2215}b",
        "a\u{200b}b",
        "a\u{200f}b",
        "e\u{301}",
    ] {
        for prefix in ["secret/data/", "sys/policy/", "auth/token/", ""] {
            let answered = harness
                .call(
                    Verb::Read,
                    &format!("{prefix}{form}"),
                    &harness.root,
                    Value::Null,
                )
                .await;
            assert_eq!(answered.fault, Some(Kind::Invalid), "{prefix}{form}");
            texts.insert(answered.text);
        }
    }
    assert_eq!(texts.len(), 1);
}

#[tokio::test]
async fn auth_methods_are_tuned_on_both_of_vaults_paths() {
    let harness = Harness::open().await;
    harness
        .write("sys/auth/team", json!({"type": "probe"}))
        .await;
    let wanted = json!({"user_lockout_config": {
        "lockout_threshold": "3", "lockout_duration": "10m", "lockout_counter_reset": 60, "lockout_disable": true,
    }});
    harness
        .write("sys/mounts/auth/team/tune", wanted.clone())
        .await;
    for path in ["sys/auth/team/tune", "sys/mounts/auth/team/tune"] {
        let data = &harness.read(path).await["data"];
        assert_eq!(data["user_lockout_threshold"], 3, "{path}");
        assert_eq!(data["user_lockout_duration"], 600, "{path}");
        assert_eq!(data["user_lockout_counter_reset_duration"], 60, "{path}");
        assert_eq!(data["user_lockout_disable"], true, "{path}");
    }
    let bad = [
        (
            "sys/auth/team/tune",
            json!({"user_lockout_config": {"lockout_threshold": 0}}),
        ),
        ("sys/mounts/secret/tune", wanted.clone()),
        // Here no login locks a name: the settings would do nothing.
        ("sys/auth/token/tune", wanted.clone()),
    ];
    for (path, body) in bad {
        let answered = harness.call(Verb::Write, path, &harness.root, body).await;
        assert_eq!(answered.fault, Some(Kind::Invalid), "{path}");
    }
}

#[tokio::test]
async fn mounts_are_made_tuned_listed_and_removed_with_their_data() {
    let harness = Harness::open().await;
    harness
        .write(
            "sys/mounts/team/app",
            json!({"type": "probe", "description": "of a team", "config": {"max_lease_ttl": "1h"}}),
        )
        .await;
    harness.write("team/app/data/x", json!({"k": "v"})).await;
    let listed = harness.read("sys/mounts").await;
    assert_eq!(listed["team/app/"]["description"], "of a team");
    assert_eq!(listed["data"]["team/app/"]["config"]["max_lease_ttl"], 3600);
    harness
        .write(
            "sys/mounts/team/app/tune",
            json!({"description": "renamed"}),
        )
        .await;
    assert_eq!(
        harness.read("sys/mounts/team/app/tune").await["data"]["description"],
        "renamed"
    );
    for taken in ["team", "team/app/deeper", "sys", "cubbyhole", "auth"] {
        let answered = harness
            .call(
                Verb::Write,
                &format!("sys/mounts/{taken}"),
                &harness.root,
                json!({"type": "probe"}),
            )
            .await;
        assert_eq!(answered.fault, Some(Kind::Invalid), "{taken}");
    }
    harness
        .call(
            Verb::Delete,
            "sys/mounts/team/app/",
            &harness.root,
            Value::Null,
        )
        .await;
    assert_eq!(
        harness
            .call(Verb::Read, "team/app/data/x", &harness.root, Value::Null)
            .await
            .fault,
        Some(Kind::Unsupported)
    );
    harness
        .write("sys/mounts/team/app", json!({"type": "probe"}))
        .await;
    assert_eq!(
        harness
            .call(Verb::Read, "team/app/data/x", &harness.root, Value::Null)
            .await
            .fault,
        Some(Kind::Missing)
    );
}

#[tokio::test]
async fn capabilities_are_what_policies_grant() {
    let harness = Harness::open().await;
    let rules = r#"path "secret/data/*" { capabilities = ["read", "list"] } path "secret/data/no" { capabilities = ["deny"] }"#;
    harness
        .write("sys/policy/some", json!({"policy": rules}))
        .await;
    let token = harness.token(json!({"policies": ["some"]})).await;
    let asked = json!({"paths": ["secret/data/x", "secret/data/no", "elsewhere"]});
    let answered = harness
        .call(Verb::Write, "sys/capabilities-self", &token, asked)
        .await
        .body;
    assert_eq!(answered["secret/data/x"], json!(["list", "read"]));
    assert_eq!(answered["data"]["secret/data/no"], json!(["deny"]));
    assert_eq!(answered["elsewhere"], json!(["deny"]));
    let root = harness
        .write("sys/capabilities-self", json!({"path": "secret/data/x"}))
        .await;
    assert_eq!(root["capabilities"], json!(["root"]));
}

#[tokio::test]
async fn a_deny_on_a_policy_is_not_escaped_by_its_name_in_capitals() {
    // CVE-2026-89322: the engine takes names in any case, so policy must see the one it takes.
    let harness = Harness::open().await;
    let rules = r#"path "sys/policies/acl/*" { capabilities = ["read", "update", "create", "delete"] }
                   path "sys/policy/*" { capabilities = ["read", "update", "create", "delete"] }
                   path "sys/policies/acl/example" { capabilities = ["deny"] }
                   path "sys/policy/example" { capabilities = ["deny"] }"#;
    harness
        .write("sys/policy/editor", json!({"policy": rules}))
        .await;
    harness
        .write("sys/policy/example", json!({"policy": "# empty"}))
        .await;
    let token = harness.token(json!({"policies": ["editor"]})).await;
    for mount in ["sys/policies/acl", "sys/policy"] {
        for name in ["example", "Example", "EXAMPLE", "eXample"] {
            for verb in [Verb::Read, Verb::Write, Verb::Delete] {
                let path = format!("{mount}/{name}");
                let answered = harness
                    .call(verb, &path, &token, json!({"policy": rules}))
                    .await;
                assert_eq!(answered.fault, Some(Kind::Denied), "{verb:?} {path}");
            }
        }
        let other = harness
            .call(
                Verb::Write,
                &format!("{mount}/Other"),
                &token,
                json!({"policy": rules}),
            )
            .await;
        assert_eq!(other.fault, None, "{}", other.text);
        let other = harness
            .call(Verb::Read, &format!("{mount}/other"), &token, Value::Null)
            .await;
        assert_eq!(other.body["data"]["name"], "other");
    }
}

#[tokio::test]
async fn a_path_that_is_not_served_never_answers_well() {
    let harness = Harness::open().await;
    for (verb, path) in [
        (Verb::Read, "sys/raft/configuration"),
        (Verb::Write, "sys/raft/join"),
        (Verb::Read, "identity/mfa/method"),
        (Verb::Delete, "sys/health"),
        (Verb::Write, "sys/step-down"),
    ] {
        assert_eq!(
            harness
                .call(verb, path, &harness.root, json!({}))
                .await
                .fault,
            Some(Kind::Unsupported),
            "{path}"
        );
    }
}

#[tokio::test]
async fn random_bytes_have_the_length_and_form_asked_for() {
    let harness = Harness::open().await;
    let hex = harness
        .write("sys/tools/random/16", json!({"format": "hex"}))
        .await;
    assert_eq!(hex["data"]["random_bytes"].as_str().unwrap().len(), 32);
    let base64 = harness.write("sys/tools/random", json!({})).await;
    assert_eq!(base64["data"]["random_bytes"].as_str().unwrap().len(), 44);
    for bytes in ["0", "131073"] {
        assert!(
            harness
                .call(
                    Verb::Write,
                    &format!("sys/tools/random/{bytes}"),
                    &harness.root,
                    json!({})
                )
                .await
                .fault
                .is_some()
        );
    }
}

#[tokio::test]
async fn a_mount_moves_with_what_is_in_it() {
    let harness = Harness::open().await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    let moved = harness
        .write("sys/remount", json!({"from": "secret/", "to": "/team/app"}))
        .await;
    assert_eq!(harness.read("team/app/data/a").await["data"]["k"], "v");
    let gone = harness
        .call(Verb::Read, "secret/data/a", &harness.root, Value::Null)
        .await;
    assert_eq!(gone.fault, Some(Kind::Unsupported));
    let id = moved["migration_id"].as_str().unwrap();
    let status = harness.read(&format!("sys/remount/status/{id}")).await;
    let info = &status["data"]["migration_info"];
    assert_eq!(
        *info,
        json!({"source_mount": "secret/", "status": "success", "target_mount": "team/app/"})
    );
    for (from, to) in [
        ("secret", "other"),
        ("cubbyhole", "other"),
        ("team/app", "sys/x"),
        ("team/app", "auth/x"),
        ("team/app", "team"),
        ("team/app", "cubbyhole/x"),
        ("team/app", "a b"),
        ("team/app", "a/../b"),
        ("auth/probe", "probe"),
        ("auth/token", "auth/other"),
        ("", "other"),
        ("team/app", ""),
    ] {
        let refused = harness
            .call(
                Verb::Write,
                "sys/remount",
                &harness.root,
                json!({"from": from, "to": to}),
            )
            .await;
        // "team" is free once "team/app" has left it.
        let expected = (to != "team").then_some(Kind::Invalid);
        assert_eq!(refused.fault, expected, "{from} to {to}");
        if expected.is_none() {
            harness
                .write("sys/remount", json!({"from": to, "to": from}))
                .await;
        }
    }
}

#[tokio::test]
async fn tokens_of_a_method_that_moves_end() {
    let harness = Harness::open().await;
    let login = harness
        .call(Verb::Write, "auth/probe/login", "", json!({}))
        .await;
    let token = login.body["auth"]["client_token"].as_str().unwrap();
    harness
        .write(
            "sys/remount",
            json!({"from": "auth/probe", "to": "auth/people"}),
        )
        .await;
    let me = harness
        .call(Verb::Read, "auth/token/lookup-self", token, Value::Null)
        .await;
    assert_eq!(me.fault, Some(Kind::Denied));
    let login = harness
        .call(Verb::Write, "auth/people/login", "", json!({}))
        .await;
    assert_eq!(login.fault, None);
}

#[tokio::test]
async fn password_policies_are_kept_and_used() {
    let harness = Harness::open().await;
    let text = "length = 20\nrule \"charset\" { charset = \"abc\" }";
    let base = "sys/policies/password";
    harness
        .write(&format!("{base}/db"), json!({"policy": text}))
        .await;
    assert_eq!(
        harness.read(&format!("{base}/db")).await["data"]["policy"],
        text
    );
    let made = harness.read(&format!("{base}/db/generate")).await;
    let password = made["data"]["password"].as_str().unwrap();
    assert!(password.len() == 20 && password.chars().all(|c| "abc".contains(c)));
    let listed = harness
        .call(Verb::List, base, &harness.root, Value::Null)
        .await;
    assert_eq!(listed.body["data"]["keys"], json!(["db"]));
    for (path, body) in [
        ("db", json!({"policy": "length = 20"})),
        ("db", json!({})),
        ("a b", json!({"policy": text})),
    ] {
        let refused = harness
            .call(Verb::Write, &format!("{base}/{path}"), &harness.root, body)
            .await;
        assert_eq!(refused.fault, Some(Kind::Invalid), "{path}");
    }
    harness
        .call(
            Verb::Delete,
            &format!("{base}/db"),
            &harness.root,
            Value::Null,
        )
        .await;
    let gone = harness
        .call(
            Verb::Read,
            &format!("{base}/db/generate"),
            &harness.root,
            Value::Null,
        )
        .await;
    assert_eq!(gone.fault, Some(Kind::Unsupported));
}

/// The document shows no mount that its reader may not see anything of.
#[tokio::test]
async fn the_document_of_routes_shows_what_its_reader_may_see() {
    let harness = Harness::open().await;
    harness
        .write("sys/mounts/hidden-7", json!({"type": "probe"}))
        .await;
    let rules = "path \"sys/internal/specs/openapi\" { capabilities = [\"read\"] }\npath \"secret/*\" { capabilities = [\"read\"] }";
    harness
        .write("sys/policies/acl/reader", json!({"policy": rules}))
        .await;
    let token = harness.token(json!({"policies": ["reader"]})).await;
    let path = "sys/internal/specs/openapi";
    let shown = harness.call(Verb::Read, path, &token, Value::Null).await;
    assert_eq!(shown.fault, None, "{}", shown.text);
    let paths = shown.body["paths"].as_object().unwrap();
    assert!(paths.contains_key("/secret/panic"));
    assert!(paths.contains_key("/sys/health"));
    assert!(paths.keys().all(|path| !path.starts_with("/hidden-7")));
    assert!(paths.keys().all(|path| !path.starts_with("/auth/probe")));
    let all = harness.read(path).await;
    assert!(all["paths"]["/hidden-7/panic"].is_object());
}

/// The paths that are `sudo` in Vault and OpenBao: a rule that allows everything else does not do.
#[tokio::test]
async fn what_needs_sudo_elsewhere_needs_it_here() {
    let harness = Harness::open().await;
    let rules =
        r#"path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }"#;
    harness
        .write("sys/policy/most", json!({"policy": rules}))
        .await;
    let token = harness.token(json!({"policies": ["most"]})).await;
    let before = harness.read("sys/auth").await;
    for (verb, path) in [
        (Verb::Read, "sys/auth/probe"),
        (Verb::Write, "sys/auth/mine"),
        (Verb::Delete, "sys/auth/probe"),
        (Verb::Write, "sys/auth/probe/tune"),
        (Verb::Write, "sys/remount"),
        (Verb::Read, "sys/audit"),
        (Verb::Write, "sys/audit/file"),
        (Verb::Delete, "sys/audit/file"),
        (Verb::Write, "sys/rotate"),
        (Verb::Write, "sys/rotate/keyring"),
        (Verb::Write, "sys/rotate/root/init"),
        (Verb::Read, "sys/config/cors"),
        (Verb::Write, "sys/config/cors"),
        (Verb::Read, "sys/config/auditing/request-headers"),
        (Verb::Write, "sys/config/auditing/request-headers/x"),
        (Verb::Read, "sys/config/ui/headers/x"),
        (Verb::Write, "sys/revoke-prefix/auth"),
        (Verb::Write, "sys/revoke-force/auth"),
        (Verb::Write, "sys/leases/revoke-prefix/auth"),
        (Verb::Write, "sys/leases/revoke-force/auth"),
        (Verb::List, "sys/leases/lookup/auth"),
        (Verb::Read, "sys/leases"),
        (Verb::Write, "sys/seal"),
        (Verb::Write, "auth/token/revoke-orphan"),
        (Verb::Write, "auth/token/create-orphan"),
        (Verb::List, "auth/token/accessors"),
        (Verb::Write, "sys/rekey/init"),
        (Verb::Delete, "sys/rekey/init"),
        (Verb::Write, "sys/generate-root/attempt"),
        (Verb::Delete, "sys/generate-root/attempt"),
    ] {
        let answered = harness
            .call(verb, path, &token, json!({"type": "probe"}))
            .await;
        let served = [Some(Kind::Denied), Some(Kind::Unsupported)].contains(&answered.fault);
        assert!(
            served,
            "{verb:?} {path}: {:?} {}",
            answered.fault, answered.text
        );
        let root = harness.vault.standing().await;
        assert!(matches!(root, cofferdam_core::Standing::Active), "{path}");
    }
    assert_eq!(harness.read("sys/auth").await["data"], before["data"]);
}
