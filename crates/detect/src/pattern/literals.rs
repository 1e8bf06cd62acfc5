//! Where one of some hundred short literals stands, at a cost per byte that does not depend on how many
//! there are.
//!
//! Every position is judged by the four bytes there: case folded, hashed, one bit tested. The table has
//! 64 Ki bits and stays in the first-level cache. A literal of three bytes sets the bits of all bytes
//! that may follow. A set bit leads to the few literals with that hash, which are then compared.

use memchr::memmem;

/// Shortest literal that can be found.
pub(super) const SHORTEST: usize = 3;

const BITS: u32 = 16;

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
    set: Vec<u64>,
    bucket_of: Vec<u16>,
    buckets: Vec<Vec<Member>>,
    literals: Vec<Literal>,
}

const fn hash(four: u32) -> u16 {
    ((four | 0x2020_2020).wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as u16
}

impl Literals {
    /// Prepares the search. `exact` says that case counts; `owner` is handed back for each hit.
    pub(super) fn new(all: impl IntoIterator<Item = (Vec<u8>, bool, u32)>) -> Self {
        let mut made = Self {
            set: vec![0; (1 << BITS) / 64],
            bucket_of: vec![0; 1 << BITS],
            buckets: vec![Vec::new()],
            literals: Vec::new(),
        };
        for (bytes, exact, owner) in all {
            made.add(Literal {
                bytes,
                exact,
                owner,
            });
        }
        made
    }

    fn add(&mut self, literal: Literal) {
        let number = u32::try_from(self.literals.len()).unwrap_or(u32::MAX);
        let member = Member::new(number, &literal);
        let mut head = [0; 4];
        match *literal.bytes.as_slice() {
            [a, b, c, d, ..] => {
                head = [a, b, c, d];
                self.mark(hash(u32::from_le_bytes(head)), member);
            }
            [a, b, c] => {
                // The beginning of a token goes on with one of its characters.
                let word = literal.exact && (c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'));
                for fourth in 0..=u8::MAX {
                    if word && !(fourth.is_ascii_alphanumeric() || b"_-.+/=~".contains(&fourth)) {
                        continue;
                    }
                    head = [a, b, c, fourth];
                    self.mark(hash(u32::from_le_bytes(head)), member);
                }
            }
            _ => debug_assert!(false, "a literal has at least {SHORTEST} bytes: {head:?}"),
        }
        self.literals.push(literal);
    }

    fn mark(&mut self, hash: u16, member: Member) {
        let at = usize::from(hash);
        if let Some(word) = self.set.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
        let fresh = u16::try_from(self.buckets.len()).unwrap_or(u16::MAX);
        let Some(bucket) = self.bucket_of.get_mut(at) else {
            return;
        };
        if *bucket == 0 {
            *bucket = fresh;
            self.buckets.push(Vec::new());
        }
        if let Some(members) = self.buckets.get_mut(usize::from(*bucket))
            && members.iter().all(|known| known.number != member.number)
        {
            members.push(member);
        }
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
        let Ok(set) = <&[u64; (1 << BITS) / 64]>::try_from(self.set.as_slice()) else {
            return;
        };
        for (offset, four) in range.windows(4).enumerate() {
            let Ok(four) = <[u8; 4]>::try_from(four) else {
                continue;
            };
            let hash = hash(u32::from_le_bytes(four));
            let word = set.get(usize::from(hash >> 6)).copied().unwrap_or(0);
            if word >> (hash & 63) & 1 != 0 {
                self.compare(text, from + offset, hash, &mut found);
            }
        }
    }

    #[inline(never)]
    fn compare(&self, text: &[u8], at: usize, hash: u16, found: &mut impl FnMut(usize, u32)) {
        let bucket = self.bucket_of.get(usize::from(hash)).copied();
        let members = bucket.and_then(|bucket| self.buckets.get(usize::from(bucket)));
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
