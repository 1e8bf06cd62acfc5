//! LOG-3, for files.

use super::*;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

#[tokio::test]
async fn chain_goes_on_after_a_restart_and_behind_a_torn_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    for round in 0..3 {
        let broker = patient();
        broker.enable("file", file(&path), key(), None).unwrap();
        broker.submit(record(round)).accepted().await.unwrap();
        assert_eq!(broker.disable("file").unwrap().seq, round + 1);
        // A crash in the middle of a write.
        let mut log = std::fs::read(&path).unwrap();
        log.extend_from_slice(b"{\"time\":\"2026-11-23T20:29:36.6Z\",\"ty");
        std::fs::write(&path, log).unwrap();
    }
    let report = check_file(&path);
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!((report.records, report.incomplete.len()), (3, 3));
}

/// More parts than one `writev` takes.
#[tokio::test]
async fn a_batch_of_many_shared_parts_is_written_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let broker = patient();
    broker.enable("file", file(&path), key(), None).unwrap();
    let receipts: Vec<_> = (0..1500)
        .map(|n| broker.submit(sharing_record(n, 10)))
        .collect();
    for receipt in receipts {
        receipt.accepted().await.unwrap();
    }
    let report = check_file(&path);
    assert!(report.is_intact() && report.records == 1500, "{report:?}");
    let log = std::fs::read_to_string(&path).unwrap();
    for (n, line) in log.lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["n"], line["x"].as_array().unwrap().len()),
            (&n.into(), 11)
        );
        assert_eq!(line["y"], 1);
    }
}

#[tokio::test]
async fn chain_goes_on_after_a_noted_head_when_the_file_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let noted = Head {
        seq: 41,
        mac: [3; 16],
    };
    let broker = patient();
    broker
        .enable("file", file(&path), key(), Some(noted))
        .unwrap();
    broker.submit(record(0)).accepted().await.unwrap();
    let log = std::fs::read(&path).unwrap();
    let expected = Expected {
        after: Some(noted),
        head: None,
    };
    assert!(
        verify(log.as_slice(), &key(), &expected)
            .unwrap()
            .is_intact()
    );
}

/// The end of the log was cut off while we were away: what follows does not hide it.
#[tokio::test]
async fn cut_log_keeps_its_gap_when_a_head_was_noted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let broker = patient();
    broker.enable("file", file(&path), key(), None).unwrap();
    for n in 0..3 {
        broker.submit(record(n)).accepted().await.unwrap();
    }
    let noted = broker.disable("file").unwrap();
    let log = std::fs::read_to_string(&path).unwrap();
    let first = log.split_inclusive('\n').next().unwrap();
    std::fs::write(&path, first).unwrap();
    broker
        .enable("file", file(&path), key(), Some(noted))
        .unwrap();
    broker.submit(record(3)).accepted().await.unwrap();
    let gap = crate::audit::verify::Finding::Removed {
        line: 2,
        first: 2,
        count: 2,
    };
    assert_eq!(check_file(&path).findings, [gap]);
}

#[tokio::test]
async fn file_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let broker = patient();
    broker.enable("file", file(&path), key(), None).unwrap();
    let second = File::open(FileOptions::new(path.clone())).err();
    assert!(matches!(second, Some(Failure::InUse)));
    drop(broker);
    assert!(File::open(FileOptions::new(path)).is_ok());
}

#[test]
fn only_a_plain_file_of_ours_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let open = |path: &Path| File::open(FileOptions::new(path.to_owned())).err();
    std::fs::write(at("target"), "").unwrap();
    std::os::unix::fs::symlink(at("target"), at("link")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    std::fs::write(at("two-names"), "").unwrap();
    std::fs::hard_link(at("two-names"), at("second-name")).unwrap();
    for name in ["link", "dangling", "fifo", "socket"] {
        assert!(matches!(open(&at(name)), Some(Failure::NotAFile)), "{name}");
    }
    assert!(matches!(open(directory.path()), Some(Failure::NotAFile)));
    assert!(matches!(open(&at("two-names")), Some(Failure::NotOurs)));
    assert!(matches!(
        open(Path::new("audit.log")),
        Some(Failure::NotAbsolute)
    ));
    assert!(matches!(
        open(&at("no/such/directory")),
        Some(Failure::Io { .. })
    ));
    assert!(open(&at("target")).is_none());
}

/// LOG-3: the file is deleted or rotated away.
#[tokio::test]
async fn file_that_was_deleted_or_moved_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let rotated = directory.path().join("audit.log.1");
    let broker = patient();
    broker.enable("file", file(&path), key(), None).unwrap();
    broker.submit(record(0)).accepted().await.unwrap();
    std::fs::rename(&path, &rotated).unwrap();
    broker.submit(record(1)).accepted().await.unwrap();
    let first = check_file(&rotated);
    let expected = Expected {
        after: first.last,
        head: None,
    };
    let second = verify(std::fs::File::open(&path).unwrap(), &key(), &expected).unwrap();
    assert!(
        first.is_intact() && second.is_intact(),
        "the chain spans both files"
    );
    std::fs::remove_file(&path).unwrap();
    broker.submit(record(2)).accepted().await.unwrap();
    assert_eq!(check_file(&path).records, 1);
}

