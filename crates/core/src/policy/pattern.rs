//! Path patterns, and which of two is more specific.

use std::cmp::Reverse;

/// A rule's path, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pattern {
    /// Matches itself.
    Exact(String),
    /// Ended with `*` and has no `+` segment: matches what begins with this.
    Prefix(String),
    /// Has a `/+`: matches segment by segment.
    Segments {
        /// Without the final `*`.
        text: String,
        /// Ended with `*`: the last segment is a prefix, and more may follow.
        open: bool,
    },
}

/// How specific a pattern with wildcards is; the greater one decides.
///
/// The order of the fields is the order of the questions, see the module documentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    first_wildcard: usize,
    closed: bool,
    wildcards: Reverse<usize>,
    length: usize,
    text: String,
}

/// `+*` would be a wildcard within a segment, which Vault refuses too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MixedWildcards;

impl Pattern {
    /// Takes the text of a rule apart. One leading slash is ignored, as in Vault.
    pub(super) fn parse(text: &str) -> Result<Pattern, MixedWildcards> {
        let text = text.strip_prefix('/').unwrap_or(text);
        if text.contains("+*") {
            return Err(MixedWildcards);
        }
        let open = text.ends_with('*');
        let stem = text.strip_suffix('*').unwrap_or(text).to_owned();
        // So Vault: also `/+x` makes it a pattern of segments, where `+x` is text.
        let segments = text == "+" || text.starts_with("+/") || text.contains("/+");
        Ok(match (segments, open) {
            (true, open) => Pattern::Segments { text: stem, open },
            (false, true) => Pattern::Prefix(stem),
            (false, false) => Pattern::Exact(stem),
        })
    }

    /// A pattern of the same form with another text, whose wildcards are in the same places.
    pub(super) fn with(&self, text: String) -> Pattern {
        let stem = |mut text: String| {
            text.truncate(text.len() - 1);
            text
        };
        match self {
            Pattern::Exact(_) => Pattern::Exact(text),
            Pattern::Prefix(_) => Pattern::Prefix(stem(text)),
            Pattern::Segments { open: true, .. } => Pattern::Segments {
                text: stem(text),
                open: true,
            },
            Pattern::Segments { open: false, .. } => Pattern::Segments { text, open: false },
        }
    }

    /// The pattern as it is written, without a leading slash.
    pub(super) fn written(&self) -> String {
        format!("{}{}", self.stem(), if self.is_open() { "*" } else { "" })
    }

    /// The text without a final wildcard.
    pub(super) fn stem(&self) -> &str {
        match self {
            Pattern::Exact(text) | Pattern::Prefix(text) | Pattern::Segments { text, .. } => text,
        }
    }

    /// Does it end with `*`?
    pub(super) fn is_open(&self) -> bool {
        match self {
            Pattern::Exact(_) => false,
            Pattern::Prefix(_) => true,
            Pattern::Segments { open, .. } => *open,
        }
    }

    /// What to compare with other patterns that match. Equal only for equal patterns.
    pub(super) fn rank(&self) -> Rank {
        let text = self.stem();
        let (first_wildcard, wildcards) = match self {
            Pattern::Exact(_) => (usize::MAX, 0),
            Pattern::Prefix(_) => (text.len(), 0),
            Pattern::Segments { .. } => {
                let wildcards = text.split('/').filter(|segment| *segment == "+").count();
                (text.find('+').unwrap_or(text.len()), wildcards)
            }
        };
        Rank {
            first_wildcard,
            closed: !self.is_open(),
            wildcards: Reverse(wildcards),
            length: text.len(),
            text: text.to_owned(),
        }
    }

    /// Can it match a canonical path at all? `a//b` and `a/../b` cannot.
    pub(super) fn is_reachable(&self) -> bool {
        // An open pattern goes on with anything: end its last segment with something harmless.
        let sample = if self.is_open() {
            format!("{}x", self.stem())
        } else {
            self.stem().to_owned()
        };
        crate::path::Path::parse(&sample).is_ok()
    }

    /// Can it match something that begins with `start`, which ends with a slash?
    pub(super) fn may_match_below(&self, start: &str) -> bool {
        match self {
            Pattern::Exact(text) => text.starts_with(start),
            Pattern::Prefix(text) => text.starts_with(start) || start.starts_with(text),
            Pattern::Segments { text, open } => {
                let mut wanted = text.split('/').peekable();
                for segment in start.trim_end_matches('/').split('/') {
                    match wanted.next() {
                        None => return false,
                        Some(last) if wanted.peek().is_none() => {
                            return *open && segment.starts_with(last);
                        }
                        Some(pattern) if pattern == "+" || pattern == segment => {}
                        Some(_) => return false,
                    }
                }
                true
            }
        }
    }
}
