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

impl Filter {
    pub(super) fn new(needles: &Needles) -> Self {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        for needle in needles.all() {
            let bytes = needles.bytes(needle);
            if bytes.len() >= LONG.shortest() {
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
            (rarity(window), std::cmp::Reverse(from))
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

/// How unlike ordinary text a window is: no byte twice in a row, digits among letters.
fn rarity(window: &[u8]) -> usize {
    let changes = window
        .windows(2)
        .filter(|pair| pair.first() != pair.last())
        .count();
    let class = |byte: &u8| match byte {
        b'0'..=b'9' => 1,
        b'A'..=b'Z' => 2,
        b'a'..=b'z' => 3,
        _ => 4,
    };
    let turns = window
        .windows(2)
        .filter(|pair| pair.first().map(class) != pair.last().map(class))
        .count();
    changes + 2 * turns
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
        let (word, mask) = self.place(sample);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= mask;
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

    /// The word of a sample and its two bits there.
    #[inline(always)]
    const fn place(&self, sample: u64) -> (usize, u64) {
        let hash = hash(sample);
        let rest = hash << (64 - self.word_shift);
        let mask = 1 << (rest >> 58) | 1 << (rest >> 52 & 63);
        ((hash >> self.word_shift) as usize, mask)
    }

    #[inline(always)]
    fn bit(&self, sample: u64) -> u64 {
        let (word, mask) = self.place(sample);
        let word = self.bits.get(word).copied().unwrap_or(0);
        u64::from(word & mask == mask)
    }

    fn scan_long(&self, text: &[u8], report: &mut impl FnMut(usize, u32)) {
        let mut position = 0;
        let mut blocks = text.chunks_exact(64);
        for block in blocks.by_ref() {
            let mut found = 0;
            for (nth, word) in words(block).enumerate() {
                found |= self.bit(word | FOLD) << nth;
            }
            if found != 0 {
                for (nth, word) in words(block)
                    .enumerate()
                    .filter(|(nth, _)| found >> nth & 1 == 1)
                {
                    report(position + nth * 8, self.offsets(word | FOLD));
                }
            }
            position += 64;
        }
        for (nth, word) in words(blocks.remainder()).enumerate() {
            if self.bit(word | FOLD) == 1 {
                report(position + nth * 8, self.offsets(word | FOLD));
            }
        }
    }

    fn scan_short(&self, text: &[u8], report: &mut impl FnMut(usize, u32)) {
        let mask = SHORT.mask();
        let mut words = words(text).chain(last_word(text));
        let Some(mut here) = words.next() else { return };
        let mut position = 0;
        // One word of zeros behind the end: samples that reach into it match nothing.
        for next in words.chain([0]) {
            let low = (here | FOLD) & mask;
            let high = (here >> 32 | next << 32 | FOLD) & mask;
            if self.bit(low) | self.bit(high) == 1 {
                if self.bit(low) == 1 {
                    report(position, self.offsets(low));
                }
                if self.bit(high) == 1 {
                    report(position + 4, self.offsets(high));
                }
            }
            here = next;
            position += 8;
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

/// The full words of `bytes`.
#[inline(always)]
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word))
}

/// What is left behind the full words, filled up with zeros.
fn last_word(bytes: &[u8]) -> Option<u64> {
    let (_, rest) = bytes.as_chunks::<8>();
    (!rest.is_empty()).then(|| load(rest))
}

#[inline(always)]
const fn hash(sample: u64) -> u64 {
    let mixed = sample ^ sample >> 29;
    mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

const fn second(sample: u64) -> u64 {
    let mixed = (sample ^ sample >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed ^ mixed >> 32).wrapping_mul(0xA076_1D64_78BD_642F)
}

const fn tag_of(sample: u64) -> u32 {
    let mixed = (sample ^ sample >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ mixed >> 27) as u32
}
