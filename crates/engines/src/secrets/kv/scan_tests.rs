//! What SCAN answers is what one finds who lists every directory, whole or in parts.

use super::scan::{Bounds, names_within, records_within};
use super::{Kv, Unversioned};
use crate::harness::{Answer, Bench};
use cofferdam_core::{Fault, Kind, Query};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An engine, and how its paths are written.
struct Engine {
    bench: Bench,
    data: &'static str,
    names: &'static str,
}

impl Engine {
    async fn of_version_2() -> Self {
        Self {
            bench: Bench::new(Kv::default(), &[("version", "2")]).await,
            data: "data/",
            names: "metadata/",
        }
    }

    async fn of_version_1() -> Self {
        Self {
            bench: Bench::new(Unversioned, &[]).await,
            data: "",
            names: "",
        }
    }

    async fn put(&self, path: &str) {
        let (target, body) = (format!("{}{path}", self.data), json!({"data": {"k": "v"}}));
        let written = self.bench.write(&target, body).await;
        assert!(matches!(written.status, 200 | 204), "{path}: {written:?}");
    }

    async fn scan(&self, path: &str, query: &str) -> Vec<String> {
        let target = format!("{}{path}?{query}", self.names);
        keys(&self.bench.scan(&target).await)
    }

    /// By listing each directory.
    async fn walk(&self, path: &str) -> Vec<String> {
        let mut open = vec![String::new()];
        let mut found = Vec::new();
        while let Some(below) = open.pop() {
            let at = match path {
                "" => below.clone(),
                path => format!("{path}/{below}"),
            };
            let listed = self.bench.list(&format!("{}{at}", self.names)).await;
            for name in keys(&listed) {
                let name = format!("{below}{name}");
                match name.ends_with('/') {
                    true => open.push(name),
                    false => found.push(name),
                }
            }
        }
        found.sort();
        found
    }

    /// As many at a time.
    async fn in_parts(&self, path: &str, limit: usize) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().cloned().unwrap_or_default();
            let part = self
                .scan(path, &format!("after={after}&limit={limit}"))
                .await;
            assert!(part.len() <= limit, "{part:?}");
            if part.is_empty() {
                return found;
            }
            found.extend(part);
        }
    }
}

fn keys(answer: &Answer) -> Vec<String> {
    let Some(keys) = answer.data.get("keys") else {
        // LIST says 404 where SCAN is empty.
        assert!(
            answer.status == 404 || (answer.status, &answer.data) == (200, &json!({})),
            "{answer:?}"
        );
        return Vec::new();
    };
    let keys = keys.as_array().unwrap().iter();
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// Names beside a slash in the order of bytes, and some that end where others go on.
fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "a-", "a.b", "A", "é", "z", "~"]);
    prop::collection::vec(name, 1..5).prop_map(|names| names.join("/"))
}

