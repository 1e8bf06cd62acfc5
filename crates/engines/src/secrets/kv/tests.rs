//! KV version 2, request by request.

use super::Kv;
use crate::harness::{Answer, Bench};
use cofferdam_core::Verb;
use cofferdam_core::mount::MountConfig;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn kv() -> Bench {
    Bench::new(Kv::default(), &[("version", "2")]).await
}

/// Writes one field.
async fn put(kv: &Bench, path: &str, value: &str) -> Value {
    let answer = kv
        .write(&format!("data/{path}"), json!({"data": {"value": value}}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.data
}

#[tokio::test]
async fn a_written_secret_is_read_with_its_version() {
    let kv = kv().await;
    let written = put(&kv, "app/db", "hunter2").await;
    let read = kv.read("data/app/db").await;
    assert_eq!(
        (read.status, &read.data["data"]),
        (200, &json!({"value": "hunter2"}))
    );
    assert_eq!(read.data["metadata"], written);
    assert_eq!(written["version"], 1);
    assert_eq!(written["destroyed"], false);
    assert_eq!(written["deletion_time"], "");
    assert_eq!(written["custom_metadata"], Value::Null);
}

#[tokio::test]
async fn data_comes_back_byte_for_byte() {
    let kv = kv().await;
    // serde_json would have normalized these; the engine must not.
    let sent = r#"{"data": {"n": 1.50e+01 , "u":"\u00e9\/", "z":[ 1,2 ],"a":""}}"#;
    kv.serve_bytes(Verb::Write, "data/raw", sent.into())
        .await
        .unwrap();
    let keys = kv.keys().await;
    let stored = kv
        .view
        .get(keys.iter().find(|key| key.starts_with("v/")).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        stored.value.expose(),
        br#"{"n": 1.50e+01 , "u":"\u00e9\/", "z":[ 1,2 ],"a":""}"#
    );
}

#[tokio::test]
async fn check_and_set_is_exact() {
    let kv = kv().await;
    let write = |cas: Value| kv.write("data/a", json!({"data": {}, "options": {"cas": cas}}));
    let mismatch = (
        400,
        "check-and-set parameter did not match the current version",
    );
    assert_eq!(write(json!(1)).await.refusal(), mismatch);
    assert_eq!(write(json!(0)).await.status, 200);
    assert_eq!(write(json!(0)).await.refusal(), mismatch);
    assert_eq!(write(json!("1")).await.status, 200);
    assert_eq!(write(json!(-1)).await.refusal(), mismatch);
    for bad in [json!("x"), json!(2.5), json!([2]), json!("")] {
        assert_eq!(
            write(bad).await.refusal(),
            (400, "error parsing check-and-set parameter")
        );
    }
    assert_eq!(kv.read("data/a").await.data["metadata"]["version"], 2);
}

/// The same write from many tasks on several threads.
async fn all_at_once(kv: &Arc<Bench>, count: usize, body: &Value) -> Vec<Answer> {
    let write = |_| {
        let (kv, body) = (Arc::clone(kv), body.clone());
        tokio::spawn(async move { kv.write("data/a", body).await })
    };
    let tasks: Vec<_> = (0..count).map(write).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn one_of_many_concurrent_writers_wins_each_check_and_set() {
    let kv = Arc::new(kv().await);
    for round in 0..20 {
        let body = json!({"data": {}, "options": {"cas": round}});
        let answers = all_at_once(&kv, 40, &body).await;
        assert_eq!(
            answers.iter().filter(|answer| answer.status == 200).count(),
            1
        );
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer.status, 200 | 400))
        );
    }
}

#[tokio::test]
async fn concurrent_writers_without_check_and_set_all_get_a_version_of_their_own() {
    let kv = Arc::new(kv().await);
    kv.write("config", json!({"max_versions": 1000})).await;
    let answers = all_at_once(&kv, 300, &json!({"data": {}})).await;
    let mut numbers: Vec<_> = answers
        .iter()
        .map(|answer| answer.data["version"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=300).collect::<Vec<_>>());
}

