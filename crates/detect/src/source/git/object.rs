//! Names of objects, and what commits, trees and tags say.
//!
//! Formats: git's documentation `gitformat-pack(5)`, `hash-function-transition`, and the object forms
//! that `git cat-file -p` prints. Everything here is foreign: what does not parse is absent, never a panic.

use super::super::clean;
use std::fmt;
use std::ops::Range;

/// The name of an object: 20 bytes in a SHA-1 repository, 32 in a SHA-256 one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id {
    bytes: [u8; 32],
    length: u8,
}

impl Id {
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let mut id = Self {
            bytes: [0; 32],
            length: u8::try_from(bytes.len()).ok()?,
        };
        if !matches!(bytes.len(), 20 | 32) {
            return None;
        }
        id.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(id)
    }

    /// From all of its hexadecimal digits.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        let pairs = text.chunks_exact(2);
        if !matches!(text.len(), 40 | 64) {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = *pair else {
                return None;
            };
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Self::new(bytes.get(..text.len() / 2)?)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// Enough of it to tell objects of one repository apart.
    pub(super) fn short(&self) -> u64 {
        let mut head = [0; 8];
        head.copy_from_slice(self.bytes.first_chunk::<8>().unwrap_or(&[0; 8]));
        u64::from_be_bytes(head)
    }

    pub(super) fn is_null(&self) -> bool {
        self.as_bytes().iter().all(|&byte| byte == 0)
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    /// As a pack writes it.
    pub(super) const fn of_pack(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Commit),
            2 => Some(Self::Tree),
            3 => Some(Self::Blob),
            4 => Some(Self::Tag),
            _ => None,
        }
    }

    /// As a loose object writes it.
    pub(super) fn of_word(word: &[u8]) -> Option<Self> {
        match word {
            b"commit" => Some(Self::Commit),
            b"tree" => Some(Self::Tree),
            b"blob" => Some(Self::Blob),
            b"tag" => Some(Self::Tag),
            _ => None,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

/// What is needed of a commit.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) tree: Id,
    pub(super) parents: Vec<Id>,
    /// When it was made, in seconds since 1970.
    pub(super) time: i64,
}

impl Commit {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = text.split(|&byte| byte == b'\n');
        let tree = Id::parse(lines.next()?.strip_prefix(b"tree ")?)?;
        let mut commit = Self {
            tree,
            parents: Vec::new(),
            time: 0,
        };
        for line in lines.take_while(|line| !line.is_empty()) {
            if let Some(parent) = line.strip_prefix(b"parent ") {
                commit.parents.push(Id::parse(parent)?);
            } else if let Some(person) = line.strip_prefix(b"committer ") {
                commit.time = Person::parse(person).time;
            }
        }
        Some(commit)
    }
}

/// How far each commit is from a beginning, in the order of `commits`, which are sorted by id: of two
/// commits of the same second a child stands behind its parent.
///
/// Ids of honest commits cannot go round; those of a pack are what its index says, so they may: then
/// the one that is met again counts as unknown.
pub(super) fn heights(commits: &[(Id, Commit)]) -> Vec<u32> {
    let number = |id: &Id| commits.binary_search_by_key(id, |(id, _)| *id).ok();
    let parents = |at: usize| {
        let commit = commits.get(at).map(|(_, commit)| commit.parents.as_slice());
        commit.unwrap_or_default().iter().filter_map(number)
    };
    let mut heights: Vec<u32> = vec![0; commits.len()];
    let mut entered = vec![false; commits.len()];
    for start in 0..commits.len() {
        // A commit is left for its parents and met again when they are known.
        let mut left = vec![(start, false)];
        while let Some((at, met)) = left.pop() {
            if met {
                let below = parents(at).filter_map(|parent| heights.get(parent)).max();
                let height = below.copied().unwrap_or(0).saturating_add(1);
                if let Some(here) = heights.get_mut(at) {
                    *here = height;
                }
            } else if let Some(entered @ false) = entered.get_mut(at) {
                *entered = true;
                left.push((at, true));
                left.extend(parents(at).map(|parent| (parent, false)));
            }
        }
    }
    heights
}

/// Who made something, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    /// Safe to print.
    pub(super) name: String,
    pub(super) time: i64,
    /// East of Greenwich, in seconds.
    zone: i64,
}

impl Person {
    /// `Name <mail> 1700000000 +0100`, as far as it is written so.
    pub(super) fn parse(text: &[u8]) -> Self {
        let end = memchr::memrchr(b'>', text).map_or(0, |at| at + 1);
        let name = text.split(|&byte| byte == b'<').next().unwrap_or_default();
        let rest = String::from_utf8_lossy(text.get(end..).unwrap_or_default());
        let mut words = rest.split_ascii_whitespace();
        let time = words.next().and_then(|word| word.parse().ok());
        let zone = words.next().and_then(|word| word.parse::<i64>().ok());
        let zone = zone.unwrap_or(0).clamp(-9999, 9999);
        Self {
            name: clean(String::from_utf8_lossy(name).trim()),
            time: time.unwrap_or(0),
            zone: (zone / 100) * 3600 + (zone % 100) * 60,
        }
    }

