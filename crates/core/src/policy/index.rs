//! Finding the rule for a path without looking at all rules.

use std::collections::HashMap;

/// All patterns, as a tree with a level for each segment.
///
/// It holds positions in the list of rules, which is sorted by rank: of two that match, the
/// greater position is the more specific rule. A search follows the literal branch and the `+`
/// branch of each level. So it costs what the path has segments, whatever the number of rules,
/// unless rules are made to match on every level; and never more than the tree has nodes.
#[derive(Default)]
pub(super) struct Tree {
    literal: HashMap<String, Tree>,
    any: Option<Box<Tree>>,
    /// The pattern that ends here.
    end: Option<usize>,
    /// Patterns that end with `*`: what stands before it in this segment.
    open: Vec<(String, usize)>,
}

impl Tree {
    /// Adds a pattern, whose text comes without a final `*`.
    pub(super) fn insert(&mut self, text: &str, open: bool, rule: usize) {
        match (text.split_once('/'), open) {
            (Some((segment, rest)), _) => self.below(segment).insert(rest, open, rule),
            (None, true) => self.open.push((text.to_owned(), rule)),
            (None, false) => self.below(text).end = Some(rule),
        }
    }

    fn below(&mut self, segment: &str) -> &mut Tree {
        if segment == "+" {
            self.any.get_or_insert_default()
        } else {
            self.literal.entry(segment.to_owned()).or_default()
        }
    }

    /// The most specific rule that matches the whole path.
    pub(super) fn best(&self, path: &str) -> Option<usize> {
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        let mut best = None;
        for (start, rule) in &self.open {
            if segment.starts_with(start) {
                best = best.max(Some(*rule));
            }
        }
        let literal = if self.literal.is_empty() {
            None
        } else {
            self.literal.get(segment)
        };
        for branch in [literal, self.any.as_deref()].into_iter().flatten() {
            best = best.max(match rest {
                Some(rest) => branch.best(rest),
                None => branch.end,
            });
        }
        best
    }
}
