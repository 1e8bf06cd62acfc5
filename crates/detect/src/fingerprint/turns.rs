//! Where in a text a sample may stand that is telling by itself.
//!
//! Random characters change between small letters, capitals and digits all the time; words, numbers and
//! source code seldom do. Such a change is a *turn*. A sample that has one at its beginning or at its end
//! is looked for at turns only, which are one byte in thirty or a hundred of ordinary text, so most of a
//! text costs no more than to know its classes, sixteen bytes at a time. Hexadecimal and UTF-16 have
//! marks of their own: a digit, or a zero, at every second byte.
//!
//! Whether a sample has a mark is a function of its bytes, so a print that says where its sample stands
//! tells nothing but what it tells anyhow. Both sides of the question are here, and a test holds one
//! against the other.

use super::filter::{FIVE, FOLD, word};
use crate::forms::Shape;
use crate::matcher::rarity;
use wide::i8x16;

/// Bytes of a sample at a turn.
pub(super) const WIDTH: usize = 5;
/// Bytes of a sample of hexadecimal and of UTF-16.
pub(super) const DOUBLE: usize = 8;
/// Bytes of a window of hexadecimal and of UTF-16, at least: six characters.
const SIX: usize = 11;

/// Bytes that are judged at a time.
const BLOCK: usize = 64;

/// A mark that a sample has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Its first or its last pair is a turn.
    Turn {
        /// Not all of it are letters and digits.
        loose: bool,
        /// All of it are small hexadecimal digits.
        hex: bool,
    },
    /// Six digits, one at every second byte of eleven letters and digits: text in hexadecimal.
    Digits,
    /// Graphic characters with zeros between them.
    Wide,
}

/// Which turns are asked for, beside those that all sets of samples have: everything else costs more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) loose: bool,
    pub(super) hex: bool,
}

impl Asked {
    /// And what a sample with this mark needs.
    pub(super) const fn add(&mut self, mark: Mark) {
        if let Mark::Turn { loose, hex } = mark {
            self.loose |= loose;
            self.hex |= hex;
        }
    }
}

/// The mark of a window in one form, and where in it the sample begins.
pub(super) fn mark(shape: &Shape) -> Option<(Mark, usize)> {
    let bytes = shape.bytes.expose();
    let every_second = |from: usize| bytes.iter().skip(from).step_by(2);
    if bytes.len() >= SIX {
        let mut between = every_second(1).take(5);
        if every_second(0).take(6).all(u8::is_ascii_digit) && between.all(u8::is_ascii_alphanumeric)
        {
            return Some((Mark::Digits, 0));
        }
    }
    if bytes.len() == SIX
        && every_second(1).all(|byte| *byte == 0)
        && every_second(2).all(u8::is_ascii_graphic)
    {
        return Some((Mark::Wide, 0));
    }
    let free = |at: usize| shape.caseless.get(at).is_some_and(|mark| *mark != 0);
    let classes: Vec<Class> = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| Class::of(*byte, free(at)))
        .collect();
    let places = classes.windows(WIDTH).zip(bytes.windows(WIDTH)).enumerate();
    let turning = places.filter(|(_, (classes, _))| has_turn(classes));
    let judged = turning.map(|(at, (classes, bytes))| {
        let loose = classes.contains(&Class::Other);
        let hex = bytes.iter().all(|byte| is_hex(*byte));
        ((loose, hex, std::cmp::Reverse(rarity(bytes))), at)
    });
    let ((loose, hex, _), at) = judged.min()?;
    Some((Mark::Turn { loose, hex }, at))
}

/// A digit of hexadecimal as most programs write it.
const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// What a byte is, as far as turns are concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Small,
    Capital,
    /// A letter that may be written as either.
    Letter,
    Digit,
    Other,
}

impl Class {
    const fn of(byte: u8, free: bool) -> Self {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' if free => Self::Letter,
            b'a'..=b'z' => Self::Small,
            b'A'..=b'Z' => Self::Capital,
            b'0'..=b'9' => Self::Digit,
            _ => Self::Other,
        }
    }
}

