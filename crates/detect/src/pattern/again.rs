//! A text that differs a little from one that was searched before: only what changed is searched again.
//!
//! A history is mostly versions of the same files, and a pack says of each version which pieces it took
//! from another. What a literal leads to depends on its own line, and on a few hundred bytes around that
//! line (see [`super::assignment`]). So around every change whole lines are searched again with
//! [`AROUND`] bytes more, and what was found elsewhere moves with its text. A text with a literal that
//! may lead further (a private key over many lines, a manifest) is always searched as a whole.

use super::Scanner;
use super::scan::{AHEAD, BEHIND, Found};
use super::stream::{Place, Sighting, is_binary, wide_text};
use std::ops::Range;

/// Further than any rule of one line looks beyond that line.
const AROUND: usize = 320;

/// A piece of a text that was made of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it stands in the other one; none if it is new.
    pub(crate) from: Option<usize>,
    pub(crate) length: usize,
}

/// What a search of one text gave, for the search of the next version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    found: Vec<Found>,
    binary: bool,
    /// It says nothing about another text.
    alone: bool,
}

impl Scanner {
    /// Searches a whole text.
    pub(crate) fn look(&self, text: &[u8]) -> Seen {
        let binary = is_binary(text);
        let mut far = false;
        let found = self.scan_noting(text, 0, text.len(), binary, &mut far);
        Seen {
            found,
            binary,
            alone: far || self.imported.len() > 0,
        }
    }

    /// Searches a text that is made of `pieces`, the ones with an origin being those of a text of
    /// `length` bytes that `before` is about.
    pub(crate) fn look_again(
        &self,
        text: &[u8],
        before: &Seen,
        length: usize,
        pieces: &[Piece],
    ) -> Seen {
        let binary = is_binary(text);
        if before.alone || before.binary != binary {
            return self.look(text);
        }
        let changed = changed(text, length, pieces);
        let mut far = false;
        let mut found = moved(before, pieces, &changed);
        for range in changed {
            found.extend(self.scan_noting(text, range.start, range.end, binary, &mut far));
        }
        if far {
            return self.look(text);
        }
        found.sort_by_key(|one| one.secret.start);
        Seen {
            found,
            binary,
            alone: false,
        }
    }

