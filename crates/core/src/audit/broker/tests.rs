use super::*;
use crate::audit::Pieces;
use crate::audit::chain::Link;
use crate::audit::device::{Failed, File, FileOptions, Space, Stream};
use crate::audit::verify::{Expected, Report, verify};
use cofferdam_secret::Secret;
use proptest::prelude::*;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

mod files;

fn key() -> ChainKey {
    ChainKey::new(&Secret::new([7; 32]))
}

fn record(n: u64) -> Record {
    let text = format!("{{\"time\":\"2026-11-23T20:29:36.6Z\",\"type\":\"request\",\"n\":{n}");
    Pieces::from(text.into_bytes()).into()
}

/// One whose data is shared, as that of a long list.
fn sharing_record(n: u64, numbers: usize) -> Record {
    let mut text = record(n).text(Names::Hashed).to_vec();
    text.extend_from_slice(b",\"x\":,\"y\":1");
    let at = text.len() - b",\"y\":1".len();
    let mut pieces = Pieces::from(text);
    pieces.share(
        at,
        format!("[{}0]", "1,".repeat(numbers)).into_bytes().into(),
    );
    pieces.into()
}

fn large_record() -> Record {
    let mut body = record(0).text(Names::Hashed).to_vec();
    body.extend_from_slice(format!(",\"x\":\"{}\"", "x".repeat(20_000)).as_bytes());
    Pieces::from(body).into()
}

fn patient() -> Broker {
    Broker::new(Limits::default())
}

/// For tests in which a write hangs. Long enough for an honest write on a busy machine.
fn impatient() -> Broker {
    let deadline = Duration::from_secs(1);
    Broker::new(Limits {
        deadline,
        ..Limits::default()
    })
}

fn file(path: &Path) -> Box<dyn Device> {
    Box::new(File::open(FileOptions::new(path.to_owned())).unwrap())
}

fn check(bytes: &[u8]) -> Report {
    verify(bytes, &key(), &Expected::default()).unwrap()
}

fn check_file(path: &Path) -> Report {
    check(&std::fs::read(path).unwrap())
}

/// Polls until `done`, with a deadline far beyond any honest wait.
fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it did not come about"
        );
        std::thread::yield_now();
    }
}

fn condition(broker: &Broker, name: &str) -> Condition {
    broker
        .status()
        .into_iter()
        .find(|status| status.name == name)
        .unwrap()
        .condition
}

#[tokio::test]
async fn without_devices_everything_is_accepted() {
    let broker = patient();
    assert!(!broker.is_enabled());
    assert_eq!(broker.submit(record(1)).accepted().await, Ok(()));
}

#[tokio::test]
async fn each_device_gets_the_names_of_a_list_as_it_wants_them() {
    let directory = tempfile::tempdir().unwrap();
    let [whole, counting] = ["whole", "counting"].map(|name| directory.path().join(name));
    let broker = patient();
    assert!(!broker.wants(Names::Hashed) && !broker.wants(Names::Counted));
    broker.enable("whole", file(&whole), key(), None).unwrap();
    assert!(broker.wants(Names::Hashed) && !broker.wants(Names::Counted));
    let mut options = FileOptions::new(counting.clone());
    options.names = Names::Counted;
    let device = Box::new(File::open(options).unwrap());
    broker.enable("counting", device, key(), None).unwrap();
    assert!(broker.wants(Names::Hashed) && broker.wants(Names::Counted));
    let (long, short) = (sharing_record(1, 20_000), record(2));
    let bytes = long.length();
    broker
        .submit(long.or_counted(short))
        .accepted()
        .await
        .unwrap();
    broker.submit(record(3)).accepted().await.unwrap();
    until(|| broker.status().iter().all(|device| device.written == 2));
    let numbers = |path: &Path| {
        assert!(check_file(path).is_intact());
        let lines = std::fs::read_to_string(path).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<serde_json::Value> = lines.collect();
        lines
            .iter()
            .map(|line| line["n"].as_u64())
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(&whole), [Some(1), Some(3)]);
    assert_eq!(numbers(&counting), [Some(2), Some(3)]);
    assert!(std::fs::metadata(&whole).unwrap().len() > bytes as u64);
    assert!(std::fs::metadata(&counting).unwrap().len() < 1000);
}