/// LOG-3: the name leads to something else now. Nothing is written there, requests are refused, and
/// once the name is free again all goes on.
#[tokio::test]
async fn file_replaced_by_a_link_or_fifo_is_refused_until_it_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let victim = directory.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    let broker = patient();
    broker.enable("file", file(&path), key(), None).unwrap();
    let link = || std::os::unix::fs::symlink(&victim, &path).unwrap();
    let fifo = || {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        assert!(
            std::fs::symlink_metadata(&path)
                .unwrap()
                .file_type()
                .is_fifo()
        );
    };
    let hard_link = || std::fs::hard_link(&victim, &path).unwrap();
    for replace in [&link as &dyn Fn(), &fifo, &hard_link] {
        broker.submit(record(0)).accepted().await.unwrap();
        std::fs::remove_file(&path).unwrap();
        replace();
        assert_eq!(broker.submit(record(1)).accepted().await, Err(Refused));
        until(|| matches!(condition(&broker, "file"), Condition::Failing(_)));
        std::fs::remove_file(&path).unwrap();
        broker.submit(record(2)).accepted().await.unwrap();
        until(|| condition(&broker, "file") == Condition::Working);
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
}

/// LOG-3: the disk is full. The test runs itself again inside a mount namespace of its own, so that
/// the small tmpfs is gone with it.
#[test]
fn full_disk_uses_the_reserve_then_refuses_and_the_chain_verifies() {
    const INNER: &str = "COFFERDAM_TEST_INNER";
    if std::env::var_os(INNER).is_none() {
        let name = "audit::broker::tests::files::full_disk_uses_the_reserve_then_refuses_and_the_chain_verifies";
        let inner = std::process::Command::new("unshare")
            .args(["--map-root-user", "--mount"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(INNER, "1")
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&inner.stdout);
        assert!(
            inner.status.success() && words.contains("1 passed"),
            "{inner:?}"
        );
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let options = c"size=256k";
    rustix::mount::mount(
        "tmpfs",
        directory.path(),
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        options,
    )
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(fill_the_disk(directory.path()));
    std::fs::remove_file(directory.path().join("audit.log")).unwrap();
    runtime.block_on(live_on_the_reserve(directory.path()));
    rustix::mount::unmount(directory.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
}

async fn fill_the_disk(directory: &Path) {
    let path = directory.join("audit.log");
    let broker = patient();
    broker.enable("file", file(&path), key(), None).unwrap();
    let mut accepted = 0;
    let next = |accepted: u64| match accepted % 2 {
        0 => large_record(),
        _ => sharing_record(accepted, 10_000),
    };
    while broker.submit(next(accepted)).accepted().await.is_ok() {
        accepted += 1;
        assert!(accepted < 100, "the disk never filled");
    }
    until(|| matches!(condition(&broker, "file"), Condition::Failing(_)));
    let status = broker.status().remove(0);
    assert_eq!(
        status.condition,
        Condition::Failing("no space left on the device".into())
    );
    assert!(status.low_space.is_some(), "the alarm was raised");
    let report = check_file(&path);
    assert!(
        report.is_intact() && report.incomplete.is_empty(),
        "{report:?}"
    );
    assert_eq!(report.records, accepted);
    // Room is made: it goes on where it was.
    let saved = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    broker.submit(record(1)).accepted().await.unwrap();
    let log = [saved, std::fs::read(&path).unwrap()].concat();
    let report = check(&log);
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(report.records, accepted + 1);
    assert!(std::fs::metadata(&path).unwrap().uid() == rustix::process::geteuid().as_raw());
}

/// The disk is filled by somebody else: the reserve bridges it, visibly, and is taken again later.
async fn live_on_the_reserve(directory: &Path) {
    let path = directory.join("kept.log");
    let reserve = directory.join("kept.log.reserve");
    let filler = directory.join("filler");
    let broker = patient();
    let options = FileOptions {
        reserve: 64 << 10,
        alarm_below: 32 << 10,
        ..FileOptions::new(path.clone())
    };
    broker
        .enable("file", Box::new(File::open(options).unwrap()), key(), None)
        .unwrap();
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 64 << 10);
    broker.submit(record(0)).accepted().await.unwrap();
    let full = std::fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    broker.submit(large_record()).accepted().await.unwrap();
    assert!(!reserve.exists(), "given up for the record");
    std::fs::remove_file(&filler).unwrap();
    let start = Instant::now();
    while !reserve.exists() {
        broker.submit(record(1)).accepted().await.unwrap();
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "never taken again"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(check_file(&path).is_intact());
    broker.disable("file").unwrap();
    until(|| !reserve.exists());
}
