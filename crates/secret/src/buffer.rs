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
        let needed = self.bytes.len().saturating_add(more.len());
        if needed > self.bytes.capacity() {
            let mut grown = Vec::with_capacity(needed.saturating_mul(2).max(64));
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
