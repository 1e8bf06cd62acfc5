//! Where one of some hundred short literals stands, at a cost per byte that does not depend on how many
//! there are.
//!
//! Every position is judged by the four bytes there, case folded: a hash of the first three chooses a word
//! of 32 bits, the fourth a bit in it. The words are 16 KiB and stay in the first-level cache. A literal of
//! three bytes sets the bits of all bytes that may follow, which are all in one word. A set bit leads to the
//! few literals with that hash, which are then compared.

use memchr::memmem;

/// Shortest literal that can be found.
pub(super) const SHORTEST: usize = 3;

/// Words are chosen by this many bits.
const BITS: u32 = 12;

const WORDS: usize = 1 << BITS;

/// One literal and what it belongs to.
struct Literal {
    bytes: Vec<u8>,
    exact: bool,
    owner: u32,
}

/// A literal in a bucket: its first eight bytes decide nearly always.
#[derive(Clone, Copy)]
struct Member {
    number: u32,
    head: u64,
    mask: u64,
}

impl Member {
    fn new(number: u32, literal: &Literal) -> Self {
        let mut member = Self {
            number,
            head: 0,
            mask: 0,
        };
        for (at, &byte) in literal.bytes.iter().take(8).enumerate() {
            // Letters differ from their capitals in one bit, which is not looked at here.
            let fold = byte.is_ascii_alphabetic() && !literal.exact;
            let mask: u8 = if fold { 0xdf } else { 0xff };
            member.mask |= u64::from(mask) << (8 * at);
            member.head |= u64::from(byte & mask) << (8 * at);
        }
        member
    }
}

/// All literals, ready to be searched for.
pub(super) struct Literals {
    /// For each hash of three bytes, the fourth bytes that go on with a literal.
    set: Vec<u32>,
    /// Where in `members` those of a hash begin; one more, where the last ones end.
    first: Vec<u32>,
    members: Vec<Member>,
    literals: Vec<Literal>,
}

