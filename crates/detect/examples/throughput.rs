//! How fast values are found: `cargo run --profile fast -p cofferdam-detect --example throughput`.
//!
//! Text: a log with JSON lines (as a redactor sees), this machine's shared libraries (as an image
//! scan sees) and random bytes. Values: random passwords of 12 to 48 characters with all forms.

#![allow(clippy::print_stdout, reason = "prints a table for people")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may stop"
)]

use cofferdam_detect::{Label, Matcher, Needles};
use cofferdam_secret::{Secret, random_base62};
use std::time::{Duration, Instant};

const SIZE: usize = 64 << 20;

fn main() {
    let texts = [
        ("log", log()),
        ("libraries", libraries()),
        ("random", random()),
    ];
    println!(
        "{:>8} {:>9} {:>9} {:>10}  GB/s: log, libraries, random",
        "values", "needles", "build", "memory"
    );
    for values in [1, 10, 50, 300, 2000, 10_000] {
        let before = resident();
        let start = Instant::now();
        let matcher = Matcher::new(needles(values));
        let built = start.elapsed();
        let memory = resident().saturating_sub(before);
        print!(
            "{values:>8} {:>9} {built:>9.1?} {:>7} KiB ",
            matcher.needles().shapes(),
            memory
        );
        for (_, text) in &texts {
            print!(" {:.2}", speed(&matcher, text));
        }
        println!();
    }
}

fn needles(values: usize) -> Needles {
    let mut needles = Needles::new();
    for number in 0..values {
        let value = random_base62(12 + number * 7 % 37).unwrap().into_bytes();
        needles
            .add(
                Label::new(format!("bench/{number}"), Some(1), "value"),
                &value,
            )
            .unwrap();
    }
    needles
}

/// Best of several runs, in GB/s of processor time (the machine may be shared), through the streaming search.
fn speed(matcher: &Matcher, text: &[u8]) -> f64 {
    let mut best = Duration::MAX;
    let mut found = 0_u64;
    for _ in 0..4 {
        let start = processor_time();
        let mut stream = matcher.stream();
        for piece in text.chunks(16 * 1024) {
            stream.push(piece, |_| found += 1);
        }
        stream.finish(|_| found += 1);
        best = best.min(processor_time().saturating_sub(start));
    }
    assert_eq!(found, 0, "random values stand nowhere");
    text.len() as f64 / best.as_secs_f64() / 1e9
}

fn log() -> Vec<u8> {
    let mut text = Vec::with_capacity(SIZE + 200);
    let mut number = 0_u64;
    while text.len() < SIZE {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(
            format!(
                "{{\"time\":\"2026-11-23T20:{:02}:{:02}Z\",\"level\":\"info\",\"request\":\"{number:016x}\",\"path\":\"/v1/secret/data/app\",\"status\":200,\"took_us\":{}}}\n",
                number >> 58, number >> 59, number >> 50
            )
            .as_bytes(),
        );
    }
    text
}

fn libraries() -> Vec<u8> {
    let mut text = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/x86_64-linux-gnu")
        .unwrap()
        .flatten()
    {
        if text.len() < SIZE && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            text.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
    }
    text.truncate(SIZE);
    text
}

fn random() -> Vec<u8> {
    let mut text = Secret::new(vec![0; SIZE]);
    cofferdam_secret::fill(text.expose_mut()).unwrap();
    std::mem::take(text.expose_mut())
}

fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
