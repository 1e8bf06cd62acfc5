//! How fast a log is redacted: `cargo run --profile fast -p cofferdam-detect --example redaction`.
//!
//! Beside it, in the same run: a copy of the text, and `aho-corasick` with the same byte strings (in
//! one case only, so with fewer of them). Values: random passwords of 12 to 48 characters with
//! punctuation, so that every encoding differs.

#![allow(clippy::print_stdout, reason = "prints a table for people")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may stop"
)]

use aho_corasick::AhoCorasick;
use cofferdam_detect::redact::{Masks, Style};
use cofferdam_detect::{Label, Needles, forms};
use cofferdam_secret::{Secret, random_base62};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZE: usize = 64 << 20;
/// What a pipe gives at once.
const PIECE: usize = 64 * 1024;

fn main() {
    let plain = log("");
    let coloured = log("\x1b[32m");
    println!("copy of the log: {:.1} GB/s", copy(&plain));
    println!(
        "{:>8} {:>9} {:>9} {:>8}  {:>12} {:>15} {:>13} {:>14}",
        "values",
        "needles",
        "prepared",
        "memory",
        "redact GB/s",
        "coloured GB/s",
        "lines GB/s",
        "aho-corasick"
    );
    for count in [1, 50, 300, 2000, 10_000] {
        let values = values(count);
        let before = resident();
        let start = Instant::now();
        let masks = Arc::new(Masks::new(needles(&values), &Style::default()));
        let prepared = start.elapsed();
        let memory = resident().saturating_sub(before) / 1024;
        println!(
            "{count:>8} {:>9} {prepared:>9.1?} {memory:>4} MiB  {:>12.2} {:>15.2} {:>13.2} {:>14.2}",
            masks.needles().shapes(),
            redact(&masks, &plain, PIECE),
            redact(&masks, &coloured, PIECE),
            redact(&masks, &plain, 160),
            automaton(&values, &plain),
        );
    }
}

fn values(count: usize) -> Vec<Secret<Vec<u8>>> {
    let value = |number: usize| {
        let mut text = random_base62(12 + number * 7 % 37).unwrap();
        let marks = ["#", "&", "\"", "/", " "];
        text.expose_mut().insert_str(5, marks[number % marks.len()]);
        text.into_bytes()
    };
    (0..count).map(value).collect()
}

fn needles(values: &[Secret<Vec<u8>>]) -> Needles {
    let mut needles = Needles::for_redaction();
    for (number, value) in values.iter().enumerate() {
        let label = Label::new(format!("bench/{number}"), Some(1), "value");
        needles.add(label, value).unwrap();
    }
    needles
}

/// Best of several runs, in GB/s of processor time: the machine may be shared.
fn best(length: usize, mut run: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..4 {
        let start = processor_time();
        run();
        best = best.min(processor_time().saturating_sub(start));
    }
    length as f64 / best.as_secs_f64() / 1e9
}

fn redact(masks: &Arc<Masks>, text: &[u8], piece: usize) -> f64 {
    best(text.len(), || {
        let mut passed = 0;
        let mut stream = masks.stream();
        let mut out = |part: &[u8]| passed += std::hint::black_box(part).len();
        for piece in text.chunks(piece) {
            stream.push(piece, &mut out);
        }
        stream.finish(&mut out);
        assert_eq!(passed, text.len(), "random values stand nowhere");
    })
}

fn automaton(values: &[Secret<Vec<u8>>], text: &[u8]) -> f64 {
    let shapes = values
        .iter()
        .flat_map(|value| forms::pieces(value.expose()));
    let shapes: Vec<_> = shapes.collect();
    let patterns = shapes.iter().map(|shape| shape.bytes.expose());
    let automaton = AhoCorasick::new(patterns).unwrap();
    // Its stream search would replace as we do; the search alone is what costs.
    let text = &text[..text.len() / 4];
    best(text.len(), || assert!(automaton.find(text).is_none()))
}

fn copy(text: &[u8]) -> f64 {
    let mut to = vec![0; PIECE];
    best(text.len(), || {
        for piece in text.chunks(PIECE) {
            to[..piece.len()].copy_from_slice(piece);
            std::hint::black_box(&to);
        }
    })
}

/// Lines of JSON, as services write them.
fn log(colour: &str) -> Vec<u8> {
    let end = if colour.is_empty() { "" } else { "\x1b[0m" };
    let mut text = String::with_capacity(SIZE + 200);
    let mut number = 0_u64;
    while text.len() < SIZE {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        writeln!(
            text,
            "{{\"time\":\"2026-11-23T20:{:02}:{:02}Z\",\"level\":\"{colour}info{end}\",\"request\":\"{number:016x}\",\"path\":\"/v1/secret/data/app\",\"status\":200,\"took_us\":{}}}",
            number >> 58, number >> 59, number >> 50
        )
        .unwrap();
    }
    text.into_bytes()
}

fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
