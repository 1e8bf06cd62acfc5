//! Ciphers with associated data, their keys expanded.
//!
//! Sealed form: `nonce | ciphertext | tag 16`, the nonce 12 bytes, 24 for XChaCha20. Nonces are random
//! (NIST SP 800-38D, section 8.2.2) or, for convergent keys, an HMAC of the plaintext under a derived
//! key of its own. Key set-up costs as much as one small seal, so a [`Cipher`] keeps the key expanded.

use super::kind::Kind;
use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use cofferdam_core::Fault;
use cofferdam_secret::Secret;

const TAG: usize = 16;

/// An expanded key; wiped when dropped.
pub(super) enum Cipher {
    Aws(LessSafeKey),
    XChaCha(Box<XChaCha20Poly1305>),
}

/// It was not sealed by this key with this associated data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    TooShort,
    Unauthentic,
}

impl Unopened {
    pub(super) const fn text(&self, kind: Kind) -> &'static str {
        match self {
            Self::TooShort => "invalid ciphertext length",
            Self::Unauthentic if matches!(kind, Kind::ChaCha | Kind::XChaCha) => {
                "chacha20poly1305: message authentication failed"
            }
            Self::Unauthentic => "cipher: message authentication failed",
        }
    }
}

impl Cipher {
    /// # Errors
    /// When the key has another length than the kind wants.
    pub(super) fn new(kind: Kind, key: &[u8]) -> Result<Self, Fault> {
        let algorithm = match kind {
            Kind::Aes128 => &AES_128_GCM,
            Kind::Aes256 => &AES_256_GCM,
            Kind::ChaCha => &CHACHA20_POLY1305,
            Kind::XChaCha => {
                let cipher = XChaCha20Poly1305::new_from_slice(key);
                let cipher = cipher.map_err(|_| Fault::internal("length of an XChaCha20 key"))?;
                return Ok(Self::XChaCha(Box::new(cipher)));
            }
            _ => return Err(Fault::internal("not a cipher")),
        };
        let key = UnboundKey::new(algorithm, key);
        let key = key.map_err(|_| Fault::internal("length of a cipher's key"))?;
        Ok(Self::Aws(LessSafeKey::new(key)))
    }

    pub(super) const fn nonce_bytes(&self) -> usize {
        match self {
            Self::Aws(_) => 12,
            Self::XChaCha(_) => 24,
        }
    }

    /// A random nonce.
    pub(super) fn fresh_nonce(&self) -> Result<Vec<u8>, Fault> {
        let mut nonce = vec![0; self.nonce_bytes()];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Fault::internal("no entropy"))?;
        Ok(nonce)
    }

    /// The sealed form.
    pub(super) fn seal(&self, nonce: &[u8], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let failed = || Fault::internal("a cipher refused to seal");
        // All at once: growing later would leave a plaintext copy in freed memory.
        let mut out = Vec::with_capacity(nonce.len() + plain.len() + TAG);
        out.extend_from_slice(nonce);
        out.extend_from_slice(plain);
        let body = out.get_mut(nonce.len()..).unwrap_or_default();
        match self {
            Self::Aws(key) => {
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), body);
                out.extend_from_slice(tag.map_err(|_| failed())?.as_ref());
            }
            Self::XChaCha(cipher) => {
                let nonce = nonce.try_into().map_err(|_| failed())?;
                let tag = cipher.encrypt_inout_detached(&nonce, aad, body.into());
                out.extend_from_slice(tag.map_err(|_| failed())?.as_slice());
            }
        }
        Ok(out)
    }

    /// The content of a sealed form.
    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, Unopened> {
        let (nonce, rest) = sealed
            .split_at_checked(self.nonce_bytes())
            .ok_or(Unopened::TooShort)?;
        let (body, tag) = rest
            .split_last_chunk::<TAG>()
            .ok_or(Unopened::Unauthentic)?;
        let mut plain = Secret::new(vec![0; body.len()]);
        match self {
            Self::Aws(key) => {
                let nonce = Nonce::try_assume_unique_for_key(nonce);
                let nonce = nonce.map_err(|_| Unopened::TooShort)?;
                key.open_separate_gather(nonce, Aad::from(aad), body, tag, plain.expose_mut())
                    .map_err(|_| Unopened::Unauthentic)?;
            }
            Self::XChaCha(cipher) => {
                plain.expose_mut().copy_from_slice(body);
                let nonce = nonce.try_into().map_err(|_| Unopened::TooShort)?;
                let out = plain.expose_mut().as_mut_slice();
                cipher
                    .decrypt_inout_detached(&nonce, aad, out.into(), tag.into())
                    .map_err(|_| Unopened::Unauthentic)?;
            }
        }
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `draft-irtf-cfrg-xchacha-03`, appendix A.3.1.
    #[test]
    fn xchacha_is_the_one_of_the_draft() {
        let key: Vec<u8> = (0x80..=0x9f).collect();
        let nonce: Vec<u8> = (0x40..=0x57).collect();
        let aad = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let cipher = Cipher::new(Kind::XChaCha, &key).unwrap();
        let sealed = cipher.seal(&nonce, &aad, plain).unwrap();
        assert!(
            hex::encode(&sealed[24..])
                .starts_with("bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb")
        );
        assert!(hex::encode(&sealed).ends_with("c0875924c1c7987947deafd8780acf49"));
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened_and_nothing_else(plain: Vec<u8>, aad: Vec<u8>, at: usize, bit in 0_u8..8) {
            for kind in [Kind::Aes128, Kind::Aes256, Kind::ChaCha, Kind::XChaCha] {
                let cipher = Cipher::new(kind, &vec![7; kind.key_bytes().unwrap()]).unwrap();
                let mut sealed = cipher.seal(&cipher.fresh_nonce().unwrap(), &aad, &plain).unwrap();
                prop_assert!(cipher.open(&aad, &sealed).unwrap().expose() == &plain);
                let at = at % sealed.len();
                sealed[at] ^= 1 << bit;
                prop_assert!(cipher.open(&aad, &sealed).is_err());
                prop_assert!(cipher.open(&aad, &sealed[..at]).is_err());
            }
        }
    }
}
