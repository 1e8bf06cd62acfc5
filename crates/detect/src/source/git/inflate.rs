//! zlib streams whose size is known before, and deltas.
//!
//! A size in a header is a claim. Memory is given to it only when the compressed bytes could fill it:
//! deflate reaches 1032:1 and no more (RFC 1951).

use crate::pattern::Piece;
use flate2::{Decompress, FlushDecompress, Status};
use std::ops::Range;

/// Bytes that one compressed byte can become, rounded up.
pub(super) const RATIO: u64 = 1_040;

/// Largest object that is held in memory: one that is a delta, or the base of one.
pub(super) const HELD: u64 = 256 << 20;

/// What is wrong with an object, in words.
pub(super) type Damage = &'static str;

pub(super) const SIZE_LIES: Damage = "its size is not what its header says";
pub(super) const DAMAGED: Damage = "damaged";
pub(super) const TOO_LARGE: Damage = "a delta of more than 256 MiB";
const BAD_DELTA: Damage = "a damaged delta";

/// A decompressor that is used again and again.
pub(super) struct Inflater {
    state: Decompress,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            state: Decompress::new(true),
        }
    }

    /// Makes `out` the `size` bytes that `input` begins with; what follows in `input` is left alone.
    /// Returns how much of `input` was theirs.
    pub(super) fn whole(
        &mut self,
        input: &[u8],
        size: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, Damage> {
        out.clear();
        if size > HELD {
            return Err(TOO_LARGE);
        }
        if size > (input.len() as u64).saturating_mul(RATIO) {
            return Err(SIZE_LIES);
        }
        let size = usize::try_from(size).map_err(|_| TOO_LARGE)?;
        // One byte more than expected shows that there is more.
        make_room(out, size + 1);
        self.state.reset(true);
        loop {
            let taken = usize::try_from(self.state.total_in()).map_err(|_| DAMAGED)?;
            let rest = input.get(taken..).unwrap_or_default();
            let before = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress_vec(rest, out, FlushDecompress::Finish)
                .map_err(|_| DAMAGED)?;
            if out.len() > size {
                return Err(SIZE_LIES);
            }
            if status == Status::StreamEnd {
                break;
            }
            if before == (self.state.total_in(), self.state.total_out()) {
                return Err(DAMAGED);
            }
        }
        if out.len() != size {
            return Err(SIZE_LIES);
        }
        usize::try_from(self.state.total_in()).map_err(|_| DAMAGED)
    }
}

/// Room in an empty buffer. Growing it would copy what it held before.
fn make_room(out: &mut Vec<u8>, size: usize) {
    if out.capacity() < size {
        *out = Vec::with_capacity(size);
    }
}

