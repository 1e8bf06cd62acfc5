//! `sys/tools`: random bytes, and hashes of what the caller sends.

use super::System;
use crate::engine::Route;
use crate::fault::Fault;
use crate::json::Data;
use crate::json::field::Count;
use crate::operation::Verb::Write;
use crate::outcome::{Outcome, Response};
use crate::request::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_secret::Secret;
use serde::Deserialize;
use sha2::Digest;

pub(super) const HASH: Route<System> =
    Route::new("tools/hash", &[(Write, |_, call| Box::pin(hash(call)))])
        .takes::<ToHash>()
        .computing();
pub(super) const HASH_BY_NAME: Route<System> = Route::new(
    "tools/hash/:algorithm",
    &[(Write, |_, call| Box::pin(hash(call)))],
)
.captures(&[("algorithm", "urlalgorithm")])
.takes::<ToHash>()
.computing();

/// Most bytes of one answer, as in Vault.
const MOST: u64 = 128 * 1024;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    bytes: Option<Count>,
    format: String,
    source: String,
}

pub(super) async fn random(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let _ = engine;
    let wanted: Wanted = call.body.parse()?;
    let first = call.capture("first");
    let number = |text: &str| text.parse::<u64>().ok();
    let from_path = number(call.capture("bytes")).or_else(|| number(first));
    let source = [call.capture("source"), first, wanted.source.as_str()]
        .into_iter()
        .find(|text| !text.is_empty() && number(text).is_none());
    // The seal and the platform are the same source here: the operating system.
    if !matches!(source.unwrap_or("platform"), "platform" | "seal" | "all") {
        return Err(Fault::invalid(
            "unsupported entropy source: expected platform, seal or all",
        ));
    }
    let count = from_path
        .or(wanted.bytes.map(|count| count.0))
        .unwrap_or(32);
    if !(1..=MOST).contains(&count) {
        return Err(Fault::invalid("\"bytes\" should be between 1 and 131072"));
    }
    let length = usize::try_from(count).map_err(Fault::internal)?;
    let mut bytes = Secret::new(vec![0_u8; length]);
    cofferdam_secret::fill(bytes.expose_mut()).map_err(Fault::internal)?;
    let text = match wanted.format.as_str() {
        "" | "base64" => base64::engine::general_purpose::STANDARD.encode(bytes.expose()),
        "hex" => hex::encode(bytes.expose()),
        _ => {
            return Err(Fault::invalid(
                "unsupported encoding format: must be \"hex\" or \"base64\"",
            ));
        }
    };
    let text = Secret::new(text);
    Ok(Outcome::Data(Response::of(
        Data::object().text("random_bytes", text.expose()).finish(),
    )))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToHash {
    input: Option<Secret<String>>,
    algorithm: String,
    format: String,
}

async fn hash(call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: ToHash = call.body.parse()?;
    let input = match &wanted.input {
        Some(text) => Secret::new(STANDARD.decode(text.expose()).map_err(|_| {
            Fault::invalid("unable to decode input as base64: illegal base64 data")
        })?),
        None => Secret::new(Vec::new()),
    };
    let asked = [call.capture("algorithm"), wanted.algorithm.as_str()]
        .into_iter()
        .find(|name| !name.is_empty());
    let sum = sum(asked.unwrap_or("sha2-256"), input.expose()).ok_or_else(|| {
        Fault::invalid(
            "unsupported algorithm: sha2-224, sha2-256, sha2-384, sha2-512 or the same of sha3",
        )
    })?;
    let shown = match wanted.format.as_str() {
        "" | "hex" => hex::encode(sum),
        "base64" => STANDARD.encode(sum),
        _ => {
            return Err(Fault::invalid(
                "unsupported encoding format; must be \"hex\" or \"base64\"",
            ));
        }
    };
    Ok(Outcome::Data(Response::of(
        Data::object().text("sum", &shown).finish(),
    )))
}

fn sum(algorithm: &str, input: &[u8]) -> Option<Vec<u8>> {
    Some(match algorithm {
        "sha2-224" => sha2::Sha224::digest(input).to_vec(),
        "sha2-256" => sha2::Sha256::digest(input).to_vec(),
        "sha2-384" => sha2::Sha384::digest(input).to_vec(),
        "sha2-512" => sha2::Sha512::digest(input).to_vec(),
        "sha3-224" => sha3::Sha3_224::digest(input).to_vec(),
        "sha3-256" => sha3::Sha3_256::digest(input).to_vec(),
        "sha3-384" => sha3::Sha3_384::digest(input).to_vec(),
        "sha3-512" => sha3::Sha3_512::digest(input).to_vec(),
        _ => return None,
    })
}
