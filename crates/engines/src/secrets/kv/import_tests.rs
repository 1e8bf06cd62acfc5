//! `import/PATH`: histories of other servers.

use super::Kv;
use crate::harness::{Answer, Bench};
use serde_json::{Value, json};

async fn kv() -> Bench {
    Bench::new(Kv::default(), &[("version", "2")]).await
}

/// Three versions from number 4 on: one alive, one deleted that is still here, one destroyed.
fn history() -> Value {
    json!({
        "created_time": "2020-01-01T00:00:00Z",
        "updated_time": "2020-02-01T00:00:00.5Z",
        "oldest_version": 4,
        "current_metadata_version": 9,
        "max_versions": 3,
        "cas_required": true,
        "delete_version_after": "1h",
        "custom_metadata": {"owner": "shop"},
        "versions": {
            "4": {"created_time": "2020-01-02T00:00:00Z", "deletion_time": "2020-01-03T00:00:00Z",
                  "data": {"value": "four"}},
            "5": {"created_time": "2020-01-04T00:00:00Z", "destroyed": true},
            "6": {"created_time": "2020-01-05T00:00:00.123456789Z", "data": {"value": "six"}},
        },
    })
}

async fn import(kv: &Bench, body: Value) -> Answer {
    kv.write("import/app", body).await
}

#[tokio::test]
async fn a_history_comes_with_its_numbers_times_and_states() {
    let kv = kv().await;
    assert_eq!(import(&kv, history()).await.status, 200);
    let shown = kv.read("metadata/app").await.data;
    assert_eq!(shown["created_time"], "2020-01-01T00:00:00Z");
    assert_eq!(shown["updated_time"], "2020-02-01T00:00:00.5Z");
    assert_eq!(
        (&shown["current_version"], &shown["oldest_version"]),
        (&json!(6), &json!(4))
    );
    assert_eq!(
        (&shown["max_versions"], &shown["cas_required"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(shown["current_metadata_version"], 9);
    assert_eq!(shown["delete_version_after"], "1h0m0s");
    assert_eq!(shown["custom_metadata"], json!({"owner": "shop"}));
    assert_eq!(
        shown["versions"]["6"]["created_time"],
        "2020-01-05T00:00:00.123456789Z"
    );
    assert_eq!(
        shown["versions"]["4"]["deletion_time"],
        "2020-01-03T00:00:00Z"
    );
    assert_eq!(shown["versions"]["5"]["destroyed"], true);
    assert_eq!(
        kv.read("data/app").await.data["data"],
        json!({"value": "six"})
    );
    assert_eq!(kv.read("data/app?version=4").await.status, 404);
    assert_eq!(
        kv.write("undelete/app", json!({"versions": [4]}))
            .await
            .status,
        204
    );
    assert_eq!(
        kv.read("data/app?version=4").await.data["data"],
        json!({"value": "four"})
    );
    // The numbering goes on, and the limit holds from here on.
    let written = kv
        .write("data/app", json!({"data": {}, "options": {"cas": 6}}))
        .await;
    assert_eq!(written.data["version"], 7);
    assert_eq!(kv.read("metadata/app").await.data["oldest_version"], 5);
}

#[tokio::test]
async fn what_is_here_stays_unless_the_caller_says_so() {
    let kv = kv().await;
    kv.write("data/app", json!({"data": {"value": "mine"}}))
        .await;
    let refused = import(&kv, history()).await;
    assert_eq!(
        refused.refusal(),
        (400, "a secret is here already, and overwrite is not set")
    );
    assert_eq!(
        kv.read("data/app").await.data["data"],
        json!({"value": "mine"})
    );
    let mut body = history();
    body["overwrite"] = json!(true);
    assert_eq!(import(&kv, body).await.status, 200);
    assert_eq!(kv.read("data/app?version=1").await.status, 404);
    assert_eq!(kv.read("data/app").await.data["metadata"]["version"], 6);
    let values = kv
        .keys()
        .await
        .into_iter()
        .filter(|key| key.starts_with("v/"));
    assert_eq!(values.count(), 2, "nothing is left of what was overwritten");
}

#[tokio::test]
async fn a_long_history_comes_in_parts_and_old_versions_leave() {
    let kv = kv().await;
    assert_eq!(import(&kv, history()).await.status, 200);
    let part = |after: u64, number: u64, oldest: u64| {
        json!({"after": after, "oldest_version": oldest,
               "versions": {number.to_string(): {"data": {"n": number}}}})
    };
    for (after, number) in [(5, 6), (6, 8), (7, 8)] {
        assert_eq!(
            import(&kv, part(after, number, 4)).await.status,
            400,
            "{after} {number}"
        );
    }
    assert_eq!(import(&kv, part(6, 7, 6)).await.status, 200);
    let shown = kv.read("metadata/app").await.data;
    let numbers: Vec<_> = shown["versions"].as_object().unwrap().keys().collect();
    assert_eq!(numbers, ["6", "7"]);
    assert_eq!(
        shown["custom_metadata"],
        json!({"owner": "shop"}),
        "not named, so kept"
    );
    let values = kv
        .keys()
        .await
        .into_iter()
        .filter(|key| key.starts_with("v/"));
    assert_eq!(values.count(), 2, "the data of 4 went with it");
}

#[tokio::test]
async fn a_history_that_cannot_be_is_refused() {
    let kv = kv().await;
    let alive = json!({"data": {}});
    for versions in [
        json!([]),
        json!({"x": alive}),
        json!({"0": alive}),
        json!({"-1": alive}),
        json!({"1": alive, "3": alive}),
        json!({"18446744073709551616": alive}),
        json!({"1": 5}),
        json!({"1": {}}),
        json!({"1": {"data": "text"}}),
        json!({"1": {"data": {}, "destroyed": true}}),
        json!({"1": {"data": {}, "created_time": "yesterday"}}),
        json!({"1": {"data": {}, "deletion_time": "2020"}}),
    ] {
        let answer = import(&kv, json!({"versions": versions})).await;
        assert_eq!(answer.status, 400, "{versions} {answer:?}");
    }
    let body = json!({"versions": {"1": alive}, "oldest_version": 2});
    assert_eq!(import(&kv, body).await.status, 400);
    assert!(kv.keys().await.is_empty(), "nothing was written");
    // The largest number there is leaves no room for the next.
    let last = json!({"versions": {u64::MAX.to_string(): alive}});
    assert_eq!(import(&kv, last).await.status, 400);
}

#[tokio::test]
async fn a_secret_without_versions_comes_with_its_settings() {
    let kv = kv().await;
    let body = json!({"max_versions": 7, "created_time": "2020-01-01T00:00:00Z"});
    assert_eq!(import(&kv, body).await.status, 200);
    let shown = kv.read("metadata/app").await.data;
    assert_eq!(
        (&shown["current_version"], &shown["max_versions"]),
        (&json!(0), &json!(7))
    );
    assert_eq!(shown["created_time"], "2020-01-01T00:00:00Z");
}
