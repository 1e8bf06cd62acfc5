//! First stage of the search by print: which places of a text may show a window.
//!
//! As the filter of the search by value (`matcher/filter.rs`), with keyed tags: a bit set that says
//! "surely not" nearly always, then a table. Every second byte is looked at for short windows, every
//! fourth for long ones. Windows of forms that stand among letters and digits only are looked for there
//! (`runs.rs`), and those of UTF-16 where every second byte is zero. Samples with a mark are asked for one
//! by one, where the mark is (`turns.rs`).

use super::key::Mix;
use super::look::{LONG, SHORT};

/// Folds ASCII case (and, harmlessly, a few other pairs of bytes) in eight bytes at once.
pub(super) const FOLD: u64 = 0x2020_2020_2020_2020;
/// The five bytes of a short sample.
pub(super) const FIVE: u64 = 0x00ff_ffff_ffff;

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

/// What of a sample counts in a word of eight bytes: its width, and its letters without case.
#[derive(Clone, Copy)]
struct Cut {
    mask: u64,
    fold: u64,
}

impl Cut {
    const SHORT: Self = Self {
        mask: FIVE,
        fold: 0,
    };
    const LONG: Self = Self {
        mask: u64::MAX,
        fold: FOLD,
    };

    #[inline(always)]
    const fn of(self, word: u64) -> u64 {
        word & self.mask | self.fold
    }
}

/// The samples of one width.
pub(super) struct Tier {
    mix: Mix,
    /// Long windows: their samples have eight bytes, without case.
    long: bool,
    bits: Vec<u64>,
    shift: u32,
    /// Where in `samples` those of a tag begin; open addressing over the tag, empty where it is zero.
    table: Vec<(u32, u32)>,
    /// Sorted by tag.
    samples: Vec<Sample>,
}

impl Tier {
    pub(super) fn new(mix: Mix, long: bool, mut samples: Vec<Sample>) -> Option<Self> {
        if samples.is_empty() {
            return None;
        }
        samples.sort_unstable_by_key(|sample| (sample.tag, sample.look, sample.at));
        // Dense enough to stay in a near cache, sparse enough to say no nearly always. There are at most
        // 2^20 words, so the twelve lowest bits of a tag do not choose the word.
        let bits = (samples.len() * 20)
            .next_power_of_two()
            .clamp(1 << 12, 1 << 26);
        let slots = (samples.len() * 2).next_power_of_two().max(16);
        let mut tier = Self {
            mix,
            long,
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
            if let Some(word) = tier.bits.get_mut((tag >> tier.shift) as usize) {
                *word |= 1 << first_bit(tag) | 1 << second_bit(tag);
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

    /// The lowest bit says whether a sample may have this tag; the others say nothing.
    #[inline(always)]
    fn probe(&self, tag: u32) -> u64 {
        let word = self.bits.get((tag >> self.shift) as usize);
        let word = word.copied().unwrap_or(0);
        (word >> first_bit(tag)) & (word >> second_bit(tag))
    }

    /// Calls `candidate` with a look's number and where its window begins, counted from the beginning of
    /// a text of which `text` is what stands at `from`.
    pub(super) fn scan(&self, text: &[u8], from: usize, candidate: &mut impl FnMut(u32, usize)) {
        if self.long {
            self.words::<2>(Cut::LONG, text, from, candidate);
        } else {
            self.words::<4>(Cut::SHORT, text, from, candidate);
        }
    }

    /// As [`Self::scan`] for one sample, which begins at `at`.
    #[inline(always)]
    pub(super) fn one(&self, sample: u64, at: usize, candidate: &mut impl FnMut(u32, usize)) {
        let tag = self.mix.tag(sample);
        if self.probe(tag) & 1 == 1 {
            self.report(&[tag], at, 1, candidate);
        }
    }

    /// `LANES` samples of every eight bytes.
    #[inline(always)]
    fn words<const LANES: usize>(
        &self,
        cut: Cut,
        text: &[u8],
        from: usize,
        candidate: &mut impl FnMut(u32, usize),
    ) {
        let step = 8 / LANES;
        let mut done = 0;
        for block in text.windows(16).step_by(8) {
            let Some(block) = block.first_chunk::<16>() else {
                break;
            };
            let tags: [u32; LANES] = std::array::from_fn(|lane| {
                let word = block.get(lane * step..).and_then(<[u8]>::first_chunk::<8>);
                let word = word.map_or(0, |word| u64::from_le_bytes(*word));
                self.mix.tag(cut.of(word))
            });
            let any = tags.iter().fold(0, |any, tag| any | self.probe(*tag));
            if any & 1 == 1 {
                self.report(&tags, from + done, step, candidate);
            }
            done += 8;
        }
        // What is left is shorter than two words.
        let width = if self.long { LONG.0 } else { SHORT.0 };
        let last = (text.len() + 1).saturating_sub(width);
        for at in (done..last).step_by(step) {
            let sample = text.get(at..at + width).unwrap_or_default();
            let tag = self.mix.tag(word(sample, self.long));
            if self.probe(tag) & 1 == 1 {
                self.report(&[tag], from + at, step, candidate);
            }
        }
    }

    /// As [`Self::scan`] for samples in which every second byte is zero.
    pub(super) fn scan_wide(&self, text: &[u8], candidate: &mut impl FnMut(u32, usize)) {
        const BLOCK: usize = 64;
        const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
        // Zeros alone are what a binary file has most of.
        let zeros = self.probe(self.mix.tag(FOLD)) & 1 == 1;
        let mut from = 0;
        while let Some(found) = memchr::memchr(0, text.get(from..).unwrap_or_default()) {
            // A sample has its first zero in the block that it begins in.
            from = (from + found) / BLOCK * BLOCK;
            for at in (from..from + BLOCK).step_by(LONG.1) {
                let Some(sample) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) else {
                    return;
                };
                let sample = u64::from_le_bytes(*sample);
                let wide = sample & EVEN == 0 || sample & !EVEN == 0;
                if !wide || (sample == 0 && !zeros) {
                    continue;
                }
                let tag = self.mix.tag(Cut::LONG.of(sample));
                if self.probe(tag) & 1 == 1 {
                    self.report(&[tag], at, LONG.1, candidate);
                }
            }
            from += BLOCK;
        }
    }

    #[cold]
    fn report(&self, tags: &[u32], at: usize, step: usize, candidate: &mut impl FnMut(u32, usize)) {
        // Mostly one of them: the table is out of the near caches.
        let told = |(_, tag): &(usize, &u32)| self.probe(**tag) & 1 == 1;
        for (nth, tag) in tags.iter().enumerate().filter(told) {
            for sample in self.of(*tag) {
                if let Some(start) = (at + nth * step).checked_sub(usize::from(sample.at)) {
                    candidate(sample.look, start);
                }
            }
        }
    }
}

#[inline(always)]
const fn first_bit(tag: u32) -> u32 {
    tag & 63
}

#[inline(always)]
const fn second_bit(tag: u32) -> u32 {
    tag >> 6 & 63
}
