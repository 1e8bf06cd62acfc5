//! Fingerprints are made once for each version and kept behind the barrier.
//!
//! They are made when somebody asks first, and not when a value is written: most stores are never
//! searched, and a write must not wait for it. A version's value never changes, so what is kept is
//! never out of date; what is kept of versions that are gone goes when the secret is looked at next,
//! and all of it with the key.

use super::super::System;
use super::keys::Keys;
use super::walk::Found;
use crate::fault::Fault;
use crate::json::{Body, Raw};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cofferdam_barrier::{Barrier, Batch, Unsealed};
use cofferdam_secret::Secret;

/// Where they are kept.
const PLACE: &str = "fingerprints/";
/// Removed in one transaction.
const AT_ONCE: usize = 256;

/// Fields of one version with their fingerprints.
pub(super) type Fields = Vec<(String, String)>;

/// The fingerprints of every version that still has a value.
pub(super) async fn of(
    engine: &System,
    keys: &Keys,
    secret: &Found,
) -> Result<Vec<(u64, Fields)>, Fault> {
    let services = engine.services()?;
    let view = services.barrier().view(PLACE);
    let prefix = format!(
        "{:016x}/{}/{:016x}/",
        keys.generation, secret.point.mount.uuid, secret.kept.incarnation
    );
    let mut known = std::collections::BTreeMap::new();
    let mut batch = view.batch();
    let mut changed = false;
    for entry in view.range(&prefix, None, usize::MAX).await?.entries {
        let number = entry.key.strip_prefix(&prefix);
        let number = number.and_then(|number| u64::from_str_radix(number, 16).ok());
        match number.filter(|number| secret.kept.versions.contains(number)) {
            Some(number) => {
                let fields: Fields = serde_json::from_slice(entry.value.expose())
                    .map_err(|_| Fault::internal("a stored fingerprint does not parse"))?;
                known.insert(number, fields);
            }
            None => {
                batch = batch.delete(entry.key.as_str());
                changed = true;
            }
        }
    }
    let mut all = Vec::with_capacity(secret.kept.versions.len());
    for &number in &secret.kept.versions {
        if let Some(fields) = known.remove(&number) {
            all.push((number, fields));
            continue;
        }
        let Some(fields) = made(engine, keys, secret, number).await? else {
            continue;
        };
        let bytes = serde_json::to_vec(&fields).map_err(Fault::internal)?;
        batch = batch.put(format!("{prefix}{number:016x}"), Secret::new(bytes));
        changed = true;
        all.push((number, fields));
    }
    if changed {
        // Without conditions: two replicas that make it at once make the same.
        view.commit(batch).await?.ignore();
    }
    Ok(all)
}

async fn made(
    engine: &System,
    keys: &Keys,
    secret: &Found,
    number: u64,
) -> Result<Option<Fields>, Fault> {
    let services = engine.services()?;
    let Some(values) = values(engine, secret, number).await? else {
        return Ok(None);
    };
    let print = |value: &Secret<Vec<u8>>| {
        STANDARD_NO_PAD.encode(services.fingerprinter.print(&keys.print, value))
    };
    let fields = values
        .iter()
        .map(|(field, value)| (field.clone(), print(value)));
    let fields = fields.collect();
    // Some hundred microseconds of work: others may go on.
    tokio::task::yield_now().await;
    Ok(Some(fields))
}

/// The fields of one version; `None` when it went away.
pub(super) async fn values(
    engine: &System,
    secret: &Found,
    number: u64,
) -> Result<Option<Vec<(String, Secret<Vec<u8>>)>>, Fault> {
    let services = engine.services()?;
    let Some(served) = &secret.point.engine else {
        return Ok(None);
    };
    let content = served
        .content(&secret.point.view, &secret.kept, number)
        .await?;
    let Some(content) = content else {
        return Ok(None);
    };
    let body = Body::checked(content, &services.budget)
        .map_err(|_| Fault::internal("a stored value is not a JSON object"))?;
    let fields = body.as_raw().fields();
    let mut all = Vec::new();
    for (name, raw) in fields {
        all.push((name.decoded().into_owned(), bytes(raw)?));
    }
    Ok(Some(all))
}

/// The value as the content of a file: the text of a string, else its JSON.
fn bytes(raw: Raw<'_>) -> Result<Secret<Vec<u8>>, Fault> {
    if raw.as_str().starts_with('"') {
        return Ok(raw.parse::<Secret<String>>()?.into_bytes());
    }
    Ok(Secret::new(raw.as_bytes().to_vec()))
}

/// Removes what was made under other keys.
pub(super) async fn sweep(barrier: &Barrier<Unsealed>, generation: u64) -> Result<(), Fault> {
    let view = barrier.view(PLACE);
    let current = format!("{generation:016x}/");
    loop {
        let page = view.keys("", None, AT_ONCE).await?;
        let old = page.names.into_iter();
        let old: Vec<_> = old.filter(|key| !key.starts_with(&current)).collect();
        if old.is_empty() {
            return Ok(());
        }
        let batch = old.into_iter().fold(view.batch(), Batch::delete);
        view.commit(batch).await?.ignore();
    }
}
