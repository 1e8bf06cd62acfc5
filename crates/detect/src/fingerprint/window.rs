//! Which bytes of a value the first stage may know.
//!
//! One window of [`WINDOW`] bytes. It begins at a multiple of three, so that base64 in base64 has it
//! whole; which of [`PLACES`] multiples it is depends on which looks least like ordinary text, since
//! every place in a file that looks like a window costs a digest.

use crate::forms::{self, Shape};
use crate::matcher::rarity;

/// Bytes of a value that the first stage knows.
pub const WINDOW: usize = 6;

/// Where a window may begin: this many multiples of three.
pub const PLACES: usize = 11;

/// How many bytes before a window are three in base64.
const GROUP: usize = 3;

/// A window, and how it looks in every form.
pub(super) struct Window {
    /// Where it begins.
    pub(super) at: usize,
    /// Its forms; functions of the window alone.
    pub(super) shapes: Vec<Shape>,
}

impl Window {
    /// The window of `value` that begins at `from` or somewhat later.
    pub(super) fn of(value: &[u8], from: usize) -> Option<Self> {
        let places = (0..PLACES).map(|place| from + place * GROUP);
        let fits = places.filter(|at| at + WINDOW <= value.len());
        let at = fits.max_by_key(|&at| {
            let window = value.get(at..at + WINDOW).unwrap_or_default();
            (telling(window), std::cmp::Reverse(at))
        })?;
        Some(Self {
            at,
            shapes: forms::of_window(value.get(at..at + WINDOW)?),
        })
    }
}

/// How unlike ordinary text, and how like itself in every form: letters and digits are never escaped.
fn telling(window: &[u8]) -> usize {
    let plain = window
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .count();
    // A character of several bytes that is cut in two looks different in JSON than as a whole.
    let whole = usize::from(std::str::from_utf8(window).is_ok());
    64 * whole + 4 * plain + rarity(window)
}