#[tokio::test]
async fn check_and_set_can_be_required() {
    let kv = kv().await;
    let required = (400, "check-and-set parameter required for this call");
    kv.write("metadata/a", json!({"cas_required": true})).await;
    assert_eq!(
        kv.write("data/a", json!({"data": {}})).await.refusal(),
        required
    );
    assert_eq!(kv.write("data/b", json!({"data": {}})).await.status, 200);
    kv.write("config", json!({"cas_required": true})).await;
    assert_eq!(
        kv.write("data/b", json!({"data": {}, "options": {}}))
            .await
            .refusal(),
        required
    );
    assert_eq!(
        kv.patch("data/b", json!({"data": {}})).await.refusal(),
        required
    );
    let overruled = kv.write("metadata/b", json!({"cas_required": false})).await;
    assert_eq!(overruled.warnings.len(), 1);
}

#[tokio::test]
async fn data_must_be_an_object() {
    let kv = kv().await;
    assert_eq!(
        kv.write("data/a", json!({})).await.refusal(),
        (400, "no data provided")
    );
    assert_eq!(
        kv.write("data/a", json!({"foo": "x"})).await.refusal(),
        (400, "no data provided")
    );
    for bad in [
        json!("canary"),
        json!(["canary"]),
        json!(null),
        json!(5),
        json!("{\"a\":1}"),
    ] {
        let refused = kv.write("data/a", json!({"data": bad})).await;
        assert_eq!(refused.refusal(), (400, "data: expected an object"));
    }
    assert_eq!(kv.read("data/a").await.status, 404);
}

#[tokio::test]
async fn deleted_versions_are_gone_but_told_of_and_come_back() {
    let kv = kv().await;
    put(&kv, "a", "one").await;
    put(&kv, "a", "two").await;
    assert_eq!(kv.delete("data/a").await.status, 204);
    let gone = kv.read("data/a").await;
    assert_eq!((gone.status, &gone.data["data"]), (404, &Value::Null));
    assert_ne!(gone.data["metadata"]["deletion_time"], "");
    assert_eq!(kv.read("data/a?version=1").await.status, 200);
    // A patch of a deleted version says the same.
    assert_eq!(kv.patch("data/a", json!({"data": {}})).await.status, 404);
    kv.write("delete/a", json!({"versions": "1"})).await;
    assert_eq!(kv.read("data/a?version=1").await.status, 404);
    assert_eq!(
        kv.write("undelete/a", json!({"versions": [1, "2"]}))
            .await
            .status,
        204
    );
    assert_eq!(
        kv.read("data/a").await.data["data"],
        json!({"value": "two"})
    );
    assert_eq!(
        kv.read("data/a?version=1").await.data["data"],
        json!({"value": "one"})
    );
}

#[tokio::test]
async fn a_destroyed_version_leaves_no_data_and_does_not_come_back() {
    let kv = kv().await;
    put(&kv, "a", "one").await;
    put(&kv, "a", "two").await;
    kv.write("destroy/a", json!({"versions": [1, 1, 99]})).await;
    kv.write("undelete/a", json!({"versions": [1]})).await;
    let gone = kv.read("data/a?version=1").await;
    assert_eq!(
        (gone.status, &gone.data["metadata"]["destroyed"]),
        (404, &json!(true))
    );
    assert_eq!(
        kv.keys()
            .await
            .iter()
            .filter(|key| key.starts_with("v/"))
            .count(),
        1
    );
    assert_eq!(kv.read("data/a").await.status, 200);
}

#[tokio::test]
async fn versions_must_be_named() {
    let kv = kv().await;
    for path in ["delete/a", "undelete/a"] {
        assert_eq!(
            kv.write(path, json!({})).await.refusal(),
            (400, "No version number provided")
        );
    }
    assert_eq!(
        kv.write("destroy/a", json!({"versions": []}))
            .await
            .refusal(),
        (400, "no version number provided")
    );
    let refused = kv.write("destroy/a", json!({"versions": "canary"})).await;
    assert_eq!(
        refused.refusal(),
        (400, "versions: expected a list of whole numbers")
    );
}

