//! Any sequence of requests has the outcome of a model that fits on one page.

use super::Kv;
use crate::harness::{Answer, Bench};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request of the property.
#[derive(Clone, Debug)]
enum Step {
    Put { path: usize, cas: Option<u64> },
    Patch { path: usize },
    Delete { path: usize },
    DeleteVersions { path: usize, versions: Vec<u64> },
    Undelete { path: usize, versions: Vec<u64> },
    Destroy { path: usize, versions: Vec<u64> },
    Purge { path: usize },
    MaxOfSecret { path: usize, max: u64 },
    MaxOfMount { max: u64 },
}

/// Nested names, so that one's storage is not another's.
const PATHS: [&str; 3] = ["a", "a/1", "b"];

#[derive(Clone, Default)]
struct Version {
    value: BTreeMap<String, u64>,
    deleted: bool,
    destroyed: bool,
}

#[derive(Clone, Default)]
struct Secret {
    current: u64,
    oldest: u64,
    max: u64,
    versions: BTreeMap<u64, Version>,
}

#[derive(Default)]
struct Model {
    secrets: BTreeMap<usize, Secret>,
    max: u64,
    /// Makes each written value another.
    serial: u64,
}

impl Model {
    fn append(&mut self, path: usize, value: BTreeMap<String, u64>) {
        let mount_max = self.max;
        let secret = self.secrets.entry(path).or_default();
        secret.current += 1;
        secret.versions.insert(
            secret.current,
            Version {
                value,
                ..Version::default()
            },
        );
        let max = match secret.max.max(mount_max) {
            0 => 10,
            max => max,
        };
        if secret.current - secret.oldest >= max {
            secret.oldest = secret.current - max + 1;
            secret.versions = secret.versions.split_off(&secret.oldest);
        }
    }

    fn newest_alive(&self, path: usize) -> Option<&Version> {
        let secret = self.secrets.get(&path)?;
        secret
            .versions
            .get(&secret.current)
            .filter(|version| !version.deleted && !version.destroyed)
    }

    fn each(&mut self, path: usize, versions: &[u64], change: impl Fn(&mut Version)) {
        for number in versions {
            let secret = self.secrets.get_mut(&path);
            if let Some(version) = secret.and_then(|secret| secret.versions.get_mut(number)) {
                change(version);
            }
        }
    }

    /// The status the server must answer.
    fn apply(&mut self, step: &Step) -> u16 {
        self.serial += 1;
        let value = BTreeMap::from([("value".to_owned(), self.serial)]);
        match step {
            Step::Put { path, cas } => {
                let current = self.secrets.get(path).map_or(0, |secret| secret.current);
                if cas.is_some_and(|cas| cas != current) {
                    return 400;
                }
                self.append(*path, value);
                200
            }
            Step::Patch { path } => {
                let Some(before) = self.newest_alive(*path) else {
                    return 404;
                };
                let mut after = before.value.clone();
                after.insert(format!("patch{}", self.serial % 3), self.serial);
                self.append(*path, after);
                200
            }
            Step::Delete { path } => {
                let current = self.secrets.get(path).map_or(0, |secret| secret.current);
                self.each(*path, &[current], |version| {
                    version.deleted |= !version.destroyed
                });
                204
            }
            Step::DeleteVersions { path, versions } => {
                self.each(*path, versions, |version| {
                    version.deleted |= !version.destroyed
                });
                204
            }
            Step::Undelete { path, versions } => {
                self.each(*path, versions, |version| {
                    version.deleted &= version.destroyed
                });
                204
            }
            Step::Destroy { path, versions } => {
                self.each(*path, versions, |version| version.destroyed = true);
                204
            }
            Step::Purge { path } => {
                self.secrets.remove(path);
                204
            }
            Step::MaxOfSecret { path, max } => {
                self.secrets.entry(*path).or_default().max = *max;
                204
            }
            Step::MaxOfMount { max } => {
                self.max = *max;
                204
            }
        }
    }
}

