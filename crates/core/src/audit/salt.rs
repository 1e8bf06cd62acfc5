//! Values in the log are shown by their keyed hash: equal values can be matched, none can be read.

use cofferdam_secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const PREFIX: &[u8; 12] = b"hmac-sha256:";

/// The key of value hashes, one for the whole vault so that a record is formatted once for all
/// devices. Kept with the key already expanded; a hash of a short value costs two blocks.
///
/// The expanded key is not wiped on drop; the 32 bytes it was made from are the caller's.
#[derive(Clone)]
pub struct Salt {
    keyed: Hmac<Sha256>,
    id: u64,
}

/// `hmac-sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashText([u8; 76]);

impl HashText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever written into it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text as bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Salt {
    /// Expands the key.
    #[must_use]
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        let keyed = keyed(key);
        let mut salt = Self { keyed, id: 0 };
        let label = salt.mac(b"cofferdam audit salt id");
        salt.id = label
            .iter()
            .take(8)
            .fold(0, |id, byte| id << 8 | u64::from(*byte));
        salt
    }

    fn mac(&self, value: &[u8]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    /// The hash of a value as the log shows it; what `sys/audit-hash` answers.
    #[must_use]
    pub fn hash_value(&self, value: &[u8]) -> HashText {
        let mut text = [0; 76];
        let (prefix, digits) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        // Cannot fail: 32 bytes into 64 digits.
        let _fits = hex::encode_to_slice(self.mac(value), digits);
        HashText(text)
    }

    /// Names the key, so that text hashed under another one is noticed. Says nothing about it.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }
}

/// The expanded HMAC key. Padding with zeros to the block is what HMAC itself does (RFC 2104), and
/// makes it an array no length check can refuse.
pub(super) fn keyed(key: &Secret<[u8; 32]>) -> Hmac<Sha256> {
    let mut block = Secret::new([0; 64]);
    for (to, from) in block.expose_mut().iter_mut().zip(key.expose()) {
        *to = *from;
    }
    Hmac::new(block.expose().into())
}
