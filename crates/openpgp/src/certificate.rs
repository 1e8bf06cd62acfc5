//! A key with what belongs to it: its judgement.
//!
//! The rules, where there is a choice, are the narrower ones. A revocation of the key counts whoever
//! made it and whether or not it verifies: who gives a key that carries one is to look at it. Of the
//! signatures that a key made over a part of itself, the newest that verifies counts, and no other.

use crate::packet::Reader;
use crate::public_key::PublicKey;
use crate::signature::Signature;
use crate::{Recipient, Refused};

/// Signatures that are verified of one key. Every user id and every subkey needs one.
const VERIFIED: usize = 32;
/// "May encrypt communications", "may encrypt storage".
const ENCRYPTS: u8 = 0x0c;
const AES256: u8 = 9;

/// A part of a key, and the signatures that follow it.
struct Part<T> {
    what: T,
    signatures: Vec<Signature>,
}

struct Certificate<'a> {
    primary: Part<PublicKey>,
    users: Vec<Part<&'a [u8]>>,
    /// Those that can be read.
    subkeys: Vec<Part<PublicKey>>,
}

/// Where signatures belong.
enum Place {
    Primary,
    User,
    Subkey,
    /// To what is not looked at.
    Nothing,
}

pub(crate) fn judge(bytes: &[u8], now: u64) -> Result<Recipient, Refused> {
    let certificate = Certificate::read(bytes)?;
    let mut judge = Judge {
        primary: &certificate.primary.what,
        now,
        left: VERIFIED,
    };
    let own = judge.primary_holds(&certificate)?;
    let part = judge.encrypting(&certificate, own)?;
    Ok(Recipient {
        fingerprint: certificate.primary.what.fingerprint(),
        encryption: part.encryption().ok_or(Refused::NoEncryption)?,
        part,
        aes256: own.ciphers.contains(&AES256),
    })
}

impl<'a> Certificate<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = Reader(bytes);
        let (tag, body) = reader.packet()?;
        let what = match tag {
            6 => PublicKey::parse(body)?,
            5 | 7 => return Err(Refused::Private),
            _ => return Err(Refused::NotAKey),
        };
        let mut certificate = Self {
            primary: Part::of(what),
            users: Vec::new(),
            subkeys: Vec::new(),
        };
        let mut place = Place::Primary;
        while !reader.0.is_empty() {
            let (tag, body) = reader.packet()?;
            certificate.take(tag, body, &mut place)?;
        }
        Ok(certificate)
    }

    fn take(&mut self, tag: u8, body: &'a [u8], place: &mut Place) -> Result<(), Refused> {
        match tag {
            2 => {
                let Some(signature) = Signature::parse(body)? else {
                    return Ok(());
                };
                let signatures = match place {
                    // Wherever it stands, it is about the key.
                    _ if signature.kind == 0x20 => return Err(Refused::Revoked),
                    Place::Primary => Some(&mut self.primary.signatures),
                    Place::User => self.users.last_mut().map(|part| &mut part.signatures),
                    Place::Subkey => self.subkeys.last_mut().map(|part| &mut part.signatures),
                    Place::Nothing => None,
                };
                if let Some(signatures) = signatures {
                    signatures.push(signature);
                }
            }
            13 => {
                self.users.push(Part::of(body));
                *place = Place::User;
            }
            14 => match PublicKey::parse(body) {
                Ok(key) => {
                    self.subkeys.push(Part::of(key));
                    *place = Place::Subkey;
                }
                // Of another version: it is not used, and neither is what is said of it.
                Err(Refused::Version) => *place = Place::Nothing,
                Err(refused) => return Err(refused),
            },
            // A picture.
            17 => *place = Place::Nothing,
            // Marks of a program, and padding.
            10 | 12 | 21 => {}
            5 | 7 => return Err(Refused::Private),
            6 => return Err(Refused::Several),
            _ => return Err(Refused::NotAKey),
        }
        Ok(())
    }
}

impl<T> Part<T> {
    const fn of(what: T) -> Self {
        Self {
            what,
            signatures: Vec::new(),
        }
    }
}

struct Judge<'a> {
    primary: &'a PublicKey,
    now: u64,
    left: usize,
}