async fn send(kv: &Bench, step: &Step, serial: u64) -> Answer {
    match step {
        Step::Put { path, cas } => {
            let options = cas.map_or(json!({}), |cas| json!({"cas": cas}));
            kv.write(
                &format!("data/{}", PATHS[*path]),
                json!({"data": {"value": serial}, "options": options}),
            )
            .await
        }
        Step::Patch { path } => {
            let name = format!("patch{}", serial % 3);
            kv.patch(
                &format!("data/{}", PATHS[*path]),
                json!({"data": {name: serial}}),
            )
            .await
        }
        Step::Delete { path } => kv.delete(&format!("data/{}", PATHS[*path])).await,
        Step::DeleteVersions { path, versions } => list(kv, "delete", *path, versions).await,
        Step::Undelete { path, versions } => list(kv, "undelete", *path, versions).await,
        Step::Destroy { path, versions } => list(kv, "destroy", *path, versions).await,
        Step::Purge { path } => kv.delete(&format!("metadata/{}", PATHS[*path])).await,
        Step::MaxOfSecret { path, max } => {
            kv.write(
                &format!("metadata/{}", PATHS[*path]),
                json!({"max_versions": max}),
            )
            .await
        }
        Step::MaxOfMount { max } => kv.write("config", json!({"max_versions": max})).await,
    }
}

async fn list(kv: &Bench, what: &str, path: usize, versions: &[u64]) -> Answer {
    kv.write(
        &format!("{what}/{}", PATHS[path]),
        json!({"versions": versions}),
    )
    .await
}

/// Everything that can be read equals the model.
async fn check(kv: &Bench, model: &Model) {
    let mut live = 0;
    for (index, path) in PATHS.iter().enumerate() {
        let meta = kv.read(&format!("metadata/{path}")).await;
        let Some(secret) = model.secrets.get(&index) else {
            assert_eq!(meta.status, 404);
            assert_eq!(kv.read(&format!("data/{path}")).await.status, 404);
            continue;
        };
        assert_eq!(meta.data["current_version"], secret.current);
        assert_eq!(meta.data["oldest_version"], secret.oldest);
        let numbers: Vec<u64> = meta.data["versions"]
            .as_object()
            .unwrap()
            .keys()
            .map(|n| n.parse().unwrap())
            .collect();
        assert!(numbers.iter().eq(secret.versions.keys()), "{numbers:?}");
        for number in 1..=secret.current + 1 {
            let read = kv.read(&format!("data/{path}?version={number}")).await;
            match secret.versions.get(&number) {
                None => assert_eq!((read.status, &read.data), (404, &Value::Null)),
                Some(version) if version.deleted || version.destroyed => {
                    assert_eq!((read.status, &read.data["data"]), (404, &Value::Null));
                    assert_eq!(read.data["metadata"]["destroyed"], version.destroyed);
                }
                Some(version) => assert_eq!(read.data["data"], json!(version.value)),
            }
        }
        live += secret
            .versions
            .values()
            .filter(|version| !version.destroyed)
            .count();
    }
    // Nothing is left in storage that no record names.
    let keys = kv.keys().await;
    assert_eq!(
        keys.iter().filter(|key| key.starts_with("v/")).count(),
        live
    );
    assert!(!keys.iter().any(|key| key.starts_with("gone/")));
}

fn step() -> impl Strategy<Value = Step> {
    let path = || 0..PATHS.len();
    let versions = || prop::collection::vec(0_u64..12, 1..4);
    prop_oneof![
        6 => (path(), prop::option::of(0_u64..6)).prop_map(|(path, cas)| Step::Put { path, cas }),
        2 => path().prop_map(|path| Step::Patch { path }),
        1 => path().prop_map(|path| Step::Delete { path }),
        1 => (path(), versions()).prop_map(|(path, versions)| Step::DeleteVersions { path, versions }),
        1 => (path(), versions()).prop_map(|(path, versions)| Step::Undelete { path, versions }),
        1 => (path(), versions()).prop_map(|(path, versions)| Step::Destroy { path, versions }),
        1 => path().prop_map(|path| Step::Purge { path }),
        1 => (path(), 0_u64..5).prop_map(|(path, max)| Step::MaxOfSecret { path, max }),
        1 => (0_u64..5).prop_map(|max| Step::MaxOfMount { max }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_sequence_of_requests_has_the_outcome_of_the_model(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let kv = Bench::new(Kv::default(), &[("version", "2")]).await;
            let mut model = Model::default();
            for step in &steps {
                let expected = model.apply(step);
                let answer = send(&kv, step, model.serial).await;
                assert_eq!(answer.status, expected, "{step:?}: {answer:?}");
                check(&kv, &model).await;
            }
        });
    }
}
