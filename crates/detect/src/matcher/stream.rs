//! Searching bytes that arrive in pieces.

use super::{Hit, Matcher};
use std::io::{self, Read};
use zeroize::Zeroize;

/// Bytes searched at a time: fits in a second-level cache.
const BLOCK: usize = 64 * 1024;

/// A search in progress. Holds one block and what a needle needs to be seen across its border.
///
/// The blocks are cut by the number of bytes so far and not by how they arrive, so the hits and
/// their order are the same for every chunking.
pub struct Stream<'m> {
    matcher: &'m Matcher,
    /// Text not yet given up; may hold values, so it is wiped on drop.
    buffer: Vec<u8>,
    filled: usize,
    /// Offset of the first byte of `buffer`.
    base: u64,
    /// Offset up to which ends of hits were reported.
    reported: u64,
    hits: Vec<Hit>,
}

impl<'m> Stream<'m> {
    pub(super) fn new(matcher: &'m Matcher) -> Self {
        Self {
            matcher,
            buffer: vec![0; BLOCK + matcher.longest],
            filled: 0,
            base: 0,
            reported: 0,
            hits: Vec::new(),
        }
    }

    /// Takes the next piece; `found` hears of hits, perhaps later than in the call that ended them.
    pub fn push(&mut self, mut piece: &[u8], mut found: impl FnMut(Hit)) {
        while !piece.is_empty() {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = piece.split_at(piece.len().min(room.len()));
            if let Some(room) = room.get_mut(..now.len()) {
                room.copy_from_slice(now);
            }
            self.filled += now.len();
            piece = later;
            if self.filled == self.buffer.len() {
                self.search(&mut found);
            }
        }
    }

    /// Reads `source` to its end, or until `limit` bytes were read.
    ///
    /// Returns how many bytes were read.
    ///
    /// # Errors
    /// What the source said; hits before that were reported, except in the last block.
    pub fn read(
        &mut self,
        source: &mut impl Read,
        limit: u64,
        mut found: impl FnMut(Hit),
    ) -> io::Result<u64> {
        let mut total = 0;
        while total < limit {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let most = usize::try_from(limit - total)
                .unwrap_or(usize::MAX)
                .min(room.len());
            let count = match source.read(room.get_mut(..most).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.filled += count;
            total += count as u64;
            if self.filled == self.buffer.len() {
                self.search(&mut found);
            }
        }
        Ok(total)
    }

    /// Ends the search: what is still in the block is searched now.
    pub fn finish(mut self, mut found: impl FnMut(Hit)) {
        self.search(&mut found);
    }

    /// Offset behind the last byte taken.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.base + self.filled as u64
    }

    /// Ends this text and begins another with the same memory.
    pub fn restart(&mut self, mut found: impl FnMut(Hit)) {
        self.search(&mut found);
        self.filled = 0;
        self.base = 0;
        self.reported = 0;
    }

    fn search(&mut self, found: &mut impl FnMut(Hit)) {
        let text = self.buffer.get(..self.filled).unwrap_or_default();
        self.hits.clear();
        self.matcher.scan(text, self.base, &mut self.hits);
        for hit in self.hits.drain(..) {
            // Hits wholly inside the part kept from the last block were reported then.
            if hit.end > self.reported {
                found(hit);
            }
        }
        self.reported = self.position();
        let keep = self.matcher.longest.saturating_sub(1).min(self.filled);
        let from = self.filled - keep;
        self.buffer.copy_within(from..self.filled, 0);
        self.base += from as u64;
        self.filled = keep;
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}
