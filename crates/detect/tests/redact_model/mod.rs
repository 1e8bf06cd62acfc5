//! What the redactor has to do, in slow and simple words: on the whole text, byte by byte, twice.
//! The tests and the fuzz target hold the real one against it.

use cofferdam_detect::{Matcher, Needles};

/// As in the redactor.
const MOST_SKIPPED: usize = 4096;

struct Occurrence {
    start: usize,
    end: usize,
    apart: bool,
    secret: usize,
}

/// `text` with every value replaced by what `name` says.
pub(crate) fn redact(matcher: &Matcher, text: &[u8], name: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let steers = steering(text);
    let mut all = occurrences(matcher, text, &steers);
    all.sort_by_key(|one| (one.start, std::cmp::Reverse(one.end), one.apart, one.secret));

    let mut out = Vec::new();
    let (mut done, mut masked, mut last) = (0, 0, None);
    for one in all {
        if one.end <= masked {
            continue;
        }
        if one.start >= masked {
            last = None;
            out.extend_from_slice(&text[done..one.start]);
            done = one.start;
        }
        if last != Some(one.secret) {
            out.extend_from_slice(&name(one.secret));
            last = Some(one.secret);
        }
        if one.apart {
            let passed = (done..one.end).filter(|&at| steers[at] && text[at] != b'\r');
            out.extend(passed.map(|at| text[at]));
        }
        done = one.end;
        masked = one.end;
    }
    out.extend_from_slice(&text[done..]);
    out
}

fn occurrences(matcher: &Matcher, text: &[u8], steers: &[bool]) -> Vec<Occurrence> {
    let mut all: Vec<_> = matcher
        .find(text)
        .iter()
        .map(|hit| Occurrence {
            start: hit.start as usize,
            end: hit.end as usize,
            apart: false,
            secret: hit.secret.index(),
        })
        .collect();
    let places: Vec<usize> = (0..text.len()).filter(|&at| !steers[at]).collect();
    let view: Vec<u8> = places.iter().map(|&at| text[at]).collect();
    for hit in matcher.find(&view) {
        let (start, end) = (places[hit.start as usize], places[hit.end as usize - 1] + 1);
        let skipped = (end - start) - (hit.end - hit.start) as usize;
        if skipped > 0 && skipped <= MOST_SKIPPED {
            all.push(Occurrence {
                start,
                end,
                apart: true,
                secret: hit.secret.index(),
            });
        }
    }
    all
}

/// Which bytes steer the terminal.
fn steering(text: &[u8]) -> Vec<bool> {
    let mut steers = vec![false; text.len()];
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\r' {
            steers[at] = true;
            at += 1;
        } else if text[at] == 0x1b {
            let length = sequence(&text[at..]);
            steers[at..at + length].fill(true);
            at += length;
        } else {
            at += 1;
        }
    }
    steers
}

/// Bytes of the sequence that `text` begins with.
fn sequence(text: &[u8]) -> usize {
    match text.get(1) {
        Some(b'[') => {
            let mut length = 2;
            while length < 34 && text.get(length).is_some_and(|b| (0x20..=0x3f).contains(b)) {
                length += 1;
            }
            let ends = text.get(length).is_some_and(|b| (0x40..=0x7e).contains(b));
            length + usize::from(ends)
        }
        Some(b'(' | b')') => {
            2 + usize::from(text.get(2).is_some_and(|b| (b'0'..=b'~').contains(b)))
        }
        _ => 1,
    }
}

/// The values' forms, as the redactor searches for them.
pub(crate) fn needles(values: &[Vec<u8>]) -> Needles {
    use cofferdam_detect::Label;
    use cofferdam_secret::Secret;
    let mut needles = Needles::for_redaction();
    for (number, value) in values.iter().enumerate() {
        let label = Label::new(format!("s/{number}"), None, "value");
        needles.add(label, &Secret::new(value.clone())).unwrap();
    }
    needles
}
