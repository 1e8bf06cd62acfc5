//! Auth methods that were disabled or moved: what they issued ends, whatever happens meanwhile.
//!
//! The change of the mount table leaves a mark in the same transaction. Whoever changed it ends the
//! tokens and takes the mark away; after a crash the background work of any replica does, and doing it
//! twice does no harm. A login that was under way looks at the table again once its token is stored,
//! before anybody is told the token: either it sees the change, or the token was there when the change
//! came and is found with the others.

use super::Entry;
use crate::fault::Fault;
use crate::mount::{Class, Mount};
use crate::record::{self, Sound};
use crate::vault::Services;
use cofferdam_barrier::{Batch, View};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where the marks are.
const MARKS: &str = "core/revoking-mount/";
/// How many are looked at in one go.
const AT_ONCE: usize = 64;

#[derive(Serialize, Deserialize)]
struct Mark {
    path: String,
    uuid: String,
}

/// The mark to leave when `mount` goes away from its path; secret engines issue no tokens.
pub(crate) fn mark(mount: &Mount) -> Result<Batch, Fault> {
    if mount.class != Class::Auth {
        return Ok(Batch::new());
    }
    let mark = Mark {
        path: mount.path.clone(),
        uuid: mount.uuid.clone(),
    };
    let bytes = serde_json::to_vec(&mark).map_err(Fault::internal)?;
    let key = format!("{MARKS}{}", Uuid::new_v4());
    Ok(Batch::new().put(key, Secret::new(bytes)))
}

/// Ends what marked mounts issued. What cannot be done for one is done for the others.
///
/// # Errors
/// When the store fails; the marks stay.
pub(crate) async fn finish(services: &Services) -> Result<(), Fault> {
    let marks = services.barrier().view(MARKS);
    let mut failed = Ok(());
    let mut after: Option<String> = None;
    loop {
        let page = record::page::<Mark>(&marks, "", after.as_deref(), AT_ONCE).await?;
        for found in page.records {
            if let Err(fault) = end(services, &marks, found).await {
                failed = Err(fault);
            }
        }
        after = page.next;
        if after.is_none() {
            return failed;
        }
    }
}

async fn end(services: &Services, marks: &View, found: Sound<Mark>) -> Result<(), Fault> {
    let mark = found.record;
    for hash in services.tokens.issued_by(&mark.path, &mark.uuid).await? {
        services.tokens.revoke(&hash).await?;
    }
    let done = Batch::new().delete(found.key);
    marks.commit(done).await?.ignore();
    Ok(())
}

/// Refuses a login whose method went away while it was answered, and ends its token.
///
/// # Errors
/// That refusal; or the store's failure.
pub(crate) async fn check(services: &Services, mount: &Mount, entry: &Entry) -> Result<(), Fault> {
    let tables = services.registry.fresh().await?;
    let stands = tables
        .point(&mount.path)
        .is_some_and(|point| point.mount.uuid == mount.uuid);
    if stands {
        return Ok(());
    }
    services.tokens.revoke(&entry.hash).await?;
    Err(Fault::invalid("this auth method was disabled or moved"))
}
