//! OpenBao's operation `scan`: a right of its own, in audit records by its name, and of KV alone.

use crate::house::House;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};

/// A house with a small tree in both versions.
async fn planted() -> House {
    let house = House::full().await;
    for path in ["team/a", "team/b/c", "other"] {
        house.write(&format!("kv/{path}"), json!({"k": "v"})).await;
        let version = json!({"data": {"k": "v"}});
        house.write(&format!("kv2/data/{path}"), version).await;
    }
    house
}

async fn allowed(house: &House, verb: Verb, path: &str, token: &str) -> bool {
    let answered = house.call(verb, path, token, Value::Null).await;
    assert!(
        matches!(answered.fault, None | Some(Kind::Denied)),
        "{path}: {}",
        answered.text
    );
    answered.fault.is_none()
}

/// Rules, and whether who has them may list and scan `team`.
const RULES: &[(&str, bool, bool)] = &[
    (
        r#"path "kv2/metadata/team/*" { capabilities = ["list"] }"#,
        true,
        false,
    ),
    (
        r#"path "kv2/metadata/team/*" { capabilities = ["scan"] }"#,
        false,
        true,
    ),
    (
        r#"path "kv2/metadata/team/" { capabilities = ["scan"] }"#,
        false,
        true,
    ),
    (
        r#"path "kv2/metadata/team" { capabilities = ["scan"] }"#,
        false,
        true,
    ),
    (
        r#"path "kv2/metadata/+" { capabilities = ["scan", "list"] }"#,
        true,
        true,
    ),
    (
        r#"path "kv2/metadata/team/*" { capabilities = ["create", "read", "update", "patch", "delete", "sudo"] }"#,
        false,
        false,
    ),
    // A deny on either form of the slash.
    (
        r#"path "kv2/metadata/*" { capabilities = ["scan"] } path "kv2/metadata/team" { capabilities = ["deny"] }"#,
        false,
        false,
    ),
    (
        r#"path "kv2/metadata/team" { capabilities = ["scan"] } path "kv2/metadata/team/" { capabilities = ["deny"] }"#,
        false,
        false,
    ),
    // To scan a directory is to be told of all below it, whatever is denied there: as in OpenBao.
    (
        r#"path "kv2/metadata/team/" { capabilities = ["scan"] } path "kv2/metadata/team/b/*" { capabilities = ["deny"] }"#,
        false,
        true,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn scanning_is_a_right_of_its_own() {
    let house = planted().await;
    let token = async |rules: &str| {
        let policy = json!({ "policy": rules });
        house.write("sys/policies/acl/p", policy).await;
        house.token(json!({"policies": ["p"]})).await
    };
    let both = ["kv2/metadata/team", "kv2/metadata/team/"];
    for &(rules, list, scan) in RULES {
        let token = token(rules).await;
        for path in both {
            assert_eq!(
                allowed(&house, Verb::List, path, &token).await,
                list,
                "{rules}"
            );
            assert_eq!(
                allowed(&house, Verb::Scan, path, &token).await,
                scan,
                "{rules}"
            );
        }
        for beside in ["kv2/detailed-metadata/team", "kv/team"] {
            assert!(
                !allowed(&house, Verb::Scan, beside, &token).await,
                "{rules}"
            );
        }
    }
    let token = token(r#"path "kv/team/" { capabilities = ["scan"] }"#).await;
    let scanned = house.call(Verb::Scan, "kv/team", &token, Value::Null).await;
    assert_eq!(scanned.body["data"]["keys"], json!(["a", "b/c"]));
    let asked = json!({"paths": ["kv/team/"]});
    let said = house
        .call(Verb::Write, "sys/capabilities-self", &token, asked)
        .await;
    assert_eq!(said.body["data"]["kv/team/"], json!(["scan"]), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_name_the_operation_and_hash_the_names() {
    let house = planted().await;
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.log");
    let device = json!({"type": "file", "options": {"file_path": log}});
    house.write("sys/audit/main", device).await;
    for path in [
        "kv2/metadata/team/",
        "kv2/detailed-metadata/team/",
        "kv/team/",
    ] {
        let before = std::fs::read_to_string(&log).unwrap().lines().count();
        let scanned = house.call(Verb::Scan, path, &house.root, Value::Null).await;
        assert_eq!(scanned.body["data"]["keys"], json!(["a", "b/c"]), "{path}");
        let text = std::fs::read_to_string(&log).unwrap();
        let records: Vec<Value> = text
            .lines()
            .skip(before)
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(records.len(), 2, "{path}");
        for record in &records {
            assert_eq!(record["request"]["operation"], "scan", "{record}");
            assert_eq!(record["request"]["path"], path, "{record}");
        }
        let keys = records[1]["response"]["data"]["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        for key in keys {
            assert!(key.as_str().unwrap().starts_with("hmac-sha256:"), "{key}");
        }
    }
    // A refusal, too.
    let denied = house.token(json!({"policies": ["default"]})).await;
    assert!(!allowed(&house, Verb::Scan, "kv2/metadata", &denied).await);
    let text = std::fs::read_to_string(&log).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["request"]["operation"], "scan");
    assert_eq!(
        last["error"].as_str().map(str::is_empty),
        Some(false),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_kv_answers_it() {
    let house = planted().await;
    let served = house.served().await;
    let mut scanned: Vec<&str> = served
        .iter()
        .filter(|served| served.row.verb == Verb::Scan)
        .map(|served| served.path.as_str())
        .collect();
    scanned.sort_unstable();
    assert_eq!(
        scanned,
        [
            "kv/path",
            "kv2/detailed-metadata/path",
            "kv2/metadata/path",
            "kv2/path"
        ]
    );
    let mut refused = 0;
    for served in &served {
        if served.path.starts_with("kv/") || served.path.starts_with("kv2/") {
            continue;
        }
        let answered = house
            .call(Verb::Scan, &served.path, &house.root, Value::Null)
            .await;
        assert_eq!(answered.fault, Some(Kind::Unsupported), "{}", served.path);
        refused += 1;
    }
    assert!(refused > 300, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_what_is_served_says_where() {
    let house = planted().await;
    let document = house.read("sys/internal/specs/openapi").await;
    for path in [
        "/kv/{path}",
        "/kv2/metadata/{path}",
        "/kv2/detailed-metadata/{path}",
    ] {
        let get = &document["paths"][path]["get"];
        let names: Vec<_> = get["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for name in ["list", "scan", "after", "limit"] {
            assert_eq!(
                names.iter().filter(|known| **known == name).count(),
                1,
                "{path}: {names:?}"
            );
        }
        assert!(get["summary"].as_str().unwrap().ends_with("scan"), "{get}");
    }
}
