//! Signatures of a key over itself.

use crate::Refused;
use crate::packet::{Reader, size};
use crate::public_key::{PublicKey, Verifier};
use aws_lc_rs::digest;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature as algorithms;
use aws_lc_rs::signature::{EcdsaVerificationAlgorithm, RsaParameters, UnparsedPublicKey};

/// A signature of version 4 that says nothing which is not understood.
pub(crate) struct Signature {
    pub(crate) kind: u8,
    /// Seconds of Unix time; no signature without it.
    pub(crate) created: u64,
    /// Seconds after its creation; 0 is for ever.
    lifetime: u64,
    /// How long the key is good, in seconds after the key's creation; 0 is for ever.
    pub(crate) key_lifetime: u64,
    /// What the key is for; nothing where it does not say.
    pub(crate) flags: Option<u8>,
    /// Ciphers that its owner's program reads.
    pub(crate) ciphers: Vec<u8>,
    /// The user id it is on is the one that counts.
    pub(crate) primary: bool,
    hash: u8,
    algorithm: u8,
    /// Who made it, as it says; it may say nothing.
    issuers: Vec<[u8; 8]>,
    /// From its version to the end of what is hashed.
    hashed: Vec<u8>,
    numbers: Vec<Vec<u8>>,
}

impl Signature {
    /// `None` is a signature that counts for nothing: of another version, or with a part that must be
    /// understood and is not.
    pub(crate) fn parse(body: &[u8]) -> Result<Option<Self>, Refused> {
        let mut reader = Reader(body);
        let version = reader.byte()?;
        if version != 4 {
            return Ok(None);
        }
        let [kind, algorithm, hash] = reader.array()?;
        let length = reader.short()?;
        let inside = reader.take(length)?;
        let length = reader.short()?;
        let beside = reader.take(length)?;
        reader.short()?;
        let mut numbers = Vec::new();
        // What other algorithms have here is not read: they are not verified.
        while matches!(algorithm, 1 | 3 | 19 | 22) && !reader.0.is_empty() {
            numbers.push(reader.number()?.to_vec());
        }
        let hashed = body.get(..6 + inside.len()).ok_or(Refused::NotAKey)?;
        let mut signature = Self {
            kind,
            created: 0,
            lifetime: 0,
            key_lifetime: 0,
            flags: None,
            ciphers: Vec::new(),
            primary: false,
            hash,
            algorithm,
            issuers: Vec::new(),
            hashed: hashed.to_vec(),
            numbers,
        };
        let understood = signature.read(inside, true)? && signature.read(beside, false)?;
        Ok((understood && signature.created != 0).then_some(signature))
    }

