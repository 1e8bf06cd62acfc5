//! STORE-7 and STORE-8: clocks that jump, and leases in masses.

use crate::house::House;
use async_trait::async_trait;
use cofferdam_core::{Kind, Verb};
use cofferdam_store::{
    Commit, Entry, Error, Key, Memory, Page, Revision, Span, Store, Transaction, Watch,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const YEAR: Duration = Duration::from_hours(365 * 24);

async fn works(house: &House, token: &str) -> bool {
    let path = "auth/token/lookup-self";
    let answered = house.call(Verb::Read, path, token, Value::Null).await;
    assert!(
        matches!(answered.fault, None | Some(Kind::Denied)),
        "{}",
        answered.text
    );
    answered.fault.is_none()
}

/// Every route is asked for what it shows: none fails inside.
async fn everything_answers(house: &House) {
    for served in house.served().await {
        if matches!(served.row.verb, Verb::Read | Verb::List) {
            let path = &served.path;
            let asked = house
                .call(served.row.verb, path, &house.root, Value::Null)
                .await;
            assert_ne!(asked.fault, Some(Kind::Internal), "{path}: {}", asked.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_a_year_brings_nothing_back_and_breaks_nothing() {
    let first = House::full().await;
    let second = first.beside().await;
    let revoked = first
        .token(json!({"policies": ["default"], "ttl": "1h"}))
        .await;
    let used = first
        .token(json!({"policies": ["default"], "num_uses": 1}))
        .await;
    let short = first
        .token(json!({"policies": ["default"], "ttl": "1h"}))
        .await;
    let batch = json!({"policies": ["default"], "ttl": "1h", "type": "batch"});
    let batch = first.token(batch).await;
    let user = json!({"password": "right"});
    first.write("auth/userpass/users/ann", user.clone()).await;
    first.write("kv2/data/a", json!({"data": {"n": 1}})).await;
    first.write("transit/keys/k", json!({})).await;
    assert!(works(&second, &used).await);
    first
        .write("auth/token/revoke", json!({ "token": revoked }))
        .await;
    // One replica is a year behind, then a year ahead, then as before.
    for (turn, back) in [true, false].into_iter().enumerate() {
        match back {
            true => second.clock.put_back(YEAR),
            false => second.clock.advance(YEAR),
        }
        everything_answers(&second).await;
        for house in [&second, &first] {
            assert!(!works(house, &revoked).await && !works(house, &used).await);
        }
        // A stopped clock is no reason to let a token live for longer elsewhere.
        assert_eq!(works(&second, &batch).await, back);
        let wrote = second
            .write("kv2/data/a", json!({"data": {"n": turn}}))
            .await;
        assert_eq!(wrote["data"]["version"], turn + 2, "versions go on");
        second.write("transit/keys/k/rotate", json!({})).await;
        let login = second
            .call(Verb::Write, "auth/userpass/login/ann", "", user.clone())
            .await;
        assert_eq!(login.fault, None, "{}", login.text);
        let issued = login.body["auth"]["client_token"].as_str().unwrap();
        assert!(works(&second, issued).await);
        match back {
            true => second.clock.advance(YEAR),
            false => second.clock.put_back(YEAR),
        }
        everything_answers(&first).await;
        assert!(!works(&first, &revoked).await && !works(&first, &used).await);
    }
    let listed = first.read("kv2/metadata/a").await;
    assert_eq!(listed["data"]["current_version"], 3);
    // What has ended stays so: its time is over on both, and turning both back does not undo a sweep.
    for house in [&first, &second] {
        house.clock.advance(Duration::from_hours(2));
    }
    assert!(!works(&first, &short).await && !works(&second, &short).await);
    first.write("sys/leases/tidy", json!({})).await;
    for house in [&first, &second] {
        house.clock.put_back(YEAR);
        assert!(!works(house, &short).await && !works(house, &revoked).await);
        everything_answers(house).await;
    }
}

/// Counts what is read.
struct Counting(Memory, AtomicUsize);

#[async_trait]
impl Store for Counting {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, Error> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.get(key).await
    }

    async fn range(&self, span: &Span, after: Option<&Key>, limit: usize) -> Result<Page, Error> {
        let page = self.0.range(span, after, limit).await?;
        self.1.fetch_add(1 + page.entries.len(), Ordering::SeqCst);
        Ok(page)
    }

    async fn commit(&self, transaction: Transaction) -> Result<Commit, Error> {
        self.0.commit(transaction).await
    }

    async fn barrier(&self) -> Result<Revision, Error> {
        self.0.barrier().await
    }

    async fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, Error> {
        self.0.watch(after).await
    }
}

async fn leases(house: &House, count: usize) -> Vec<String> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let some = (count - all.len()).min(64);
        let body = json!({"policies": ["default"], "ttl": "1h"});
        all.extend(join_all((0..some).map(|_| house.token(body.clone()))).await);
    }
    all
}

/// What is read before the first answer does not grow with the leases that there are: so a start with a
/// million of them costs what one with ten does.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_reads_no_more_with_many_leases_than_with_few() {
    let store = Arc::new(Counting(Memory::new(), AtomicUsize::new(0)));
    let house = House::over(store.clone()).await;
    let mut costs = Vec::new();
    for more in [10, 1500] {
        leases(&house, more).await;
        let before = store.1.load(Ordering::SeqCst);
        let replica = house.beside().await;
        replica.read("auth/token/lookup-self").await;
        costs.push(store.1.load(Ordering::SeqCst) - before);
        replica.vault.shutdown().await;
    }
    // The sweep of a second's end may fall into one of them.
    assert!(costs[1] < costs[0] + 100, "{costs:?}");
}

async fn left(house: &House) -> usize {
    let path = "auth/token/accessors";
    let listed = house.call(Verb::List, path, &house.root, Value::Null).await;
    listed.body["data"]["keys"].as_array().map_or(0, Vec::len)
}

/// Waits for the background until so many tokens are left; `meanwhile` goes on.
async fn until(house: &House, count: usize, mut meanwhile: impl AsyncFnMut()) {
    let began = Instant::now();
    while left(house).await > count {
        meanwhile().await;
        assert!(began.elapsed() < Duration::from_mins(2), "they never end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Thousands that end in the same second end one after the other, by the same one task, while others
/// are served; none of them is accepted meanwhile, whether it was swept or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_leases_that_end_at_once_hold_nobody_up() {
    let house = House::empty().await;
    let tokens = leases(&house, 3000).await;
    assert_eq!(left(&house).await, 3001);
    let runtime = tokio::runtime::Handle::current().metrics();
    let (before, mut most) = (runtime.num_alive_tasks(), 0);
    let mut longest = Duration::ZERO;
    house.clock.advance(Duration::from_hours(1));
    until(&house, 1, async || {
        for token in tokens.iter().step_by(500) {
            let asked = Instant::now();
            assert!(!works(&house, token).await, "its time is over");
            longest = longest.max(asked.elapsed());
        }
        house.read("sys/mounts").await;
        most = most.max(runtime.num_alive_tasks());
    })
    .await;
    assert!(
        longest < Duration::from_secs(5),
        "an answer took {longest:?}"
    );
    assert!(most <= before + 4, "{before} tasks became {most}");
}

/// A record that does not read is tried again, and holds up no other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_ended_holds_up_no_other() {
    let house = House::empty().await;
    let before = house.stored().await;
    let tokens = leases(&house, 100).await;
    let entries = house.stored().await.into_keys();
    let mut entries: Vec<_> = entries
        .filter(|key| key.starts_with("data/token/id/") && !before.contains_key(key))
        .collect();
    assert_eq!(entries.len(), 100);
    // All have the same end, and go in the order of their names: the first few are damaged.
    entries.sort();
    for key in entries.iter().take(5) {
        let damage = Transaction::new().put(Key::from(key.clone()), b"damaged".to_vec());
        let _ = house.store.commit(damage).await.unwrap();
    }
    house.clock.advance(Duration::from_hours(1));
    until(&house, 6, async || ()).await;
    for token in &tokens {
        let asked = house
            .call(Verb::Read, "auth/token/lookup-self", token, Value::Null)
            .await;
        assert!(asked.fault.is_some());
    }
}
