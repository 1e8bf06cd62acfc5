//! Nothing is lost, whenever somebody stops.

use super::super::{Kv, Unversioned};
use super::{DATA, under_way};
use crate::harness::Bench;
use cofferdam_core::engine::UPGRADED;
use cofferdam_secret::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// More than a step moves, and a few that are too large to go together.
fn secrets() -> BTreeMap<String, Value> {
    let small = (0..150).map(|number| (format!("team/{}/s{number}", number % 7), number, 10));
    let large = (0..7).map(|number| (format!("z{number}"), number, 300_000));
    small
        .chain(large)
        .map(|(path, number, size)| (path, json!({"n": number, "pad": "x".repeat(size)})))
        .collect()
}

async fn filled(secrets: &BTreeMap<String, Value>) -> Bench {
    let bench = Bench::new(Unversioned, &[]).await;
    for (path, secret) in secrets {
        assert_eq!(bench.write(path, secret.clone()).await.status, 204);
    }
    begin(&bench).await;
    bench
}

/// What the transaction that changes the mount table does to the storage.
async fn begin(bench: &Bench) {
    let mark = bench.view.batch().put(UPGRADED, Secret::new(Vec::new()));
    bench.view.commit(mark).await.unwrap().ignore();
}

/// A process that upgrades until it ends or is done.
async fn run(bench: &Bench, kv: &Kv) -> bool {
    use cofferdam_core::clock::Clock as _;
    use cofferdam_core::engine::Engine as _;
    loop {
        match kv.upgrade(&bench.view, bench.clock.now()).await {
            Ok(true) => {}
            Ok(false) => return true,
            Err(_) => return false,
        }
    }
}

async fn all_there(bench: &Bench, secrets: &BTreeMap<String, Value>) {
    let keys = bench.keys().await;
    assert!(!keys.iter().any(|key| key.starts_with(DATA)));
    let records = keys.iter().filter(|key| key.starts_with("m/")).count();
    let values = keys.iter().filter(|key| key.starts_with("v/")).count();
    assert_eq!((records, values), (secrets.len(), secrets.len()));
    let after = Bench::beside(bench, Kv::default());
    for (path, secret) in secrets {
        let read = after.read(&format!("data/{path}")).await;
        assert_eq!(read.status, 200, "{path}");
        assert_eq!(&read.data["data"], secret, "{path}");
        assert_eq!(read.data["metadata"]["version"], 1, "{path}");
    }
}

#[tokio::test]
async fn whoever_ends_at_any_step_is_replaced_and_nothing_is_lost() {
    let secrets = secrets();
    for applies in [false, true] {
        let mut steps = 0;
        loop {
            let bench = filled(&secrets).await;
            bench.fuse.set(steps, applies);
            let finished = run(&bench, &Kv::default()).await;
            bench.fuse.set(usize::MAX, false);
            if !finished {
                // In between, every secret is there exactly once, in one of the two forms.
                let keys = bench.keys().await;
                let whole = keys
                    .iter()
                    .filter_map(|key| key.strip_prefix(DATA).or_else(|| key.strip_prefix("m/")));
                let mut whole: Vec<_> = whole.collect();
                whole.sort_unstable();
                assert!(whole.iter().eq(secrets.keys()), "after {steps} steps");
                assert!(run(&bench, &Kv::default()).await);
            }
            all_there(&bench, &secrets).await;
            if finished {
                break;
            }
            steps += 1;
        }
        assert!(steps >= 4, "only {steps} steps: nothing was tried");
    }
}

#[tokio::test]
async fn replicas_that_upgrade_at_once_take_steps_from_each_other_and_nothing_else() {
    let secrets = secrets();
    let bench = filled(&secrets).await;
    let (one, other, third) = (Kv::default(), Kv::default(), Kv::default());
    let run = |kv| run(&bench, kv);
    let done = futures_util::future::join3(run(&one), run(&other), run(&third)).await;
    assert_eq!(done, (true, true, true));
    all_there(&bench, &secrets).await;
}

#[tokio::test]
async fn a_request_of_before_changes_nothing_and_overlooks_nothing() {
    let bench = Bench::new(Unversioned, &[]).await;
    bench.write("a", json!({"k": "v"})).await;
    begin(&bench).await;
    let text = under_way().public().to_owned();
    let refused = (400, text.as_str());
    assert_eq!(bench.read("a").await.data, json!({"k": "v"}));
    for answer in [
        bench.write("a", json!({"k": "late"})).await,
        bench.write("b", json!({"k": "late"})).await,
        bench.delete("a").await,
        bench.read("b").await,
        bench.list("").await,
        bench.scan("").await,
    ] {
        assert_eq!(answer.refusal(), refused);
    }
    assert!(run(&bench, &Kv::default()).await);
    for answer in [
        bench.read("a").await,
        bench.write("a", json!({"k": "late"})).await,
        bench.delete("a").await,
    ] {
        assert_eq!(answer.refusal(), refused);
    }
    all_there(&bench, &[("a".to_owned(), json!({"k": "v"}))].into()).await;
}
