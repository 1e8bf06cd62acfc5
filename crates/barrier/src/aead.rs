//! AES-256-GCM with an expanded key and random nonces (NIST SP 800-38D, section 8.2.2).
//!
//! Sealed form: `nonce 12 | ciphertext | tag 16`. Key set-up costs as much as one small seal, so a
//! [`Cipher`] keeps the key expanded; aws-lc wipes it when it is dropped.

use crate::Error;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use cofferdam_secret::Secret;

/// Bytes a sealed value is longer than its content.
pub(crate) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;
const TAG_LEN: usize = 16;

/// One expanded key.
pub(crate) struct Cipher(LessSafeKey);

/// The bytes were not sealed by this key with this associated data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unauthentic;

impl Cipher {
    pub(crate) fn new(key: &Secret<[u8; 32]>) -> Result<Self, Error> {
        // Only a wrong length or a failed allocation is refused here; the length is a type.
        let key = UnboundKey::new(&AES_256_GCM, key.expose()).map_err(|_| Error::Entropy)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Appends the sealed form of `plain` to `out`.
    pub(crate) fn seal(&self, aad: &[u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Error::Entropy)?;
        // All at once: growing later would leave a plaintext copy in freed memory.
        out.reserve_exact(OVERHEAD + plain.len());
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let body = out.get_mut(start..).unwrap_or_default();
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), body);
        match tag {
            Ok(tag) => out.extend_from_slice(tag.as_ref()),
            Err(_) => {
                out.truncate(start); // longer than GCM takes (64 GiB): unreachable by the limits
                return Err(Error::Entropy);
            }
        }
        Ok(())
    }

    /// The content of a sealed form.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, Unauthentic> {
        let (nonce, rest) = sealed.split_first_chunk().ok_or(Unauthentic)?;
        let (body, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(Unauthentic)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut plain = Secret::new(vec![0; body.len()]);
        self.0
            .open_separate_gather(nonce, Aad::from(aad), body, tag, plain.expose_mut())
            .map_err(|_| Unauthentic)?;
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// STORE-4: as many as one process seals in minutes, and none twice. That a key seals no more than
    /// 2^30 is counted, see [`crate::Limits`].
    #[test]
    fn half_a_million_seals_have_as_many_nonces() {
        let cipher = Cipher::new(&Secret::new([7; 32])).unwrap();
        let (mut seen, mut out) = (HashSet::with_capacity(1 << 19), Vec::new());
        for _ in 0..1 << 19 {
            out.clear();
            cipher.seal(b"a", b"b", &mut out).unwrap();
            let nonce: [u8; NONCE_LEN] = out[..NONCE_LEN].try_into().unwrap();
            assert!(seen.insert(nonce), "a nonce came twice");
        }
        assert_eq!(crate::Limits::default().bound, 1 << 30);
        assert!(cipher.open(b"a", &out).is_ok());
        assert_eq!(cipher.open(b"b", &out).err(), Some(Unauthentic));
    }
}
