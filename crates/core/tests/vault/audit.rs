use crate::harness::Harness;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn audited(directory: &tempfile::TempDir) -> (Harness, std::path::PathBuf) {
    let harness = Harness::open().await;
    let path = directory.path().join("audit.log");
    harness
        .write(
            "sys/audit/main",
            json!({"type": "file", "options": {"file_path": path}}),
        )
        .await;
    (harness, path)
}

fn records(path: &std::path::Path) -> Vec<Value> {
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_leaves_two_records_and_no_value() {
    let directory = tempfile::tempdir().unwrap();
    let (harness, path) = audited(&directory).await;
    let before = records(&path).len();
    harness
        .write("secret/data/a", json!({"k": "canary-9f3b"}))
        .await;
    harness.read("secret/data/a").await;
    harness
        .call(
            Verb::Read,
            "secret/data/a",
            "hvs.stranger-canary",
            Value::Null,
        )
        .await;
    harness
        .call(Verb::Read, "secret//a", &harness.root, Value::Null)
        .await;
    harness
        .call(Verb::Read, "secret/panic", &harness.root, Value::Null)
        .await;
    let after = records(&path);
    assert_eq!(after.len() - before, 10);
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in ["canary", &harness.root, "hunter2"] {
        assert!(!text.contains(secret));
    }
    let kinds: Vec<_> = after[before..]
        .iter()
        .map(|record| record["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["request", "response"].repeat(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failed_request_with_its_records_and_the_next_one_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let (harness, path) = audited(&directory).await;
    let answered = harness
        .call(Verb::Read, "secret/panic", &harness.root, Value::Null)
        .await;
    assert_eq!(
        (answered.fault, answered.text.as_str()),
        (Some(Kind::Internal), "internal error")
    );
    assert_eq!(records(&path).last().unwrap()["error"], "internal error");
    harness.read("sys/mounts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_device_that_writes_nothing_is_done_and_nothing_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let (harness, path) = audited(&directory).await;
    harness.write("secret/data/a", json!({"k": "old"})).await;
    // A directory in its place: the file can be neither written nor made again.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    for verb in [Verb::Read, Verb::Write] {
        let answered = harness
            .call(verb, "secret/data/a", &harness.root, json!({"k": "new"}))
            .await;
        assert_eq!(answered.fault, Some(Kind::Unavailable));
    }
    std::fs::remove_dir(&path).unwrap();
    assert_eq!(
        harness.read("secret/data/a").await["data"]["k"],
        "old",
        "the refused write had no effect"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_would_write_foreign_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let harness = Harness::open().await;
    let foreign = directory.path().join("precious");
    std::fs::write(&foreign, "#!/bin/sh\n").unwrap();
    let inside = directory.path().join("x.log");
    for options in [
        json!({"file_path": "relative.log"}),
        json!({"file_path": foreign}),
        json!({"file_path": inside, "prefix": "#!/bin/sh\n"}),
        json!({"file_path": inside, "mode": "0755"}),
        json!({"file_path": inside, "log_raw": "true"}),
        json!({"file_path": inside, "log_raw": "T"}),
        json!({"file_path": inside, "hmac_accessor": "FALSE"}),
        json!({"file_path": inside, "fallback": true}),
        json!({"file_path": inside, "elide_list_responses": "perhaps"}),
        json!({"file_path": inside, "sync": "perhaps"}),
        json!({"file_path": directory.path().join("../x.log")}),
        json!({}),
    ] {
        let answered = harness
            .call(
                Verb::Write,
                "sys/audit/x",
                &harness.root,
                json!({"type": "file", "options": options}),
            )
            .await;
        assert!(answered.fault.is_some(), "{options}");
    }
    assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "#!/bin/sh\n");
    harness.read("sys/mounts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_lists_are_counted_for_the_device_that_asks_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let (harness, path) = audited(&directory).await;
    let short = directory.path().join("short.log");
    let options = json!({"file_path": short, "elide_list_responses": "true"});
    let device = json!({"type": "file", "options": options});
    harness.write("sys/audit/short", device).await;
    let listed = harness.list("sys/policies/acl").await;
    let number = listed["data"]["keys"].as_array().unwrap().len();
    let refused = harness.call(Verb::List, "secret/nothing", &harness.root, Value::Null);
    assert_eq!(refused.await.fault, Some(Kind::Unsupported));
    // An answer waits for one device: the other one may come later.
    let end = Instant::now() + Duration::from_secs(20);
    let lists = async |path: &std::path::Path, many: usize| loop {
        let all = std::fs::read_to_string(path).unwrap();
        let lines = all
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let lists = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let lists = lists.filter(|record| {
            record["type"] == "response" && record["request"]["path"] == "sys/policies/acl"
        });
        let names = lists.map(|record| record["response"]["data"]["keys"].clone());
        let names: Vec<_> = names.collect();
        if names.len() == many {
            break names;
        }
        assert!(Instant::now() < end, "{} of {many}", names.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(lists(&short, 1).await, [json!(number)]);
    let whole = lists(&path, 1).await;
    assert_eq!(whole[0].as_array().unwrap().len(), number);
    // It is the only one: the long form is nobody's.
    let gone = harness.call(Verb::Delete, "sys/audit/main", &harness.root, Value::Null);
    assert_eq!(gone.await.fault, None);
    harness.list("sys/policies/acl").await;
    assert_eq!(lists(&short, 2).await, [json!(number), json!(number)]);
}

/// However many names there are: the answer is whole, and its record can be written and verified.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_record_would_be_too_long_has_its_names_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (harness, path) = audited(&directory).await;
    for (count, hashed) in [(10_000, true), (900_000, false)] {
        let at = format!("secret/names/{count}");
        let listed = harness.list(&at).await;
        assert_eq!(listed["data"]["keys"].as_array().unwrap().len(), count);
        let last = records(&path).pop().unwrap();
        assert_eq!(last["request"]["path"], at);
        let keys = &last["response"]["data"]["keys"];
        match hashed {
            true => assert_eq!(keys.as_array().unwrap().len(), count),
            false => assert_eq!(keys, count),
        }
    }
    let lines = std::fs::read(&path).unwrap();
    let longest = lines.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
    assert!(longest < Some(1 << 20), "{longest:?}");
}

/// What a query asks for is what a request asks for: which version, whose secret.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_a_query_is_on_record() {
    let directory = tempfile::tempdir().unwrap();
    let (harness, path) = audited(&directory).await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    let before = records(&path).len();
    let query = vec![
        ("version".to_owned(), "canary-7".to_owned()),
        ("k".to_owned(), "canary-8".to_owned()),
    ];
    for (verb, body) in [(Verb::Read, Value::Null), (Verb::Write, json!({"k": "w"}))] {
        let mut arrival = crate::harness::arrival(verb, "secret/data/a", &harness.root, &body);
        arrival.query = query.clone();
        assert_eq!(harness.arrive(arrival).await.fault, None);
    }
    let all = records(&path);
    let asked: Vec<_> = all[before..]
        .iter()
        .filter(|record| record["type"] == "request")
        .map(|record| &record["request"]["data"])
        .collect();
    for data in &asked {
        assert!(
            data["version"]
                .as_str()
                .unwrap()
                .starts_with("hmac-sha256:")
        );
        assert!(data["k"].as_str().unwrap().starts_with("hmac-sha256:"));
    }
    assert_eq!(asked.len(), 2);
    assert_ne!(
        asked[0]["k"], asked[1]["k"],
        "a body's word is the one that counts"
    );
    assert!(!std::fs::read_to_string(&path).unwrap().contains("canary"));
}

/// PRE-2: a namespace is never ignored: who means one would read and write in the tree of everybody.
#[tokio::test]
async fn a_namespace_is_refused_whatever_its_form() {
    let directory = tempfile::tempdir().unwrap();
    let (harness, log) = audited(&directory).await;
    let ask = async |namespace: &str, token: &str| {
        let path = "secret/data/a";
        let mut request = crate::harness::arrival(Verb::Read, path, token, &Value::Null);
        request.namespace = Some(namespace.to_owned());
        harness.arrive(request).await
    };
    harness.write("secret/data/a", json!({"k": "v"})).await;
    for namespace in ["", "/", "root", "root/", "/root/"] {
        let answered = ask(namespace, &harness.root).await;
        assert_eq!(answered.fault, None, "{namespace:?}: {}", answered.text);
    }
    for namespace in [
        "team-a",
        "team-a/",
        "/team-a",
        "ROOT",
        "root/team-a",
        "root/root",
        " root",
        "..",
        "a/../root",
        "%2f",
        "root\u{200b}",
    ] {
        for token in [harness.root.as_str(), ""] {
            let before = records(&log).len();
            let answered = ask(namespace, token).await;
            assert_eq!(answered.fault, Some(Kind::Unsupported), "{namespace:?}");
            assert!(answered.text.contains("X-Vault-Namespace"));
            assert_eq!(records(&log).len(), before + 2, "{namespace:?}");
        }
    }
}
