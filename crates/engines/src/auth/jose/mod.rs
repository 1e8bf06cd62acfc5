//! JSON Web Signatures as login methods read them: the compact form, public keys, and the claims that
//! say when and for whom a token is good.
//!
//! Follows RFC 7515 (signatures), 7517 (keys), 7518 (algorithms), 7519 (claims) and 8725 (what goes
//! wrong with them). Written for strangers' bytes:
//!
//! * the algorithm is the key's: a token names one, and only a key of its sort is tried. There is no
//!   `none`, and no algorithm with a shared secret, so nothing to confuse a public key with;
//! * a header is read for `alg` and `kid` alone. No key and no address in a token is ever used;
//! * every text is bounded before it is decoded, base64 has one form, and no name comes twice in one
//!   object: what is checked is what is read.
//!
//! It opens no connection and reads no clock. Start reading in `token.rs`.

mod algorithm;
mod claims;
mod key;
mod keyset;
mod token;

#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use claims::{Expected, Leeways, audiences};
pub use key::{Key, UnfitKey};
pub use keyset::KeySet;
pub(crate) use keyset::MOST_BYTES as MOST_KEY_SET_BYTES;
pub use token::{Token, Unverified};

use cofferdam_core::json::Budget;
use serde_json::{Map, Value};

/// The claims of a token whose signature was checked.
pub type Claims = Map<String, Value>;

/// Why a token is refused. Says no word of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Longer than any real one.
    #[error("token is larger than 64 KiB")]
    TooLarge,
    /// Not three parts of base64url with an object in each of the first two.
    #[error("malformed token: expected a signed JWT in its compact form")]
    Malformed,
    /// The header asks for what is not understood (RFC 7515, section 4.1.11).
    #[error("token header demands an extension that is not supported")]
    Critical,
    /// No algorithm that signs with a private key, or none that is allowed.
    #[error("invalid algorithm (alg) header parameter: token signed with unexpected algorithm")]
    Algorithm,
    /// No key fits.
    #[error(
        "error verifying token signature: no known key successfully validated the token signature"
    )]
    Signature,
    /// A registered claim of the wrong type, or another one that passes for it.
    #[error("malformed token: a registered claim is of the wrong type or named ambiguously")]
    Claim,
    /// From somebody else.
    #[error("invalid issuer (iss) claim")]
    Issuer,
    /// About somebody else.
    #[error("invalid subject (sub) claim")]
    Subject,
    /// For somebody else.
    #[error("invalid audience (aud) claim: audience claim does not match any expected audience")]
    Audience,
    /// Good for ever.
    #[error("no issued at (iat), not before (nbf), or expiration time (exp) claims in token")]
    Timeless,
    /// Too early.
    #[error("invalid not before (nbf) claim: token not yet valid")]
    NotYet,
    /// Too late.
    #[error("invalid expiration time (exp) claim: token is expired")]
    Expired,
    /// Made in the future.
    #[error("invalid issued at (iat) claim: token issued in the future")]
    Future,
}

/// What a part of a token, or a document with keys, may cost.
const fn budget(bytes: usize) -> Budget {
    Budget {
        bytes,
        depth: 16,
        keys: 4_000,
        strings: 8_000,
        values: 16_000,
        key_bytes: 1 << 10,
        string_bytes: bytes,
        number_bytes: 64,
        large_numbers: false,
    }
}

/// Reads an object within a budget; `None` when it is none, or not a strict one.
fn object(bytes: &[u8], most: usize) -> Option<Map<String, Value>> {
    cofferdam_core::json::check(bytes, &budget(most)).ok()?;
    serde_json::from_slice(bytes).ok()
}

/// Reads a document that somebody else wrote, as strictly as a token.
pub(crate) fn document<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let members = object(bytes, MOST_KEY_SET_BYTES)?;
    serde_json::from_value(Value::Object(members)).ok()
}
