//! Finding the patterns that match a path without looking at all of them.
//!
//! The indexes hold positions in the list of rules, which is sorted by rank: of two positions the
//! greater one is the more specific rule.

use std::collections::HashMap;

/// Prefixes, for the longest that a path begins with.
#[derive(Default)]
pub(super) struct Prefixes {
    /// Sorted by text.
    sorted: Vec<Prefix>,
}

struct Prefix {
    text: String,
    rule: usize,
    /// The longest other entry that this one begins with.
    parent: Option<usize>,
}

impl Prefixes {
    /// From texts that are all different.
    pub(super) fn new(prefixes: impl IntoIterator<Item = (String, usize)>) -> Prefixes {
        let mut sorted: Vec<Prefix> = prefixes
            .into_iter()
            .map(|(text, rule)| Prefix {
                text,
                rule,
                parent: None,
            })
            .collect();
        sorted.sort_by(|a, b| a.text.cmp(&b.text));
        let mut all = Prefixes { sorted };
        for index in 0..all.sorted.len() {
            let parent = match (index.checked_sub(1), all.sorted.get(index)) {
                (Some(before), Some(prefix)) => all.longest_from(Some(before), &prefix.text),
                _ => None,
            };
            if let Some(prefix) = all.sorted.get_mut(index) {
                prefix.parent = parent;
            }
        }
        all
    }

    pub(super) fn longest(&self, path: &str) -> Option<usize> {
        let after = self
            .sorted
            .partition_point(|prefix| prefix.text.as_str() <= path);
        let found = self.longest_from(after.checked_sub(1), path)?;
        self.sorted.get(found).map(|prefix| prefix.rule)
    }

    /// Whatever `path` begins with sorts before it, and what sorts between begins with it too: so
    /// the answer is the entry just before `path`, or one that entry begins with.
    fn longest_from(&self, mut candidate: Option<usize>, path: &str) -> Option<usize> {
        loop {
            let index = candidate?;
            let prefix = self.sorted.get(index)?;
            if path.starts_with(&prefix.text) {
                return Some(index);
            }
            candidate = prefix.parent;
        }
    }
}

/// Patterns of segments, as a tree with a level for each segment.
///
/// A search follows the literal branch and the `+` branch of each level, so it never costs more
/// than the tree has nodes.
#[derive(Default)]
pub(super) struct Segments {
    literal: HashMap<String, Segments>,
    any: Option<Box<Segments>>,
    /// A pattern that ends here.
    end: Option<usize>,
    /// Patterns whose last segment is a prefix.
    open: Vec<(String, usize)>,
}

impl Segments {
    pub(super) fn insert(&mut self, text: &str, open: bool, rule: usize) {
        match (text.split_once('/'), open) {
            (Some((segment, rest)), _) => self.below(segment).insert(rest, open, rule),
            (None, true) => self.open.push((text.to_owned(), rule)),
            (None, false) => self.below(text).end = Some(rule),
        }
    }

    fn below(&mut self, segment: &str) -> &mut Segments {
        if segment == "+" {
            self.any.get_or_insert_default()
        } else {
            self.literal.entry(segment.to_owned()).or_default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.any.is_none() && self.open.is_empty()
    }

    /// The most specific rule that matches the whole path.
    pub(super) fn best(&self, path: &str) -> Option<usize> {
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        let opens = self
            .open
            .iter()
            .filter(|(start, _)| segment.starts_with(start))
            .map(|(_, rule)| *rule)
            .max();
        let branches = [self.literal.get(segment), self.any.as_deref()];
        branches
            .into_iter()
            .flatten()
            .filter_map(|branch| match rest {
                Some(rest) => branch.best(rest),
                None => branch.end,
            })
            .chain(opens)
            .max()
    }
}
