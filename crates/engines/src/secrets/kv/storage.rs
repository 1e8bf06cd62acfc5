//! Where things lie, reading them, and getting rid of data that no record names any more.

use super::record::Metadata;
use cofferdam_core::Fault;
use cofferdam_core::engine::{Batch, Commit, Opened, Revision, View};
use cofferdam_secret::Secret;
use std::ops::RangeInclusive;

/// Deletes in one transaction: bounds its size whatever `max_versions` was.
const AT_ONCE: u64 = 256;

const GONE: &str = "gone/";

/// A metadata record and the revision a change of it must compare with.
pub(super) struct Stored {
    pub(super) meta: Metadata,
    pub(super) revision: Revision,
}

/// The path whose metadata record lies at this key, if one does.
pub(super) fn record_path(key: &str) -> Option<&str> {
    key.strip_prefix("m/")
}

pub(super) fn record_key(path: &str) -> String {
    format!("m/{path}")
}

fn data_prefix(incarnation: &str) -> String {
    format!("v/{incarnation}/")
}

fn data_key(incarnation: u64, number: u64) -> String {
    format!("v/{incarnation:016x}/{number:016x}")
}

/// The metadata record of `path`.
pub(super) async fn load(view: &View, path: &str) -> Result<Option<Stored>, Fault> {
    let found = view.get(&record_key(path)).await?;
    found.map(|found| record(&found)).transpose()
}

/// The metadata record that lies there.
pub(super) fn record(found: &Opened) -> Result<Stored, Fault> {
    Ok(Stored {
        meta: Metadata::decode(found.value.expose())?,
        revision: found.revision,
    })
}

/// The data of a version; `None` when it went away since the record was read.
pub(super) async fn value(
    view: &View,
    meta: &Metadata,
    number: u64,
) -> Result<Option<Secret<Vec<u8>>>, Fault> {
    content(view, meta.incarnation, number).await
}

/// The same by the name of the data.
pub(super) async fn content(
    view: &View,
    incarnation: u64,
    number: u64,
) -> Result<Option<Secret<Vec<u8>>>, Fault> {
    let found = view.get(&data_key(incarnation, number)).await?;
    Ok(found.map(|found| found.value))
}

/// A transaction that holds only while the record of `path` is what was read.
pub(super) fn compare(view: &View, path: &str, stored: Option<Revision>) -> Batch {
    view.batch().expect(record_key(path), stored)
}

/// Adds the record.
pub(super) fn put_record(batch: Batch, path: &str, meta: &Metadata) -> Result<Batch, Fault> {
    Ok(batch.put(record_key(path), meta.encode()?))
}

/// Adds the data of a version.
pub(super) fn put_value(
    batch: Batch,
    meta: &Metadata,
    number: u64,
    value: Secret<Vec<u8>>,
) -> Batch {
    batch.put(data_key(meta.incarnation, number), value)
}

/// Removes the data of one version.
pub(super) fn delete_value(batch: Batch, meta: &Metadata, number: u64) -> Batch {
    batch.delete(data_key(meta.incarnation, number))
}

/// Removes the data of a range of versions, which no record names after this transaction: at once
/// when there are few, else by a promise that survives a crash. Returns whether there is one, which
/// [`sweep`] is to keep after the commit.
pub(super) fn discard(
    batch: Batch,
    meta: &Metadata,
    numbers: RangeInclusive<u64>,
) -> (Batch, bool) {
    let (first, last) = (*numbers.start(), *numbers.end());
    if last.saturating_sub(first) < AT_ONCE {
        return (
            numbers.fold(batch, |batch, number| delete_value(batch, meta, number)),
            false,
        );
    }
    let promise = format!("{GONE}{:016x}/{last:016x}", meta.incarnation);
    (batch.put(promise, Secret::new(Vec::new())), true)
}

/// Keeps the promises of [`discard`], those of a process that crashed included.
pub(super) async fn sweep(view: &View) -> Result<(), Fault> {
    for promise in view.keys(GONE, None, usize::MAX).await?.names {
        let Some((incarnation, last)) = promise
            .strip_prefix(GONE)
            .and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        while delete_some(view, incarnation, last).await? {}
        done(view.commit(view.batch().delete(promise.as_str())).await?)?;
    }
    Ok(())
}

/// Deletes some data up to version `last`; whether there may be more.
async fn delete_some(view: &View, incarnation: &str, last: &str) -> Result<bool, Fault> {
    let prefix = data_prefix(incarnation);
    let names = view.list(&prefix, None, AT_ONCE as usize).await?.names;
    // Numbers are padded: their order as text is their order.
    let doomed: Vec<_> = names.iter().filter(|name| name.as_str() <= last).collect();
    if doomed.is_empty() {
        return Ok(false);
    }
    let batch = doomed.iter().fold(view.batch(), |batch, name| {
        batch.delete(format!("{prefix}{name}"))
    });
    done(view.commit(batch).await?)?;
    Ok(true)
}

/// Whether a transaction with conditions was applied.
pub(super) fn won(commit: Commit) -> bool {
    matches!(commit, Commit::Done(_))
}

/// For transactions without conditions.
fn done(commit: Commit) -> Result<(), Fault> {
    match commit {
        Commit::Done(_) => Ok(()),
        Commit::Conflict => Err(Fault::internal(
            "a transaction without conditions was refused",
        )),
    }
}
