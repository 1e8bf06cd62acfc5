//! What audit costs a KV read: `cargo run --profile fast -p cofferdam-core --example audit_bench`.
//! Pin it to one core (`taskset -c 0`) to see the share of one core; give a directory as argument
//! to choose where the log is written.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measuring tool for developers"
)]

use cofferdam_core::audit::device::{File, FileOptions};
use cofferdam_core::audit::record::{Caller, Request, Response, TokenFacts, Verdict};
use cofferdam_core::audit::verify::{Expected, verify};
use cofferdam_core::audit::{
    Broker, ChainKey, Fragment, Intent, Limits, MountFragment, Names, Payload, Salt, TokenFragment,
};
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ANSWER: &str = r#"{"data":{"username":"app","password":"correct horse battery staple"},"metadata":{"created_time":"2026-11-23T20:29:40.688919224Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":1}}"#;

struct Fixture {
    salt: Salt,
    token: TokenFragment,
    mount: MountFragment,
    answer: Fragment,
}

impl Fixture {
    fn new() -> Self {
        let salt = Salt::new(&Secret::new([5; 32]));
        let policies = ["default".to_owned(), "web".to_owned()];
        let metadata = BTreeMap::from([("role_name".to_owned(), "web".to_owned())]);
        let facts = TokenFacts {
            client_token: "hvs.CAESIJ1TE5qVvYzWGs4nwr0Xb0cVYv8X2c1r7y4m6k3p",
            accessor: "Xoilar2EVOWcIQKjtSRlTUdf",
            display_name: "approle",
            policies: &policies,
            token_policies: &policies,
            metadata: &metadata,
            entity_id: "",
            token_type: "service",
            num_uses: 0,
            token_ttl: 2_764_800,
            token_issue_time: "2026-11-23T20:29:36Z",
        };
        Self {
            token: TokenFragment::new(&salt, &facts),
            mount: MountFragment::new("secret/", "kv", "kv_9bd4ad32", "secret"),
            answer: Fragment::redact(&salt, ANSWER.as_bytes(), &[]).unwrap(),
            salt,
        }
    }

    fn intent(&self) -> Intent {
        let request = Request {
            caller: Caller::Token(&self.token),
            verdict: Some(Verdict {
                allowed: true,
                granting: &["web"],
            }),
            remaining_uses: 0,
            id: "71bd7c12-b98e-9e99-de50-4204cd5d8560",
            operation: "read",
            mount: Some(&self.mount),
            path: "secret/data/app",
            data: None,
            remote_address: "127.0.0.1",
            remote_port: 53132,
            wrap_ttl: 0,
            headers: &[],
        };
        Intent::new(&self.salt, &request).unwrap()
    }

    fn hashed_now(&self) -> Response<'_> {
        let data = Payload::Json {
            json: ANSWER.as_bytes(),
            plain: &[],
            names: Names::Hashed,
        };
        Response {
            data: Some(data),
            ..Response::default()
        }
    }

    fn hashed_before(&self) -> Response<'_> {
        Response {
            data: Some(Payload::Ready(&self.answer)),
            ..Response::default()
        }
    }
}

fn per_round(name: &str, mut round: impl FnMut()) {
    const ROUNDS: u32 = 100_000;
    (0..ROUNDS / 10).for_each(|_| round());
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| round());
    println!(
        "{name:<58} {:>8.0} ns",
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    );
}

fn formatting(fixture: &Fixture) {
    let salt = &fixture.salt;
    per_round("hash of one short value", || {
        black_box(salt.hash_value(black_box(b"correct horse battery staple")));
    });
    per_round("both records of a read, answer hashed before", || {
        let intent = fixture.intent();
        black_box(intent.request(1_795_465_776_687_113_348, None));
        black_box(
            intent
                .response(salt, 1_795_465_776_687_113_348, &fixture.hashed_before())
                .unwrap(),
        );
    });
    per_round(
        "both records of a read, answer hashed now (4 texts)",
        || {
            let intent = fixture.intent();
            black_box(intent.request(1_795_465_776_687_113_348, None));
            black_box(
                intent
                    .response(salt, 1_795_465_776_687_113_348, &fixture.hashed_now())
                    .unwrap(),
            );
        },
    );
}

/// `readers` tasks on one thread, each waiting for both of its records before the next round.
fn through_the_broker(fixture: &Arc<Fixture>, directory: &std::path::Path, readers: u32) {
    const SPAN: Duration = Duration::from_secs(2);
    let path = directory.join(format!("audit-{readers}.log"));
    let key = ChainKey::new(&Secret::new([7; 32]));
    let broker = Arc::new(Broker::new(Limits::default()));
    let file = File::open(FileOptions::new(path.clone())).unwrap();
    broker
        .enable("file", Box::new(file), key.clone(), None)
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let reads = runtime.block_on(async {
        let tasks: Vec<_> = (0..readers)
            .map(|_| {
                let (broker, fixture) = (Arc::clone(&broker), Arc::clone(fixture));
                tokio::spawn(async move {
                    let mut reads = 0_u64;
                    while start.elapsed() < SPAN {
                        let intent = fixture.intent();
                        let before = broker.submit(intent.request(1_795_465_776_687_113_348, None));
                        let answer = fixture.hashed_before();
                        let after =
                            intent.response(&fixture.salt, 1_795_465_776_687_113_348, &answer);
                        let after = broker.submit(after.unwrap());
                        before.accepted().await.unwrap();
                        after.accepted().await.unwrap();
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        let mut reads = 0;
        for task in tasks {
            reads += task.await.unwrap();
        }
        reads
    });
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let head = broker.disable("file").unwrap();
    let log = std::fs::File::open(&path).unwrap();
    let size = log.metadata().unwrap().len();
    let checking = Instant::now();
    let report = verify(
        log,
        &key,
        &Expected {
            after: None,
            head: Some(head),
        },
    )
    .unwrap();
    assert!(report.is_intact() && report.records == reads * 2);
    println!(
        "{readers:>3} readers: {:>7.0} reads/s, {:>5.2} µs CPU a record, {} bytes a record; verify {:.0} MB/s",
        reads as f64 / wall,
        cpu * 1e6 / (reads * 2) as f64,
        size / report.records,
        size as f64 / 1e6 / checking.elapsed().as_secs_f64(),
    );
    std::fs::remove_file(path).unwrap();
}

/// User and system time of this process, in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}

fn main() {
    let fixture = Arc::new(Fixture::new());
    formatting(&fixture);
    let directory = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, Into::into);
    for readers in [1, 16, 64, 256] {
        through_the_broker(&fixture, &directory, readers);
    }
}
