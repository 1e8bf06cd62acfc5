//! OpenPGP, as far as it takes to encrypt a few bytes to somebody's public key.
//!
//! [`Recipient`] is a public key that was judged: read whole, with its self-signatures verified, not
//! expired, not revoked, and with a key in it that is for encryption. What cannot be judged is
//! refused, with the reason ([`Refused`]); nothing of the input is in it. [`binary`] takes the
//! wrapping off a file: armour or base64.
//!
//! What this room promises: reading is bounded, never panics, and accepts nothing by default. It
//! follows RFC 9580 for version 4 keys (RFC 4880 and RFC 6637 have the same bytes), and writes what
//! every `gpg` reads: a session key for one recipient, and data with an integrity check. It does not
//! decrypt, does not sign, and knows no web of trust: that the key is its owner's is for whoever
//! gives it to know.

mod armor;
mod certificate;
mod message;
mod packet;
mod public_key;
mod signature;

pub use armor::binary;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use public_key::{Encryption, PublicKey};
use serde::{Deserialize, Serialize};

/// The longest key that is read, in bytes: one with hundreds of signatures of others.
pub const LONGEST: usize = 256 * 1024;

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Longer than [`LONGEST`].
    #[error(
        "the key is longer than 256 KiB; take the signatures of others out: gpg --export-options export-minimal --export"
    )]
    TooLong,
    /// No text of base64.
    #[error("the key is not base64; give what this prints: gpg --export KEY | base64 -w0")]
    NotBase64,
    /// No OpenPGP key, or a damaged one.
    #[error("this is not an OpenPGP public key, or it is damaged")]
    NotAKey,
    /// Of its owner alone.
    #[error(
        "this is a private key: give the public one (gpg --export), and treat the private one as known to others"
    )]
    Private,
    /// More than one key.
    #[error("there is more than one key in it; give one key for each share")]
    Several,
    /// Not version 4.
    #[error("the key is not of version 4, which is the only one that is read")]
    Version,
    /// The primary key's algorithm.
    #[error(
        "the key signs with an algorithm that cannot be verified here (RSA, Ed25519 and NIST curves can)"
    )]
    Algorithm,
    /// No signature of its own that could be verified.
    #[error(
        "the key has no self-signature that holds: a valid one, with SHA-256, SHA-384 or SHA-512, on a user id that is not revoked"
    )]
    Unsigned,
    /// More signatures than are looked at.
    #[error(
        "the key has more signatures of its own than are judged; give a smaller one: gpg --export-options export-minimal --export"
    )]
    Signatures,
    /// Revoked by its owner.
    #[error("the key is revoked")]
    Revoked,
    /// Its time is over.
    #[error("the key has expired")]
    Expired,
    /// Made later than now.
    #[error("the key was made in the future, by this server's clock")]
    Future,
    /// No key in it is for encryption.
    #[error(
        "the key has no part that is meant for encryption, and that this server can encrypt to (RSA from 2048 bits, Curve25519, NIST curves)"
    )]
    NoEncryption,
    /// The only one is revoked.
    #[error("the part of the key that is meant for encryption is revoked")]
    EncryptionRevoked,
    /// The only one is over.
    #[error("the part of the key that is meant for encryption has expired")]
    EncryptionExpired,
}

/// Encryption did not work, which a judged key does not let happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("encryption to an OpenPGP key failed")]
pub struct Failed;

/// A public key that was judged, and what is encrypted to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "Kept", try_from = "Kept")]
pub struct Recipient {
    fingerprint: [u8; 20],
    /// The part of it that encrypts.
    part: PublicKey,
    encryption: Encryption,
    /// Its owner's program reads AES-256; every one reads AES-128.
    aes256: bool,
}

impl Recipient {
    /// Judges a key given as base64, as Vault's clients give it. `now` is seconds of Unix time.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn from_base64(text: &str, now: u64) -> Result<Self, Refused> {
        if text.len() > LONGEST / 3 * 4 + 4 {
            return Err(Refused::TooLong);
        }
        // Go's reader, which Vault's clients were made for, skips line ends.
        let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        let bytes = STANDARD.decode(&text).map_err(|_| Refused::NotBase64);
        Self::from_binary(&bytes?, now)
    }

    /// Judges a key in its binary form.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn from_binary(bytes: &[u8], now: u64) -> Result<Self, Refused> {
        if bytes.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let recipient = certificate::judge(bytes, now)?;
        // A point that is not on its curve shows now, and not when a share is on its way.
        match recipient.encrypt(b"") {
            Ok(_) => Ok(recipient),
            Err(Failed) => Err(Refused::NoEncryption),
        }
    }

    /// The fingerprint of the primary key, in lower-case hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(self.fingerprint)
    }

    /// A message that only the owner of the key can read.
    ///
    /// # Errors
    /// When the system has no entropy.
    pub fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, Failed> {
        message::encrypt(self, plain)
    }
}

/// A recipient as it is stored: judged already.
#[derive(Serialize, Deserialize)]
struct Kept {
    fingerprint: String,
    part: String,
    aes256: bool,
}

impl From<Recipient> for Kept {
    fn from(recipient: Recipient) -> Self {
        Self {
            fingerprint: hex::encode(recipient.fingerprint),
            part: hex::encode(&recipient.part.body),
            aes256: recipient.aes256,
        }
    }
}

impl TryFrom<Kept> for Recipient {
    type Error = Refused;

    fn try_from(kept: Kept) -> Result<Self, Refused> {
        let mut fingerprint = [0; 20];
        hex::decode_to_slice(&kept.fingerprint, &mut fingerprint).map_err(|_| Refused::NotAKey)?;
        let body = hex::decode(&kept.part).map_err(|_| Refused::NotAKey)?;
        let part = PublicKey::parse(&body)?;
        let encryption = part.encryption().ok_or(Refused::NoEncryption)?;
        Ok(Self {
            fingerprint,
            part,
            encryption,
            aes256: kept.aes256,
        })
    }
}
