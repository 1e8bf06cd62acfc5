//! NAME-1: a name that is not canonical goes no further than the door, on any route.

use crate::house::House;
use cofferdam_core::{Kind, Vault};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Spellings of a path that means something, or of one below it, that are not its canonical form.
fn spellings(path: &str) -> Vec<String> {
    let mut all: Vec<String> = [
        "//x",
        "/./x",
        "/../x",
        "/..",
        "/%2e%2e/x",
        "/%2E./x",
        "/%252e%252e/x",
        "/..;/x",
        "/..%3b/x",
        "\\x",
        "/%5cx",
        "%2f",
        "/x%2F",
        "//",
        "/%00",
        "\0",
        "/x\u{ff0e}",
        "/\u{ff0e}\u{ff0e}/x",
        "\u{2215}x",
        "\u{200b}",
        "\u{200f}x",
        "/e\u{301}",
    ]
    .into_iter()
    .map(|end| format!("{path}{end}"))
    .collect();
    all.push(format!("/{path}"));
    all.push(format!("//{path}"));
    all.push(format!("./{path}"));
    all.push(format!("x/../{path}"));
    all.push(format!("{path}/{}", "n".repeat(64 * 1024)));
    // In the middle, where a mount ends and its route begins.
    let (mount, rest) = path.split_once('/').unwrap();
    for between in ["//", "/./", "/x/../", "\\", "/%2e/", "/\u{200b}"] {
        all.push(format!("{mount}{between}{rest}"));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_canonical_goes_no_further_than_the_door() {
    let house = House::full().await;
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.log");
    let device = json!({"type": "file", "options": {"file_path": log}});
    house.write("sys/audit/main", device).await;
    let lines = || std::fs::read_to_string(&log).unwrap().lines().count();
    let rows = house.served().await.into_iter();
    let rows = rows.map(|served| (served.row.verb, served.path));
    let exempt = Vault::exempt_routes().into_iter();
    let exempt = exempt.map(|(verb, path)| (verb, path.to_owned()));
    // Once a minute the server notes by itself where its audit chains end.
    let stored = async || {
        let mut stored = house.stored().await;
        stored.retain(|key, _| !key.contains("/audit-head/"));
        stored
    };
    let (before, mut texts, mut asked) = (stored().await, BTreeSet::new(), 0);
    for (verb, path) in rows.chain(exempt) {
        let (all, written) = (spellings(&path), lines());
        let answers = join_all(
            all.iter()
                .map(|spelled| house.call(verb, spelled, &house.root, Value::Null)),
        );
        for (answered, spelled) in answers.await.into_iter().zip(&all) {
            let shown: String = spelled.chars().take(80).collect();
            assert_eq!(answered.fault, Some(Kind::Invalid), "{verb:?} {shown:?}");
            texts.insert(answered.text);
        }
        assert_eq!(lines() - written, 2 * all.len(), "{verb:?} {path}");
        asked += all.len();
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(asked > 10_000, "{asked}");
    assert_eq!(before, stored().await, "something was routed");
}
