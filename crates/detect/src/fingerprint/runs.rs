//! Stretches of a text in which a value in base64 or hexadecimal may stand, or one that no URL escapes.
//!
//! All of such a form is letters, digits and five signs, and a form is much longer than a word. So most of
//! a text is out of question at the price of one comparison for each byte, before anything is hashed.

use std::ops::Range;

/// Bytes that are judged at a time.
const BLOCK: usize = 64;

/// More is not asked for: a longer stretch has no more to tell.
const LONGEST: usize = 32;

/// Whether base64 in either alphabet, hexadecimal, or a text without escapes in URLs (RFC 3986) may have
/// this byte; a few others pass as well.
const fn lettered(byte: u8) -> bool {
    // Letters of either case and what follows them, among it the underscore; `+` to `9`.
    ((byte | 0x20).wrapping_sub(b'a') < 0x1f) | (byte.wrapping_sub(b'+') < 15)
}

/// A bit for each byte of the block.
fn mask(block: &[u8; BLOCK]) -> u64 {
    let mut flags = [0; BLOCK];
    for (flag, byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(lettered(*byte));
    }
    let (words, _) = flags.as_chunks::<8>();
    let bits = words.iter().rev();
    bits.fold(0, |mask, word| {
        // Multiplied, the lowest bits of eight bytes meet in the highest byte.
        let eight = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask << 8 | eight
    })
}

/// The bits that begin a row of `count` bits.
const fn rows(bits: u128, count: usize) -> u128 {
    let (mut starts, mut have) = (bits, 1);
    while have * 2 <= count {
        starts &= starts >> have;
        have *= 2;
    }
    starts & (starts >> (count - have))
}

/// Calls `each` with every stretch of such bytes that is at least as long as `shortest`, in order.
pub(super) fn each(text: &[u8], shortest: usize, mut each: impl FnMut(Range<usize>)) {
    let shortest = shortest.clamp(1, LONGEST);
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let masks = blocks.iter().chain([&last]).map(mask);
    let mut open = 0..0;
    let mut before = 0;
    // A row that begins in one block may end in the next one.
    for (number, mask) in masks.chain([0]).enumerate() {
        let mut starts = rows(u128::from(before) | u128::from(mask) << BLOCK, shortest) as u64;
        before = mask;
        while starts != 0 {
            let first = starts.trailing_zeros();
            let count = (starts >> first).trailing_ones();
            starts &= u64::MAX.checked_shl(first + count).unwrap_or(0);
            // The first round has nothing before it, so no bit is set there.
            let from = (number * BLOCK + first as usize).saturating_sub(BLOCK);
            let to = from + count as usize - 1 + shortest;
            if from <= open.end && !open.is_empty() {
                open.end = to;
            } else {
                if !open.is_empty() {
                    each(open);
                }
                open = from..to;
            }
        }
    }
    if !open.is_empty() {
        each(open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_stretch_is_told_whole_and_once(
            pieces in prop::collection::vec((any::<bool>(), 1_usize..90), 0..12),
            shortest in 1_usize..40,
        ) {
            let text: Vec<u8> = pieces
                .iter()
                .flat_map(|(of_them, length)| vec![if *of_them { b'k' } else { b' ' }; *length])
                .collect();
            let mut expected: Vec<Range<usize>> = Vec::new();
            for (at, byte) in text.iter().enumerate() {
                match expected.last_mut() {
                    Some(last) if *byte == b'k' && last.end == at => last.end = at + 1,
                    _ if *byte == b'k' => expected.push(at..at + 1),
                    _ => {}
                }
            }
            expected.retain(|range| range.len() >= shortest.min(LONGEST));
            let mut told = Vec::new();
            each(&text, shortest, |range| told.push(range));
            prop_assert_eq!(told, expected);
        }
    }

    #[test]
    fn every_byte_of_base64_hexadecimal_and_what_urls_keep_is_one_of_them() {
        let passed: Vec<u8> = (0..=u8::MAX).filter(|byte| lettered(*byte)).collect();
        let wanted =
            (0..=u8::MAX).filter(|byte| byte.is_ascii_alphanumeric() || b"+/-_.".contains(byte));
        assert!(wanted.clone().all(|byte| passed.contains(&byte)));
        // What stands between words ends a stretch.
        assert!(
            !passed
                .iter()
                .any(|byte| b" \"'\n\t:;()<>=\0".contains(byte))
        );
    }
}