impl Judge<'_> {
    /// What the key says of itself, if it is good now.
    fn primary_holds<'a>(
        &mut self,
        certificate: &'a Certificate<'_>,
    ) -> Result<&'a Signature, Refused> {
        self.primary.verifier().ok_or(Refused::Algorithm)?;
        if self.primary.created > self.now {
            return Err(Refused::Future);
        }
        let mut own: Option<&Signature> = None;
        for user in &certificate.users {
            let found = self.of_user(user)?;
            let better = |found: &&Signature| {
                own.is_none_or(|own| (found.primary, found.created) > (own.primary, own.created))
            };
            if let Some(found) = found.filter(better) {
                own = Some(found);
            }
        }
        let own = own.ok_or(Refused::Unsigned)?;
        let mut hashed = Vec::new();
        self.primary.hashed(&mut hashed);
        let direct = self.newest(&certificate.primary.signatures, 0x1f..=0x1f, &hashed)?;
        let over = |signature: &Signature| self.over(self.primary, signature);
        if over(own) || direct.is_some_and(over) {
            return Err(Refused::Expired);
        }
        Ok(own)
    }

    fn of_user<'a>(&mut self, user: &'a Part<&[u8]>) -> Result<Option<&'a Signature>, Refused> {
        let id = self.primary.id();
        let revoked = |signature: &Signature| signature.kind == 0x30 && signature.is_by(id);
        if user.signatures.iter().any(revoked) {
            return Ok(None);
        }
        let mut hashed = Vec::new();
        self.primary.hashed(&mut hashed);
        hashed.push(0xb4);
        hashed.extend(crate::packet::size(user.what.len()).to_be_bytes());
        hashed.extend(user.what);
        self.newest(&user.signatures, 0x10..=0x13, &hashed)
    }

    /// The newest signature of these kinds that the key made over `hashed`, if it holds now.
    fn newest<'a>(
        &mut self,
        signatures: &'a [Signature],
        kinds: std::ops::RangeInclusive<u8>,
        hashed: &[u8],
    ) -> Result<Option<&'a Signature>, Refused> {
        let id = self.primary.id();
        let mut candidates: Vec<&Signature> = signatures
            .iter()
            .filter(|signature| kinds.contains(&signature.kind) && signature.is_by(id))
            .collect();
        candidates.sort_by_key(|signature| std::cmp::Reverse(signature.created));
        for signature in candidates {
            self.left = self.left.checked_sub(1).ok_or(Refused::Signatures)?;
            if signature.verify(self.primary, hashed) {
                return Ok(Some(signature).filter(|signature| signature.holds(self.now)));
            }
        }
        Ok(None)
    }

    /// Whether a key's time is over, by what a signature says of it.
    const fn over(&self, key: &PublicKey, signature: &Signature) -> bool {
        signature.key_lifetime != 0 && self.now >= key.created + signature.key_lifetime
    }

    /// What to encrypt to: the newest subkey that is meant for it, else the key itself.
    fn encrypting(
        &mut self,
        certificate: &Certificate<'_>,
        own: &Signature,
    ) -> Result<PublicKey, Refused> {
        let mut reason = Refused::NoEncryption;
        let mut chosen: Option<&PublicKey> = None;
        for part in &certificate.subkeys {
            match self.subkey(part)? {
                Ok(key) if chosen.is_none_or(|chosen| key.created > chosen.created) => {
                    chosen = Some(key);
                }
                Ok(_) => {}
                Err(Refused::NoEncryption) => {}
                Err(why) => reason = why,
            }
        }
        let itself = own.flags.is_some_and(|flags| flags & ENCRYPTS != 0);
        let itself = itself && self.primary.encryption().is_some();
        let chosen = chosen.or(itself.then_some(self.primary));
        chosen.cloned().ok_or(reason)
    }

    /// Whether a subkey can be used, or why not.
    fn subkey<'a>(
        &mut self,
        part: &'a Part<PublicKey>,
    ) -> Result<Result<&'a PublicKey, Refused>, Refused> {
        let key = &part.what;
        if key.encryption().is_none() {
            return Ok(Err(Refused::NoEncryption));
        }
        let mut hashed = Vec::new();
        self.primary.hashed(&mut hashed);
        key.hashed(&mut hashed);
        let binding = self.newest(&part.signatures, 0x18..=0x18, &hashed)?;
        let meant =
            |signature: &&Signature| signature.flags.is_some_and(|flags| flags & ENCRYPTS != 0);
        let Some(binding) = binding.filter(meant) else {
            return Ok(Err(Refused::NoEncryption));
        };
        if part
            .signatures
            .iter()
            .any(|signature| signature.kind == 0x28)
        {
            return Ok(Err(Refused::EncryptionRevoked));
        }
        if key.created > self.now {
            return Ok(Err(Refused::Future));
        }
        if self.over(key, binding) {
            return Ok(Err(Refused::EncryptionExpired));
        }
        Ok(Ok(key))
    }
}
