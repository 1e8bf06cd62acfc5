//! Hash functions by Vault's names, `hash/ALGORITHM`, and random bytes.

use super::fields::{Int, Sent, text};
use super::keys::one_text;
use super::{Transit, encoding};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::Data;
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::Secret;
use hmac::{KeyInit as _, Mac as _, SimpleHmac};
use serde::Deserialize;
use sha2::Digest as _;

pub(super) const HASH: Route<Transit> = Route::new("hash/*algorithm", &[(Verb::Write, hash)])
    .captures(&[("algorithm", "urlalgorithm")])
    .takes::<Wanted>()
    .computing();
pub(super) const RANDOM: Route<Transit> = Route::new("random/*parts", &[(Verb::Write, random)])
    .captures(&[("parts", "urlbytes")])
    .takes::<Bytes>()
    .computing();

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// The input is signed as it stands.
    None,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

/// Runs `$body` with `$type` being the function's implementation.
macro_rules! with_digest {
    ($hash:expr, $type:ident => $body:expr, none => $none:expr) => {
        match $hash {
            $crate::secrets::transit::hash::Hash::None => $none,
            $crate::secrets::transit::hash::Hash::Sha1 => {
                type $type = sha1::Sha1;
                $body
            }
            $crate::secrets::transit::hash::Hash::Sha224 => {
                type $type = sha2::Sha224;
                $body
            }
            $crate::secrets::transit::hash::Hash::Sha256 => {
                type $type = sha2::Sha256;
                $body
            }
            $crate::secrets::transit::hash::Hash::Sha384 => {
                type $type = sha2::Sha384;
                $body
            }
            $crate::secrets::transit::hash::Hash::Sha512 => {
                type $type = sha2::Sha512;
                $body
            }
            $crate::secrets::transit::hash::Hash::Sha3_224 => {
                type $type = sha3::Sha3_224;
                $body
            }
            $crate::secrets::transit::hash::Hash::Sha3_256 => {
                type $type = sha3::Sha3_256;
                $body
            }
            $crate::secrets::transit::hash::Hash::Sha3_384 => {
                type $type = sha3::Sha3_384;
                $body
            }
            $crate::secrets::transit::hash::Hash::Sha3_512 => {
                type $type = sha3::Sha3_512;
                $body
            }
        }
    };
}
pub(super) use with_digest;

impl Hash {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "sha1" => Self::Sha1,
            "sha2-224" => Self::Sha224,
            "sha2-256" => Self::Sha256,
            "sha2-384" => Self::Sha384,
            "sha2-512" => Self::Sha512,
            "sha3-224" => Self::Sha3_224,
            "sha3-256" => Self::Sha3_256,
            "sha3-384" => Self::Sha3_384,
            "sha3-512" => Self::Sha3_512,
            _ => return None,
        })
    }

    /// The sum; the input itself for none.
    pub(super) fn sum(self, input: &[u8]) -> Vec<u8> {
        with_digest!(self, D => D::digest(input).to_vec(), none => input.to_vec())
    }

    /// Bytes of a sum; 0 for none.
    pub(super) fn length(self) -> usize {
        with_digest!(self, D => <D as sha2::Digest>::output_size(), none => 0)
    }

    /// The HMAC under a key; `None` for no hash.
    pub(super) fn hmac(self, key: &[u8], input: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        with_digest!(self, D => {
            let mac = SimpleHmac::<D>::new_from_slice(key).map_err(Fault::internal)?;
            Ok(Some(mac.chain_update(input).finalize().into_bytes().to_vec()))
        }, none => Ok(None))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    input: Sent,
    algorithm: Sent,
    format: Sent,
}

fn hash<'a>(_: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let wanted: Wanted = call.body.parse()?;
        if wanted.input.is_none() {
            return Err(Fault::invalid("input missing"));
        }
        let input = encoding::decode(text(&wanted.input)).map_err(|error| {
            Fault::invalid(format!("unable to decode input as base64: {error}"))
        })?;
        let asked = [call.capture("algorithm"), text(&wanted.algorithm)]
            .into_iter()
            .find(|name| !name.is_empty());
        let function = Hash::parse(asked.unwrap_or("sha2-256"));
        let function = function.filter(|function| !matches!(function, Hash::None | Hash::Sha1));
        let function = function.ok_or_else(|| Fault::invalid("unsupported algorithm"))?;
        let sum = function.sum(input.expose());
        let shown = match text(&wanted.format) {
            "" | "hex" => hex::encode(sum),
            "base64" => encoding::encode(&sum),
            _ => {
                return Err(Fault::invalid(
                    "unsupported encoding format; must be \"hex\" or \"base64\"",
                ));
            }
        };
        Ok(one_text("sum", &shown))
    })
}

/// Most bytes of one answer, as in Vault.
const MOST: i64 = 128 * 1024;

#[derive(Deserialize)]
#[serde(default)]
struct Bytes {
    bytes: Int,
    format: Sent,
    source: Sent,
}

impl Default for Bytes {
    fn default() -> Self {
        Self {
            bytes: Int(32),
            format: None,
            source: None,
        }
    }
}

/// `random`, `random/SOURCE`, `random/BYTES`, `random/SOURCE/BYTES`.
fn random<'a>(_: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let wanted: Bytes = call.body.parse()?;
        let parts: Vec<&str> = call.capture("parts").split('/').collect();
        let is_source = |text: &str| matches!(text, "" | "platform" | "seal" | "all");
        let (source, count) = match parts.as_slice() {
            [""] => (text(&wanted.source), None),
            [source] if is_source(source) => (*source, None),
            [count] => ("", Some(*count)),
            [source, count] => (*source, Some(*count)),
            _ => return Err(Fault::unsupported("unsupported path")),
        };
        let count = match count {
            None => wanted.bytes.0,
            Some(text) => text
                .parse()
                .map_err(|_| Fault::invalid("error parsing url-set byte count"))?,
        };
        if count < 1 {
            return Err(Fault::invalid("'bytes' cannot be less than 1"));
        }
        if count > MOST {
            return Err(Fault::invalid("'bytes' should be less than 131072"));
        }
        if !is_source(source) {
            return Err(Fault::invalid(
                "unsupported entropy source; must be \"platform\" or \"seal\", or \"all\"",
            ));
        }
        let length = usize::try_from(count).map_err(Fault::internal)?;
        let mut bytes = Secret::new(vec![0; length]);
        cofferdam_secret::fill(bytes.expose_mut()).map_err(Fault::internal)?;
        let shown = match text(&wanted.format) {
            "" | "base64" => encoding::encode_secret(bytes.expose()),
            "hex" => Secret::new(hex::encode(bytes.expose())),
            _ => {
                return Err(Fault::invalid(
                    "unsupported encoding format; must be \"hex\" or \"base64\"",
                ));
            }
        };
        let data = Data::object().text("random_bytes", shown.expose()).finish();
        let response = Response::of(data);
        Ok(Outcome::Data(match source {
            "seal" => response.warning(vec![
                "no seal/entropy augmentation available, using platform entropy source".to_owned(),
            ]),
            _ => response,
        }))
    })
}
