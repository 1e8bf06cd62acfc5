//! Second stage: which needles begin exactly here.
//!
//! All needles stand sorted by their folded bytes, each with a link to the longest other one that
//! is a prefix of it (or equal to it). For a text, let K be the last needle that is not greater. Every
//! needle that is a prefix of the text lies on K's chain of links: whatever sorts between a prefix of
//! the text and the text begins with that prefix. So one binary search and one comparison decide.

use crate::needles::{Needle, Needles};
use std::cmp::Ordering;

const NONE: u32 = u32::MAX;

pub(super) struct Index {
    sorted: Vec<Needle>,
    /// Position in `sorted` of the next shorter candidate.
    links: Vec<u32>,
}

impl Index {
    pub(super) fn new(needles: &Needles) -> Self {
        let mut sorted = needles.all().to_vec();
        sorted.sort_by(|a, b| folded(needles.bytes(a)).cmp(folded(needles.bytes(b))));
        let mut links = Vec::with_capacity(sorted.len());
        let mut open: Vec<usize> = Vec::new();
        for (position, needle) in sorted.iter().enumerate() {
            let bytes = needles.bytes(needle);
            while let Some(other) = open.last().and_then(|&at| sorted.get(at)) {
                let other = needles.bytes(other);
                if common(other, bytes) == other.len() {
                    break;
                }
                open.pop();
            }
            links.push(open.last().map_or(NONE, |&at| at as u32));
            open.push(position);
        }
        Self { sorted, links }
    }

    /// Calls `found` for every needle that `text` begins with.
    pub(super) fn find(&self, needles: &Needles, text: &[u8], mut found: impl FnMut(&Needle)) {
        let behind = self
            .sorted
            .partition_point(|needle| compare(needles.bytes(needle), text) != Ordering::Greater);
        let Some(mut at) = behind.checked_sub(1) else {
            return;
        };
        let Some(nearest) = self.sorted.get(at) else {
            return;
        };
        let shared = common(needles.bytes(nearest), text);
        while let Some(needle) = self.sorted.get(at) {
            if usize::from(needle.length) <= shared && needles.begins(needle, text) {
                found(needle);
            }
            match self.links.get(at) {
                Some(&next) if next != NONE => at = next as usize,
                _ => break,
            }
        }
    }

    /// Whether some needle begins with `text` and is longer. May say yes to a text that differs in
    /// the case of letters only, where very many needles begin alike.
    pub(super) fn goes_on(&self, needles: &Needles, text: &[u8]) -> bool {
        /// Needles that are looked at one by one.
        const MOST: usize = 64;
        let from = self
            .sorted
            .partition_point(|needle| compare(needles.bytes(needle), text) == Ordering::Less);
        let alike = self.sorted.get(from..).unwrap_or_default().iter();
        let mut alike = alike
            .take_while(|needle| common(needles.bytes(needle), text) == text.len())
            .take(MOST + 1);
        let mut seen = 0;
        alike.any(|needle| {
            seen += 1;
            seen > MOST || needles.goes_on(needle, text)
        })
    }
}

fn folded(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| byte | 0x20)
}

/// Orders a needle against a text that is usually much longer.
fn compare(needle: &[u8], text: &[u8]) -> Ordering {
    folded(needle).cmp(folded(text))
}

/// Length of the common folded prefix.
fn common(a: &[u8], b: &[u8]) -> usize {
    std::iter::zip(folded(a), folded(b))
        .take_while(|(a, b)| a == b)
        .count()
}
