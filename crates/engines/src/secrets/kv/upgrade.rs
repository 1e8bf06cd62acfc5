//! From version 1 to version 2: every secret becomes the first version of one of the same name.
//!
//! A step is one transaction: it removes some secrets of version 1, under the condition that they are
//! what was read, and puts them as version 2 would have written them. So at any moment a secret is
//! there exactly once, whoever dies or works beside us.

use super::record::{Metadata, Version};
use super::storage;
use super::unversioned::{self, DATA};
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Pending, Route, Routed, View};
use cofferdam_core::{Call, Fault, Outcome, Verb};

/// Secrets that a step moves at most.
const AT_ONCE: usize = 64;
/// Bytes of values after which a step takes no more secrets.
const BYTES: usize = 512 * 1024;

/// Moves some secrets; whether there may be more.
pub(super) async fn step(view: &View, now: Time) -> Result<bool, Fault> {
    let page = view.range(DATA, None, AT_ONCE).await?;
    let mut more = page.more;
    let mut batch = view.batch();
    let mut bytes = 0;
    for entry in page.entries {
        let Some(path) = entry.key.strip_prefix(DATA) else {
            continue;
        };
        if bytes > BYTES {
            more = true;
            break;
        }
        bytes += entry.value.expose().len();
        let mut meta = Metadata::new(now)?;
        let version = Version {
            created: now,
            deleted: None,
            destroyed: false,
        };
        // Vault counts the first version of an upgraded secret as its oldest.
        meta.append(version, 1);
        batch = batch
            .expect_at(unversioned::key(path), entry.revision)
            .delete(unversioned::key(path))
            .merge(storage::compare(view, path, None));
        batch = storage::put_record(batch, path, &meta)?;
        batch = storage::put_value(batch, &meta, meta.current, entry.value);
    }
    if batch.is_empty() {
        return Ok(false);
    }
    // A lost race: somebody else moved them, and what is left is looked at again.
    Ok(!storage::won(view.commit(batch).await?) || more)
}

/// What is answered until all is moved; Vault's sentence, which its clients know.
pub(super) fn under_way() -> Fault {
    Fault::invalid(
        "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief \
         period and will resume service shortly.",
    )
}

/// The engine of a mount that is being upgraded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Upgrading;

impl Routed for Upgrading {
    const ROUTES: &'static [Route<Self>] = &[Route::new(
        "*path",
        &[
            (Verb::Read, refuse),
            (Verb::Write, refuse),
            (Verb::Patch, refuse),
            (Verb::Delete, refuse),
            (Verb::List, refuse),
            (Verb::Scan, refuse),
        ],
    )
    .takes_anything()];
}

fn refuse<'a>(_: &'a Upgrading, _: Call<'a>) -> Pending<'a> {
    Box::pin(async { Err::<Outcome, _>(under_way()) })
}

#[cfg(test)]
mod tests;
