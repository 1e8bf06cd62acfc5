//! Finds many byte strings at once, in linear time, over any chunking.
//!
//! How: two stages. The *filter* looks at every eighth byte only (every fourth for short needles):
//! it takes the eight (five) bytes there, folds case, hashes them and tests one bit. Each needle has
//! put its bits for all eight (four) phases in which it can lie relative to those positions, so none
//! is missed. A set bit leads to a table that says how far before this position a needle may begin.
//! The *index* then compares the text from there with all needles at once: they are sorted, so one
//! binary search finds the only chain of candidates.
//!
//! The cost of a byte is therefore nearly independent of the number of needles, and the worst case
//! (text made of pieces of needles) is bounded by the length of the longest needle, not by their
//! number.

mod filter;
mod index;
mod starts;
mod stream;

pub use stream::Stream;

use crate::fingerprint::{Keyed, PrintKey, Prints};
use crate::forms::Form;
use crate::needles::{Needles, SecretId};
use filter::Filter;
use index::Index;
use sha2::{Digest as _, Sha256};
use starts::Starts;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where a value was found. Never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hit {
    /// Offset just behind the last byte.
    pub end: u64,
    /// Offset of the first byte.
    pub start: u64,
    /// Whose value it is.
    pub secret: SecretId,
    /// How it was written.
    pub form: Form,
}

/// A set of needles ready to be searched for. Shared freely between threads.
pub struct Matcher {
    needles: Needles,
    filter: Filter,
    index: Index,
    starts: Starts,
    longest: usize,
    /// The search by fingerprint, instead of the one by value.
    keyed: Option<Keyed>,
}

impl Matcher {
    /// Prepares the search.
    #[must_use]
    pub fn new(needles: Needles) -> Self {
        let filter = Filter::new(&needles);
        let index = Index::new(&needles);
        let starts = Starts::new(&needles);
        let longest = needles
            .all()
            .iter()
            .map(|needle| usize::from(needle.length))
            .max();
        Self {
            longest: longest.unwrap_or(0),
            needles,
            filter,
            index,
            starts,
            keyed: None,
        }
    }

    /// Prepares a search by fingerprint: the same, without values.
    #[must_use]
    pub fn of_prints(prints: Prints, key: PrintKey) -> Self {
        let (entries, keyed) = prints.keyed(key);
        Self {
            longest: keyed.longest(),
            keyed: Some(keyed),
            ..Self::new(Needles::named(entries))
        }
    }

    /// How many byte strings are searched for.
    #[must_use]
    pub fn shapes(&self) -> usize {
        let keyed = self.keyed.as_ref().map_or(0, Keyed::shapes);
        self.needles.shapes() + keyed
    }

    /// What is searched for.
    #[must_use]
    pub const fn needles(&self) -> &Needles {
        &self.needles
    }

    /// Secrets whose value another one has, too, under another path: the first of each, and the others.
    #[must_use]
    pub fn reused(&self) -> Vec<Vec<SecretId>> {
        let mut by_value: BTreeMap<Vec<u8>, Vec<SecretId>> = BTreeMap::new();
        if let Some(keyed) = &self.keyed {
            for (secret, digest) in keyed.same() {
                by_value.entry(digest.clone()).or_default().push(*secret);
            }
        }
        for needle in self.needles.all() {
            if needle.form == Form::Raw {
                let digest = Sha256::digest(self.needles.bytes(needle)).to_vec();
                by_value.entry(digest).or_default().push(needle.secret);
            }
        }
        let path = |secret: &SecretId| self.needles.label(*secret).map(|label| &label.path);
        let mut all: Vec<_> = by_value.into_values().collect();
        for group in &mut all {
            group.sort_unstable();
            group.dedup();
        }
        all.retain(|group| {
            group
                .iter()
                .any(|secret| path(secret) != group.first().and_then(path))
        });
        all
    }

    /// A search over bytes that arrive in pieces.
    #[must_use]
    pub fn stream(&self) -> Stream<'_> {
        Stream::new(self)
    }

    /// All hits in `text`, ordered by where they end.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        self.scan(text, 0, &mut hits);
        hits
    }

    /// Whether a needle that is longer than `text` begins with it: whether more bytes may make a
    /// hit of all of `text`.
    pub(crate) fn goes_on(&self, text: &[u8]) -> bool {
        text.len() < self.longest
            && self.starts.may_begin(text)
            && self.index.goes_on(&self.needles, text)
    }

    /// The first offset of `text`, not before `from`, at which a needle may have begun that ends
    /// behind it.
    pub(crate) fn unfinished(&self, text: &[u8], from: usize) -> Option<usize> {
        let first = (text.len() + 1).saturating_sub(self.longest).max(from);
        (first..text.len()).find(|&start| self.goes_on(text.get(start..).unwrap_or_default()))
    }

    /// `text` with every value in it replaced by `‹secret›`.
    ///
    /// For file names and keys that are about to be shown: they may contain what we look for.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut hits = self.find(text.as_bytes());
        if hits.is_empty() {
            return Cow::Borrowed(text);
        }
        hits.sort_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end)));
        let mut out = Vec::with_capacity(text.len());
        let mut from = 0;
        for hit in hits {
            let (start, end) = (hit.start as usize, hit.end as usize);
            if start >= from {
                out.extend_from_slice(text.as_bytes().get(from..start).unwrap_or_default());
                out.extend_from_slice("‹secret›".as_bytes());
            }
            from = from.max(end);
        }
        out.extend_from_slice(text.as_bytes().get(from..).unwrap_or_default());
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }

    /// Appends the hits in `text`, ordered by where they end.
    pub(crate) fn find_into(&self, text: &[u8], hits: &mut Vec<Hit>) {
        self.scan(text, 0, hits);
    }

    /// Appends the hits in `text`, whose first byte has offset `base`.
    fn scan(&self, text: &[u8], base: u64, hits: &mut Vec<Hit>) {
        let first = hits.len();
        if let Some(keyed) = &self.keyed {
            keyed.scan(text, base, hits);
        }
        self.filter.candidates(text, |start| {
            let Some(rest) = text.get(start..) else {
                return;
            };
            self.index.find(&self.needles, rest, |needle| {
                let start = base + start as u64;
                hits.push(Hit {
                    end: start + u64::from(needle.length),
                    start,
                    secret: needle.secret,
                    form: needle.form,
                });
            });
        });
        // A needle can be met through several positions of the filter: keep one of each.
        if let Some(new) = hits.get_mut(first..) {
            new.sort_unstable();
        }
        hits.dedup();
    }
}

/// How unlike ordinary text a window is: no byte twice in a row, digits among letters.
pub(crate) fn rarity(window: &[u8]) -> usize {
    let changes = window
        .windows(2)
        .filter(|pair| pair.first() != pair.last())
        .count();
    let class = |byte: &u8| match byte {
        b'0'..=b'9' => 1,
        b'A'..=b'Z' => 2,
        b'a'..=b'z' => 3,
        _ => 4,
    };
    let turns = window
        .windows(2)
        .filter(|pair| pair.first().map(class) != pair.last().map(class))
        .count();
    changes + 2 * turns
}

#[cfg(test)]
mod tests;
