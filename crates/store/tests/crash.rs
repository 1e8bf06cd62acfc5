//! Kill -9 in the middle of writes: no acknowledged write lost, no half-written version seen.
//!
//! This test starts itself as the writer, in a process of its own, and kills that at a random
//! moment. The writer tells each acknowledged number on its standard output only after the store
//! acknowledged it, so whatever was read there must be in the store afterwards.
//!
//! `COFFERDAM_CRASHES` sets the number of kills (60 without it, 1000 in CI).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells its figures"
)]

use bytes::Bytes;
use cofferdam_store::embedded::Options;
use cofferdam_store::{Commit, Embedded, Key, Span, Store, Transaction};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Tells the started process that it is the writer, and where.
const WRITER: &str = "COFFERDAM_CRASH_WRITER";
/// Writers at once in a process, so that groups of transactions are killed as well as single ones.
const LANES: u64 = 4;
/// Keys of one transaction.
const WIDTH: u64 = 5;

fn open(place: &Path) -> Arc<Embedded> {
    Arc::new(Embedded::open(place, Options::default()).unwrap())
}

fn lane_key(lane: u64, at: u64) -> Key {
    Key::from(format!("lane/{lane}/{at}"))
}

/// All keys of a lane get the same number, with a value whose length varies with it.
fn write(lane: u64, number: u64) -> Transaction {
    let mut transaction = Transaction::new();
    for at in 0..WIDTH {
        let pad = usize::try_from((number * 797 + at * 131) % 6000).unwrap();
        let mut value = number.to_be_bytes().to_vec();
        value.resize(8 + pad, number.to_be_bytes()[7]);
        transaction = transaction.put(lane_key(lane, at), value);
    }
    // Grows and shrinks the tree, so that pages are split, merged and freed.
    let own = |number: u64| Key::from(format!("grow/{lane}/{}", number % 97));
    transaction
        .put(own(number), Bytes::from(vec![0; 600]))
        .delete(own(number * 31 + 7))
}

/// The number of a lane; panics when the transaction that wrote it is only half there.
async fn read(store: &Embedded, lane: u64) -> u64 {
    let prefix = format!("lane/{lane}/");
    let span = Span::prefix(prefix.as_bytes());
    let page = store.range(&span, None, 99).await.unwrap();
    if page.entries.is_empty() {
        return 0;
    }
    assert_eq!(
        page.entries.len() as u64,
        WIDTH,
        "a transaction is half there"
    );
    let number = |value: &[u8]| u64::from_be_bytes(value[..8].try_into().unwrap());
    let first = number(&page.entries[0].value);
    let expected = write(lane, first);
    for (entry, write) in page.entries.iter().zip(&expected.writes) {
        let cofferdam_store::Write::Put(key, value) = write else {
            panic!("the first writes are puts")
        };
        assert_eq!(&entry.key, key);
        assert!(entry.value == *value, "a transaction is half there");
        assert_eq!(entry.revision, page.entries[0].revision);
    }
    first
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The process that gets killed.
async fn write_until_killed(place: &Path) {
    let store = open(place);
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let store = Arc::clone(&store);
        lanes.spawn(async move {
            for number in read(&store, lane).await + 1.. {
                let done = store.commit(write(lane, number)).await.unwrap();
                assert!(matches!(done, Commit::Done(_)));
                // One write call: a line is told whole or not at all.
                let line = format!("{lane} {number}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    lanes.join_all().await;
}

/// As a test of this binary, so that the writer needs no binary of its own. Does nothing unless
/// started by the other test.
#[test]
fn writer() {
    if let Some(place) = std::env::var_os(WRITER) {
        runtime().block_on(write_until_killed(Path::new(&place)));
    }
}

fn start(place: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture", "--test-threads=1"])
        .env(WRITER, place)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// When the writer is killed.
#[derive(Clone, Copy)]
enum Moment {
    /// So long after its start: in start-up, in the making of the store, in recovery.
    Early(Duration),
    /// So long after its first acknowledgement, however slow the machine is.
    Writing(Duration),
}

/// Kills the writer at `moment` and returns the last number told for each lane.
fn kill(mut child: Child, moment: Moment) -> [u64; LANES as usize] {
    let told = child.stdout.take().unwrap();
    let (tell, first) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut last = [0; LANES as usize];
        for line in BufReader::new(told).lines() {
            // The test harness writes lines of its own.
            if let Ok(line) = line
                && let Some((lane, number)) = line.split_once(' ')
                && let (Ok(lane), Ok(number)) = (lane.parse::<usize>(), number.parse())
            {
                last[lane] = number;
                let _ = tell.send(());
            }
        }
        last
    });
    // The moment of the kill is the input of this test, not a wait for something.
    std::thread::sleep(match moment {
        Moment::Early(life) => life,
        Moment::Writing(life) => {
            let patience = Duration::from_secs(60);
            first
                .recv_timeout(patience)
                .expect("nothing is ever written");
            life
        }
    });
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(
        !status.success() && status.code().is_none(),
        "it died by itself: {status}"
    );
    reader.join().unwrap()
}

/// Random enough to hit every phase: xorshift, seeded from the system and told on failure.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[test]
fn killed_writers_lose_nothing_acknowledged() {
    let crashes: u32 = match std::env::var("COFFERDAM_CRASHES") {
        Ok(count) => count.parse().unwrap(),
        Err(_) => 60,
    };
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), crashes) | 1;
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let root = tempfile::tempdir().unwrap();
    let (mut written, mut early) = (0, 0);
    // A new store every so often, so that its making is killed as well.
    for round in 0..crashes {
        let place = root.path().join(format!("{}", round / 25));
        let child = start(&place);
        let moment = match dice.roll(4) {
            0 => Moment::Early(Duration::from_micros(dice.roll(20_000))),
            _ => Moment::Writing(Duration::from_micros(dice.roll(50_000))),
        };
        let told = kill(child, moment);
        early += u32::from(told == [0; LANES as usize]);
        let found = runtime().block_on(async {
            let store = open(&place);
            let mut found = [0; LANES as usize];
            for lane in 0..LANES {
                found[lane as usize] = read(&store, lane).await;
            }
            found
        });
        for (lane, (found, told)) in found.iter().zip(told).enumerate() {
            assert!(
                *found >= told,
                "lane {lane}: {told} acknowledged, {found} found"
            );
        }
        if round % 25 == 24 || round + 1 == crashes {
            written += found.iter().sum::<u64>();
            std::fs::remove_dir_all(&place).unwrap();
        }
    }
    println!("{crashes} kills, {early} before the first acknowledgement, {written} writes in all");
    assert!(early < crashes, "nothing was ever written");
}