    /// The author of a commit, or the tagger of a tag.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut lines = text.split(|&byte| byte == b'\n');
        let person = lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .find_map(|line| {
                line.strip_prefix(b"author ")
                    .or_else(|| line.strip_prefix(b"tagger "))
            });
        person.map(Self::parse).unwrap_or_default()
    }

    /// The day where that person was, as `2026-11-25`.
    pub(super) fn day(&self) -> String {
        day(self.time.saturating_add(self.zone))
    }
}

/// The civil date of a moment (days to date: Hinnant, "chrono-compatible low-level date algorithms").
fn day(seconds: i64) -> String {
    // Beyond these years it is nobody's clock.
    let days = seconds.div_euclid(86_400).clamp(-719_162, 2_932_896);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let moved = (5 * of_year + 2) / 153;
    let date = of_year - (153 * moved + 2) / 5 + 1;
    let month = if moved < 10 { moved + 3 } else { moved - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}")
}

/// What a tag points to, and its name.
pub(super) fn tag(text: &[u8]) -> Option<(Id, &[u8])> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let object = Id::parse(lines.next()?.strip_prefix(b"object ")?)?;
    let name = lines
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(b"tag "))?;
    Some((object, name))
}

/// One name in a tree.
#[derive(Clone, Debug)]
pub(super) struct Entry<'t> {
    pub(super) mode: u32,
    pub(super) name: &'t [u8],
    pub(super) id: Id,
    /// Where it stands in its tree.
    pub(super) span: Range<usize>,
}

/// The kinds of names, by the file type bits of their mode.
pub(super) const DIRECTORY: u32 = 0o040_000;
pub(super) const SUBMODULE: u32 = 0o160_000;
pub(super) const LINK: u32 = 0o120_000;
const TYPE: u32 = 0o170_000;

impl Entry<'_> {
    pub(super) const fn kind(&self) -> u32 {
        self.mode & TYPE
    }
}

/// The names in a tree; ends early where it is damaged.
pub(super) struct Entries<'t> {
    tree: &'t [u8],
    at: usize,
    length: usize,
}

impl<'t> Entries<'t> {
    /// `length` is that of an id.
    pub(super) const fn new(tree: &'t [u8], length: usize) -> Self {
        Self {
            tree,
            at: 0,
            length,
        }
    }

    /// Whether all of it was understood.
    pub(super) const fn ended(&self) -> bool {
        self.at == self.tree.len()
    }
}

impl<'t> Iterator for Entries<'t> {
    type Item = Entry<'t>;

    fn next(&mut self) -> Option<Entry<'t>> {
        let rest = self.tree.get(self.at..)?;
        let space = memchr::memchr(b' ', rest.get(..8.min(rest.len()))?)?;
        let mut mode: u32 = 0;
        for &byte in rest.get(..space)? {
            mode = mode << 3 | u32::from(digit(byte).filter(|&digit| digit < 8)?);
        }
        let named = rest.get(space + 1..)?;
        let nul = memchr::memchr(0, named)?;
        let id = Id::new(named.get(nul + 1..nul + 1 + self.length)?)?;
        let start = self.at;
        self.at += space + nul + 2 + self.length;
        Some(Entry {
            mode,
            name: named.get(..nul)?,
            id,
            span: start..self.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (1_764_028_800, "2025-11-25"),
            (-1, "1969-12-31"),
            (i64::MAX, "9999-12-31"),
            (i64::MIN, "0001-01-01"),
        ] {
            assert_eq!(day(seconds), expected);
        }
        let person = Person::parse(b"A\x1b[1m B <a@b> 1764028800 -0100");
        assert_eq!(person.day(), "2025-11-24");
        assert!(!person.name.contains('\u{1b}'));
    }

    #[test]
    fn heights_rise_from_parents_and_come_to_an_end_where_ids_go_round() {
        let id = |n: u8| Id::parse(format!("{n:02x}").repeat(20).as_bytes()).unwrap();
        let commit = |parents: &[u8]| Commit {
            tree: id(99),
            parents: parents.iter().map(|n| id(*n)).collect(),
            time: 0,
        };
        // 1 ← 2 ← 4, 1 ← 3 ← 4, and 2 is a parent of 3 as well.
        let line = [
            (id(1), commit(&[])),
            (id(2), commit(&[1])),
            (id(3), commit(&[1, 2])),
            (id(4), commit(&[3, 2, 77])),
        ];
        assert_eq!(heights(&line), [1, 2, 3, 4]);
        let round = [
            (id(1), commit(&[1])),
            (id(2), commit(&[3])),
            (id(3), commit(&[2, 1])),
        ];
        assert!(heights(&round).iter().all(|height| *height > 0));
    }

    #[test]
    fn a_damaged_tree_ends_where_it_is_damaged() {
        let mut tree = b"100644 a\0".to_vec();
        tree.extend([7; 20]);
        tree.extend(b"40000 b\0");
        tree.extend([8; 19]);
        let mut entries = Entries::new(&tree, 20);
        assert_eq!(entries.by_ref().count(), 1);
        assert!(!entries.ended());
    }
}
