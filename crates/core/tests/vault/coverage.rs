//! Every route that is served, against everything that can be wrong with a caller.

use crate::harness::Harness;
use cofferdam_core::engine::{Access, Listed};
use cofferdam_core::{Kind, Vault, Verb};
use serde_json::{Value, json};

/// A path that the row serves.
fn path(mount: &str, row: &Listed) -> String {
    let parts = row
        .pattern
        .split('/')
        .map(|part| part.trim_start_matches([':', '~', '*']));
    let parts = parts.filter(|part| !part.is_empty());
    std::iter::once(mount)
        .chain(parts)
        .collect::<Vec<_>>()
        .join("/")
}

async fn rows(harness: &Harness) -> Vec<(String, Listed)> {
    let rows = harness.vault.routes().await.unwrap();
    assert!(rows.len() > 50, "{} routes", rows.len());
    rows.into_iter()
        .map(|(mount, row)| (path(&mount, &row), row))
        .collect()
}

fn needs_policy(row: &Listed) -> bool {
    matches!(row.access, Access::Token | Access::Sudo)
}

/// What ends the test's own footing: sealing, and changes of audit devices and mounts it stands on.
fn pulls_the_rug(path: &str, verb: Verb) -> bool {
    path == "sys/seal"
        || (path.starts_with("sys/audit/") && verb != Verb::Read)
        || path == "auth/token/revoke-self"
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_or_a_rule_nothing_is_done() {
    let harness = Harness::open().await;
    harness
        .write(
            "sys/policy/nothing",
            json!({"policy": "path \"nowhere\" { capabilities = [\"read\"] }"}),
        )
        .await;
    let stranger = harness
        .token(json!({"policies": ["nothing"], "no_default_policy": true}))
        .await;
    for (path, row) in rows(&harness)
        .await
        .into_iter()
        .filter(|(_, row)| needs_policy(row))
    {
        for token in ["", "hvs.unknown", stranger.as_str()] {
            let answered = harness.call(row.verb, &path, token, json!({})).await;
            assert_eq!(answered.fault, Some(Kind::Denied), "{:?} {path}", row.verb);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_leaves_exactly_two_records_whatever_becomes_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.log");
    let harness = Harness::open().await;
    harness
        .write(
            "sys/audit/main",
            json!({"type": "file", "options": {"file_path": log}}),
        )
        .await;
    let count = || std::fs::read_to_string(&log).unwrap().lines().count();
    for (path, row) in rows(&harness)
        .await
        .into_iter()
        .filter(|(path, row)| !pulls_the_rug(path, row.verb))
    {
        for token in [harness.root.as_str(), ""] {
            let before = count();
            harness.call(row.verb, &path, token, json!({})).await;
            assert_eq!(count() - before, 2, "{:?} {path}", row.verb);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_audit_down_no_route_answers() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.log");
    let harness = Harness::open().await;
    harness
        .write(
            "sys/audit/main",
            json!({"type": "file", "options": {"file_path": log}}),
        )
        .await;
    let rows = rows(&harness).await;
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    for (path, row) in rows {
        let answered = harness
            .call(row.verb, &path, &harness.root, json!({}))
            .await;
        assert_eq!(
            answered.fault,
            Some(Kind::Unavailable),
            "{:?} {path}",
            row.verb
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_no_route_answers() {
    let harness = Harness::open().await;
    let rows = rows(&harness).await;
    harness.write("sys/seal", Value::Null).await;
    for (path, row) in rows {
        let answered = harness
            .call(row.verb, &path, &harness.root, json!({}))
            .await;
        assert_eq!(answered.fault, Some(Kind::Sealed), "{:?} {path}", row.verb);
    }
}

/// Changing this list is a decision: these answer without token, policy and audit.
#[test]
fn the_exempt_routes_are_these() {
    let listed = [
        (Verb::Read, "sys/health"),
        (Verb::Read, "sys/seal-status"),
        (Verb::Read, "sys/init"),
        (Verb::Write, "sys/init"),
        (Verb::Write, "sys/unseal"),
        (Verb::Read, "sys/leader"),
    ];
    assert_eq!(Vault::exempt_routes(), listed);
}
