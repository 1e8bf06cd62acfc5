//! Masks stored values in a stream of bytes: each occurrence becomes the secret's name.
//!
//! [`Masks`] is what is looked for and what it is replaced by; a [`Stream`] is one text on its way.
//! The rules, which a model in the tests repeats in slow and simple words:
//!
//! * Every occurrence of every form is masked. Occurrences that overlap are one stretch, shown as
//!   the names of those that reach further than what stood before them; one inside another is not
//!   named. Occurrences that only touch are two.
//! * The text is searched twice, as it is and without what steers a terminal (CSI sequences, carriage
//!   returns): a value stays a value when `grep` colours half of it or a terminal wraps it. What
//!   stood inside and steers the terminal is passed on behind the name; a colour must end.
//! * Nothing else is changed, dropped, added or reordered, and the result never depends on how the
//!   text was cut into pieces.
//! * A byte leaves with the call that brought it, unless the text from there on may still become a
//!   value. What is held is always the beginning of a value and never longer than a piece of one.
//!
//! **Silence.** A prompt without a newline may end in what a value begins with; somebody waits for
//! it. After a pause the caller may ask for [`Stream::release`]. It lets out what is held only if
//! that is at most [`SHOWN`] bytes, and remembers them: if the rest of the value comes, it is masked
//! from there. So a value that is written byte by byte, however slowly, shows three bytes at most. A
//! longer beginning of a value is never let out by time: a pause is what a flush in the middle of a
//! value looks like.
//!
//! Not masked: what [`crate::forms`] does not know, a value that is split over two streams (stdout and
//! stderr), and values that are too weak, which [`Masks::refused`] names.

pub mod keys;
mod look;
mod stream;
mod style;
mod view;

pub use look::Looks;
pub use stream::Stream;
pub use style::{Style, StyleError};

use crate::label::Label;
use crate::matcher::Matcher;
use crate::needles::{Needles, SecretId};
use crate::weak::Weakness;
use std::sync::Arc;

/// Most bytes of the beginning of a value that a pause lets out.
pub const SHOWN: usize = 3;

/// Bytes that steer the terminal inside one occurrence; with more it is none.
pub(crate) const MOST_SKIPPED: usize = 4096;

/// What is masked, and by what. Shared freely between threads.
pub struct Masks {
    matcher: Matcher,
    names: Vec<Vec<u8>>,
}

impl Masks {
    /// Prepares the search for `needles`, which were made by [`Needles::for_redaction`].
    #[must_use]
    pub fn new(needles: Needles, style: &Style) -> Self {
        let name = |entry: &crate::needles::Entry| style.name(&entry.label).into_bytes();
        Self {
            names: needles.entries().iter().map(name).collect(),
            matcher: Matcher::new(needles),
        }
    }

    /// A text on its way.
    #[must_use]
    pub fn stream(self: &Arc<Self>) -> Stream {
        Stream::new(Arc::clone(self))
    }

    /// All of `text` at once.
    #[must_use]
    pub fn redact(self: &Arc<Self>, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut stream = self.stream();
        stream.push(text, &mut |part| out.extend_from_slice(part));
        stream.finish(&mut |part| out.extend_from_slice(part));
        out
    }

    /// The secrets that are not masked, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&Label, Weakness)> {
        let entries = self.matcher.needles().entries().iter();
        entries.filter_map(|entry| Some((&entry.label, entry.weakness?)))
    }

    /// What is searched for.
    #[must_use]
    pub const fn needles(&self) -> &Needles {
        self.matcher.needles()
    }

    pub(crate) const fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    pub(crate) fn name(&self, secret: SecretId) -> &[u8] {
        self.names.get(secret.index()).map_or(b"", Vec::as_slice)
    }
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Masks({} secrets)", self.names.len())
    }
}
