//! A found value as a number that only the holder of a key can check guesses against.
//!
//! A baseline that held plain hashes would give weak passwords away to whoever tries some; HMAC-SHA-256
//! (RFC 2104) with a key that stays with its owner does not.

use cofferdam_secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;

/// 128 bits of a keyed digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Reads what [`fmt::Display`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.len() != 32 {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of digests. Wiped with its `Secret`; never printed, only its [`DigestKey::id`] is.
pub struct DigestKey {
    mac: Hmac<Sha256>,
}

impl DigestKey {
    /// From bytes that nobody else has.
    #[must_use]
    pub fn new(key: &Secret<Vec<u8>>) -> Self {
        // HMAC takes a key of any length.
        let mac = Hmac::<Sha256>::new_from_slice(key.expose());
        Self {
            mac: mac.unwrap_or_else(|_| {
                Hmac::<Sha256>::new(&hmac::digest::Key::<Hmac<Sha256>>::default())
            }),
        }
    }

    /// The digest of a value.
    #[must_use]
    pub fn digest(&self, value: &[u8]) -> Digest {
        self.tagged(b"value", value)
    }

    /// Tells keys apart without saying anything about them.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.tagged(b"key", b"")
    }

    fn tagged(&self, tag: &[u8], value: &[u8]) -> Digest {
        let mut mac = self.mac.clone();
        mac.update(tag);
        mac.update(&[0]);
        mac.update(value);
        let whole = mac.finalize().into_bytes();
        let mut out = [0; 16];
        for (to, from) in out.iter_mut().zip(whole.iter()) {
            *to = *from;
        }
        Digest(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_depends_on_the_key_and_survives_printing() {
        let keys = [b"one".to_vec(), b"two".to_vec()].map(|key| DigestKey::new(&Secret::new(key)));
        let [one, two] = keys.each_ref().map(|key| key.digest(b"hunter2"));
        assert_ne!(one, two);
        assert_ne!(keys[0].id(), keys[0].digest(b""));
        assert_eq!(Digest::parse(&one.to_string()), Some(one));
        assert_eq!(Digest::parse("zz"), None);
    }
}
