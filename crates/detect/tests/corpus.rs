//! Precision, recall and F1 over `corpora/scan`. The figures are printed; a fall below the floor fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and this one reports"
)]

use cofferdam_detect::pattern::{DigestKey, Scanner, specimen};
use cofferdam_detect::source::{Finder, Limits, Patterns};
use cofferdam_detect::{Matcher, Needles};
use cofferdam_secret::Secret;
use std::collections::BTreeSet;
use std::path::Path;

/// A file of the corpus: its name, its text, and the lines that hold a secret.
struct Sample {
    name: String,
    text: String,
    planted: BTreeSet<u64>,
}

fn samples(seed: u64) -> Vec<Sample> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/scan");
    let mut samples: Vec<Sample> = Vec::new();
    let mut number = seed;
    // A line's specimen hangs on its number, which counts on from file to file.
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            number += 1;
            if let Some(name) = line.strip_prefix("@ ") {
                samples.push(Sample {
                    name: name.to_owned(),
                    text: String::new(),
                    planted: BTreeSet::new(),
                });
                continue;
            }
            let sample = samples.last_mut().unwrap();
            let (mark, recipe) = line.split_at_checked(1).unwrap_or((" ", ""));
            sample.text.push_str(&specimen(recipe, number));
            sample.text.push('\n');
            match mark {
                "!" => drop(sample.planted.insert(sample.text.lines().count() as u64)),
                " " => {}
                _ => panic!("{}: {line}", sample.name),
            }
        }
    }
    samples
}

#[test]
fn precision_and_recall_stay_above_the_floor() {
    let (scanner, key) = (
        Scanner::new(),
        DigestKey::new(&Secret::new(b"corpus".to_vec())),
    );
    let matcher = Matcher::new(Needles::new());
    let (mut right, mut wrong, mut missed) = (0_u32, 0_u32, 0_u32);
    // Other specimens each time: the figures must not hang on one draw.
    for seed in [0, 100_000, 200_000] {
        for sample in samples(seed) {
            let mut finder = Finder::new(&matcher, Limits::default())
                .with_patterns(Patterns::new(&scanner, &key));
            finder.reader(&sample.name, &mut sample.text.as_bytes());
            let looked = finder.take();
            let found: BTreeSet<u64> = looked
                .findings
                .iter()
                .map(|finding| finding.line.unwrap())
                .collect();
            for line in found.union(&sample.planted) {
                let text = sample.text.lines().nth(*line as usize - 1).unwrap();
                match (found.contains(line), sample.planted.contains(line)) {
                    (true, true) => right += 1,
                    (true, false) => {
                        wrong += 1;
                        println!("wrong   {}:{line} {text}", sample.name);
                    }
                    _ => {
                        missed += 1;
                        println!("missed  {}:{line} {text}", sample.name);
                    }
                }
            }
        }
    }
    let precision = f64::from(right) / f64::from(right + wrong);
    let recall = f64::from(right) / f64::from(right + missed);
    let f1 = 2.0 * precision * recall / (precision + recall);
    println!(
        "{} planted: precision {precision:.3}, recall {recall:.3}, F1 {f1:.3}",
        right + missed
    );
    assert!(
        precision >= 0.98 && recall >= 0.97,
        "precision {precision:.3}, recall {recall:.3}"
    );
}
