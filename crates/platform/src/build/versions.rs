//! What a build's cache depends on: a text per secret that changes with its version.
//!
//! The server makes it with a key of its own (`sys/tools/version-ids`), so that every builder of a
//! team has the same and shares its cache. A server that has no such route (a real Vault) leaves it
//! to a key of this machine, made on first use. The form is the server's: a keyed MAC over path and
//! version number, never over a value.

use cofferdam_secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The key of this machine.
pub struct MachineKey(Secret<Vec<u8>>);

impl MachineKey {
    /// How many bytes it has.
    pub const LENGTH: usize = 32;

    /// Takes bytes that were read or made.
    #[must_use]
    pub fn new(bytes: Secret<Vec<u8>>) -> Option<Self> {
        (bytes.len() == Self::LENGTH).then_some(Self(bytes))
    }

    /// The text for one version of a secret: 128 bits in hex.
    #[must_use]
    pub fn id(&self, path: &str, version: u64) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else {
            // HMAC takes keys of any length.
            return String::new();
        };
        mac.update(b"cofferdam version id 1\0");
        mac.update(&(path.len() as u64).to_be_bytes());
        mac.update(path.as_bytes());
        mac.update(&version.to_be_bytes());
        half(&mac.finalize().into_bytes())
    }
}

/// One text for several secrets, whatever their order. What goes in is keyed already.
#[must_use]
pub fn together<'a>(ids: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    let mut digest = Sha256::new();
    for (name, id) in ids {
        digest.update(format!("{name}={id}\n"));
    }
    half(&digest.finalize())
}

fn half(digest: &[u8]) -> String {
    hex::encode(digest.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_depends_on_key_path_and_version_and_on_nothing_else() {
        let key = |byte: u8| MachineKey::new(Secret::new(vec![byte; 32])).unwrap();
        let first = key(1).id("secret/a", 1);
        assert_eq!(first.len(), 32);
        assert_eq!(first, key(1).id("secret/a", 1));
        for other in [
            key(2).id("secret/a", 1),
            key(1).id("secret/a", 2),
            key(1).id("secret/b", 1),
        ] {
            assert_ne!(first, other);
        }
        assert!(MachineKey::new(Secret::new(vec![0; 31])).is_none());
    }

    #[test]
    fn together_they_have_no_order() {
        let one = together([("a", "1"), ("b", "2")]);
        assert_eq!(one, together([("b", "2"), ("a", "1")]));
        assert_ne!(one, together([("a", "2"), ("b", "1")]));
    }
}
