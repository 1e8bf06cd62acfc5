//! The text without what steers a terminal: CSI sequences (ECMA-48, section 5.4), the choice of a
//! character set (`ESC (` and one byte), carriage returns.
//!
//! What a byte is depends on the bytes before it only, so that nothing has to be held to know it. OSC
//! sequences stay: what they set, a window's title, is text that people read.

use memchr::{memchr2, memrchr};
use std::ops::Range;
use zeroize::Zeroize;

const ESCAPE: u8 = 0x1b;
const RETURN: u8 = b'\r';

/// Longest sequence that is one.
const LONGEST: u8 = 32;

/// Where in a sequence the text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// In none.
    #[default]
    Text,
    /// Behind the escape character.
    Escape,
    /// In a CSI sequence of so many bytes.
    Sequence(u8),
    /// Before the byte that names a character set.
    Set,
}

impl State {
    /// The state behind `byte`, and whether it is left out.
    const fn step(self, byte: u8) -> (Self, bool) {
        match (self, byte) {
            (_, ESCAPE) => (Self::Escape, true),
            (Self::Escape, b'[') => (Self::Sequence(0), true),
            (Self::Escape, b'(' | b')') => (Self::Set, true),
            (Self::Set, b'0'..=b'~') => (Self::Text, true),
            (Self::Sequence(length), 0x20..=0x3f) if length < LONGEST => {
                (Self::Sequence(length + 1), true)
            }
            (Self::Sequence(_), 0x40..=0x7e) => (Self::Text, true),
            (_, RETURN) => (Self::Text, true),
            _ => (Self::Text, false),
        }
    }

    /// The state behind `text`.
    pub(super) fn behind(self, text: &[u8]) -> Self {
        // Whatever was before, an escape character begins anew.
        let from = memrchr(ESCAPE, text).unwrap_or(0);
        let mut state = if from == 0 { self } else { Self::Text };
        for &byte in text.get(from..).unwrap_or_default() {
            state = state.step(byte).0;
            if state == Self::Text {
                break;
            }
        }
        state
    }
}

/// The text without them, and where they were.
#[derive(Default)]
pub(super) struct View {
    pub(super) text: Vec<u8>,
    gaps: Vec<Gap>,
}

/// One stretch that was left out.
#[derive(Clone, Copy)]
struct Gap {
    /// Offset in the view before which it stood.
    at: usize,
    /// Where it begins and ends in the text itself.
    from: usize,
    to: usize,
}

impl Gap {
    /// How many bytes were left out up to its end.
    const fn total(self) -> usize {
        self.to - self.at
    }
}

impl View {
    /// Makes the view of `raw`. `false` when nothing is left out: then it is the text itself.
    pub(super) fn make(&mut self, raw: &[u8], mut state: State) -> bool {
        self.text.clear();
        self.gaps.clear();
        let mut position = 0;
        while let Some(rest) = raw.get(position..).filter(|rest| !rest.is_empty()) {
            if state == State::Text {
                let plain = memchr2(ESCAPE, RETURN, rest).unwrap_or(rest.len());
                if plain == raw.len() {
                    return false;
                }
                self.text
                    .extend_from_slice(rest.get(..plain).unwrap_or_default());
                position += plain;
                if plain == rest.len() {
                    break;
                }
            }
            let Some(&byte) = raw.get(position) else {
                break;
            };
            let (next, skipped) = state.step(byte);
            state = next;
            if skipped {
                self.leave_out(position);
            } else {
                self.text.push(byte);
            }
            position += 1;
        }
        !self.gaps.is_empty()
    }

    fn leave_out(&mut self, position: usize) {
        let at = self.text.len();
        match self.gaps.last_mut() {
            Some(gap) if gap.at == at => gap.to = position + 1,
            _ => self.gaps.push(Gap {
                at,
                from: position,
                to: position + 1,
            }),
        }
    }

    /// Where the byte of the view at `offset` is in the text itself.
    pub(super) fn place(&self, offset: usize) -> usize {
        let behind = self.gaps.partition_point(|gap| gap.at <= offset);
        let last = behind.checked_sub(1).and_then(|last| self.gaps.get(last));
        offset + last.map_or(0, |gap| gap.total())
    }

    /// How many bytes were left out in all.
    pub(super) fn left_out(&self) -> usize {
        self.gaps.last().map_or(0, |gap| gap.total())
    }

    /// What was left out of `range` of the text itself, as stretches of it.
    pub(super) fn gaps(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let first = self.gaps.partition_point(|gap| gap.to <= range.start);
        let gaps = self.gaps.get(first..).unwrap_or_default().iter();
        gaps.take_while(move |gap| gap.from < range.end)
            .map(move |gap| gap.from.max(range.start)..gap.to.min(range.end))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(raw: &[u8]) -> Vec<u8> {
        let mut view = View::default();
        if view.make(raw, State::Text) {
            view.text.clone()
        } else {
            raw.to_vec()
        }
    }

    #[test]
    fn colours_and_returns_are_left_out_and_titles_are_not() {
        for (raw, expected) in [
            (&b"plain"[..], &b"plain"[..]),
            (b"a\x1b[01;31m\x1b[Kb\x1b[mc\r\n", b"abc\n"),
            (b"\x1b]0;title\x07x", b"]0;title\x07x"),
            (b"\x1b(B\x1b[mx", b"x"),
            (b"a\x1b[3\nb", b"a\nb"),
            (b"\x1b", b""),
            (b"\r\r", b""),
            (b"", b""),
        ] {
            assert_eq!(view(raw), expected, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn places_lead_back_to_the_text() {
        let raw = b"a\x1b[1mbc\r\nd";
        let mut view = View::default();
        assert!(view.make(raw, State::Text));
        for (offset, byte) in view.text.iter().enumerate() {
            assert_eq!(raw[view.place(offset)], *byte);
        }
        let gaps = |range| view.gaps(range).collect::<Vec<_>>();
        assert_eq!(gaps(0..raw.len()), [1..5, 7..8]);
        assert_eq!(gaps(2..7), vec![2..5]);
        assert!(gaps(5..7).is_empty());
    }

    #[test]
    fn state_behind_a_text_is_that_of_its_bytes() {
        let raw = b"x\x1b[1;2my\x1b\x1b(\x1b[3\x01z\x1b)";
        for from in 0..raw.len() {
            let before = raw[..from].iter().fold(State::Text, |s, b| s.step(*b).0);
            for to in from..=raw.len() {
                let stepped = raw[from..to].iter().fold(before, |s, b| s.step(*b).0);
                assert_eq!(before.behind(&raw[from..to]), stepped, "{from}..{to}");
            }
        }
    }
}
