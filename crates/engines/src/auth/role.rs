//! What the roles of any method share: their names, how they are stored, and what a change answers.

use cofferdam_core::json::Data;
use cofferdam_core::{Fault, Outcome, Response};
use cofferdam_secret::{Buffer, Secret};
use serde::Serialize;

/// The longest name: it becomes part of storage keys and token metadata.
const MAX_NAME: usize = 255;

/// Serializes a record without leaving a copy.
pub(super) fn encode(record: &impl Serialize) -> Result<Secret<Vec<u8>>, Fault> {
    let mut out = Buffer::with_capacity(512);
    serde_json::to_writer(&mut out, record).map_err(Fault::internal)?;
    Ok(out.finish())
}

/// The canonical form of a role's name in a path.
///
/// # Errors
/// [`cofferdam_core::Kind::Unsupported`] when it is none: such a path leads nowhere, as in Vault.
pub(super) fn name(text: &str) -> Result<String, Fault> {
    let word =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    let legal = bytes
        .iter()
        .all(|byte| word(Some(byte)) || matches!(byte, b'.' | b'-'));
    if !legal || text.len() > MAX_NAME || !word(bytes.first()) || !word(bytes.last()) {
        return Err(Fault::unsupported("unsupported path"));
    }
    Ok(text.to_ascii_lowercase())
}

/// Done, with or without something to say.
pub(super) fn finished(warnings: Vec<String>) -> Outcome {
    if warnings.is_empty() {
        return Outcome::Done;
    }
    let data = Data::from_raw(Secret::new(b"null".to_vec()));
    Outcome::Data(Response::of(data).warning(warnings))
}
