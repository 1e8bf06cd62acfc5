//! OpenSSH's file of a private key (OpenSSH, `PROTOCOL.key`), read in place.
//!
//! Own code because the `ssh-key` crate (0.6.7) refuses ECDSA keys whose number begins with a zero
//! byte, which is every other key on P-521, and brings the `rsa` crate into the lock file.

use super::key::KeyError;
use super::wire::{push, string};
use base64::Engine as _;
use cofferdam_secret::Secret;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The binary part of a file. Wiped on drop.
pub(super) struct File(Secret<Vec<u8>>);

/// What the file holds.
pub(super) struct Content<'f> {
    /// As the agent protocol and `authorized_keys` have it.
    pub(super) public: &'f [u8],
    pub(super) comment: &'f [u8],
    pub(super) numbers: Numbers<'f>,
}

/// The numbers of a key; big-endian, some with zeros before them.
pub(super) enum Numbers<'f> {
    Ed25519 {
        seed: &'f [u8],
        public: &'f [u8],
    },
    Ecdsa {
        curve: &'f [u8],
        point: &'f [u8],
        secret: &'f [u8],
    },
    Rsa(super::rsa::Numbers<'f>),
}

impl File {
    /// Takes the armour off.
    pub(super) fn read(text: &Secret<Vec<u8>>) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(text.expose()).map_err(|_| KeyError::Form)?;
        let body = text.trim().strip_prefix(BEGIN);
        let body = body
            .and_then(|body| body.strip_suffix(END))
            .ok_or(KeyError::Form)?;
        let mut digits = Secret::new(Vec::with_capacity(body.len()));
        let digit = |byte: &u8| !byte.is_ascii_whitespace();
        digits.expose_mut().extend(body.bytes().filter(digit));
        let decoded = base64::engine::general_purpose::STANDARD.decode(digits.expose());
        Ok(Self(Secret::new(decoded.map_err(|_| KeyError::Form)?)))
    }

    pub(super) fn content(&self) -> Result<Content<'_>, KeyError> {
        let mut rest = self.0.expose().strip_prefix(MAGIC).ok_or(KeyError::Form)?;
        let mut next = || string(&mut rest).ok_or(KeyError::Form);
        let (cipher, kdf, _options) = (next()?, next()?, next()?);
        if cipher != b"none" || kdf != b"none" {
            return Err(KeyError::Encrypted);
        }
        let (count, behind) = rest.split_first_chunk::<4>().ok_or(KeyError::Form)?;
        if u32::from_be_bytes(*count) != 1 {
            return Err(KeyError::Form);
        }
        rest = behind;
        let public = string(&mut rest).ok_or(KeyError::Form)?;
        let private = string(&mut rest).ok_or(KeyError::Form)?;
        let (first, private) = private.split_first_chunk::<4>().ok_or(KeyError::Form)?;
        let (second, mut private) = private.split_first_chunk::<4>().ok_or(KeyError::Form)?;
        if first != second || !rest.is_empty() {
            return Err(KeyError::Form);
        }
        let (numbers, derived) = numbers(&mut private)?;
        let comment = string(&mut private).ok_or(KeyError::Form)?;
        // The list would name one key and another would sign.
        if derived != public
            || !private
                .iter()
                .copied()
                .eq(1..=u8::try_from(private.len()).unwrap_or(0))
        {
            return Err(KeyError::Form);
        }
        Ok(Content {
            public,
            comment,
            numbers,
        })
    }
}

/// The numbers, and the public key that belongs to them.
fn numbers<'f>(rest: &mut &'f [u8]) -> Result<(Numbers<'f>, Vec<u8>), KeyError> {
    let mut next = || string(rest).ok_or(KeyError::Form);
    let kind = next()?;
    let mut public = Vec::new();
    let mut tell = |parts: &[&[u8]]| parts.iter().for_each(|part| push(&mut public, part));
    tell(&[kind]);
    let numbers = match kind {
        b"ssh-ed25519" => {
            let (point, pair) = (next()?, next()?);
            tell(&[point]);
            let seed = pair.strip_suffix(point).filter(|seed| seed.len() == 32);
            Numbers::Ed25519 {
                seed: seed.ok_or(KeyError::Form)?,
                public: point,
            }
        }
        b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" | b"ecdsa-sha2-nistp521" => {
            let (curve, point, secret) = (next()?, next()?, next()?);
            tell(&[curve, point]);
            if kind.strip_prefix(b"ecdsa-sha2-") != Some(curve) {
                return Err(KeyError::Form);
            }
            Numbers::Ecdsa {
                curve,
                point,
                secret,
            }
        }
        b"ssh-rsa" => {
            let (n, e, d) = (next()?, next()?, next()?);
            let (q_inverse, p, q) = (next()?, next()?, next()?);
            tell(&[e, n]);
            Numbers::Rsa(super::rsa::Numbers {
                n,
                e,
                d,
                p,
                q,
                q_inverse,
            })
        }
        _ => return Err(KeyError::Kind),
    };
    Ok((numbers, public))
}