    /// Whether all that must be understood is. What is beside the signed part only says whose it is.
    fn read(&mut self, area: &[u8], signed: bool) -> Result<bool, Refused> {
        let mut reader = Reader(area);
        while !reader.0.is_empty() {
            let (kind, body) = reader.subpacket()?;
            let mut value = Reader(body);
            match (kind & 0x7f, signed) {
                (16, _) => self.issuers.push(value.array()?),
                (33, _) => {
                    let id = body.last_chunk().ok_or(Refused::NotAKey)?;
                    self.issuers.push(*id);
                }
                (_, false) => {}
                (2, _) => self.created = value.long()?.into(),
                (3, _) => self.lifetime = value.long()?.into(),
                (9, _) => self.key_lifetime = value.long()?.into(),
                (11, _) => self.ciphers = body.to_vec(),
                (25, _) => self.primary = value.byte()? != 0,
                (27, _) => self.flags = Some(body.first().copied().unwrap_or(0)),
                // Preferences, reasons, places of servers: nothing that decides anything here.
                (4..=7 | 12 | 21..=24 | 26 | 28..=32 | 34 | 35 | 39, _) => {}
                // A note that must be understood, or what nobody here has heard of.
                _ if kind & 0x80 != 0 => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Whether `key` may have made it: it says so, or says nothing.
    pub(crate) fn is_by(&self, key: [u8; 8]) -> bool {
        self.issuers.is_empty() || self.issuers.contains(&key)
    }

    /// Whether it holds at this time; `now` as everywhere.
    pub(crate) fn holds(&self, now: u64) -> bool {
        self.created <= now && (self.lifetime == 0 || now < self.created + self.lifetime)
    }

    /// Whether `key` made it over `what`.
    pub(crate) fn verify(&self, key: &PublicKey, what: &[u8]) -> bool {
        let mut message = what.to_vec();
        message.extend(&self.hashed);
        message.extend([4, 0xff]);
        message.extend(size(self.hashed.len()).to_be_bytes());
        let verifier = key.verifier();
        verifier.is_some_and(|verifier| self.verified(&verifier, &message).unwrap_or(false))
    }

    fn verified(&self, verifier: &Verifier<'_>, message: &[u8]) -> Option<bool> {
        match (verifier, self.algorithm, self.numbers.as_slice()) {
            (Verifier::Rsa { n, e }, 1 | 3, [signature]) => {
                let parameters = self.pick([
                    &algorithms::RSA_PKCS1_2048_8192_SHA256,
                    &algorithms::RSA_PKCS1_2048_8192_SHA384,
                    &algorithms::RSA_PKCS1_2048_8192_SHA512,
                ])?;
                Some(rsa(n, e, parameters, message, &filled(signature, n.len())?))
            }
            (Verifier::P256(point), 19, [r, s]) => {
                let algorithm = self.pick([
                    &algorithms::ECDSA_P256_SHA256_ASN1,
                    &algorithms::ECDSA_P256_SHA384_ASN1,
                    &algorithms::ECDSA_P256_SHA512_ASN1,
                ])?;
                Some(ecdsa(algorithm, point, message, r, s))
            }
            (Verifier::P384(point), 19, [r, s]) => {
                let algorithm = self.pick([
                    &algorithms::ECDSA_P384_SHA256_ASN1,
                    &algorithms::ECDSA_P384_SHA384_ASN1,
                    &algorithms::ECDSA_P384_SHA512_ASN1,
                ])?;
                Some(ecdsa(algorithm, point, message, r, s))
            }
            (Verifier::P521(point), 19, [r, s]) => {
                let algorithm = self.pick([
                    &algorithms::ECDSA_P521_SHA256_ASN1,
                    &algorithms::ECDSA_P521_SHA384_ASN1,
                    &algorithms::ECDSA_P521_SHA512_ASN1,
                ])?;
                Some(ecdsa(algorithm, point, message, r, s))
            }
            (Verifier::Ed25519(point), 22, [r, s]) => {
                let hash = self.pick([&digest::SHA256, &digest::SHA384, &digest::SHA512])?;
                let digest = digest::digest(hash, message);
                let signature = [filled(r, 32)?, filled(s, 32)?].concat();
                let key = UnparsedPublicKey::new(&algorithms::ED25519, point);
                Some(key.verify(digest.as_ref(), &signature).is_ok())
            }
            _ => None,
        }
    }

    /// By the hash; older ones are no proof of anything.
    fn pick<T>(&self, of: [T; 3]) -> Option<T> {
        let [sha256, sha384, sha512] = of;
        match self.hash {
            8 => Some(sha256),
            9 => Some(sha384),
            10 => Some(sha512),
            _ => None,
        }
    }
}

fn rsa(n: &[u8], e: &[u8], parameters: &RsaParameters, message: &[u8], signature: &[u8]) -> bool {
    let key = PublicKeyComponents { n, e };
    key.verify(parameters, message, signature).is_ok()
}

fn ecdsa(
    algorithm: &'static EcdsaVerificationAlgorithm,
    point: &[u8],
    message: &[u8],
    r: &[u8],
    s: &[u8],
) -> bool {
    let Some(signature) = der(r, s) else {
        return false;
    };
    let key = UnparsedPublicKey::new(algorithm, point);
    key.verify(message, &signature).is_ok()
}

/// With zeros before it, to a length.
fn filled(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(number.len())?;
    let mut out = vec![0; zeros];
    out.extend(number);
    Some(out)
}

/// Two numbers as DER, which is how the library takes every pair of curve and hash.
fn der(r: &[u8], s: &[u8]) -> Option<Vec<u8>> {
    let mut inside = Vec::new();
    for number in [r, s] {
        let sign = number.first().is_none_or(|first| first & 0x80 != 0);
        let length = number.len() + usize::from(sign);
        inside.extend([2, u8::try_from(length).ok().filter(|length| *length < 128)?]);
        inside.extend(sign.then_some(0));
        inside.extend(number);
    }
    let mut out = vec![0x30];
    // Two numbers of 521 bits need one more byte to say how long they are.
    out.extend((inside.len() > 127).then_some(0x81));
    out.push(u8::try_from(inside.len()).ok()?);
    out.extend(inside);
    Some(out)
}