#[tokio::test]
async fn accepted_records_are_in_the_file_in_order_and_only_its_owner_may_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let broker = patient();
    broker.enable("file", file(&path), key(), None).unwrap();
    let receipts: Vec<_> = (0..500).map(|n| broker.submit(record(n))).collect();
    for receipt in receipts {
        receipt.accepted().await.unwrap();
    }
    let log = std::fs::read_to_string(&path).unwrap();
    for (n, line) in log.lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["n"], n);
        assert_eq!(line["chain"]["seq"], n + 1);
    }
    let report = check(log.as_bytes());
    assert!(report.is_intact() && report.records == 500);
    until(|| broker.status()[0].written == 500);
    assert_eq!(report.last, Some(broker.status()[0].head));
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(matches!(
        broker.enable(
            "file",
            file(&directory.path().join("other.log")),
            key(),
            None
        ),
        Err(EnableError::NameInUse)
    ));
}

/// Counts its writes and keeps nothing.
struct Counter(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Device for Counter {
    fn kind(&self) -> &'static str {
        "counter"
    }

    fn append(&mut self, _: &Pieces) -> Result<(), Failed> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }
}

/// Sixteen connections are sixteen requests in one write, not sixteen switches of threads.
#[tokio::test]
async fn requests_that_are_ready_together_share_one_write() {
    let writes = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let broker = std::sync::Arc::new(patient());
    let device = Box::new(Counter(std::sync::Arc::clone(&writes)));
    broker.enable("counter", device, key(), None).unwrap();
    // A thread that is not waiting yet would take the first record by itself.
    until(|| broker.shared.channels.load()[0].is_asleep());
    let requests: Vec<_> = (0..64)
        .map(|n| {
            let broker = std::sync::Arc::clone(&broker);
            tokio::spawn(async move { broker.submit(record(n)).accepted().await })
        })
        .collect();
    for request in requests {
        request.await.unwrap().unwrap();
    }
    assert_eq!(writes.load(std::sync::atomic::Ordering::SeqCst), 1);
}

fn full_pipe() -> (std::io::PipeReader, Box<dyn Device>) {
    let (reader, writer) = std::io::pipe().unwrap();
    (
        reader,
        Box::new(Stream::new("stdout", OwnedFd::from(writer))),
    )
}

/// LOG-3: nobody reads standard output any more. The device alone means refusal within the
/// deadline; it recovers by itself and its chain has no gap.
#[tokio::test]
async fn hung_reader_refuses_in_time_and_recovers() {
    let broker = impatient();
    let (mut reader, device) = full_pipe();
    broker.enable("stdout", device, key(), None).unwrap();
    let mut accepted = 0;
    let started = Instant::now();
    // A pipe holds 64 KiB: the fourth record of 20 kB does not fit.
    while broker
        .submit(sharing_record(0, 10_000))
        .accepted()
        .await
        .is_ok()
    {
        accepted += 1;
        assert!(accepted < 100, "the pipe never filled");
    }
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "the deadline was not kept"
    );
    assert_eq!(condition(&broker, "stdout"), Condition::Stuck);
    // Refused at once now, without waiting for the deadline again.
    let started = Instant::now();
    for n in 0..100 {
        assert_eq!(broker.submit(record(n)).accepted().await, Err(Refused));
    }
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "each waited for the deadline"
    );
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    until(|| condition(&broker, "stdout") == Condition::Working);
    broker.submit(record(7)).accepted().await.unwrap();
    let head = broker.disable("stdout").unwrap();
    drop(broker);
    let log = reading.join().unwrap().unwrap();
    let report = check(&log);
    assert!(report.is_intact(), "{:?}", report.findings);
    assert!(
        report.records > accepted,
        "the late record is in the log, though refused"
    );
    assert_eq!(report.last, Some(head));
}

#[tokio::test]
async fn hung_device_does_not_hold_up_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let broker = impatient();
    let (_reader, device) = full_pipe();
    broker.enable("stdout", device, key(), None).unwrap();
    broker.enable("file", file(&path), key(), None).unwrap();
    for _ in 0..50 {
        broker.submit(large_record()).accepted().await.unwrap();
    }
    until(|| condition(&broker, "stdout") == Condition::Stuck);
    broker.submit(record(1)).accepted().await.unwrap();
    assert_eq!(check_file(&path).records, 51);
}

