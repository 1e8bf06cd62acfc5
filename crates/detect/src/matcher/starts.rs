//! How needles begin: tells nearly always at once that a text begins none.

use crate::needles::Needles;
use zeroize::Zeroize;

const FOLD: u64 = 0x2020_2020_2020_2020;

/// The first eight, four and two bytes of all needles, folded and hashed into bit sets.
pub(super) struct Starts {
    eight: Set,
    four: Set,
    two: Set,
}

impl Starts {
    pub(super) fn new(needles: &Needles) -> Self {
        let count = needles.shapes();
        let mut starts = Self {
            eight: Set::for_count(count),
            four: Set::for_count(count),
            two: Set::for_count(count),
        };
        for needle in needles.all() {
            // A needle is never shorter than eight bytes (`weak::SHORTEST`).
            let bytes = needles.bytes(needle);
            starts.eight.insert(sample(bytes, 8));
            starts.four.insert(sample(bytes, 4));
            starts.two.insert(sample(bytes, 2));
        }
        starts
    }

    /// `false`: no needle begins with `text`.
    #[inline]
    pub(super) fn may_begin(&self, text: &[u8]) -> bool {
        match text.len() {
            0 | 1 => true,
            2 | 3 => self.two.may_hold(sample(text, 2)),
            4..=7 => self.four.may_hold(sample(text, 4)),
            _ => self.eight.may_hold(sample(text, 8)),
        }
    }
}

/// The first `width` bytes, folded.
#[inline(always)]
fn sample(text: &[u8], width: usize) -> u64 {
    if let (8, Some(bytes)) = (width, text.first_chunk::<8>()) {
        return u64::from_le_bytes(*bytes) | FOLD;
    }
    let bytes = text.iter().take(width).rev();
    bytes.fold(0, |word, &byte| word << 8 | u64::from(byte | 0x20))
}

/// A bit for each hash.
struct Set {
    bits: Vec<u64>,
    shift: u32,
}

impl Set {
    fn for_count(count: usize) -> Self {
        let words = (count / 4).next_power_of_two().clamp(16, 1 << 20);
        Self {
            bits: vec![0; words],
            shift: 64 - words.trailing_zeros(),
        }
    }

    #[inline(always)]
    const fn place(&self, sample: u64) -> (usize, u64) {
        let hash = (sample ^ sample >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // At most 2^20 words: the bits below do not choose the word.
        ((hash >> self.shift) as usize, 1 << (hash >> 37 & 63))
    }

    fn insert(&mut self, sample: u64) {
        let (word, bit) = self.place(sample);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
    }

    #[inline(always)]
    fn may_hold(&self, sample: u64) -> bool {
        let (word, bit) = self.place(sample);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        self.bits.zeroize();
    }
}