/// A little-endian number of seven bits a byte.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value: u64 = 0;
    for (at, &byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Applies a delta: `out` becomes the text, `pieces` what it is made of.
pub(super) fn apply(
    base: &[u8],
    delta: &[u8],
    out: &mut Vec<u8>,
    pieces: &mut Vec<Piece>,
) -> Result<(), Damage> {
    out.clear();
    pieces.clear();
    let (of_base, first) = varint(delta).ok_or(BAD_DELTA)?;
    let rest = delta.get(first..).unwrap_or_default();
    let (size, second) = varint(rest).ok_or(BAD_DELTA)?;
    if of_base != base.len() as u64 {
        return Err(BAD_DELTA);
    }
    if size > HELD {
        return Err(TOO_LARGE);
    }
    let size = usize::try_from(size).map_err(|_| TOO_LARGE)?;
    let mut rest = rest.get(second..).unwrap_or_default();
    // Nothing is reserved for a size that the instructions do not fill.
    make_room(out, size.min(base.len().saturating_mul(2) + delta.len()));
    while let Some((&code, tail)) = rest.split_first() {
        let (from, length) = if code & 0x80 != 0 {
            let (range, used) = copied(code, tail).ok_or(BAD_DELTA)?;
            rest = tail.get(used..).unwrap_or_default();
            let bytes = base.get(range.clone()).ok_or(BAD_DELTA)?;
            if out.len() + bytes.len() > size {
                return Err(SIZE_LIES);
            }
            out.extend_from_slice(bytes);
            (Some(range.start), bytes.len())
        } else if code != 0 {
            let (bytes, tail) = tail.split_at_checked(usize::from(code)).ok_or(BAD_DELTA)?;
            rest = tail;
            if out.len() + bytes.len() > size {
                return Err(SIZE_LIES);
            }
            out.extend_from_slice(bytes);
            (None, bytes.len())
        } else {
            return Err(BAD_DELTA);
        };
        join(pieces, from, length);
    }
    if out.len() == size {
        Ok(())
    } else {
        Err(SIZE_LIES)
    }
}

/// One copy that was written as several is one.
fn join(pieces: &mut Vec<Piece>, from: Option<usize>, length: usize) {
    if let Some(last) = pieces.last_mut() {
        let continued = match (last.from, from) {
            (Some(before), Some(here)) => before + last.length == here,
            (None, None) => true,
            _ => false,
        };
        if continued {
            last.length += length;
            return;
        }
    }
    pieces.push(Piece { from, length });
}

/// Offset and length of a copy, and how many bytes said so.
fn copied(code: u8, bytes: &[u8]) -> Option<(Range<usize>, usize)> {
    let mut used = 0;
    let mut next = |bit: u8| -> Option<usize> {
        if code & bit == 0 {
            return Some(0);
        }
        let byte = bytes.get(used)?;
        used += 1;
        Some(usize::from(*byte))
    };
    let offset = next(1)? | next(2)? << 8 | next(4)? << 16 | next(8)? << 24;
    let length = next(16)? | next(32)? << 8 | next(64)? << 16;
    let length = if length == 0 { 0x1_0000 } else { length };
    Some((offset..offset + length, used))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write as _;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_size_that_lies_costs_no_memory() {
        let mut inflater = Inflater::new();
        let mut out = Vec::new();
        let bomb = packed(&vec![0; 4 << 20]);
        assert_eq!(inflater.whole(&bomb, 10, &mut out), Err(SIZE_LIES));
        assert!(out.capacity() < 4096, "{}", out.capacity());
        let small = packed(b"abc");
        assert_eq!(inflater.whole(&small, 200 << 20, &mut out), Err(SIZE_LIES));
        assert!(out.capacity() < 4096);
        assert_eq!(inflater.whole(&small, u64::MAX, &mut out), Err(TOO_LARGE));
        assert_eq!(inflater.whole(&small, 2, &mut out), Err(SIZE_LIES));
        assert_eq!(inflater.whole(&small, 4, &mut out), Err(SIZE_LIES));
        assert_eq!(inflater.whole(&small[..6], 3, &mut out), Err(DAMAGED));
        let mut with_more = small.clone();
        with_more.extend(b"next");
        assert_eq!(inflater.whole(&with_more, 3, &mut out), Ok(small.len()));
        assert_eq!(out, b"abc");
        assert_eq!(
            inflater.whole(&packed(b""), 0, &mut out),
            Ok(packed(b"").len())
        );
    }

    #[test]
    fn deltas_are_applied_and_their_pieces_told() {
        let base = b"hello world";
        let delta = [11, 12, 0x90, 5, 2, b'!', b'!', 0x91, 6, 5];
        let (mut out, mut pieces) = (Vec::new(), Vec::new());
        apply(base, &delta, &mut out, &mut pieces).unwrap();
        assert_eq!(out, b"hello!!world");
        let piece = |from, length| Piece { from, length };
        assert_eq!(
            pieces,
            [piece(Some(0), 5), piece(None, 2), piece(Some(6), 5)]
        );
        for cut in 0..delta.len() {
            assert!(
                apply(base, &delta[..cut], &mut out, &mut pieces).is_err(),
                "{cut}"
            );
        }
        assert!(apply(b"hello", &delta, &mut out, &mut pieces).is_err());
        assert!(apply(base, &[11, 3, 0x90, 5], &mut out, &mut pieces).is_err());
        assert!(apply(base, &[11, 0, 0], &mut out, &mut pieces).is_err());
    }
}
