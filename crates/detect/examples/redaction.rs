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
use std::sync::Arc;
use std::time::Instant;

mod texts;

/// What a pipe gives at once.
const PIECE: usize = 64 * 1024;

fn main() {
    let plain = texts::log("");
    let coloured = texts::log("\x1b[32m");
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
        let before = texts::resident();
        let start = Instant::now();
        let masks = Arc::new(Masks::new(needles(&values), &Style::default()));
        let prepared = start.elapsed();
        let memory = texts::resident().saturating_sub(before) / 1024;
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
    let best = texts::best(4, &mut run);
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
