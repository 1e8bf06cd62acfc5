//! The key of prints, and what is computed with it.

use crate::forms::Form;
use cofferdam_secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroize;

/// Length of a digest in bytes.
pub(super) const DIGEST: usize = 16;

/// What prints are made with and found with.
pub struct PrintKey {
    mac: Hmac<Sha256>,
    mix: Mix,
}

/// Two secret words of the fast hash.
#[derive(Clone, Copy)]
pub(super) struct Mix {
    add: u64,
    multiply: u64,
}

impl PrintKey {
    /// Derives everything from one secret.
    #[must_use]
    pub fn new(secret: &Secret<[u8; 32]>) -> Self {
        let first = derived(secret.expose(), b"cofferdam fingerprints 1: windows");
        let word = |at: usize| {
            let bytes = first.expose().get(at..at + 8).unwrap_or_default();
            bytes
                .iter()
                .fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        let second = derived(secret.expose(), b"cofferdam fingerprints 1: digests");
        Self {
            mac: keyed(second.expose()),
            mix: Mix {
                add: word(0),
                // Odd, so that no sample is lost to a factor of two.
                multiply: word(8) | 1,
            },
        }
    }

    pub(super) const fn mix(&self) -> Mix {
        self.mix
    }

    /// The digest of one form, with its letters of free case made small.
    pub(super) fn digest(&self, form: Form, bytes: &[u8]) -> [u8; DIGEST] {
        let mut mac = self.mac.clone();
        mac.update(&[form.code()]);
        mac.update(&(bytes.len() as u64).to_be_bytes());
        let mut state = Escape::None;
        let mut part = [0; 64];
        for chunk in bytes.chunks(part.len()) {
            let Some(part) = part.get_mut(..chunk.len()) else {
                break;
            };
            part.copy_from_slice(chunk);
            for byte in part.iter_mut() {
                state = state.small(form, byte);
            }
            mac.update(part);
        }
        part.zeroize();
        let mut out = [0; DIGEST];
        let full = mac.finalize().into_bytes();
        out.copy_from_slice(full.get(..DIGEST).unwrap_or_default());
        out
    }
}

pub(super) fn derived(secret: &[u8; 32], purpose: &[u8]) -> Secret<[u8; 32]> {
    let mut mac = keyed(secret);
    mac.update(purpose);
    Secret::new(mac.finalize().into_bytes().into())
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC fills a short key up with zeros (RFC 2104, section 2).
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mac = Hmac::new(&block);
    block.zeroize();
    mac
}

impl Mix {
    /// The tag of a sample: 32 bits.
    #[inline(always)]
    pub(super) const fn tag(self, sample: u64) -> u32 {
        let wide = (sample ^ self.add) as u128 * self.multiply as u128;
        let folded = (wide >> 64) as u64 ^ wide as u64;
        (folded >> 32) as u32
    }

    /// The tag of a whole window in one form.
    pub(super) fn whole(self, bytes: impl Iterator<Item = u8>) -> u32 {
        let mut hash = 0_u64;
        let mut word = 0_u64;
        let mut count = 0_u64;
        for byte in bytes {
            word = word << 8 | u64::from(byte);
            count += 1;
            if count.is_multiple_of(8) {
                hash = self.step(hash ^ word);
                word = 0;
            }
        }
        hash = self.step(hash ^ word);
        (self.step(hash ^ count) >> 32) as u32
    }

    const fn step(self, word: u64) -> u64 {
        let wide = (word ^ self.add) as u128 * self.multiply as u128;
        (wide >> 64) as u64 ^ wide as u64
    }
}

/// Where in an escape a byte stands whose digits may be written large or small.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Backslash,
    Digits(u8),
}

impl Escape {
    /// Makes `byte` small where its case is free, and says what comes next. Both sides do this, so it
    /// need not know the difference between an escape and text that looks like one.
    fn small(self, form: Form, byte: &mut u8) -> Self {
        match form {
            Form::Hex => {
                byte.make_ascii_lowercase();
                Self::None
            }
            Form::Url => self.after(byte, *byte == b'%', 2),
            Form::Json | Form::JsonTwice => match (self, *byte) {
                (Self::Backslash, b'u') => Self::Digits(4),
                // Also where digits were awaited: in `\\u\u002b` only the second one is an escape.
                (_, b'\\') => Self::Backslash,
                _ => self.after(byte, false, 0),
            },
            _ => Self::None,
        }
    }

    fn after(self, byte: &mut u8, begins: bool, digits: u8) -> Self {
        match self {
            _ if begins => Self::Digits(digits),
            Self::Digits(left) if byte.is_ascii_hexdigit() => {
                byte.make_ascii_lowercase();
                left.checked_sub(2)
                    .map_or(Self::None, |less| Self::Digits(less + 1))
            }
            _ => Self::None,
        }
    }
}
