//! Looks at a tree and prints what was found, by rule, and what it cost:
//! `cargo run --profile fast -p cofferdam-detect --example tree -- PATH [all]`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "prints a table for people"
)]

use cofferdam_detect::pattern::{DigestKey, Scanner};
use cofferdam_detect::source::{Limits, Tree, TreeOptions};
use cofferdam_detect::{Matcher, Needles};
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().unwrap_or_else(|| ".".to_owned());
    let all = arguments.next().is_some();
    let start = Instant::now();
    let scanner = Scanner::new();
    let ready = start.elapsed();
    let key = DigestKey::new(&Secret::new(b"example".to_vec()));
    let tree = Tree {
        matcher: &Matcher::new(Needles::new()),
        scanner: &scanner,
        key: &key,
        limits: Limits::default(),
        progress: &AtomicU64::new(0),
    };
    let looked = tree
        .search(Path::new(&root), TreeOptions::default())
        .unwrap();
    let elapsed = start.elapsed();
    let mut rules: BTreeMap<&str, u32> = BTreeMap::new();
    for finding in &looked.findings {
        *rules.entry(&finding.rule.id).or_default() += 1;
        if all {
            println!(
                "{}\t{}\t{}\t{}",
                finding.rule.id,
                finding.place(),
                finding.name.as_deref().unwrap_or("-"),
                finding.preview
            );
        }
    }
    for (rule, count) in rules {
        println!("{count:>6} {rule}");
    }
    println!(
        "{} findings, {} gaps, {} objects, {} MiB; ready in {ready:.1?}, all in {elapsed:.2?}, processor {:.2?}",
        looked.findings.len() as u64 + looked.more_findings,
        looked.gaps.len() as u64 + looked.more_gaps,
        looked.objects,
        looked.bytes >> 20,
        processor_time()
    );
}

fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}
