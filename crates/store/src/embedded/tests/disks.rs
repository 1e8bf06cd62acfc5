//! Disks that fail: full, broken on write, broken on flush.

use super::super::disk::{Act, Layer};
use super::super::*;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

fn key(text: &str) -> Key {
    Key::from(text)
}

fn write(number: usize) -> Transaction {
    let pad = vec![b'x'; 3000];
    (0..3).fold(Transaction::new(), |transaction, at| {
        let value = [number.to_string().as_bytes(), b" ", &pad].concat();
        transaction.put(key(&format!("all/{at}")), value)
    })
}

async fn read(store: &Embedded) -> Option<usize> {
    let page = store.range(&Span::prefix(b"all/"), None, 9).await.unwrap();
    let number = |entry: &Entry| {
        let text = std::str::from_utf8(&entry.value).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let numbers: Vec<usize> = page.entries.iter().map(number).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] == pair[1]),
        "a transaction is half there: {numbers:?}"
    );
    numbers.first().copied()
}

fn start(place: &Path, layer: Layer) -> Result<Embedded, Error> {
    Embedded::start(Directory::open(place)?, Options::default(), layer)
}

/// The `at`-th act after arming fails, and only this one, or all from it on until healed.
struct Failing {
    armed: Arc<AtomicBool>,
    healed: Arc<AtomicBool>,
}

fn failing(at: usize, code: i32, lasting: bool) -> (Layer, Failing) {
    let state = Failing {
        armed: Arc::new(AtomicBool::new(false)),
        healed: Arc::new(AtomicBool::new(false)),
    };
    let (armed, healed) = (Arc::clone(&state.armed), Arc::clone(&state.healed));
    let count = AtomicUsize::new(0);
    let layer = Layer::new(move |_| {
        if !armed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        let fails = number == at || (lasting && number > at);
        if fails && !healed.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(code));
        }
        Ok(())
    });
    (layer, state)
}

impl Failing {
    fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    fn heal(&self) {
        self.healed.store(true, Ordering::SeqCst);
    }
}

/// Writes 1, 2, 3, …; returns the last acknowledged number, and whether any was refused.
async fn hammer(store: &Embedded, from: usize, to: usize) -> (usize, bool) {
    let (mut acknowledged, mut refused) = (from - 1, false);
    for number in from..=to {
        match store.commit(write(number)).await {
            Ok(Commit::Done(_)) => acknowledged = number,
            Ok(Commit::Conflict) => panic!("no condition was given"),
            Err(Error::Failed(_)) => refused = true,
            Err(other) => panic!("{other}"),
        }
    }
    (acknowledged, refused)
}

#[tokio::test]
async fn store_whose_making_failed_is_made_at_the_next_start() {
    let mut failures = 0;
    for at in 0.. {
        let root = tempfile::tempdir().unwrap();
        let (layer, disk) = failing(at, ENOSPC, true);
        disk.arm();
        match start(root.path(), layer) {
            Ok(_) => break,
            Err(Error::Failed(_)) => failures += 1,
            Err(other) => panic!("{other}"),
        }
        let store = start(root.path(), Layer::default()).unwrap();
        assert_eq!(hammer(&store, 1, 2).await, (2, false));
    }
    assert!(failures > 3, "nothing failed");
}

#[tokio::test]
async fn one_failure_at_any_point_costs_only_what_was_refused() {
    for code in [ENOSPC, EIO] {
        for at in 0..60 {
            let root = tempfile::tempdir().unwrap();
            let (layer, disk) = failing(at, code, false);
            disk.arm();
            let store = match start(root.path(), layer) {
                Ok(store) => store,
                // The file could not be made; the next start makes it.
                Err(Error::Failed(_)) => start(root.path(), Layer::default()).unwrap(),
                Err(other) => panic!("{other}"),
            };
            let (acknowledged, _) = hammer(&store, 1, 6).await;
            assert_eq!(acknowledged, 6, "it must recover by itself (act {at})");
            assert_eq!(read(&store).await, Some(6));
            drop(store);
            let store = start(root.path(), Layer::default()).unwrap();
            assert_eq!(read(&store).await, Some(6));
        }
    }
}

#[tokio::test]
async fn full_disk_refuses_writes_and_recovers_with_space() {
    for at in [0, 1, 5, 12, 17, 23] {
        let root = tempfile::tempdir().unwrap();
        let (layer, disk) = failing(at, ENOSPC, true);
        let store = start(root.path(), layer).unwrap();
        disk.arm();
        let (acknowledged, refused) = hammer(&store, 1, 12).await;
        assert!(refused && acknowledged < 12, "the disk never filled");
        disk.heal();
        // What was refused last may or may not be there, but nothing older and nothing half. A
        // read alone brings the store back.
        let found = loop {
            match store.get(&key("all/0")).await {
                Ok(_) => break read(&store).await.unwrap_or(0),
                Err(Error::Failed(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        };
        assert!(
            found >= acknowledged,
            "{acknowledged} was acknowledged, {found} is there"
        );
        assert_eq!(hammer(&store, 13, 15).await, (15, false));
        drop(store);
        let store = start(root.path(), Layer::default()).unwrap();
        assert_eq!(read(&store).await, Some(15));
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_without_a_flush() {
    let root = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let layer = Layer::new({
        let broken = Arc::clone(&broken);
        move |act| match act {
            Act::Sync if broken.load(Ordering::SeqCst) => Err(io::Error::from_raw_os_error(EIO)),
            _ => Ok(()),
        }
    });
    let store = start(root.path(), layer).unwrap();
    assert_eq!(hammer(&store, 1, 3).await, (3, false));
    broken.store(true, Ordering::SeqCst);
    assert_eq!(hammer(&store, 4, 6).await, (3, true));
}

#[tokio::test]
async fn watchers_hear_of_an_uncertain_write_or_read_again() {
    for at in 0..30 {
        let root = tempfile::tempdir().unwrap();
        let (layer, disk) = failing(at, EIO, false);
        let store = start(root.path(), layer).unwrap();
        disk.arm();
        let mut watch = store.watch(Revision(0)).await.unwrap();
        hammer(&store, 1, 5).await;
        let newest = store.barrier().await.unwrap();
        let mut last = Revision(0);
        while last < newest {
            match watch.next().await {
                Ok(event) => {
                    assert_eq!(event.revision.0, last.0 + 1, "a silent gap (act {at})");
                    last = event.revision;
                }
                Err(Error::Compacted) => break,
                Err(other) => panic!("{other}"),
            }
        }
    }
}
