//! `sys/tools`: random bytes.

use super::System;
use crate::fault::Fault;
use crate::json::Data;
use crate::json::field::Count;
use crate::outcome::{Outcome, Response};
use crate::request::Call;
use base64::Engine as _;
use cofferdam_secret::Secret;
use serde::Deserialize;

/// Most bytes of one answer, as in Vault.
const MOST: u64 = 128 * 1024;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
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