#[tokio::test]
async fn old_versions_go_beyond_the_greater_limit() {
    let kv = kv().await;
    kv.write("config", json!({"max_versions": 2})).await;
    kv.write("metadata/a", json!({"max_versions": 3})).await;
    for value in ["1", "2", "3", "4", "5"] {
        put(&kv, "a", value).await;
    }
    let meta = kv.read("metadata/a").await.data;
    assert_eq!(
        (&meta["current_version"], &meta["oldest_version"]),
        (&json!(5), &json!(3))
    );
    let versions: Vec<_> = meta["versions"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(versions, ["3", "4", "5"]);
    assert_eq!(kv.read("data/a?version=2").await.status, 404);
    assert_eq!(
        kv.keys()
            .await
            .iter()
            .filter(|key| key.starts_with("v/"))
            .count(),
        3
    );
}

#[tokio::test]
async fn lowering_the_limit_drops_thousands_of_versions_without_a_trace() {
    let kv = kv().await;
    kv.write("config", json!({"max_versions": 2000})).await;
    for _ in 0..700 {
        put(&kv, "a", "x").await;
    }
    kv.write("config", json!({"max_versions": 2})).await;
    put(&kv, "a", "last").await;
    let keys = kv.keys().await;
    assert_eq!(keys.iter().filter(|key| key.starts_with("v/")).count(), 2);
    assert!(!keys.iter().any(|key| key.starts_with("gone/")));
    assert_eq!(kv.read("data/a?version=700").await.status, 200);
}

#[tokio::test]
async fn what_a_crash_left_is_unreadable_and_swept_later() {
    let kv = kv().await;
    kv.write("config", json!({"max_versions": 2000})).await;
    for _ in 0..300 {
        put(&kv, "a", "canary").await;
    }
    // What is on disk when the process dies right after the transaction that deletes the record.
    let stored = super::storage::load(&kv.view, "a").await.unwrap().unwrap();
    let batch = kv.view.batch().delete("m/a");
    let (batch, rest) = super::storage::discard(batch, &stored.meta, 1..=300);
    assert!(rest);
    assert!(super::storage::won(kv.view.commit(batch).await.unwrap()));

    assert_eq!(kv.read("data/a?version=1").await.status, 404);
    put(&kv, "a", "new").await;
    assert_eq!(kv.read("data/a").await.data["data"]["value"], "new");
    assert_eq!(kv.read("data/a?version=2").await.status, 404);
    kv.delete("metadata/other").await;
    assert_eq!(
        kv.keys()
            .await
            .iter()
            .filter(|key| key.starts_with("v/"))
            .count(),
        1
    );
}

#[tokio::test]
async fn deleting_the_metadata_removes_everything() {
    let kv = kv().await;
    put(&kv, "a", "1").await;
    put(&kv, "a", "2").await;
    put(&kv, "a/b", "3").await;
    assert_eq!(kv.delete("metadata/a").await.status, 204);
    assert_eq!(kv.read("data/a").await.status, 404);
    assert_eq!(kv.read("metadata/a").await.status, 404);
    assert_eq!(kv.read("data/a/b").await.status, 200);
    assert_eq!(kv.keys().await.len(), 2);
    // A new secret of that name begins anew.
    assert_eq!(put(&kv, "a", "4").await["version"], 1);
}

#[tokio::test]
async fn a_version_deletes_itself_when_its_time_is_over() {
    let kv = kv().await;
    kv.write("config", json!({"delete_version_after": "90m"}))
        .await;
    kv.write("metadata/short", json!({"delete_version_after": 60}))
        .await;
    put(&kv, "short", "x").await;
    put(&kv, "long", "x").await;
    kv.clock.advance(Duration::from_mins(2));
    assert_eq!(kv.read("data/short").await.status, 404);
    assert_eq!(kv.read("data/long").await.status, 200);
    // Undeleted, its time runs anew.
    kv.write("undelete/short", json!({"versions": [1]})).await;
    assert_eq!(kv.read("data/short").await.status, 200);
    kv.clock.advance(Duration::from_mins(2));
    assert_eq!(kv.read("data/short").await.status, 404);
    kv.write("config", json!({"delete_version_after": "-1s"}))
        .await;
    assert_eq!(kv.read("config").await.data["delete_version_after"], "-1s");
    put(&kv, "short", "y").await;
    kv.clock.advance(Duration::from_hours(1));
    assert_eq!(kv.read("data/short").await.status, 200);
}

#[tokio::test]
async fn a_patch_changes_only_what_it_names() {
    let kv = kv().await;
    kv.write(
        "data/a",
        json!({"data": {"keep": 1, "drop": 2, "deep": {"x": 1, "y": {"z": 1}}}}),
    )
    .await;
    let patched = kv
        .patch("data/a", json!({"data": {"drop": null, "deep": {"x": null, "n": {"gone": null, "m": 1}}, "new": [null]}}))
        .await;
    assert_eq!((patched.status, &patched.data["version"]), (200, &json!(2)));
    let read = kv.read("data/a").await.data["data"].clone();
    assert_eq!(
        read,
        json!({"keep": 1, "deep": {"y": {"z": 1}, "n": {"m": 1}}, "new": [null]})
    );
    assert_eq!(
        kv.patch("data/none", json!({"data": {}})).await.refusal(),
        (404, "")
    );
    assert_eq!(
        kv.patch("data/a", json!({})).await.refusal(),
        (400, "no data provided")
    );
    let stale = kv
        .patch("data/a", json!({"data": {}, "options": {"cas": 1}}))
        .await;
    assert_eq!(
        stale.refusal(),
        (
            400,
            "check-and-set parameter did not match the current version"
        )
    );
}

#[tokio::test]
async fn subkeys_show_names_and_never_values() {
    let kv = kv().await;
    let data =
        json!({"a": {"b": {"c": "canary"}, "e": {}}, "l": ["canary", {"x": 1}], "s": "canary"});
    kv.write("data/a", json!({"data": data})).await;
    let subkeys =
        async |query: &str| kv.read(&format!("subkeys/a{query}")).await.data["subkeys"].clone();
    assert_eq!(
        subkeys("").await,
        json!({"a": {"b": {"c": null}, "e": null}, "l": null, "s": null})
    );
    assert_eq!(
        subkeys("?depth=2").await,
        json!({"a": {"b": null, "e": null}, "l": null, "s": null})
    );
    assert_eq!(
        subkeys("?depth=1").await,
        json!({"a": null, "l": null, "s": null})
    );
    assert_eq!(kv.read("subkeys/a?depth=x").await.status, 400);
    kv.delete("data/a").await;
    let gone = kv.read("subkeys/a").await;
    assert_eq!((gone.status, &gone.data["subkeys"]), (404, &Value::Null));
}

#[tokio::test]
async fn names_are_listed_one_level_at_a_time() {
    let kv = kv().await;
    for path in ["a", "d/e", "d/e/f", "z"] {
        put(&kv, path, "x").await;
    }
    for root in ["metadata", "metadata/"] {
        assert_eq!(kv.list(root).await.data["keys"], json!(["a", "d/", "z"]));
    }
    assert_eq!(kv.list("metadata/d").await.data["keys"], json!(["e", "e/"]));
    assert_eq!(
        kv.list("metadata/d/").await.data["keys"],
        json!(["e", "e/"])
    );
    assert_eq!(
        kv.list("metadata/?after=a&limit=1").await.data["keys"],
        json!(["d/"])
    );
    assert_eq!(kv.list("metadata/a").await.refusal(), (404, ""));
}

#[tokio::test]
async fn metadata_settings_are_kept_shown_and_guarded() {
    let kv = kv().await;
    let settings = json!({"max_versions": "5", "delete_version_after": "1h30m", "custom_metadata": {"owner": "web", "n": 5}});
    assert_eq!(kv.write("metadata/a", settings).await.status, 204);
    let meta = kv.read("metadata/a").await.data;
    assert_eq!(meta["custom_metadata"], json!({"owner": "web", "n": "5"}));
    assert_eq!(
        (&meta["max_versions"], &meta["delete_version_after"]),
        (&json!(5), &json!("1h30m0s"))
    );
    assert_eq!(
        (&meta["current_version"], &meta["current_metadata_version"]),
        (&json!(0), &json!(1))
    );
    // Nothing to change: nothing made.
    assert_eq!(kv.write("metadata/b", json!({"foo": 1})).await.status, 204);
    assert_eq!(kv.read("metadata/b").await.status, 404);
    let change = json!({"max_versions": null, "custom_metadata": {"owner": null, "m": "x"}});
    assert_eq!(kv.patch("metadata/a", change).await.status, 204);
    let meta = kv.read("metadata/a").await.data;
    assert_eq!(meta["custom_metadata"], json!({"n": "5", "m": "x"}));
    assert_eq!(meta["max_versions"], 0);
    assert_eq!(
        kv.patch("metadata/none", json!({"max_versions": 1}))
            .await
            .refusal(),
        (404, "")
    );
    let stale = kv
        .write("metadata/a", json!({"max_versions": 1, "metadata_cas": 1}))
        .await;
    assert_eq!(
        stale.refusal(),
        (
            400,
            "metadata check-and-set parameter does not match the current version"
        )
    );
}

#[tokio::test]
async fn custom_metadata_keeps_its_limits() {
    let kv = kv().await;
    let write = |custom: Value| kv.write("metadata/a", json!({"custom_metadata": custom}));
    let many: Value = (0..65)
        .map(|n| (n.to_string(), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let refused = write(many).await;
    assert_eq!(
        refused.refusal(),
        (
            400,
            "1 error occurred:\n\t* custom_metadata validation failed: payload must contain at most 64 keys, provided 65\n\n"
        )
    );
    for (bad, part) in [
        (
            json!({"": "x"}),
            "length of key \"\" is 0 but must be 0 < len(key) <= 128",
        ),
        (
            json!({"k".repeat(129): "x"}),
            "is 129 but must be 0 < len(key) <= 128",
        ),
        (
            json!({"a": ""}),
            "length of value for key \"a\" is 0 but must be 0 < len(value) <= 512",
        ),
        (
            json!({"a": "x".repeat(513)}),
            "length of value for key \"a\" is 513",
        ),
        (json!({"a": null}), "length of value for key \"a\" is 0"),
        (
            json!({"a": "x\u{1}"}),
            "value for key \"a\" contains unprintable characters",
        ),
        (json!({"a\u{200b}": "x"}), "contains unprintable characters"),
        (json!({"a": {"b": "c"}}), "must be text"),
        (json!("canary"), "expected an object"),
    ] {
        let refused = write(bad).await;
        let (status, text) = refused.refusal();
        assert!(status == 400 && text.contains(part), "{text}");
        assert!(!text.contains("canary"));
    }
    assert_eq!(
        write(json!({"k".repeat(128): "v".repeat(512)}))
            .await
            .status,
        204
    );
    // A patch cannot grow it beyond the limit either.
    let half = |from: u32| {
        (from..from + 60)
            .map(|n| (n.to_string(), json!("x")))
            .collect::<serde_json::Map<_, _>>()
    };
    assert_eq!(
        kv.patch("metadata/a", json!({"custom_metadata": half(0)}))
            .await
            .status,
        204
    );
    assert_eq!(
        kv.patch("metadata/a", json!({"custom_metadata": half(100)}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn paths_that_lead_nowhere_say_where_to_go() {
    let kv = kv().await;
    for (verb, word) in [
        (Verb::Read, "get"),
        (Verb::Write, "put"),
        (Verb::List, "list"),
        (Verb::Scan, "scan"),
        (Verb::Delete, "delete"),
    ] {
        let answer = kv.ask(verb, "app/db", json!({"a": 1})).await;
        assert_eq!(answer.status, 404);
        assert!(
            answer.warnings[0].contains(&format!("kv {word}")),
            "{:?}",
            answer.warnings
        );
    }
    for path in [
        "data", "metadata", "delete", "undelete", "destroy", "subkeys",
    ] {
        let verb = if matches!(path, "data" | "metadata" | "subkeys") {
            Verb::Read
        } else {
            Verb::Write
        };
        let answer = kv
            .ask(verb, path, json!({"versions": [1], "data": {}}))
            .await;
        assert_eq!(answer.status, 404);
        assert_eq!(
            answer.warnings,
            ["Non-listing operations on the root of a K/V v2 mount are not supported."]
        );
    }
    assert_eq!(
        kv.delete("config").await.refusal(),
        (405, "unsupported operation")
    );
    assert_eq!(
        kv.read("undelete/a").await.refusal(),
        (405, "unsupported operation")
    );
    assert_eq!(
        kv.list("data/").await.refusal(),
        (405, "unsupported operation")
    );
    assert_eq!(kv.write("data/d/", json!({"data": {}})).await.status, 400);
}

#[tokio::test]
async fn a_mount_has_version_1_or_2_and_no_way_back() {
    use cofferdam_core::engine::Engine;
    let bench = kv().await;
    let config = |options: &[(&str, &str)]| MountConfig {
        options: options
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        ..MountConfig::default()
    };
    let mount = async |options: &[(&str, &str)]| {
        let config = config(options);
        let mounted = Engine::mount(&Kv::default(), &bench.view, &config).await;
        mounted.is_ok()
    };
    for good in [
        &[][..],
        &[("version", "")],
        &[("version", "1")],
        &[("version", "2")],
    ] {
        assert!(mount(good).await, "{good:?}");
    }
    for bad in [&[("version", "3")][..], &[("version", "2"), ("other", "x")]] {
        assert!(!mount(bad).await, "{bad:?}");
    }
    let retune = |now: &[(&str, &str)], wanted: &str| {
        let wanted = config(&[("version", wanted)]).options;
        Engine::retune(&Kv::default(), &config(now), &wanted)
            .map_err(|fault| fault.public().to_owned())
    };
    assert_eq!(retune(&[], "2"), Ok(true));
    assert_eq!(retune(&[("version", "1")], "2"), Ok(true));
    assert_eq!(retune(&[], "1"), Ok(false));
    assert_eq!(retune(&[("version", "2")], "2"), Ok(false));
    assert!(retune(&[("version", "2")], "1").is_err());
    assert!(retune(&[("version", "2")], "").is_err());
    let canary = retune(&[], "canary").unwrap_err();
    assert!(!canary.contains("canary"), "{canary}");
}

#[tokio::test]
async fn bad_settings_are_named_without_their_values() {
    let kv = kv().await;
    for (body, field) in [
        (json!({"max_versions": "canary"}), "max_versions"),
        (json!({"max_versions": -1}), "max_versions"),
        (json!({"max_versions": 5_000_000_000_u64}), "max_versions"),
        (json!({"cas_required": "canary"}), "cas_required"),
        (
            json!({"delete_version_after": "canary"}),
            "delete_version_after",
        ),
    ] {
        for path in ["config", "metadata/a"] {
            let refused = kv.write(path, body.clone()).await;
            let (status, text) = refused.refusal();
            assert!(
                status == 400 && text.starts_with(field) && !text.contains("canary"),
                "{text}"
            );
        }
    }
}
