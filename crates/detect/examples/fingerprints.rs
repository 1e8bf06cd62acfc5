//! What the search by fingerprint costs: `cargo run --profile fast -p cofferdam-detect --example fingerprints`.
//!
//! The log and the libraries of `throughput`, and source code (the crates that cargo has unpacked): patterns
//! alone, patterns with fingerprints of 50 and of 10,000 values in one pass, and both exact searches alone.

#![allow(clippy::print_stdout, reason = "prints a table for people")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may stop"
)]

use cofferdam_detect::fingerprint::{LEAST_BITS, Named, Print, PrintKey, Prints};
use cofferdam_detect::pattern::{DigestKey, Scanner};
use cofferdam_detect::source::{Finder, Limits, Patterns};
use cofferdam_detect::{Label, Matcher, Needles};
use cofferdam_secret::{Secret, random_base62};
use std::time::{Duration, Instant};

mod texts;

fn main() {
    let texts = [
        ("log", texts::log("")),
        ("source", texts::source()),
        ("libraries", texts::libraries()),
    ];
    for count in [50, 10_000] {
        for (kind, marks) in [("letters and digits", ""), ("with marks", "#&\"/ !@")] {
            println!("\n{count} values: {kind}");
            measure(&values(count, marks), &texts);
        }
    }
}

/// Random values of 16 to 48 characters, each with one of these marks.
fn values(count: usize, marks: &str) -> Vec<Secret<Vec<u8>>> {
    let value = |number: usize| {
        let mut text = random_base62(16 + number * 7 % 33).unwrap();
        if let Some(mark) = marks.chars().cycle().nth(number % 100) {
            text.expose_mut().insert(5, mark);
        }
        text.into_bytes()
    };
    (0..count).map(value).collect()
}

fn measure(values: &[Secret<Vec<u8>>], texts: &[(&str, Vec<u8>)]) {
    let secret = Secret::new([7; 32]);
    let key = PrintKey::new(&secret);
    let start = Instant::now();
    let prints: Vec<_> = values
        .iter()
        .map(|value| Print::of(&key, value.expose(), LEAST_BITS))
        .collect();
    let made = start.elapsed();
    let bytes: usize = prints.iter().map(|print| print.to_bytes().len()).sum();
    println!(
        "prints: {:.1} us and {} bytes each",
        made.as_secs_f64() * 1e6 / values.len() as f64,
        bytes / values.len()
    );
    let start = Instant::now();
    let mut set = Prints::new();
    for (number, print) in prints.into_iter().enumerate() {
        set.add(Named {
            label: Label::new(format!("bench/{number}"), Some(1), "value"),
            newest: Some(1),
            owner: None,
            print,
        });
    }
    println!("forms: {}", set.shapes());
    let by_print = Matcher::of_prints(set, key);
    println!("ready in {:.1?}", start.elapsed());
    let mut needles = Needles::new();
    for (number, value) in values.iter().enumerate() {
        let label = Label::new(format!("bench/{number}"), Some(1), "value");
        needles.add(label, value).unwrap();
    }
    let by_value = Matcher::new(needles);
    let nothing = Matcher::new(Needles::new());
    println!("GB/s:      patterns  patterns+fingerprints  ratio of time  fingerprints  values");
    for (name, text) in texts {
        let patterns = scan(&nothing, text);
        let both = scan(&by_print, text);
        let speed = |time: Duration| text.len() as f64 / time.as_secs_f64() / 1e9;
        println!(
            "{name:<9} {:>9.2} {:>22.2} {:>14.2} {:>13.2} {:>7.2}",
            speed(patterns),
            speed(both),
            both.as_secs_f64() / patterns.as_secs_f64(),
            speed(exact(&by_print, text)),
            speed(exact(&by_value, text)),
        );
    }
}

/// Processor time of a whole look, the best of several.
fn scan(matcher: &Matcher, text: &[u8]) -> Duration {
    let scanner = Scanner::new();
    let key = DigestKey::new(&Secret::new(vec![1; 32]));
    texts::best(3, || {
        let patterns = Patterns::new(&scanner, &key);
        let mut finder = Finder::new(matcher, Limits::default()).with_patterns(patterns);
        finder.reader("text", &mut &text[..]);
        assert!(finder.take().exposed.is_empty());
    })
}

fn exact(matcher: &Matcher, text: &[u8]) -> Duration {
    texts::best(3, || {
        let mut found = 0_u64;
        let mut stream = matcher.stream();
        for piece in text.chunks(16 * 1024) {
            stream.push(piece, |_| found += 1);
        }
        stream.finish(|_| found += 1);
        assert_eq!(found, 0, "random values stand nowhere");
    })
}