/// Whether a sample begins or ends with a turn, however its letters of free case are written.
fn has_turn(sample: &[Class]) -> bool {
    let turn = |pair: Option<&[Class; 2]>| match pair {
        Some([Class::Small, Class::Capital]) => true,
        Some([Class::Digit, Class::Digit | Class::Other] | [Class::Other, _]) => false,
        Some([Class::Digit, _] | [_, Class::Digit]) => true,
        _ => false,
    };
    turn(sample.first_chunk()) || turn(sample.last_chunk())
}

/// Calls `found` with every sample of a text that has a mark which is asked for: as a word, with letters
/// folded, and where it begins. Some that have none are among them.
#[inline(always)]
pub(super) fn each(text: &[u8], asked: Asked, mut found: impl FnMut(u64, usize)) {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    // Neither letter, digit nor zero.
    let mut last = [0xff; BLOCK];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let mut carried = Carried::default();
    for (number, block) in blocks.iter().chain([&last]).enumerate() {
        let classes = Classes::of(block);
        let base = number * BLOCK;
        for_each_bit(carried.turns(&classes, block, asked), |bit| {
            if let Some(start) = (base + bit).checked_sub(WIDTH - 1)
                && let Some(word) = five(text, start)
            {
                found(word, start);
            }
        });
        for_each_bit(carried.digits(&classes), |bit| {
            eight(text, base + bit, u8::is_ascii_alphanumeric, &mut found);
        });
        for_each_bit(carried.wide(block), |bit| {
            eight(text, base + bit, |_| true, &mut found);
        });
    }
}

