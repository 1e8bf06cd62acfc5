//! The keys that one issuer signs with.

use super::{Algorithm, Claims, Key, Refused, Token, UnfitKey, object};
use serde_json::Value;

/// Bytes of a document with keys. Those of the large providers have some 15 KiB.
pub(crate) const MOST_BYTES: usize = 512 << 10;
/// Keys in it: each may cost a token without a name one check of a signature.
const MOST_KEYS: usize = 128;

/// A set of public keys.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    /// The keys have names, and a token that names one means that one only.
    named: bool,
}

impl KeySet {
    /// Keys that were given one by one.
    #[must_use]
    pub const fn of(keys: Vec<Key>) -> Self {
        Self { keys, named: false }
    }

    /// Reads a document (RFC 7517, section 5); `None` when it is none, or larger than any real one.
    /// Keys that are not for this are left out, and why is returned beside.
    #[must_use]
    pub fn parse(document: &[u8]) -> Option<(Self, Vec<UnfitKey>)> {
        let document = object(document, MOST_BYTES)?;
        let listed = document.get("keys")?.as_array()?;
        if listed.len() > MOST_KEYS {
            return None;
        }
        let (mut keys, mut unfit) = (Vec::new(), Vec::new());
        for jwk in listed.iter().filter_map(Value::as_object) {
            match Key::from_jwk(jwk) {
                Ok(key) => keys.push(key),
                Err(why) => unfit.push(why),
            }
        }
        Some((Self { keys, named: true }, unfit))
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The claims of a token that one of the keys signed, by one of the `allowed` algorithms.
    ///
    /// # Errors
    /// [`Refused`] when none did.
    pub fn verify(&self, token: &Token<'_>, allowed: &[Algorithm]) -> Result<Claims, Refused> {
        let algorithm = token.algorithm();
        if !allowed.contains(&algorithm) {
            return Err(Refused::Algorithm);
        }
        let mut meant = self
            .keys
            .iter()
            .filter(|key| key.is_called(token.key(), self.named));
        match meant.any(|key| key.verify(algorithm, token.signed(), token.signature())) {
            true => token.claims(),
            false => Err(Refused::Signature),
        }
    }
}
