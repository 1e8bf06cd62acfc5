//! What the roles of any method share: their names, how they are stored, and what a change answers.

use crate::contest::Contest;
use cofferdam_core::engine::{Commit, Revision, View};
use cofferdam_core::json::{Body, Data};
use cofferdam_core::token::Entry;
use cofferdam_core::{Fault, Outcome, Response};
use cofferdam_secret::{Buffer, Secret};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest name: it becomes part of storage keys and token metadata.
const MAX_NAME: usize = 255;

/// Serializes a record without leaving a copy.
pub(super) fn encode(record: &impl Serialize) -> Result<Secret<Vec<u8>>, Fault> {
    let mut out = Buffer::with_capacity(512);
    serde_json::to_writer(&mut out, record).map_err(Fault::internal)?;
    Ok(out.finish())
}

/// A record with the revision a change of it must compare with.
pub(super) struct Stored<T> {
    pub(super) record: T,
    pub(super) revision: Revision,
}

impl<T> Stored<T> {
    /// What was found, taken apart.
    pub(super) fn apart(found: Option<Self>) -> (Option<T>, Option<Revision>) {
        found.map_or((None, None), |found| {
            (Some(found.record), Some(found.revision))
        })
    }
}

/// The record at `key`, if there is one.
pub(super) async fn load<T: DeserializeOwned>(
    view: &View,
    key: &str,
) -> Result<Option<Stored<T>>, Fault> {
    let Some(found) = view.get(key).await? else {
        return Ok(None);
    };
    Ok(Some(Stored {
        record: serde_json::from_slice(found.value.expose()).map_err(Fault::unreadable)?,
        revision: found.revision,
    }))
}

/// Commits a new or changed record, if what was there is still of this revision; whether it is.
pub(super) async fn save(
    view: &View,
    key: &str,
    before: Option<Revision>,
    record: &impl Serialize,
) -> Result<bool, Fault> {
    let batch = view.batch().expect(key, before).put(key, encode(record)?);
    Ok(matches!(view.commit(batch).await?, Commit::Done(_)))
}

/// Removes what is at `key`; whether there was something.
pub(super) async fn remove(
    view: &View,
    key: &str,
    mut contest: Contest<'_>,
) -> Result<bool, Fault> {
    while let Some(found) = view.get(key).await? {
        let batch = view.batch().expect_at(key, found.revision).delete(key);
        if matches!(view.commit(batch).await?, Commit::Done(_)) {
            return Ok(true);
        }
        contest.lost().await?;
    }
    Ok(false)
}

/// The role that a login names in its field `role`.
pub(super) fn named(body: &Body) -> Result<Option<String>, Fault> {
    #[derive(serde::Deserialize)]
    struct Login {
        role: Option<String>,
    }
    let asked = body.parse::<Login>()?.role;
    Ok(asked.and_then(|asked| name(&asked).ok()))
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

/// What a method wrote into the binding of a token that it made.
///
/// # Errors
/// Ours, when it did not.
pub(super) fn bound<'t>(token: &'t Entry, name: &str) -> Result<&'t str, Fault> {
    let text = token.binding.get(name).map(String::as_str);
    text.ok_or_else(|| Fault::internal("a token without what its method binds tokens to"))
}

/// The role of a token that is to be renewed has been deleted.
pub(super) fn gone() -> Fault {
    Fault::invalid("the role of this token does not exist any more")
}

/// Done, with or without something to say.
pub(super) fn finished(warnings: Vec<String>) -> Outcome {
    if warnings.is_empty() {
        return Outcome::Done;
    }
    let data = Data::from_raw(Secret::new(b"null".to_vec()));
    Outcome::Data(Response::of(data).warning(warnings))
}
