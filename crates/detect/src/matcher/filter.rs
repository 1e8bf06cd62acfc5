//! First stage: which offsets are worth a look. See the parent module for the idea.

use crate::needles::Needles;
use zeroize::Zeroize;

/// Folds ASCII case (and, harmlessly, a few other pairs of bytes) in eight bytes at once.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// How far into a needle its samples may lie: the table has one bit for each offset.
const OFFSETS: usize = 32;

/// Long needles are sampled every eight bytes with eight bytes each.
const LONG: Shape = Shape { width: 8, step: 8 };
/// Short ones every four bytes with five: a needle of eight bytes holds all four phases.
const SHORT: Shape = Shape { width: 5, step: 4 };

/// What a tier reads (`width` bytes) and how often (every `step` bytes).
#[derive(Clone, Copy)]
struct Shape {
    width: usize,
    step: usize,
}

impl Shape {
    /// Shortest needle that holds a sample in every phase.
    const fn shortest(self) -> usize {
        self.width + self.step - 1
    }

    const fn mask(self) -> u64 {
        if self.width == 8 {
            u64::MAX
        } else {
            (1 << (self.width * 8)) - 1
        }
    }
}

/// Both tiers.
pub(super) struct Filter {
    long: Option<Tier>,
    short: Option<Tier>,
}

/// Up to so many needles one tier is made of all: a look at every fourth position costs less than
/// two tiers, as long as its bits stay in the first cache.
const FEW: usize = 6000;

impl Filter {
    pub(super) fn new(needles: &Needles) -> Self {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        let lengths = || {
            needles
                .all()
                .iter()
                .map(|needle| usize::from(needle.length))
        };
        let together = needles.shapes() <= FEW && lengths().any(|length| length < LONG.shortest());
        for needle in needles.all() {
            let bytes = needles.bytes(needle);
            if bytes.len() >= LONG.shortest() && !together {
                samples(LONG, bytes, &mut long);
            } else {
                samples(SHORT, bytes, &mut short);
            }
        }
        Self {
            long: Tier::new(long),
            short: Tier::new(short),
        }
    }

    /// Calls `candidate` with every offset of `text` at which a needle may begin; some twice.
    pub(super) fn candidates(&self, text: &[u8], mut candidate: impl FnMut(usize)) {
        let mut report = |position: usize, offsets: u32| {
            let mut left = offsets;
            while left != 0 {
                let offset = left.trailing_zeros() as usize;
                left &= left - 1;
                if let Some(start) = position.checked_sub(offset) {
                    candidate(start);
                }
            }
        };
        if let Some(tier) = &self.long {
            tier.scan_long(text, &mut report);
        }
        if let Some(tier) = &self.short {
            tier.scan_short(text, &mut report);
        }
    }
}

/// A folded sample and its offset in a needle.
type Sample = (u64, u32);

/// Adds one sample for each phase, from the stretch of the needle that is least like ordinary text.
fn samples(shape: Shape, bytes: &[u8], out: &mut Vec<Sample>) {
    let stretch = shape.shortest();
    let last = bytes
        .len()
        .saturating_sub(stretch)
        .min(OFFSETS - shape.step);
    let best = (0..=last)
        .max_by_key(|&from| {
            let window = bytes.get(from..from + stretch).unwrap_or_default();
            (super::rarity(window), std::cmp::Reverse(from))
        })
        .unwrap_or(0);
    for offset in best..best + shape.step {
        if let Some(sample) = bytes.get(offset..offset + shape.width) {
            out.push((
                load(sample) & shape.mask() | FOLD & shape.mask(),
                offset as u32,
            ));
        }
    }
}

