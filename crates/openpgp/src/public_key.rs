//! A primary key or a subkey: its numbers, and what they can be used for.

use crate::Refused;
use crate::packet::Reader;
use aws_lc_rs::agreement;
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY};

const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const CURVE25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01];
const ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// A key packet.
#[derive(Clone)]
pub(crate) struct PublicKey {
    /// As it was read: what fingerprints and signatures are about.
    pub(crate) body: Vec<u8>,
    /// Seconds of Unix time.
    pub(crate) created: u64,
    numbers: Numbers,
}

#[derive(Clone)]
enum Numbers {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
        encrypts: bool,
        signs: bool,
    },
    Ecdh {
        curve: Vec<u8>,
        point: Vec<u8>,
        hash: u8,
        cipher: u8,
    },
    Ecdsa {
        curve: Vec<u8>,
        point: Vec<u8>,
    },
    Ed25519([u8; 32]),
    /// Of an algorithm that is not read.
    Other,
}

/// What signatures are verified with.
pub(crate) enum Verifier<'a> {
    Rsa { n: &'a [u8], e: &'a [u8] },
    P256(&'a [u8]),
    P384(&'a [u8]),
    P521(&'a [u8]),
    Ed25519(&'a [u8; 32]),
}

/// What session keys are encrypted with.
#[derive(Clone)]
pub(crate) enum Encryption {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ecdh(Ecdh),
}

#[derive(Clone)]
pub(crate) struct Ecdh {
    pub(crate) algorithm: &'static agreement::Algorithm,
    pub(crate) curve: Vec<u8>,
    /// As the library takes it.
    pub(crate) point: Vec<u8>,
    pub(crate) hash: &'static digest::Algorithm,
    /// The three bytes that say how the key for wrapping is derived.
    pub(crate) derivation: [u8; 3],
    /// Bytes of the key that wraps.
    pub(crate) wrapping: usize,
}

impl PublicKey {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refused> {
        // The length is hashed as two bytes.
        if body.len() > usize::from(u16::MAX) {
            return Err(Refused::NotAKey);
        }
        let mut reader = Reader(body);
        if reader.byte()? != 4 {
            return Err(Refused::Version);
        }
        let created = u64::from(reader.long()?);
        let numbers = Numbers::read(reader.byte()?, &mut reader)?;
        if !reader.0.is_empty() {
            return Err(Refused::NotAKey);
        }
        Ok(Self {
            body: body.to_vec(),
            created,
            numbers,
        })
    }

    /// What a signature hashes of it.
    pub(crate) fn hashed(&self, out: &mut Vec<u8>) {
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX);
        out.push(0x99);
        out.extend(length.to_be_bytes());
        out.extend(&self.body);
    }

    pub(crate) fn fingerprint(&self) -> [u8; 20] {
        let mut hashed = Vec::with_capacity(self.body.len() + 3);
        self.hashed(&mut hashed);
        let digest = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &hashed);
        let mut out = [0; 20];
        out.copy_from_slice(digest.as_ref());
        out
    }

    /// The end of the fingerprint.
    pub(crate) fn id(&self) -> [u8; 8] {
        let fingerprint = self.fingerprint();
        let mut id = [0; 8];
        let end = fingerprint.iter().skip(12);
        id.iter_mut().zip(end).for_each(|(to, from)| *to = *from);
        id
    }

    pub(crate) fn verifier(&self) -> Option<Verifier<'_>> {
        match &self.numbers {
            Numbers::Rsa {
                n, e, signs: true, ..
            } => Some(Verifier::Rsa { n, e }),
            Numbers::Ecdsa { curve, point } => match curve.as_slice() {
                P256 => Some(Verifier::P256(point)),
                P384 => Some(Verifier::P384(point)),
                P521 => Some(Verifier::P521(point)),
                _ => None,
            },
            Numbers::Ed25519(point) => Some(Verifier::Ed25519(point)),
            _ => None,
        }
    }

    /// How to encrypt to it, if that is possible here.
    pub(crate) fn encryption(&self) -> Option<Encryption> {
        match &self.numbers {
            Numbers::Rsa {
                n,
                e,
                encrypts: true,
                ..
            } => Some(Encryption::Rsa {
                n: n.clone(),
                e: e.clone(),
            }),
            Numbers::Ecdh {
                curve,
                point,
                hash,
                cipher,
            } => {
                let (algorithm, point) = match curve.as_slice() {
                    CURVE25519 => (&agreement::X25519, point.strip_prefix(&[0x40])?),
                    P256 => (&agreement::ECDH_P256, point.as_slice()),
                    P384 => (&agreement::ECDH_P384, point.as_slice()),
                    P521 => (&agreement::ECDH_P521, point.as_slice()),
                    _ => return None,
                };
                let digest = match hash {
                    8 => &digest::SHA256,
                    9 => &digest::SHA384,
                    10 => &digest::SHA512,
                    _ => return None,
                };
                let wrapping = match cipher {
                    7 => 16,
                    8 => 24,
                    9 => 32,
                    _ => return None,
                };
                Some(Encryption::Ecdh(Ecdh {
                    algorithm,
                    curve: curve.clone(),
                    point: point.to_vec(),
                    hash: digest,
                    derivation: [1, *hash, *cipher],
                    wrapping,
                }))
            }
            _ => None,
        }
    }
}

impl Numbers {
    fn read(algorithm: u8, reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let curve = |reader: &mut Reader<'_>| {
            let length = reader.byte()?;
            reader.take(length.into()).map(<[u8]>::to_vec)
        };
        Ok(match algorithm {
            1..=3 => Self::Rsa {
                n: reader.number()?.to_vec(),
                e: reader.number()?.to_vec(),
                encrypts: algorithm != 3,
                signs: algorithm != 2,
            },
            18 => {
                let (curve, point) = (curve(reader)?, reader.number()?.to_vec());
                let [length, reserved, hash, cipher] = reader.array()?;
                if (length, reserved) != (3, 1) {
                    return Err(Refused::NotAKey);
                }
                Self::Ecdh {
                    curve,
                    point,
                    hash,
                    cipher,
                }
            }
            19 => Self::Ecdsa {
                curve: curve(reader)?,
                point: reader.number()?.to_vec(),
            },
            22 => {
                let (curve, point) = (curve(reader)?, reader.number()?);
                match point.strip_prefix(&[0x40]).map(<[u8; 32]>::try_from) {
                    Some(Ok(point)) if curve == ED25519 => Self::Ed25519(point),
                    _ => Self::Other,
                }
            }
            _ => {
                reader.0 = &[];
                Self::Other
            }
        })
    }
}