/// Which word these four bytes belong to.
#[inline(always)]
const fn hash(four: u32) -> usize {
    // The fourth byte is shifted out.
    (((four | 0x2020_2020) << 8).wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize
}

/// The bit of the fourth byte: letters have one for both cases.
#[inline(always)]
const fn bit(four: u32) -> u32 {
    1 << (four >> 24 & 31)
}

impl Literals {
    /// Prepares the search. `exact` says that case counts; `owner` is handed back for each hit.
    pub(super) fn new(all: impl IntoIterator<Item = (Vec<u8>, bool, u32)>) -> Self {
        let mut made = Self {
            set: vec![0; WORDS],
            first: Vec::with_capacity(WORDS + 1),
            members: Vec::new(),
            literals: Vec::new(),
        };
        let mut placed = Vec::new();
        for (bytes, exact, owner) in all {
            let literal = Literal {
                bytes,
                exact,
                owner,
            };
            let number = u32::try_from(made.literals.len()).unwrap_or(u32::MAX);
            placed.extend(made.mark(&literal).map(|hash| (hash, number)));
            made.literals.push(literal);
        }
        placed.sort_unstable();
        for hash in 0..=WORDS {
            let before = placed.partition_point(|(other, _)| *other < hash);
            made.first.push(before as u32);
        }
        let literals = &made.literals;
        let member = |(_, number): (usize, u32)| {
            let literal = literals.get(number as usize);
            literal.map(|literal| Member::new(number, literal))
        };
        made.members = placed.into_iter().filter_map(member).collect();
        made
    }

    /// Sets the bits of a literal; returns its hash.
    fn mark(&mut self, literal: &Literal) -> Option<usize> {
        let (three, bits) = match *literal.bytes.as_slice() {
            [a, b, c, d, ..] => ([a, b, c, d], bit(u32::from_le_bytes([a, b, c, d]))),
            [a, b, c] => {
                // The beginning of a token goes on with one of its characters.
                let word = literal.exact && (c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'));
                let follows = |fourth: &u8| {
                    !word || fourth.is_ascii_alphanumeric() || b"_-.+/=~".contains(fourth)
                };
                let fourths = (0..=u8::MAX).filter(follows);
                let bits = fourths.fold(0, |bits, fourth| {
                    bits | bit(u32::from_le_bytes([a, b, c, fourth]))
                });
                ([a, b, c, 0], bits)
            }
            ref other => {
                debug_assert!(false, "a literal has at least {SHORTEST} bytes: {other:?}");
                return None;
            }
        };
        let hash = hash(u32::from_le_bytes(three));
        if let Some(word) = self.set.get_mut(hash) {
            *word |= bits;
        }
        Some(hash)
    }

    /// Calls `found(position, owner)` for each literal that begins in `from..to`.
    pub(super) fn each(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        mut found: impl FnMut(usize, u32),
    ) {
        let Some(range) = text.get(from..to.saturating_add(3).min(text.len())) else {
            return;
        };
        let Ok(set) = <&[u32; WORDS]>::try_from(self.set.as_slice()) else {
            return;
        };
        for (offset, four) in range.windows(4).enumerate() {
            let Ok(four) = <[u8; 4]>::try_from(four) else {
                continue;
            };
            let four = u32::from_le_bytes(four);
            let hash = hash(four);
            let word = set.get(hash).copied().unwrap_or(0);
            if word & bit(four) != 0 {
                self.compare(text, from + offset, hash, &mut found);
            }
        }
    }

    #[inline(never)]
    fn compare(&self, text: &[u8], at: usize, hash: usize, found: &mut impl FnMut(usize, u32)) {
        let place = |hash: usize| self.first.get(hash).map_or(0, |at| *at as usize);
        let members = self.members.get(place(hash)..place(hash + 1));
        let here = text.get(at..).unwrap_or_default();
        let head = match here.first_chunk::<8>() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => here
                .iter()
                .rev()
                .fold(0, |head, &byte| head << 8 | u64::from(byte)),
        };
        for member in members.into_iter().flatten() {
            if head & member.mask != member.head {
                continue;
            }
            let Some(literal) = self.literals.get(member.number as usize) else {
                continue;
            };
            let Some(here) = text.get(at..at + literal.bytes.len()) else {
                continue;
            };
            let same = if literal.exact {
                here == literal.bytes
            } else {
                here.eq_ignore_ascii_case(&literal.bytes)
            };
            if same {
                found(at, literal.owner);
            }
        }
    }
}

/// Whether `needle` stands in `text`, with ASCII case ignored on the side of `text` only.
pub(super) fn contains_lower(text: &str, needle: &str) -> bool {
    memmem::find(text.as_bytes(), needle.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hits(literals: &Literals, text: &[u8], from: usize, to: usize) -> Vec<(usize, u32)> {
        let mut hits = Vec::new();
        literals.each(text, from, to, |at, owner| hits.push((at, owner)));
        hits.sort_unstable();
        hits
    }

    proptest! {
        #[test]
        fn every_literal_is_found_where_it_stands(
            words in prop::collection::vec("[a-cA-C_]{3,6}", 1..6),
            text in "[a-cA-C_.]{4,80}",
            exact in any::<bool>(),
        ) {
            let all = words.iter().enumerate();
            let literals = Literals::new(all.map(|(n, w)| (w.clone().into_bytes(), exact, n as u32)));
            let mut expected = Vec::new();
            for at in 0..text.len().saturating_sub(3) {
                for (number, word) in words.iter().enumerate() {
                    let here = text.get(at..at + word.len());
                    let same = here.is_some_and(|here| {
                        if exact { here == word } else { here.eq_ignore_ascii_case(word) }
                    });
                    if same {
                        expected.push((at, number as u32));
                    }
                }
            }
            prop_assert_eq!(hits(&literals, text.as_bytes(), 0, text.len()), expected);
        }

        #[test]
        fn cutting_the_range_loses_nothing_and_doubles_nothing(text in "[ab_]{4,60}", cut in 0_usize..60) {
            let literals = Literals::new([(b"ab_".to_vec(), true, 0), (b"aab_a".to_vec(), true, 1)]);
            let cut = cut.min(text.len());
            let mut parts = hits(&literals, text.as_bytes(), 0, cut);
            parts.extend(hits(&literals, text.as_bytes(), cut, text.len()));
            prop_assert_eq!(parts, hits(&literals, text.as_bytes(), 0, text.len()));
        }
    }
}
