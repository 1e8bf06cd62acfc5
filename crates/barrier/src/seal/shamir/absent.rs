//! The root key for people who are not here: wrapped by what is public of their key.
//!
//! From the key that was shared a key pair of X25519 follows; its public half may be kept by the server,
//! which so puts a new root key under the shares of today without anybody giving one. Who has the
//! public half can wrap and not open, and who has an old root key learns nothing by it.
//!
//! Form: `one-time public key 32 | sealed root key`. The key of the seal is HKDF-SHA-256 of what both
//! halves agree on, with both public keys in its name.

use super::Shamir;
use crate::aead::{Cipher, OVERHEAD, Unauthentic};
use crate::{Error, RootKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};

const WRAPPED: &[u8] = b"barrier/seal shamir absent";
const PAIR: &[u8] = b"cofferdam shamir x25519 v1";
const BOX: &[u8] = b"cofferdam shamir box v1";
/// Bytes of a public key.
const PUBLIC: usize = 32;
/// Bytes of the whole form: no other form of a wrapped root key is as long.
const LENGTH: usize = PUBLIC + 32 + OVERHEAD;

/// What is public of the key that people share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent([u8; PUBLIC]);

impl Absent {
    /// As it was kept.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// To be kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The root key in a form that only the shared key opens.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        let once = PrivateKey::generate(&X25519).map_err(|_| Error::Entropy)?;
        let public = once.compute_public_key().map_err(|_| Error::Entropy)?;
        let mut out = public.as_ref().to_vec();
        let cipher = agreed(&once, &self.0, [&out, &self.0]).map_err(|_| Error::Entropy)?;
        cipher.seal(WRAPPED, root.bytes().expose(), &mut out)?;
        Ok(out)
    }
}

impl Shamir {
    /// What may be kept to wrap for the holders of its shares.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn absent(&self) -> Result<Absent, Error> {
        let public = self.pair()?.compute_public_key();
        let public = public.map_err(|_| Error::Entropy)?;
        Absent::from_bytes(public.as_ref()).ok_or(Error::Entropy)
    }

    fn pair(&self) -> Result<PrivateKey, Error> {
        let seed = derived(self.0.expose(), &[PAIR])?;
        PrivateKey::from_private_key(&X25519, seed.expose()).map_err(|_| Error::Entropy)
    }

    /// The root key, if `blob` is of this form.
    pub(super) fn open_absent(&self, blob: &[u8]) -> Option<Result<RootKey, Error>> {
        if blob.len() != LENGTH {
            return None;
        }
        let (once, sealed) = blob.split_at_checked(PUBLIC)?;
        Some(self.opened(once, sealed))
    }

    fn opened(&self, once: &[u8], sealed: &[u8]) -> Result<RootKey, Error> {
        let absent = self.absent()?;
        let cipher = agreed(&self.pair()?, once, [once, &absent.0])?;
        let root = cipher
            .open(WRAPPED, sealed)
            .map_err(|Unauthentic| Error::WrongKey)?;
        RootKey::from_slice(root.expose())
    }
}

/// The cipher that follows from a key agreement. Keys that agree on nothing are refused.
fn agreed(own: &PrivateKey, peer: &[u8], public: [&[u8]; 2]) -> Result<Cipher, Error> {
    let peer = UnparsedPublicKey::new(&X25519, peer);
    let [once, whose] = public;
    let key = agreement::agree(own, peer, Error::WrongKey, |shared| {
        derived(shared, &[BOX, once, whose])
    });
    Cipher::new(&key?)
}

fn derived(from: &[u8], name: &[&[u8]]) -> Result<Secret<[u8; 32]>, Error> {
    let mut key = Secret::new([0; 32]);
    Salt::new(HKDF_SHA256, &[])
        .extract(from)
        .expand(name, HKDF_SHA256)
        .and_then(|okm| okm.fill(key.expose_mut()))
        .map_err(|_| Error::Entropy)?;
    Ok(key)
}
