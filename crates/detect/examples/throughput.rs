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
use std::time::Instant;
use texts::SIZE;

mod texts;

fn main() {
    let texts = [
        ("log", texts::log("")),
        ("libraries", texts::libraries()),
        ("random", random()),
    ];
    println!(
        "{:>8} {:>9} {:>9} {:>10}  GB/s: log, libraries, random",
        "values", "needles", "build", "memory"
    );
    for values in [1, 10, 50, 300, 2000, 10_000] {
        let before = texts::resident();
        let start = Instant::now();
        let matcher = Matcher::new(needles(values));
        let built = start.elapsed();
        let memory = texts::resident().saturating_sub(before);
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
    let mut found = 0_u64;
    let best = texts::best(4, || {
        let mut stream = matcher.stream();
        for piece in text.chunks(16 * 1024) {
            stream.push(piece, |_| found += 1);
        }
        stream.finish(|_| found += 1);
    });
    assert_eq!(found, 0, "random values stand nowhere");
    text.len() as f64 / best.as_secs_f64() / 1e9
}

fn random() -> Vec<u8> {
    let mut text = Secret::new(vec![0; SIZE]);
    cofferdam_secret::fill(text.expose_mut()).unwrap();
    std::mem::take(text.expose_mut())
}