    /// Tells what was found in `text`, allowances in its lines considered.
    pub(crate) fn tell(text: &[u8], seen: &Seen, tell: &mut impl FnMut(&Sighting<'_>)) {
        if !seen.found.is_empty() {
            Place::default().report(text, &seen.found, seen.binary, tell);
        }
    }

    /// Whether a text is one that is judged by what it decodes to.
    pub(crate) fn is_wide(text: &[u8]) -> bool {
        wide_text(text.get(..2).unwrap_or_default()).is_some()
    }
}

/// What must be searched: whole lines around every change, in order and apart from each other.
fn changed(text: &[u8], length: usize, pieces: &[Piece]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut add = |from: usize, to: usize| {
        let (from, to) = (line_start(text, from), line_end(text, to));
        match ranges.last_mut() {
            Some(last) if from <= last.end => last.end = last.end.max(to),
            _ => ranges.push(from..to),
        }
    };
    let mut at = 0;
    let mut expected = Some(0);
    for piece in pieces {
        if piece.from.is_none() {
            add(at, at + piece.length);
        } else if piece.from != expected {
            add(at, at);
        }
        expected = piece.from.map(|from| from + piece.length);
        at += piece.length;
    }
    // The last piece may have ended before its text did.
    if expected != Some(length) {
        add(at, at);
    }
    ranges
}

fn line_start(text: &[u8], at: usize) -> usize {
    let start = |at: usize| {
        let line = text.get(at.saturating_sub(AHEAD)..at).unwrap_or_default();
        memchr::memrchr(b'\n', line).map_or(at - line.len(), |found| at - line.len() + found + 1)
    };
    start(start(at).saturating_sub(AROUND))
}

fn line_end(text: &[u8], at: usize) -> usize {
    let at = (at + AROUND).min(text.len());
    let line = text
        .get(at..(at + BEHIND).min(text.len()))
        .unwrap_or_default();
    memchr::memchr(b'\n', line).map_or(at + line.len(), |found| at + found)
}

/// What was found before and lies outside of what changed.
fn moved(before: &Seen, pieces: &[Piece], changed: &[Range<usize>]) -> Vec<Found> {
    let mut found = Vec::new();
    if before.found.is_empty() {
        return found;
    }
    let mut at = 0;
    for piece in pieces {
        if let Some(from) = piece.from {
            let until = from + piece.length;
            for one in &before.found {
                if !(from..until).contains(&one.anchor) {
                    continue;
                }
                let here = one.anchor - from + at;
                let next = changed.partition_point(|range| range.end <= here);
                if changed.get(next).is_some_and(|range| range.contains(&here)) {
                    continue;
                }
                found.extend(one.moved(from, at));
            }
        }
        at += piece.length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::specimen;
    use proptest::prelude::*;

    /// Lines of all kinds, some of which are findings, some only together.
    fn lines() -> Vec<String> {
        let token = |number| specimen("ghp_{base62:36}", number);
        vec![
            "# nothing\n".to_owned(),
            "\n".to_owned(),
            format!("TOKEN={}\n", token(1)),
            format!("a = {} ; b = {}\n", token(2), token(3)),
            format!("x {} cofferdam:allow github-ghp-token\n", token(4)),
            "DB_PASSWORD=\"kF8s#jq2Lm\"\n".to_owned(),
            "- name: DB_PASSWORD\n".to_owned(),
            "  value: Jx93kdLLq2\n".to_owned(),
            "  password: Zq8#kkP2w\n".to_owned(),
            "kind: Secret\n".to_owned(),
            "data:\n".to_owned(),
            "  key: c2VjcmV0LXZhbHVlLTEyMw==\n".to_owned(),
            "-----BEGIN PRIVATE KEY-----\n".to_owned(),
            format!(
                "{}\n",
                "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ".repeat(2)
            ),
            "-----END PRIVATE KEY-----\n".to_owned(),
            "ghp_".to_owned(),
            format!("{}\n", "Ab3".repeat(12)),
            "password".to_owned(),
            " = ".to_owned(),
            "x".repeat(400),
            "y\n".repeat(200),
            "\0".to_owned(),
        ]
    }

    fn told(text: &[u8], seen: &Seen) -> Vec<(u64, u64, String, Vec<u8>)> {
        let mut all = Vec::new();
        Scanner::tell(text, seen, &mut |sighting| {
            all.push((
                sighting.offset,
                sighting.line,
                sighting.found.rule.id.clone(),
                sighting.secret.to_vec(),
            ));
        });
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn what_changed_little_gives_the_same_as_when_searched_whole(
            first in prop::collection::vec(0_usize..22, 1..30),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::option::of(0_usize..22)), 1..8),
        ) {
            let lines = lines();
            let scanner = Scanner::new();
            let base: String = first.iter().map(|&line| lines[line].as_str()).collect();
            let base = base.as_bytes();
            let (mut text, mut pieces) = (Vec::new(), Vec::new());
            for (from, to, brought) in &edits {
                let (from, to) = (from.index(base.len() + 1), to.index(base.len() + 1));
                let (from, to) = (from.min(to), from.max(to));
                if from < to {
                    text.extend(&base[from..to]);
                    pieces.push(Piece { from: Some(from), length: to - from });
                }
                if let Some(line) = brought {
                    text.extend(lines[*line].as_bytes());
                    pieces.push(Piece { from: None, length: lines[*line].len() });
                }
            }
            let before = scanner.look(base);
            let again = scanner.look_again(&text, &before, base.len(), &pieces);
            prop_assert_eq!(told(&text, &again), told(&text, &scanner.look(&text)));
        }
    }

    #[test]
    fn an_untouched_text_is_not_searched_again() {
        let text = b"DB_PASSWORD=kF8s#jq2Lm\n".repeat(3);
        let piece = Piece {
            from: Some(0),
            length: text.len(),
        };
        assert!(changed(&text, text.len(), &[piece]).is_empty());
        assert_eq!(changed(&text, text.len() + 1, &[piece]).len(), 1);
        let scanner = Scanner::new();
        let before = scanner.look(&text);
        let again = scanner.look_again(&text, &before, text.len(), &[piece]);
        assert_eq!(told(&text, &again).len(), 3);
        assert_eq!(told(&text, &again), told(&text, &before));
    }
}
