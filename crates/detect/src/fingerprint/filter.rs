//! First stage of the search by print: which places of a text may show a window.
//!
//! As the filter of the search by value (`matcher/filter.rs`), with keyed tags: a bit set that says
//! "surely not" nearly always, then a table. Every second byte is looked at for short windows, every
//! fourth for long ones.

use super::key::Mix;
use super::print::{LONG, SHORT};

/// Folds ASCII case (and, harmlessly, a few other pairs of bytes) in eight bytes at once.
const FOLD: u64 = 0x2020_2020_2020_2020;
/// The five bytes of a short sample.
const FIVE: u64 = 0x00ff_ffff_ffff;

/// A byte as windows know it.
pub(super) const fn fold(byte: u8, folded: bool) -> u8 {
    if folded { byte | 0x20 } else { byte }
}

/// A sample as one word.
pub(super) fn word(sample: &[u8], folded: bool) -> u64 {
    sample
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(fold(byte, folded)))
}

/// A tag, and what has it: the number of a look, and where in its window the sample lies.
pub(super) struct Sample {
    pub(super) tag: u32,
    pub(super) look: u32,
    pub(super) at: u8,
}

/// The samples of one width.
pub(super) struct Tier {
    mix: Mix,
    bits: Vec<u64>,
    shift: u32,
    /// Where in `samples` those of a tag begin; open addressing over the tag, empty where it is zero.
    table: Vec<(u32, u32)>,
    /// Sorted by tag.
    samples: Vec<Sample>,
}

impl Tier {
    pub(super) fn new(mix: Mix, mut samples: Vec<Sample>) -> Option<Self> {
        if samples.is_empty() {
            return None;
        }
        samples.sort_unstable_by_key(|sample| (sample.tag, sample.look, sample.at));
        // Dense enough to stay in a near cache, sparse enough to say no nearly always. A tag of 32 bits
        // places two bits in at most 2^20 words.
        let bits = (samples.len() * 20)
            .next_power_of_two()
            .clamp(1 << 12, 1 << 26);
        let slots = (samples.len() * 2).next_power_of_two().max(16);
        let mut tier = Self {
            mix,
            bits: vec![0; bits / 64],
            shift: 32 - (bits / 64).trailing_zeros(),
            table: vec![(0, 0); slots],
            samples,
        };
        let mut before = None;
        for at in 0..tier.samples.len() {
            let Some(tag) = tier.samples.get(at).map(|sample| sample.tag) else {
                break;
            };
            if before == Some(tag) {
                continue;
            }
            before = Some(tag);
            let (word, mask) = tier.place(tag);
            if let Some(word) = tier.bits.get_mut(word) {
                *word |= mask;
            }
            let slot = tier.slot(tag);
            if let Some(entry) = tier.table.get_mut(slot) {
                *entry = (tag, at as u32 + 1);
            }
        }
        Some(tier)
    }

    /// The slot of a tag: its own, or the empty one where it would be.
    fn slot(&self, tag: u32) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = tag.wrapping_mul(0x9E37_79B9) as usize & mask;
        // Half of the slots are empty, so this ends.
        while let Some(&(other, first)) = self.table.get(slot) {
            if first == 0 || other == tag {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The samples of a tag.
    fn of(&self, tag: u32) -> impl Iterator<Item = &Sample> {
        let first = self.table.get(self.slot(tag)).map_or(0, |entry| entry.1);
        let from = first.checked_sub(1).map(|first| first as usize);
        let samples = from.and_then(|from| self.samples.get(from..));
        samples
            .into_iter()
            .flatten()
            .take_while(move |sample| sample.tag == tag)
    }

    #[inline(always)]
    const fn place(&self, tag: u32) -> (usize, u64) {
        let rest = (tag as u64) << (64 - self.shift);
        let mask = 1 << (rest >> 58) | 1 << (rest >> 52 & 63);
        ((tag as u64 >> self.shift) as usize, mask)
    }

    #[inline(always)]
    fn may_have(&self, tag: u32) -> bool {
        let (word, mask) = self.place(tag);
        self.bits.get(word).copied().unwrap_or(0) & mask == mask
    }

    /// Calls `candidate` with a look's number and where in `text` its window begins.
    pub(super) fn scan(&self, text: &[u8], short: bool, mut candidate: impl FnMut(u32, usize)) {
        let (words, rest) = text.as_chunks::<8>();
        let mut words = words
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .chain((!rest.is_empty()).then(|| word(rest, false)));
        let Some(mut here) = words.next() else { return };
        let mut position = 0;
        // One word of zeros behind the end: samples that reach into it match nothing.
        for next in words.chain([0]) {
            if short {
                self.short(here, next, position, &mut candidate);
            } else {
                self.long(here, next, position, &mut candidate);
            }
            here = next;
            position += 8;
        }
    }

    #[inline(always)]
    fn short(&self, here: u64, next: u64, at: usize, candidate: &mut impl FnMut(u32, usize)) {
        let tags = [
            self.mix.tag(here & FIVE),
            self.mix.tag(here >> 16 & FIVE),
            self.mix.tag((here >> 32 | next << 32) & FIVE),
            self.mix.tag((here >> 48 | next << 16) & FIVE),
        ];
        if tags.iter().any(|tag| self.may_have(*tag)) {
            self.report(&tags, at, SHORT.1, candidate);
        }
    }

    #[inline(always)]
    fn long(&self, here: u64, next: u64, at: usize, candidate: &mut impl FnMut(u32, usize)) {
        let tags = [
            self.mix.tag(here | FOLD),
            self.mix.tag((here >> 32 | next << 32) | FOLD),
        ];
        if tags.iter().any(|tag| self.may_have(*tag)) {
            self.report(&tags, at, LONG.1, candidate);
        }
    }

    #[cold]
    fn report(&self, tags: &[u32], at: usize, step: usize, candidate: &mut impl FnMut(u32, usize)) {
        // Mostly one of them: the table is out of the near caches.
        let told = |(_, tag): &(usize, &u32)| self.may_have(**tag);
        for (nth, tag) in tags.iter().enumerate().filter(told) {
            for sample in self.of(*tag) {
                if let Some(start) = (at + nth * step).checked_sub(usize::from(sample.at)) {
                    candidate(sample.look, start);
                }
            }
        }
    }
}
