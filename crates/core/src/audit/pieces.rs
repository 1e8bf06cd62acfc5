//! Text whose long parts are shared and not copied.
//!
//! The record of a list of ten thousand names has some 800 kB, which were hashed for an earlier answer.
//! Such a part goes from where it is kept to the device as it lies in memory, instead of being copied
//! into a record that is as long, and from there into a buffer for the write.

use std::io::IoSlice;
use std::sync::Arc;

/// Bytes in order.
#[derive(Clone, Default)]
pub struct Pieces {
    /// All that is not shared.
    text: Vec<u8>,
    /// Each stands in front of `text[at..]`; in ascending order.
    long: Vec<Long>,
    /// Bytes in `long`.
    shared: usize,
}

#[derive(Clone)]
struct Long {
    at: usize,
    bytes: Arc<[u8]>,
}

impl Pieces {
    /// Shorter parts are cheaper to copy than to keep apart.
    pub(super) const LONG: usize = 16 << 10;

    /// How many bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.text.len() + self.shared
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, each part where it lies.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.long.iter().map(|long| (long.at, &*long.bytes));
        let last = (self.text.len(), [].as_slice());
        let mut from = 0;
        let pairs = ends
            .chain(std::iter::once(last))
            .flat_map(move |(at, long)| {
                let before = self.text.get(from..at).unwrap_or_default();
                from = at;
                [before, long]
            });
        pairs.filter(|part| !part.is_empty())
    }

    /// The parts, as `writev` takes them.
    #[must_use]
    pub fn slices(&self) -> Vec<IoSlice<'_>> {
        self.parts().map(IoSlice::new).collect()
    }

    /// Everything in one piece: a copy, for what went wrong and for tests.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts().collect::<Vec<_>>().concat()
    }

    /// Copies `bytes` to the end.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    /// Puts `bytes` into the text at `at`, which is not before another one.
    pub(super) fn share(&mut self, at: usize, bytes: Arc<[u8]>) {
        self.shared += bytes.len();
        self.long.push(Long { at, bytes });
    }

    /// Adds what `other` has: copies its text and shares what it shares.
    pub(super) fn extend(&mut self, other: &Self) {
        let before = self.text.len();
        self.text.extend_from_slice(&other.text);
        self.shared += other.shared;
        self.long.extend(other.long.iter().map(|long| Long {
            at: before + long.at,
            bytes: Arc::clone(&long.bytes),
        }));
    }

    /// Forgets everything but the room for text, which one long write may have made large.
    pub(super) fn clear(&mut self, room: usize) {
        self.text.clear();
        self.text.shrink_to(room);
        self.long.clear();
        self.shared = 0;
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(text: Vec<u8>) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

impl From<&[u8]> for Pieces {
    fn from(text: &[u8]) -> Self {
        text.to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_where_they_were_put_and_are_not_copied() {
        let long: Arc<[u8]> = Arc::from(b"LONG".as_slice());
        let mut one = Pieces::from(b"headtail".as_slice());
        one.share(4, Arc::clone(&long));
        let mut all = Pieces::default();
        all.push(b"<");
        all.extend(&one);
        all.push(b">");
        all.extend(&Pieces::from(b"plain".as_slice()));
        all.extend(&one);
        assert_eq!(all.to_vec(), b"<headLONGtail>plainheadLONGtail");
        assert_eq!(all.len(), all.to_vec().len());
        let same = |part: &&[u8]| part.as_ptr() == long.as_ptr();
        assert_eq!(all.parts().filter(same).count(), 2);
        assert_eq!(all.slices().len(), 5);
        all.clear(8);
        assert!(all.is_empty() && all.parts().next().is_none());
        assert_eq!(Arc::strong_count(&long), 2, "only the record still has it");
    }

    #[test]
    fn a_shared_part_may_be_first_or_last() {
        let long: Arc<[u8]> = Arc::from(b"LONG".as_slice());
        let mut pieces = Pieces::default();
        pieces.share(0, Arc::clone(&long));
        pieces.share(0, long);
        assert_eq!(pieces.to_vec(), b"LONGLONG");
        pieces.push(b".");
        assert_eq!(pieces.to_vec(), b"LONGLONG.");
    }
}