/// Up to eight bytes, little endian.
fn load(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// A bit set that answers "surely not" and a table that answers "at these offsets".
///
/// A sample owns two bits of one word (a blocked Bloom filter): one access to memory, and with one
/// bit in ten set only one position in a hundred goes on to the table.
struct Tier {
    bits: Vec<u64>,
    /// Shifts a hash down to the index of its word.
    word_shift: u32,
    /// Sample tag and its offsets, open addressing, empty where the offsets are zero.
    table: Vec<(u32, u32)>,
    table_shift: u32,
}

impl Tier {
    fn new(mut samples: Vec<Sample>) -> Option<Self> {
        if samples.is_empty() {
            return None;
        }
        samples.sort_unstable();
        samples.dedup();
        // Dense enough to stay in a near cache, sparse enough to say no nearly always.
        let bits = (samples.len() * 20)
            .next_power_of_two()
            .clamp(1 << 12, 1 << 25);
        let slots = (samples.len() * 2).next_power_of_two().max(16);
        let mut tier = Self {
            bits: vec![0; bits / 64],
            word_shift: 64 - (bits / 64).trailing_zeros(),
            table: vec![(0, 0); slots],
            table_shift: 64 - slots.trailing_zeros(),
        };
        for &(sample, offset) in &samples {
            tier.insert(sample, offset);
        }
        samples.iter_mut().for_each(|(sample, _)| sample.zeroize());
        Some(tier)
    }

    fn insert(&mut self, sample: u64, offset: u32) {
        let hash = hash(sample);
        if let Some(word) = self.bits.get_mut((hash >> self.word_shift) as usize) {
            *word |= 1 << first_bit(hash) | 1 << second_bit(hash);
        }
        let slot = self.slot(sample);
        if let Some((tag, offsets)) = self.table.get_mut(slot) {
            *tag = tag_of(sample);
            *offsets |= 1 << offset;
        }
    }

    /// The slot of a sample: its own, or the empty one where it would be.
    fn slot(&self, sample: u64) -> usize {
        let tag = tag_of(sample);
        let mut slot = (second(sample) >> self.table_shift) as usize;
        // Half of the slots are empty, so this ends.
        while let Some(&(other, offsets)) = self.table.get(slot) {
            if offsets == 0 || other == tag {
                break;
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
        slot
    }

    fn offsets(&self, sample: u64) -> u32 {
        self.table.get(self.slot(sample)).map_or(0, |entry| entry.1)
    }

    /// The lowest bit says whether the sample may be known; the others say nothing.
    ///
    /// Multiplication carries every byte of the sample into the highest bits, which choose the word;
    /// the two bits in it are chosen by those below.
    #[inline(always)]
    fn probe(&self, sample: u64) -> u64 {
        let hash = hash(sample);
        let word = self.bits.get((hash >> self.word_shift) as usize);
        let word = word.copied().unwrap_or(0);
        (word >> first_bit(hash)) & (word >> second_bit(hash))
    }

    fn scan_long(&self, text: &[u8], report: &mut impl FnMut(usize, u32)) {
        let (words, _) = text.as_chunks::<8>();
        let (blocks, rest) = words.as_chunks::<8>();
        for (number, block) in blocks.iter().enumerate() {
            let mut any = 0;
            for word in block {
                any |= self.probe(u64::from_le_bytes(*word) | FOLD);
            }
            if any & 1 == 1 {
                self.look(
                    LONG,
                    text,
                    (number * 64..number * 64 + 64).step_by(8),
                    report,
                );
            }
        }
        let from = blocks.len() * 64;
        self.look(LONG, text, (from..from + rest.len() * 8).step_by(8), report);
    }

    fn scan_short(&self, text: &[u8], report: &mut impl FnMut(usize, u32)) {
        let (even, _) = text.as_chunks::<8>();
        let (odd, _) = text.get(4..).unwrap_or_default().as_chunks::<8>();
        let (even, _) = even.as_chunks::<8>();
        let (odd, _) = odd.as_chunks::<8>();
        let mut from = 0;
        for (even, odd) in std::iter::zip(even, odd) {
            let mut any = 0;
            for (even, odd) in std::iter::zip(even, odd) {
                any |= self.probe((u64::from_le_bytes(*even) | FOLD) & SHORT.mask());
                any |= self.probe((u64::from_le_bytes(*odd) | FOLD) & SHORT.mask());
            }
            if any & 1 == 1 {
                self.look(SHORT, text, (from..from + 64).step_by(4), report);
            }
            from += 64;
        }
        self.look(SHORT, text, (from..text.len()).step_by(4), report);
    }

    /// Looks at single positions: where one of many is meant, and at the end of the text.
    #[inline(never)]
    fn look(
        &self,
        shape: Shape,
        text: &[u8],
        positions: impl Iterator<Item = usize>,
        report: &mut impl FnMut(usize, u32),
    ) {
        for position in positions {
            let Some(sample) = text.get(position..position + shape.width) else {
                return;
            };
            let sample = (load(sample) | FOLD) & shape.mask();
            if self.probe(sample) & 1 == 1 {
                let offsets = self.offsets(sample);
                if offsets != 0 {
                    report(position, offsets);
                }
            }
        }
    }
}

impl Drop for Tier {
    fn drop(&mut self) {
        // Hashes of pieces of values: worth little, wiped all the same.
        self.bits.zeroize();
        self.table.iter_mut().for_each(|(tag, _)| tag.zeroize());
    }
}

#[inline(always)]
const fn hash(sample: u64) -> u64 {
    sample.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// There are at most 2^19 words, so these bits do not choose the word.
#[inline(always)]
const fn first_bit(hash: u64) -> u64 {
    hash >> 39 & 63
}

#[inline(always)]
const fn second_bit(hash: u64) -> u64 {
    hash >> 33 & 63
}

const fn second(sample: u64) -> u64 {
    let mixed = (sample ^ sample >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed ^ mixed >> 32).wrapping_mul(0xA076_1D64_78BD_642F)
}

const fn tag_of(sample: u64) -> u32 {
    let mixed = (sample ^ sample >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ mixed >> 27) as u32
}
