//! A token in its compact form: three parts of base64url with dots between (RFC 7515, section 7.1).

use super::{Algorithm, Claims, Refused, object};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A token with the groups of a whole company has some 20 KiB.
const MOST: usize = 64 << 10;
/// A header names an algorithm and a key.
const MOST_HEADER: usize = 8 << 10;
/// The largest signature, of RSA with 8192 bits, has 1 KiB.
const MOST_SIGNATURE: usize = 2 << 10;

/// Header parameters that change what is signed or how: who does not understand them must refuse.
const CHANGING: [&str; 2] = ["crit", "b64"];

/// A token whose signature nobody looked at yet. Its claims cannot be asked for.
pub struct Token<'a> {
    algorithm: Algorithm,
    key: Option<String>,
    signed: &'a str,
    signature: Vec<u8>,
    payload: Vec<u8>,
}

/// What a token says of itself, for choosing whom to ask about it. Proves nothing.
pub struct Unverified(Claims);

impl<'a> Token<'a> {
    /// Takes it apart. Blanks around it are left out, as files end with a line feed.
    ///
    /// # Errors
    /// [`Refused`] for what is none, and for what asks to be read in another way.
    pub fn parse(text: &'a str) -> Result<Self, Refused> {
        let text = text.trim_ascii();
        if text.len() > MOST {
            return Err(Refused::TooLarge);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refused::Malformed)?;
        if header.len() > MOST_HEADER || signature.len() > MOST_SIGNATURE {
            return Err(Refused::TooLarge);
        }
        // A third dot is not of the alphabet, so it is found here.
        let [header, payload, signature] = [header, payload, signature]
            .map(|part| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed));
        let header = object(&header?, MOST_HEADER).ok_or(Refused::Malformed)?;
        if CHANGING.iter().any(|name| header.contains_key(*name)) {
            return Err(Refused::Critical);
        }
        let named = header.get("alg").and_then(Value::as_str);
        let algorithm = named.and_then(Algorithm::parse).ok_or(Refused::Algorithm)?;
        let key = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()).filter(|id| !id.is_empty()),
            Some(_) => return Err(Refused::Malformed),
        };
        Ok(Self {
            algorithm,
            key,
            signed,
            signature: signature?,
            payload: payload?,
        })
    }

    /// How it says that it is signed.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Which key it says it is signed with: compared with names that are known, and nothing else.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The bytes under the signature.
    pub(super) const fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The claims; to be asked for by whoever has checked the signature.
    pub(super) fn claims(&self) -> Result<Claims, Refused> {
        object(&self.payload, MOST).ok_or(Refused::Malformed)
    }

    /// What it says of itself, before anybody has checked it.
    ///
    /// # Errors
    /// [`Refused::Malformed`] when that is no object.
    pub fn unverified(&self) -> Result<Unverified, Refused> {
        self.claims().map(Unverified)
    }
}

impl Unverified {
    /// A claim that nobody vouches for.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them, for somebody who lets another one vouch for them.
    #[must_use]
    pub fn into_claims(self) -> Claims {
        self.0
    }
}