#[tokio::test]
async fn queue_that_overflows_refuses_instead_of_growing() {
    let limits = Limits {
        deadline: Duration::from_secs(60),
        records: 8,
        ..Limits::default()
    };
    let broker = Broker::new(limits);
    let (_reader, device) = full_pipe();
    broker.enable("stdout", device, key(), None).unwrap();
    let receipts: Vec<_> = (0..40).map(|_| broker.submit(large_record())).collect();
    // Three fit the pipe, eight are being written, eight wait.
    let refused = broker.status()[0].refused;
    assert!(refused >= 40 - 3 - 8 - 8, "only {refused} refused");
    drop(receipts);
}

#[tokio::test]
async fn devices_come_and_go_without_losing_a_record() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Arc::new(patient());
    let paths: Vec<_> = (0..8)
        .map(|n| directory.path().join(format!("{n}.log")))
        .collect();
    broker.enable("0", file(&paths[0]), key(), None).unwrap();
    let swapping = {
        let (broker, paths) = (Arc::clone(&broker), paths.clone());
        tokio::task::spawn_blocking(move || {
            for (n, path) in paths.iter().enumerate().skip(1) {
                broker
                    .enable(&n.to_string(), file(path), key(), None)
                    .unwrap();
                broker.disable(&(n - 1).to_string()).unwrap();
            }
        })
    };
    let mut submitted = 0;
    while !swapping.is_finished() || submitted < 200 {
        broker.submit(record(submitted)).accepted().await.unwrap();
        submitted += 1;
        tokio::task::yield_now().await;
    }
    swapping.await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for path in &paths {
        let log = std::fs::read_to_string(path).unwrap();
        assert!(check(log.as_bytes()).is_intact());
        for line in log.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            seen.insert(line["n"].as_u64().unwrap());
        }
    }
    assert!(seen.iter().copied().eq(0..submitted));
}

/// Fails as it is told to, with part of the lines in the log.
struct Flaky {
    log: Arc<Mutex<Vec<u8>>>,
    /// For each write: `None` to succeed, else the share (of 255) of the bytes that are kept.
    script: Vec<Option<u8>>,
    torn: bool,
}

impl Device for Flaky {
    fn kind(&self) -> &'static str {
        "flaky"
    }

    fn append(&mut self, lines: &Pieces) -> Result<(), Failed> {
        let mut log = self.log.lock().unwrap();
        if std::mem::take(&mut self.torn) {
            log.push(b'\n');
        }
        let Some(share) = self.script.pop().flatten() else {
            log.extend_from_slice(&lines.to_vec());
            return Ok(());
        };
        let kept = lines.len() * usize::from(share) / 255;
        log.extend_from_slice(&lines.to_vec()[..kept]);
        self.torn = log.last().is_some_and(|byte| *byte != b'\n');
        Err(Failed {
            failure: Failure::Full,
            kept,
        })
    }

    fn space(&mut self) -> Space {
        Space::Enough
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn failing_writes_never_break_the_chain_or_lose_what_was_accepted(
        script in prop::collection::vec(prop::option::of(any::<u8>()), 0..12),
        batches in prop::collection::vec(1_u64..5, 1..12),
    ) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let broker = patient();
        let device = Flaky { log: Arc::clone(&log), script, torn: false };
        broker.enable("flaky", Box::new(device), key(), None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut accepted = Vec::new();
        let mut number = 0;
        for batch in batches {
            let receipts: Vec<_> = (number..number + batch)
                .map(|n| match n % 3 {
                    0 => (n, broker.submit(sharing_record(n, 500))),
                    _ => (n, broker.submit(record(n))),
                })
                .collect();
            number += batch;
            for (n, receipt) in receipts {
                if runtime.block_on(receipt.accepted()).is_ok() {
                    accepted.push(n);
                }
            }
        }
        let head = broker.disable("flaky").unwrap();
        let log = log.lock().unwrap().clone();
        let expected = Expected { after: None, head: Some(head) };
        let report = verify(log.as_slice(), &key(), &expected).unwrap();
        prop_assert!(report.is_intact(), "{:?}", report);
        let text = log.split(|byte| *byte == b'\n').filter_map(Link::parse);
        let seen: Vec<u64> = text
            .map(|link| serde_json::from_str::<serde_json::Value>(
                &format!("{}}}", std::str::from_utf8(link.body).unwrap())).unwrap()["n"].as_u64().unwrap())
            .collect();
        prop_assert!(accepted.iter().all(|n| seen.contains(n)), "{:?} in {:?}", accepted, seen);
    }
}