/// Every directory, and one that there is not.
fn places(paths: &BTreeSet<String>) -> BTreeSet<String> {
    let slashes = paths
        .iter()
        .flat_map(|path| path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
    slashes.chain([String::new(), "none".to_owned()]).collect()
}

async fn is_what_lists_say(engine: &Engine, paths: &BTreeSet<String>) {
    for path in paths {
        engine.put(path).await;
    }
    for place in places(paths) {
        let scanned = engine.scan(&place, "").await;
        assert_eq!(scanned, engine.walk(&place).await, "{place}");
        for limit in [1, 2, 7] {
            assert_eq!(engine.in_parts(&place, limit).await, scanned, "{place}");
        }
    }
    let all = engine.scan("", "").await;
    assert!(all.iter().eq(paths), "{all:?}");
}

/// The metadata of each name is what the name itself answers.
async fn details_are_those_of_each(engine: &Engine, place: &str) {
    let bench = &engine.bench;
    let detailed = bench.scan(&format!("detailed-metadata/{place}")).await;
    let names = engine.scan(place, "").await;
    assert_eq!(keys(&detailed), names);
    let infos = detailed.data["key_info"].as_object();
    assert_eq!(infos.map_or(0, serde_json::Map::len), names.len());
    for name in names {
        let at = [place, &name].into_iter().filter(|part| !part.is_empty());
        let path = at.collect::<Vec<_>>().join("/");
        let alone = bench.read(&format!("metadata/{path}")).await;
        assert_eq!(detailed.data["key_info"][&name], alone.data, "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_scan_is_what_one_finds_who_lists_every_directory(
        paths in prop::collection::btree_set(path(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            is_what_lists_say(&Engine::of_version_1().await, &paths).await;
            let second = Engine::of_version_2().await;
            is_what_lists_say(&second, &paths).await;
            for place in places(&paths) {
                details_are_those_of_each(&second, &place).await;
            }
        });
    }
}

#[tokio::test]
async fn a_tree_of_several_pages_is_whole() {
    let engine = Engine::of_version_2().await;
    let mut wanted = Vec::new();
    for number in 0..600 {
        let path = format!("t/{}/n{number:03}", number / 100);
        engine.put(&path).await;
        wanted.push(path);
    }
    assert_eq!(engine.scan("", "").await, wanted);
    assert_eq!(engine.scan("", "limit=257").await, wanted[..257]);
    assert_eq!(
        engine.scan("", "after=t/2/n255&limit=300").await,
        wanted[256..556]
    );
    let detailed = engine.bench.scan("detailed-metadata?limit=130").await;
    assert_eq!(keys(&detailed), wanted[..130]);
}

#[tokio::test]
async fn parts_that_cannot_be_are_empty_or_refused() {
    for engine in [Engine::of_version_1().await, Engine::of_version_2().await] {
        for path in ["a", "b/c", "b/d"] {
            engine.put(path).await;
        }
        let all = ["a", "b/c", "b/d"];
        for (query, wanted) in [
            ("after=", &all[..]),
            ("after=b", &all[1..]),
            ("after=b/", &all[1..]),
            ("after=b/cc", &all[2..]),
            ("after=zzz", &[]),
            ("after=../../sys", &all),
            ("after=/", &all),
            ("limit=-1", &all),
            ("limit=0", &all),
            ("limit=9223372036854775807", &all),
        ] {
            assert_eq!(engine.scan("", query).await, wanted, "{query}");
        }
        // What lies beside is not reached from below.
        assert!(engine.scan("b", "after=zzz").await.is_empty());
        assert_eq!(engine.scan("b", "after=../a").await, ["c", "d"]);
        for bad in ["canary", "1.5", "99999999999999999999"] {
            let target = format!("{}?limit={bad}", engine.names);
            let refused = engine.bench.scan(&target).await;
            let (status, text) = refused.refusal();
            assert!(status == 400 && text.starts_with("limit"), "{text}");
            assert!(!text.contains(bad), "{text}");
        }
    }
}

fn query(pairs: &[(&str, &str)]) -> Query {
    let pairs = pairs.iter();
    let pairs = pairs.map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Query::from(pairs.collect::<Vec<_>>())
}

#[tokio::test]
async fn an_answer_has_bounds_and_says_how_to_have_the_rest() {
    let engine = Engine::of_version_2().await;
    let view = &engine.bench.view;
    for path in ["a", "b", "c", "d"] {
        engine.put(path).await;
    }
    let few = Bounds {
        names: 3,
        bytes: 1 << 20,
    };
    let small = Bounds {
        names: 1000,
        bytes: 16,
    };
    for bounds in [few, small] {
        let (whole, one, three) = (
            query(&[]),
            query(&[("limit", "1")]),
            query(&[("limit", "3")]),
        );
        let refused = |fault: Fault| {
            assert_eq!(fault.kind(), Kind::Invalid);
            assert!(fault.public().contains("limit and after"), "{fault:?}");
        };
        refused(
            names_within(view, "m/", &whole, bounds)
                .await
                .err()
                .unwrap(),
        );
        refused(
            records_within(view, "m/", &whole, bounds)
                .await
                .err()
                .unwrap(),
        );
        // Of a part there is always at least one.
        assert!(names_within(view, "m/", &one, bounds).await.is_ok());
        assert!(records_within(view, "m/", &one, bounds).await.is_ok());
        let three = names_within(view, "m/", &three, bounds).await;
        assert_eq!(three.is_ok(), bounds.names == 3);
    }
}

#[tokio::test]
async fn only_what_is_there_at_all_is_in_an_answer() {
    let engine = Engine::of_version_2().await;
    for path in ["a", "b/c", "b/d"] {
        engine.put(path).await;
    }
    engine.bench.delete("data/b/c").await;
    engine
        .bench
        .write("destroy/b/d", json!({"versions": [1]}))
        .await;
    engine.bench.delete("metadata/a").await;
    // A deleted version leaves its secret, as in lists.
    assert_eq!(engine.scan("", "").await, ["b/c", "b/d"]);
    let info = engine.bench.scan("detailed-metadata").await.data;
    assert_eq!(
        info["key_info"]["b/d"]["versions"]["1"]["destroyed"],
        Value::Bool(true)
    );
}