#[inline(always)]
fn for_each_bit(mut bits: u64, mut each: impl FnMut(usize)) {
    while bits != 0 {
        each(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// The sample at a turn.
#[inline(always)]
fn five(text: &[u8], start: usize) -> Option<u64> {
    let rest = text.get(start..)?;
    match rest.first_chunk::<8>() {
        Some(eight) => Some((u64::from_le_bytes(*eight) | FOLD) & FIVE),
        None => Some(word(rest.get(..WIDTH)?, true)),
    }
}

/// The sample of a window of eleven bytes that ends at `end`, if they are all as they should be.
#[inline(always)]
fn eight(text: &[u8], end: usize, fits: fn(&u8) -> bool, found: &mut impl FnMut(u64, usize)) {
    let Some(start) = (end + 1).checked_sub(SIX) else {
        return;
    };
    let window = text.get(start..=end).unwrap_or_default();
    if let Some(eight) = window.first_chunk::<DOUBLE>()
        && window.iter().all(fits)
    {
        found(u64::from_le_bytes(*eight) | FOLD, start);
    }
}

/// What is known of every byte of a block, one bit each.
struct Classes {
    capital: u64,
    small: u64,
    digit: u64,
}

impl Classes {
    #[inline(always)]
    fn of(block: &[u8; BLOCK]) -> Self {
        Self {
            capital: bits(block, |bytes| between(bytes, b'A', b'Z')),
            small: bits(block, |bytes| between(bytes, b'a', b'z')),
            digit: bits(block, |bytes| between(bytes, b'0', b'9')),
        }
    }
}

#[inline(always)]
fn bits(block: &[u8; BLOCK], judge: impl Fn(i8x16) -> i8x16) -> u64 {
    let (parts, _) = block.as_chunks::<16>();
    parts.iter().rev().fold(0, |mask, part| {
        mask << 16 | u64::from(judge(vector(part)).to_bitmask())
    })
}

#[inline(always)]
fn vector(part: &[u8; 16]) -> i8x16 {
    i8x16::from(part.map(u8::cast_signed))
}

/// Bytes of ASCII from `first` to `last`: moved so that the last one is the greatest signed number.
#[inline(always)]
fn between(bytes: i8x16, first: u8, last: u8) -> i8x16 {
    let move_by = i8x16::splat(0x7f - last.cast_signed());
    let below = i8x16::splat(0x7e - (last - first).cast_signed());
    (bytes + move_by).simd_gt(below)
}

#[inline(always)]
fn zeros(bytes: i8x16) -> i8x16 {
    bytes.simd_eq(i8x16::splat(0))
}

#[inline(always)]
fn any_zero(block: &[u8; BLOCK]) -> bool {
    let (parts, _) = block.as_chunks::<16>();
    let none = i8x16::splat(0);
    let any = parts
        .iter()
        .fold(none, |any, part| any | zeros(vector(part)));
    any.to_bitmask() != 0
}

/// What the last bytes of a block say about the first ones of the next: one field for every set of bits
/// that is looked back at, and for how far.
#[derive(Default)]
struct Carried {
    one: u64,
    small: u64,
    digit: u64,
    two: u64,
    four: u64,
    turn: u64,
    digit_two: u64,
    digit_four: u64,
    digit_eight: u64,
    zero: u64,
    wide_two: u64,
    wide_four: u64,
    wide_eight: u64,
}

/// `now` moved by `BY` places to later bytes. What moves out is kept apart for the next block: shifting
/// two words as one is slow on many processors.
#[inline(always)]
const fn after<const BY: u32>(now: u64, carried: &mut u64) -> u64 {
    let moved = now << BY | *carried;
    *carried = now >> (u64::BITS - BY);
    moved
}

impl Carried {
    /// The last bytes of samples that begin or end with a turn.
    #[inline(always)]
    fn turns(&mut self, classes: &Classes, block: &[u8; BLOCK], asked: Asked) -> u64 {
        let letter = classes.capital | classes.small;
        let either = letter | classes.digit;
        let before = after::<1>(either, &mut self.one);
        let small = after::<1>(classes.small, &mut self.small);
        let digit = after::<1>(classes.digit, &mut self.digit);
        let turn = small & classes.capital | before & !digit & classes.digit | digit & letter;
        let two = either & before;
        let four = two & after::<2>(two, &mut self.two);
        let five = four & after::<4>(either, &mut self.four);
        let ends = turn | after::<3>(turn, &mut self.turn);
        if asked.loose {
            return ends;
        }
        let ends = ends & five;
        let more = ends & ends.wrapping_sub(1);
        if asked.hex || more & more.wrapping_sub(1) == 0 {
            return ends;
        }
        // Three or more in so few bytes are mostly the number of a request or a digest, which no sample
        // is that has a choice. Those at the border of two blocks are looked at all the same.
        let hex = classes.digit | bits(block, |bytes| between(bytes, b'a', b'f'));
        let two = hex & hex << 1;
        ends & !(two & two << 2 & hex << 4)
    }

    /// The last bytes of windows with a digit at every second byte.
    #[inline(always)]
    const fn digits(&mut self, classes: &Classes) -> u64 {
        let digit = classes.digit;
        let two = digit & after::<2>(digit, &mut self.digit_two);
        let four = two & after::<4>(two, &mut self.digit_four);
        four & after::<8>(two, &mut self.digit_eight)
    }

    /// The last bytes of windows with zeros between graphic characters.
    #[inline(always)]
    fn wide(&mut self, block: &[u8; BLOCK]) -> u64 {
        if self.zero == 0 && !any_zero(block) {
            (self.wide_two, self.wide_four, self.wide_eight) = (0, 0, 0);
            return 0;
        }
        let graphic = bits(block, |bytes| between(bytes, b'!', b'~'));
        let one = graphic & after::<1>(bits(block, zeros), &mut self.zero);
        let two = one & after::<2>(one, &mut self.wide_two);
        let four = two & after::<4>(two, &mut self.wide_four);
        four & after::<8>(one, &mut self.wide_eight)
    }
}

#[cfg(test)]
mod tests;
