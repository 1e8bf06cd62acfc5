//! Changes of a text by byte ranges. What no edit names stays as it is, byte for byte.

use std::ops::Range;

/// One change: these bytes become that text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    range: Range<usize>,
    text: String,
}

/// Changes of one text. They never overlap; what is inserted at one place keeps its order.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    list: Vec<Edit>,
}

/// A piece of the new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'e> {
    /// These bytes of the old one.
    Kept(Range<usize>),
    /// Something new.
    New(&'e str),
}

impl Edits {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Replaces bytes. The same change twice is one; another change of the same bytes is refused
    /// with `false`, and nothing is done.
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<String>) -> bool {
        let edit = Edit {
            range,
            text: text.into(),
        };
        let nothing = edit.range.is_empty() && edit.text.is_empty();
        if nothing || (!edit.range.is_empty() && self.list.contains(&edit)) {
            return true;
        }
        let (from, to) = (edit.range.start, edit.range.end);
        let clash = self.list.iter().any(|other| {
            from < other.range.end && other.range.start < to
                || (edit.range.is_empty() && other.range.start < from && from < other.range.end)
                || (other.range.is_empty() && from < other.range.start && other.range.start < to)
        });
        if clash || from > to {
            return false;
        }
        self.list.push(edit);
        true
    }

    /// Puts text between two bytes, behind what was put there before.
    pub fn insert(&mut self, at: usize, text: impl Into<String>) -> bool {
        self.replace(at..at, text)
    }

    /// Takes bytes away.
    pub fn remove(&mut self, range: Range<usize>) -> bool {
        self.replace(range, "")
    }

    /// Whether these bytes are replaced or removed by some edit.
    pub(super) fn covers(&self, range: &Range<usize>) -> bool {
        self.list.iter().any(|edit| {
            edit.range.start <= range.start && range.end <= edit.range.end && !edit.range.is_empty()
        })
    }

    /// Old ranges and new texts, in their order.
    pub(super) fn sorted(&self) -> Vec<(Range<usize>, &str)> {
        let mut list: Vec<_> = self.list.iter().enumerate().collect();
        // What is inserted where something is replaced stands before it.
        list.sort_by_key(|(order, edit)| (edit.range.start, edit.range.end, *order));
        list.into_iter()
            .map(|(_, edit)| (edit.range.clone(), edit.text.as_str()))
            .collect()
    }

    /// The same edits, with lines that are put behind another's text put before the next line: so a
    /// diff leaves the line before them alone.
    pub(super) fn by_lines(&self, text: &str) -> Self {
        let end = line_end(text);
        let of = |edit: &Edit| {
            let next = next_line(text, edit.range.start);
            let at = edit.range.start;
            let at_end = edit.range.is_empty() && text.get(at..next) == Some(end);
            match edit.text.strip_prefix(end).filter(|_| at_end) {
                Some(lines) => Edit {
                    range: next..next,
                    text: format!("{lines}{end}"),
                },
                None => edit.clone(),
            }
        };
        Self {
            list: self.list.iter().map(of).collect(),
        }
    }

    /// The new text of `within`, in pieces. Edits have to lie inside of it or outside.
    pub(super) fn pieces(&self, within: Range<usize>) -> Vec<Piece<'_>> {
        let mut pieces = Vec::new();
        let mut at = within.start;
        for (range, text) in self.sorted() {
            if range.start < within.start || range.end > within.end {
                continue;
            }
            if at < range.start {
                pieces.push(Piece::Kept(at..range.start));
            }
            if !text.is_empty() {
                pieces.push(Piece::New(text));
            }
            at = range.end.max(at);
        }
        if at < within.end {
            pieces.push(Piece::Kept(at..within.end));
        }
        pieces
    }

    /// The new text; `None` when an edit is not at characters' borders or outside of the text.
    #[must_use]
    pub fn apply(&self, text: &str) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (range, new) in self.sorted() {
            out.push_str(text.get(at..range.start)?);
            out.push_str(new);
            at = range.end;
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }
}

/// The line that a byte stands in, without its end (`\n` or `\r\n`).
pub(super) fn line_of(text: &str, at: usize) -> Range<usize> {
    let start = text
        .get(..at)
        .and_then(|s| s.rfind('\n'))
        .map_or(0, |n| n + 1);
    let rest = text.get(at..).unwrap_or_default();
    let mut end = rest.find('\n').map_or(text.len(), |n| at + n);
    if end > start && text.get(end - 1..end) == Some("\r") {
        end -= 1;
    }
    start..end.max(start)
}

/// Where the next line begins.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.find('\n').map_or(text.len(), |n| at + n + 1)
}

/// How lines end here: as the first one does.
pub(super) fn line_end(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if at > 0 && text.get(at - 1..at) == Some("\r") => "\r\n",
        _ => "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edits_do_not_overlap_and_inserts_keep_their_order() {
        let mut edits = Edits::default();
        assert!(edits.replace(2..4, "X"));
        assert!(edits.replace(2..4, "X"), "the same again");
        assert!(!edits.replace(3..5, "Y"));
        assert!(!edits.insert(3, "Y"));
        assert!(edits.insert(4, "a") && edits.insert(4, "b"));
        assert!(edits.insert(2, "<"));
        assert_eq!(edits.apply("012345").unwrap(), "01<Xab45");
        assert!(edits.apply("0").is_none());
        let mut edits = Edits::default();
        edits.replace(1..2, "x");
        assert!(edits.apply("\u{e9}").is_none(), "inside of a character");
    }

    proptest! {
        #[test]
        fn what_no_edit_names_is_untouched(
            text in "[ab\u{e9}\r\n]{0,60}",
            wanted in prop::collection::vec((0..60_usize, 0..9_usize, "[xy]{0,3}"), 0..8),
        ) {
            let mut edits = Edits::default();
            let mut kept = vec![true; text.len()];
            for (from, length, new) in wanted {
                let to = (from + length).min(text.len());
                if from > to || !text.is_char_boundary(from) || !text.is_char_boundary(to) {
                    continue;
                }
                if edits.replace(from..to, new) {
                    kept[from..to].fill(false);
                }
            }
            let out = edits.apply(&text).unwrap();
            let before: Vec<u8> = text.bytes().zip(&kept).filter(|(_, k)| **k).map(|(b, _)| b).collect();
            let after: Vec<u8> = out.bytes().filter(|b| !matches!(b, b'x' | b'y')).collect();
            prop_assert_eq!(before, after);
        }
    }
}
