//! Prints that leave the host: sealed, signed, for a time.
//!
//! ```text
//! magic      "cofferdam fingerprints 1\n"
//! signer     32        Ed25519 public key
//! id         16        random
//! issued     i64       seconds of Unix time
//! expires    i64
//! nonce      12
//! length     u32
//! body       length    AES-256-GCM; the header is associated data
//! signature  64        Ed25519 over all before
//! ```
//! The key of the body is the secret of the prints' [`PrintKey`] too, made for this pack alone and
//! kept beside it: without it there is nothing to compare a guess with, and two packs have nothing in
//! common. Who signed is the caller's to say: a pack that names its own signer proves nothing.

use super::print::Malformed;
use super::prints::Named;
use super::{PACK_BITS, Print, PrintKey, Prints};
use crate::label::Label;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};

const MAGIC: &[u8] = b"cofferdam fingerprints 1\n";
const SIGNATURE: usize = 64;
const NONCE: usize = 12;
/// Bytes before the body.
const HEADER: usize = MAGIC.len() + 32 + 16 + 8 + 8 + NONCE + 4;
/// Largest pack that is read, in bytes.
const LARGEST: usize = 1 << 30;

/// Which values are wanted, by name and newest version.
pub type Wanted<'w> = &'w dyn Fn(&Label, Option<u64>) -> bool;

/// Why a pack is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Something else, or cut off.
    #[error("not a pack of fingerprints")]
    NoPack,
    /// By somebody else than the caller trusts.
    #[error("the pack is signed by another server")]
    Foreign,
    /// Changed since it was signed.
    #[error("the pack was changed since it was signed")]
    Tampered,
    /// Its time is over.
    #[error("the pack has expired")]
    Expired,
    /// Made later than now.
    #[error("the pack is from the future: one of two clocks is wrong")]
    Early,
    /// Another pack's key.
    #[error("the key is not this pack's")]
    WrongKey,
    /// A defect.
    #[error("the pack could not be made")]
    Unmade,
}

/// Who signs packs: an Ed25519 key.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// From 32 secret bytes.
    ///
    /// # Errors
    /// [`PackError::Unmade`] when the library does not take them.
    pub fn new(seed: &Secret<[u8; 32]>) -> Result<Self, PackError> {
        Ed25519KeyPair::from_seed_unchecked(seed.expose())
            .map(Self)
            .map_err(|_| PackError::Unmade)
    }

    /// What others know it by.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        out
    }
}

/// What a pack is made of.
pub struct Order<'a> {
    /// Made for this pack alone.
    pub key: &'a Secret<[u8; 32]>,
    /// Who signs.
    pub signer: &'a Signer,
    /// Seconds of Unix time.
    pub issued: i64,
    /// Seconds of Unix time.
    pub expires: i64,
}

/// What became of a value that was to go into a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in.
    Taken,
    /// It is too weak.
    Weak,
}

/// A value in a pack.
#[derive(Serialize, Deserialize)]
struct Item {
    #[serde(rename = "p")]
    path: String,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(rename = "f")]
    field: String,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    newest: Option<u64>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(rename = "d")]
    print: String,
}

/// A pack in the making.
pub struct Pack {
    key: PrintKey,
    items: Vec<Item>,
}

/// What a pack holds.
pub struct Opened {
    /// What to search for.
    pub prints: Prints,
    /// With what.
    pub key: PrintKey,
    /// When it ends, in seconds of Unix time.
    pub expires: i64,
}

