//! Figures of the embedded store: durable commits at 1 and 64 writers, point reads, opening.
//!
//! `cargo run --profile fast -p cofferdam-store --example store_speed [DIRECTORY]`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people who measure; it ends with its first error"
)]

use cofferdam_store::embedded::Options;
use cofferdam_store::{Embedded, Key, Store, Transaction};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const WHILE: Duration = Duration::from_secs(3);
const KEYS: usize = 10_000;

fn key(number: usize) -> Key {
    Key::from(format!("data/secret/{}", number % KEYS))
}

fn open(place: &Path) -> Arc<Embedded> {
    Arc::new(Embedded::open(place, Options::default()).unwrap())
}

async fn fill(store: &Embedded) {
    for block in (0..KEYS).collect::<Vec<_>>().chunks(500) {
        let write = |transaction: Transaction, &number: &usize| {
            transaction.put(key(number), vec![7_u8; 300])
        };
        let transaction = block.iter().fold(Transaction::new(), write);
        let _ = store.commit(transaction).await.unwrap();
    }
}

/// Commits a second, by this many writers of one key each.
async fn commits(store: &Arc<Embedded>, writers: usize) -> f64 {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut count = 0_usize;
            while begun.elapsed() < WHILE {
                let at = key(writer * 131 + count * 7919);
                let transaction = Transaction::new().put(at, vec![7_u8; 300]);
                let _ = store.commit(transaction).await.unwrap();
                count += 1;
            }
            count
        });
    }
    let total: usize = tasks.join_all().await.into_iter().sum();
    total as f64 / begun.elapsed().as_secs_f64()
}

async fn reads(store: &Embedded) -> f64 {
    let (begun, mut count) = (Instant::now(), 0_usize);
    while begun.elapsed() < WHILE {
        for _ in 0..100 {
            assert!(store.get(&key(count * 7919)).await.unwrap().is_some());
            count += 1;
        }
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap_or_default().to_owned()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let root = std::env::args()
        .nth(1)
        .map_or(std::env::temp_dir(), PathBuf::from);
    let place = root.join(format!("cofferdam-store-speed-{}", std::process::id()));
    let begun = Instant::now();
    let store = open(&place);
    println!("make      {:>12.2} ms", begun.elapsed().as_secs_f64() * 1e3);
    fill(&store).await;
    for writers in [1, 16, 64] {
        let rate = commits(&store, writers).await;
        println!("commits   {rate:>12.0} /s   {writers} writers, 300 bytes, durable");
    }
    println!(
        "reads     {:>12.0} /s   {KEYS} keys, one task",
        reads(&store).await
    );
    drop(store);
    let begun = Instant::now();
    let store = open(&place);
    println!("open      {:>12.2} ms", begun.elapsed().as_secs_f64() * 1e3);
    println!("resident  {}", resident());
    drop(store);
    std::fs::remove_dir_all(&place).unwrap();
}
