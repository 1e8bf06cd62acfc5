//! A growing byte buffer that wipes what it outgrows.

use crate::Secret;
use std::io;
use zeroize::Zeroize;

/// Collects secret bytes (a serialized reply, a file being read).
///
/// `Vec<u8>` frees its old allocation as it grows and leaves the content there; this one wipes it.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    /// A buffer that holds `capacity` bytes before it grows.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    /// Appends, growing if it must.
    pub fn push(&mut self, more: &[u8]) {
        self.push_of(more, 0);
    }

    /// Appends to what is expected to be `whole` bytes in the end. Up to there it never has more than
    /// twice what was written, not even while it grows, and at last `whole`.
    pub fn push_of(&mut self, more: &[u8], whole: usize) {
        let needed = self.bytes.len().saturating_add(more.len());
        if needed > self.bytes.capacity() {
            let mut grown = Vec::with_capacity(room(needed, whole));
            grown.extend_from_slice(&self.bytes);
            self.bytes.zeroize();
            self.bytes = grown;
        }
        self.bytes.extend_from_slice(more);
    }

    /// Bytes so far.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Length so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Ends collecting; the content stays protected.
    #[must_use]
    pub fn finish(mut self) -> Secret<Vec<u8>> {
        Secret::new(std::mem::take(&mut self.bytes))
    }
}

/// Wiping touches all of a buffer, also where nothing was written. So its sizes are halves of halves of
/// the whole: one that is full and what is copied from it are as much together as the next size.
fn room(needed: usize, whole: usize) -> usize {
    if needed > whole {
        return needed.saturating_mul(2).max(64);
    }
    let mut room = whole;
    while room / 2 >= needed {
        room /= 2;
    }
    room
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl io::Write for Buffer {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.push(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