impl Pack {
    /// Empty.
    #[must_use]
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        Self {
            key: PrintKey::new(key),
            items: Vec::new(),
        }
    }

    /// Adds a value if it is strong enough to leave the host.
    pub fn add(
        &mut self,
        label: Label,
        newest: Option<u64>,
        owner: Option<String>,
        value: &Secret<Vec<u8>>,
    ) -> Verdict {
        let print = Print::of(&self.key, value.expose(), PACK_BITS);
        if print.weakness.is_some() {
            return Verdict::Weak;
        }
        self.items.push(Item {
            path: label.path,
            version: label.version,
            field: label.field,
            newest,
            owner,
            print: encode(&print.to_bytes()),
        });
        Verdict::Taken
    }

    /// Seals and signs.
    ///
    /// # Errors
    /// [`PackError::Unmade`] for a defect, or without entropy.
    pub fn finish(self, order: &Order<'_>) -> Result<Vec<u8>, PackError> {
        let unmade = |_| PackError::Unmade;
        let mut body = serde_json::to_vec(&self.items).map_err(|_| PackError::Unmade)?;
        let id = cofferdam_secret::random::<16>().map_err(|_| PackError::Unmade)?;
        let nonce = cofferdam_secret::random::<NONCE>().map_err(|_| PackError::Unmade)?;
        let sealed = body.len() + AES_256_GCM.tag_len();
        let mut out = Vec::with_capacity(HEADER + sealed + SIGNATURE);
        out.extend(MAGIC);
        out.extend(order.signer.public());
        out.extend(id.expose());
        out.extend(order.issued.to_be_bytes());
        out.extend(order.expires.to_be_bytes());
        out.extend(nonce.expose());
        out.extend(
            u32::try_from(sealed)
                .map_err(|_| PackError::Unmade)?
                .to_be_bytes(),
        );
        cipher(order.key)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(*nonce.expose()),
                Aad::from(&out),
                &mut body,
            )
            .map_err(unmade)?;
        out.extend(body);
        let signature = order.signer.0.sign(&out);
        out.extend(signature.as_ref());
        Ok(out)
    }

    /// Checks who signed, when, and that nothing was changed, in this order; then opens.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn open(
        bytes: &[u8],
        trusted: &[u8; 32],
        key: &Secret<[u8; 32]>,
        now: i64,
        wanted: Wanted<'_>,
    ) -> Result<Opened, PackError> {
        let head = Head::parse(bytes)?;
        if head.signer != trusted {
            return Err(PackError::Foreign);
        }
        let (signed, signature) = bytes
            .split_at_checked(bytes.len() - SIGNATURE)
            .ok_or(PackError::NoPack)?;
        UnparsedPublicKey::new(&ED25519, trusted)
            .verify(signed, signature)
            .map_err(|_| PackError::Tampered)?;
        if now >= head.expires {
            return Err(PackError::Expired);
        }
        // An hour of difference between two clocks is no attack.
        if now < head.issued.saturating_sub(3600) {
            return Err(PackError::Early);
        }
        let mut body = head.body.to_vec();
        let plain = cipher(key)?
            .open_in_place(
                Nonce::assume_unique_for_key(*head.nonce),
                Aad::from(head.header),
                &mut body,
            )
            .map_err(|_| PackError::WrongKey)?;
        let prints = parse_body(plain, wanted)?;
        Ok(Opened {
            prints,
            key: PrintKey::new(key),
            expires: head.expires,
        })
    }
}

/// The parts of a pack that are there for everybody.
struct Head<'p> {
    header: &'p [u8],
    signer: &'p [u8; 32],
    issued: i64,
    expires: i64,
    nonce: &'p [u8; NONCE],
    body: &'p [u8],
}

impl<'p> Head<'p> {
    fn parse(bytes: &'p [u8]) -> Result<Self, PackError> {
        Self::parts(bytes).ok_or(PackError::NoPack)
    }

    fn parts(bytes: &'p [u8]) -> Option<Self> {
        if bytes.len() > LARGEST {
            return None;
        }
        let header = bytes.get(..HEADER)?;
        let rest = header.strip_prefix(MAGIC)?;
        let (signer, rest) = rest.split_first_chunk::<32>()?;
        let (_, rest) = rest.split_first_chunk::<16>()?;
        let (issued, rest) = rest.split_first_chunk::<8>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
        let (length, _) = rest.split_first_chunk::<4>()?;
        let body = bytes.get(HEADER..bytes.len().checked_sub(SIGNATURE)?)?;
        if body.len() != u32::from_be_bytes(*length) as usize {
            return None;
        }
        Some(Self {
            header,
            signer,
            issued: i64::from_be_bytes(*issued),
            expires: i64::from_be_bytes(*expires),
            nonce,
            body,
        })
    }
}

fn parse_body(plain: &[u8], wanted: Wanted<'_>) -> Result<Prints, PackError> {
    let mut prints = Prints::new();
    let text = std::str::from_utf8(plain).map_err(|_| PackError::NoPack)?;
    prints
        .add_bundle(text, wanted)
        .map_err(|_| PackError::NoPack)?;
    Ok(prints)
}

impl Prints {
    /// Adds those that are wanted of what a server's session or a pack holds.
    ///
    /// # Errors
    /// [`Malformed`] when it is something else; what came before it stays.
    pub fn add_bundle(&mut self, text: &str, wanted: Wanted<'_>) -> Result<(), Malformed> {
        let items: Vec<Item> = serde_json::from_str(text).map_err(|_| Malformed)?;
        for item in items {
            let bytes = decode(&item.print).ok_or(Malformed)?;
            let label = Label::new(item.path, item.version, item.field);
            if !wanted(&label, item.newest) {
                continue;
            }
            self.add(Named {
                label,
                newest: item.newest,
                owner: item.owner,
                print: Print::parse(&bytes)?,
            });
        }
        Ok(())
    }
}

fn cipher(key: &Secret<[u8; 32]>) -> Result<LessSafeKey, PackError> {
    let key = super::key::derived(key.expose(), b"cofferdam fingerprints 1: packs");
    UnboundKey::new(&AES_256_GCM, key.expose())
        .map(LessSafeKey::new)
        .map_err(|_| PackError::Unmade)
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(text)
        .ok()
}
