//! Upgrades of mounts: what an earlier version of an engine stored gets the form of today's.
//!
//! The transaction that changes the version in the mount table marks the mount as being upgraded and
//! its storage with [`crate::engine::UPGRADED`]; from then on every replica answers that the mount is
//! being upgraded, and nobody writes as before. The engine then moves what there is, a transaction at
//! a time, and the last one takes the mark from the table. Whoever dies in between is replaced: each
//! replica looks for marked mounts when it opens and once a second, and two that work at once only
//! take steps from each other.

use crate::fault::Fault;
use crate::mount::Mount;
use crate::vault::Services;

/// Upgrades all mounts that are marked.
///
/// # Errors
/// When the store cannot be read. A mount that cannot be upgraded is logged and stays marked.
pub(crate) async fn run(services: &Services) -> Result<(), Fault> {
    let _alone = services.upgrades.lock().await;
    let tables = services.registry.fresh().await?;
    for mount in tables.mounts().iter().filter(|mount| mount.upgrading) {
        if let Err(fault) = one(services, mount).await {
            tracing::error!(
                mount = mount.path,
                reason = fault.internal_text().unwrap_or(fault.public()),
                "the upgrade of a mount stopped; it is tried again"
            );
        }
    }
    Ok(())
}

/// Whether a mount is marked, as far as this replica knows.
pub(crate) fn wanted(services: &Services) -> bool {
    let tables = services.registry.current();
    tables.mounts().iter().any(|mount| mount.upgrading)
}

async fn one(services: &Services, mount: &Mount) -> Result<(), Fault> {
    let Some(offer) = services.registry.offer(mount.class, &mount.kind) else {
        return Ok(());
    };
    let storage = services.barrier().view(mount.storage());
    let stopping = services.stopping();
    while offer.engine.upgrade(&storage, services.clock.now()).await? {
        if *stopping.borrow() {
            return Ok(());
        }
    }
    services
        .registry
        .change_mounts(|table| {
            // It may have another path by now, or be gone.
            let path = table
                .iter()
                .find(|found| found.uuid == mount.uuid)
                .map(|found| found.path.clone());
            if let Some(found) = path.and_then(|path| table.get_mut(&path)) {
                found.upgrading = false;
            }
            Ok(())
        })
        .await?;
    tracing::info!(mount = mount.path, "a mount has been upgraded");
    Ok(())
}
