//! STORE-7: three replicas over one store, each with a way of its own to it that is slow and breaks:
//! what their callers saw is possible for one server that does one thing after the other.
//!
//! The checker is that of Wing and Gong (1993) with the memory of Lowe (2017), as Porcupine and Knossos
//! do it: it looks for an order of all operations that fits their beginnings and ends and the model.

use crate::house::House;
use async_trait::async_trait;
use cofferdam_core::{Kind, Verb};
use cofferdam_store::{
    Commit, Entry, Error, Event, Key, Memory, Page, Revision, Span, Store, Transaction, Watch,
};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What an operation may make of a state; nothing where what was seen is impossible.
type Step<S> = Box<dyn Fn(&S) -> Vec<S> + Send>;

/// One operation: when it began and ended, and what it would do to a state.
struct Did<S> {
    began: u64,
    /// `u64::MAX` where nobody knows whether it was done.
    ended: u64,
    step: Step<S>,
    shown: String,
}

/// Whether some order of the operations explains what was seen.
fn possible<S: Clone + Eq + Hash>(start: &S, all: &[Did<S>]) -> bool {
    assert!(all.len() <= 128, "{} operations", all.len());
    let must: u128 = all
        .iter()
        .enumerate()
        .filter(|(_, did)| did.ended != u64::MAX)
        .fold(0, |mask, (at, _)| mask | 1 << at);
    let mut seen: HashSet<(u128, S)> = HashSet::new();
    let mut open = vec![(0_u128, start.clone())];
    while let Some((done, state)) = open.pop() {
        if done & must == must {
            return true;
        }
        let left = || (0..all.len()).filter(|at| done >> at & 1 == 0);
        // Nothing can come after the end of another that is still to be done.
        let first_end = left().map(|at| all[at].ended).min().unwrap();
        for at in left().filter(|at| all[*at].began <= first_end) {
            for next in (all[at].step)(&state) {
                let next = (done | 1 << at, next);
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }
    false
}

/// A replica's own way to the store.
struct Way {
    store: Arc<Memory>,
    cut: Arc<AtomicBool>,
    dice: Mutex<u64>,
}

impl Way {
    fn roll(&self, below: u64) -> u64 {
        let mut dice = self.dice.lock().unwrap();
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        *dice % below
    }

    async fn pass(&self) -> Result<(), Error> {
        for _ in 0..self.roll(4) {
            tokio::task::yield_now().await;
        }
        match self.cut.load(Ordering::SeqCst) {
            true => Err(Error::Failed("the way is cut".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Way {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, Error> {
        self.pass().await?;
        self.store.get(key).await
    }

    async fn range(&self, span: &Span, after: Option<&Key>, limit: usize) -> Result<Page, Error> {
        self.pass().await?;
        self.store.range(span, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Commit, Error> {
        self.pass().await?;
        let done = self.store.commit(transaction).await?;
        // Done, and the answer is lost on its way.
        self.pass().await?;
        Ok(done)
    }

    async fn barrier(&self) -> Result<Revision, Error> {
        self.pass().await?;
        self.store.barrier().await
    }

    async fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, Error> {
        let inner = self.store.watch(after).await?;
        let cut = self.cut.clone();
        Ok(Box::new(Late { inner, cut }))
    }
}

/// Tells nothing while the way is cut, and all of it afterwards.
struct Late {
    inner: Box<dyn Watch>,
    cut: Arc<AtomicBool>,
}

#[async_trait]
impl Watch for Late {
    async fn next(&mut self) -> Result<Event, Error> {
        while self.cut.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.inner.next().await
    }
}

/// Three replicas, and what breaks their ways.
struct Town {
    houses: Vec<Arc<House>>,
    cuts: Vec<Arc<AtomicBool>>,
    moment: Arc<AtomicU64>,
}

impl Town {
    async fn new(seed: u64) -> Self {
        let store = Arc::new(Memory::new());
        let mut cuts = Vec::new();
        let mut way = |number: u64| -> Arc<dyn Store> {
            let cut = Arc::new(AtomicBool::new(false));
            cuts.push(cut.clone());
            Arc::new(Way {
                store: store.clone(),
                cut,
                dice: Mutex::new(seed * 31 + number + 1),
            })
        };
        let first = House::over(way(0)).await;
        let (second, third) = (way(1), way(2));
        let second = first.beside_over(second).await;
        let third = first.beside_over(third).await;
        let kv = json!({"type": "kv", "options": {"version": "2"}});
        first.write("sys/mounts/kv", kv).await;
        Self {
            houses: [first, second, third].map(Arc::new).to_vec(),
            cuts,
            moment: Arc::default(),
        }
    }

    fn now(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    /// Breaks one way after the other, shortly, until `over`.
    fn break_ways(self: &Arc<Self>, over: &Arc<AtomicBool>) -> tokio::task::JoinHandle<()> {
        let (town, over) = (self.clone(), over.clone());
        tokio::spawn(async move {
            for number in 0.. {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
                let cut = &town.cuts[number % 3];
                cut.store(true, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
                cut.store(false, Ordering::SeqCst);
            }
        })
    }

    /// Each client does its operations, one after the other, at a replica of its turn.
    async fn crowd<S: Send + 'static>(
        self: &Arc<Self>,
        clients: usize,
        each: usize,
        ask: impl AsyncAsk<S>,
    ) -> Vec<Did<S>> {
        let over = Arc::new(AtomicBool::new(false));
        let breaking = self.break_ways(&over);
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..clients {
            let (town, ask) = (self.clone(), ask.clone());
            tasks.spawn(async move {
                let mut all = Vec::new();
                for turn in 0..each {
                    all.extend(ask.ask(&town, client, turn).await);
                }
                all
            });
        }
        let all = tasks.join_all().await.into_iter().flatten().collect();
        over.store(true, Ordering::SeqCst);
        breaking.await.unwrap();
        all
    }
}

#[async_trait]
trait AsyncAsk<S>: Clone + Send + Sync + 'static {
    async fn ask(&self, town: &Town, client: usize, turn: usize) -> Option<Did<S>>;
}

/// Whether it was refused because of the store, so that nobody knows.
fn unknown(fault: Option<Kind>) -> bool {
    matches!(fault, Some(Kind::Internal | Kind::Unavailable))
}

/// A secret with check-and-set: its version, and who wrote it.
type Secret = (u64, u64);

#[derive(Clone)]
struct CheckAndSet(&'static str);

#[async_trait]
impl AsyncAsk<Secret> for CheckAndSet {
    async fn ask(&self, town: &Town, client: usize, turn: usize) -> Option<Did<Secret>> {
        let house = &town.houses[(client + turn) % 3];
        let path = format!("kv/data/{}", self.0);
        let began = town.now();
        let read = house
            .call(Verb::Read, &path, &house.root, Value::Null)
            .await;
        if (client + turn).is_multiple_of(2) || unknown(read.fault) {
            let ended = town.now();
            if unknown(read.fault) {
                return None;
            }
            let data = &read.body["data"];
            let seen = (
                data["metadata"]["version"].as_u64().unwrap_or(0),
                data["data"]["by"].as_u64().unwrap_or(0),
            );
            return Some(Did {
                began,
                ended,
                step: Box::new(move |state| Vec::from_iter((*state == seen).then_some(seen))),
                shown: format!("read {seen:?}"),
            });
        }
        let expected = read.body["data"]["metadata"]["version"]
            .as_u64()
            .unwrap_or(0);
        let by = (client * 1000 + turn + 1) as u64;
        let began = town.now();
        let body = json!({"data": {"by": by}, "options": {"cas": expected}});
        let wrote = house.call(Verb::Write, &path, &house.root, body).await;
        let ended = town.now();
        let version = wrote.body["data"]["version"].as_u64();
        let next = (expected + 1, by);
        let fault = wrote.fault;
        Some(Did {
            began,
            ended: if unknown(fault) { u64::MAX } else { ended },
            step: Box::new(move |state| match (fault, state.0 == expected) {
                (None, true) if version == Some(next.0) => vec![next],
                (None, _) => vec![],
                (Some(Kind::Invalid), fits) => Vec::from_iter((!fits).then_some(*state)),
                // Done or not; later or never.
                (_, true) => vec![next, *state],
                (_, false) => vec![*state],
            }),
            shown: format!("write {next:?}: {fault:?}"),
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn check_and_set_is_linearizable_over_three_replicas_whose_ways_break() {
    let (mut written, mut lost) = (0, 0);
    for round in 0..8 {
        let town = Arc::new(Town::new(round + 7).await);
        let history = town.crowd(5, 24, CheckAndSet("a")).await;
        lost += history.iter().filter(|did| did.ended == u64::MAX).count();
        written += history
            .iter()
            .filter(|did| did.shown.starts_with("write") && did.shown.ends_with("None"))
            .count();
        let shown: Vec<_> = history
            .iter()
            .map(|did| (did.began, did.ended, &did.shown))
            .collect();
        assert!(possible(&(0, 0), &history), "round {round}: {shown:#?}");
    }
    assert!(
        written > 40 && lost > 0,
        "{written} written, {lost} unknown"
    );
}

/// A token that is revoked, or a policy that is taken away and given again: whether it opens.
#[derive(Clone)]
struct Opens {
    token: String,
    /// Of a token, once; of a policy, again and again.
    policy: bool,
}

#[async_trait]
impl AsyncAsk<bool> for Opens {
    async fn ask(&self, town: &Town, client: usize, turn: usize) -> Option<Did<bool>> {
        let house = &town.houses[(client + turn) % 3];
        let began = town.now();
        // Again and again, since nobody knows of one that broke whether it was done.
        let changes = client == 0 && (self.policy || turn >= 8 && turn.is_multiple_of(2));
        if !changes {
            let path = "kv/data/a";
            let read = house.call(Verb::Read, path, &self.token, Value::Null).await;
            let ended = town.now();
            let open = read.fault != Some(Kind::Denied);
            if unknown(read.fault) {
                return None;
            }
            return Some(Did {
                began,
                ended,
                step: Box::new(move |state| Vec::from_iter((*state == open).then_some(open))),
                shown: format!("open: {open}"),
            });
        }
        let opens = self.policy && turn % 2 == 1;
        let (path, body) = match (self.policy, opens) {
            (true, true) => ("sys/policies/acl/reader", json!({ "policy": READER })),
            (true, false) => ("sys/policies/acl/reader", json!({"policy": "# nothing"})),
            _ => ("auth/token/revoke", json!({"token": self.token})),
        };
        let done = house.call(Verb::Write, path, &house.root, body).await;
        let ended = town.now();
        let fault = done.fault;
        Some(Did {
            began,
            ended: if unknown(fault) { u64::MAX } else { ended },
            step: Box::new(move |state| match fault {
                None => vec![opens],
                _ => vec![opens, *state],
            }),
            shown: format!("opens: {opens}: {fault:?}"),
        })
    }
}

const READER: &str = r#"path "kv/data/a" { capabilities = ["read"] }"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn revocation_and_policies_are_linearizable_over_three_replicas_whose_ways_break() {
    for policy in [false, true] {
        let mut changed = 0;
        for round in 0..6 {
            let town = Arc::new(Town::new(round + 70).await);
            let root = &town.houses[0];
            root.write("sys/policies/acl/reader", json!({ "policy": READER }))
                .await;
            let token = root.token(json!({"policies": ["reader"]})).await;
            let history = town.crowd(5, 24, Opens { token, policy }).await;
            let seen = |text: &str| history.iter().filter(|did| did.shown == text).count();
            // Not in every round: each change may be lost on its way, or come after everybody has asked.
            changed += u32::from(seen("open: true") > 0 && seen("open: false") > 0);
            let shown: Vec<_> = history
                .iter()
                .map(|did| (did.began, did.ended, &did.shown))
                .collect();
            assert!(possible(&true, &history), "round {round}: {shown:#?}");
        }
        assert!(changed > 0, "nothing changed");
    }
}

/// The checker itself: a stale read, a lost write and a revoked token that opens are seen.
#[test]
fn a_history_that_cannot_be_is_told_from_one_that_can() {
    let set = |began, ended, to: u8| Did {
        began,
        ended,
        step: Box::new(move |_: &u8| vec![to]),
        shown: String::new(),
    };
    let read = |began, ended, of: u8| Did {
        began,
        ended,
        step: Box::new(move |state: &u8| Vec::from_iter((*state == of).then_some(of))),
        shown: String::new(),
    };
    let cases: [(Vec<Did<u8>>, bool); 7] = [
        (vec![set(0, 1, 5), read(2, 3, 5)], true),
        (vec![set(0, 1, 5), read(2, 3, 0)], false),
        (vec![set(0, 3, 5), read(1, 2, 0), read(4, 5, 5)], true),
        (vec![set(0, 5, 5), read(1, 2, 5), read(3, 4, 0)], false),
        (
            vec![
                set(0, 1, 5),
                set(2, u64::MAX, 6),
                read(3, 4, 6),
                read(5, 6, 5),
            ],
            false,
        ),
        (
            vec![
                set(0, 1, 5),
                set(2, u64::MAX, 6),
                read(3, 4, 5),
                read(5, 6, 6),
            ],
            true,
        ),
        (vec![set(0, 1, 5), set(2, u64::MAX, 6), read(3, 4, 5)], true),
    ];
    for (number, (history, good)) in cases.iter().enumerate() {
        assert_eq!(possible(&0, history), *good, "case {number}");
    }
}
