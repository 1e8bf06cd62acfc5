//! What is kept, for fingerprints.

use super::record::Metadata;
use super::storage;
use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Kept, View};

/// The key of custom metadata that says who is to be told.
const OWNER: &str = "owner";

/// Some secrets behind a path, in the order of their paths.
pub(super) async fn page(
    view: &View,
    after: Option<&str>,
    most: usize,
    now: Time,
) -> Result<Vec<Kept>, Fault> {
    let all = storage::record_key("");
    let after = after.map(storage::record_key);
    let page = view.range(&all, after.as_deref(), most).await?;
    let mut kept = Vec::with_capacity(page.entries.len());
    for entry in page.entries {
        let Some(path) = storage::record_path(&entry.key) else {
            continue;
        };
        let meta = Metadata::decode(entry.value.expose())?;
        let alive = meta.versions().filter(|(_, version)| version.alive(now));
        kept.push(Kept {
            path: path.to_owned(),
            incarnation: meta.incarnation,
            current: meta.current,
            versions: alive.map(|(number, _)| number).collect(),
            owner: meta.custom.get(OWNER).cloned(),
        });
    }
    Ok(kept)
}
