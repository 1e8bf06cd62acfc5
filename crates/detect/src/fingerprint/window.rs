//! Which bytes of a value the first stage may know.
//!
//! One window of [`WINDOW`] bytes, at one of [`PLACES`] places; which of them depends on what it costs to
//! look for it, and on what looks least like ordinary text, since every place in a file that looks like a
//! window costs a digest.

use super::look;
use crate::forms::{self, Shape};
use crate::matcher::rarity;

/// Bytes of a value that the first stage knows.
pub const WINDOW: usize = 6;

/// At how many places of a value a window may begin.
pub const PLACES: usize = 11;

/// The places are spread over so many bytes: all of them are in the first line of base64 that is broken
/// into lines.
const SPREAD: usize = 36;

/// More than a window costs in any of its forms.
const HALVES: u32 = 1 << 16;

/// A window, and how it looks in every form.
pub(super) struct Window {
    /// Where it begins.
    pub(super) at: usize,
    /// Its forms; functions of the window, and of its place modulo three.
    pub(super) shapes: Vec<Shape>,
}

impl Window {
    /// The window of `value` that begins at `from` or somewhat later.
    pub(super) fn of(value: &[u8], from: usize) -> Option<Self> {
        let part = |at: usize| value.get(at..at + WINDOW).unwrap_or_default();
        let mut places = places(value.len(), from);
        places.sort_by_key(|&at| (std::cmp::Reverse(telling(part(at))), at));
        let mut best: Option<(u32, Self)> = None;
        for at in places {
            let window = Self::at(value, at);
            // First of all: a character that is cut in two has other forms than as a whole.
            let halves = u32::from(std::str::from_utf8(part(at)).is_err());
            let cost = look::cost(&window.shapes) + halves * HALVES;
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, window));
            }
            if cost == 0 {
                break;
            }
        }
        best.map(|(_, window)| window)
    }

    /// The one that begins at `at`.
    pub(super) fn at(value: &[u8], at: usize) -> Self {
        let window = value.get(at..at + WINDOW).unwrap_or_default();
        Self {
            at,
            shapes: forms::of_window(window, at),
        }
    }
}

/// Where a window may begin in a value of this length: a function of the length alone.
pub(super) fn places(length: usize, from: usize) -> Vec<usize> {
    let Some(room) = length
        .checked_sub(from)
        .and_then(|room| room.checked_sub(WINDOW))
    else {
        return Vec::new();
    };
    let room = room.min(SPREAD - WINDOW);
    let mut places: Vec<_> = (0..PLACES)
        .map(|number| from + number * room / (PLACES - 1))
        .collect();
    places.dedup();
    places
}

/// How unlike ordinary text, and how like itself in every form: letters and digits are never escaped.
fn telling(window: &[u8]) -> usize {
    let plain = window
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .count();
    4 * plain + rarity(window)
}
