//! Secrets as a type.
//!
//! [`Secret`] wipes its content when dropped and has no `Debug`, `Display` or `Serialize`: a value
//! can only leave through [`Secret::expose`], and `cargo xtask tidy` compares the sites that call
//! it with a checked-in list. [`Buffer`] is a byte sink that leaves no copy behind when it grows.
//!
//! This crate knows nothing of JSON shapes, files or networks.

mod buffer;
mod entropy;
mod memory;

pub use buffer::Buffer;
pub use entropy::{fill, random, random_base62};
pub use memory::{MemoryState, harden_process};

use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A value that is wiped on drop and cannot be printed.
///
/// There is deliberately no `Clone` in the derive sense: [`Secret::duplicate`] is a word to grep.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes ownership; the caller must not have kept a copy.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The one way to the content. Every call site is listed in `xtask/expose.txt`.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Changes the content in place, for filling a buffer that is already protected.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + Clone> Secret<T> {
    /// A second copy, wiped on its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl Secret<String> {
    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same content as bytes, without a copy left behind.
    #[must_use]
    pub fn into_bytes(mut self) -> Secret<Vec<u8>> {
        Secret(std::mem::take(&mut self.0).into_bytes())
    }
}

impl Secret<Vec<u8>> {
    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same content as text; `None` when it is not UTF-8 (the bytes are wiped then).
    #[must_use]
    pub fn into_text(mut self) -> Option<Secret<String>> {
        match String::from_utf8(std::mem::take(&mut self.0)) {
            Ok(text) => Some(Secret(text)),
            Err(error) => {
                error.into_bytes().zeroize();
                None
            }
        }
    }
}

/// Compares two byte strings without telling where they differ. Lengths are not hidden.
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

impl<'de> Deserialize<'de> for Secret<String> {
    /// Reads a string. The parser's own input buffer is the caller's to wipe.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Secret)
    }
}

#[cfg(test)]
mod tests;
