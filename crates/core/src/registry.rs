//! What every request needs to know and hardly ever changes: mounts and policies, as an immutable
//! snapshot that is never older than the read barrier.
//!
//! [`Registry::fresh`] asks the store for its newest revision and waits until the snapshot has seen
//! it, so a policy removed on one replica is gone on all of them for every request that begins after
//! the removal was acknowledged. A task follows the store's watch; nothing polls.

mod policies;
mod tables;

pub(crate) use policies::{About, Change, Kept};
pub(crate) use tables::{MountPoint, Tables};

use crate::clock::{Clock, Time};
use crate::engine::Engine;
use crate::fault::Fault;
use crate::identity;
use crate::mount::{Class, Mount, Table};
use crate::record::encode;
use crate::settings;
use crate::token;
use arc_swap::ArcSwap;
use cofferdam_barrier::{Barrier, Batch, Commit, Revision, Unsealed};
use std::sync::Arc;
use tables::{Changed, load, read_table};
use tokio::sync::watch;

/// Where the mount table is stored.
const MOUNTS: &str = "core/mounts";
/// Where tokens are stored, by their hash.
const TOKENS: &str = "token/id/";
/// Where the audit table is stored.
pub(crate) const AUDIT: &str = "core/audit";
/// Attempts to change a policy beside other writers.
const ROUNDS: u32 = 32;

/// An engine this vault offers.
#[derive(Clone)]
pub struct Offer {
    /// Secret engine or auth method.
    pub class: Class,
    /// The name to enable it by.
    pub kind: &'static str,
    /// It.
    pub engine: Arc<dyn Engine>,
}

/// The snapshots, and the task that renews them.
pub(crate) struct Registry {
    barrier: Barrier<Unsealed>,
    offers: Vec<Offer>,
    current: ArcSwap<Tables>,
    applied: watch::Sender<Revision>,
    /// Told of every token that changed, before the change counts as applied.
    tokens: Arc<token::Cache>,
    clock: Arc<dyn Clock>,
    /// Bumped when the audit table changed; the audit room listens.
    audit_changed: watch::Sender<u64>,
}

impl Registry {
    /// Reads everything once; [`Self::follow`] keeps it true. What engines kept decoded of an earlier
    /// opening is dropped: nobody told them what changed since.
    ///
    /// # Errors
    /// When the store fails, or something stored does not pass today's rules.
    pub(crate) async fn open(
        barrier: Barrier<Unsealed>,
        offers: Vec<Offer>,
        tokens: Arc<token::Cache>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, Fault> {
        forget(&offers, None);
        let seen = barrier.read_barrier().await?;
        if barrier.get(MOUNTS).await?.is_none() {
            let batch = Batch::new()
                .expect_absent(MOUNTS)
                .put(MOUNTS, encode(&Table::builtin())?);
            barrier.commit(batch).await?.ignore();
        }
        let (mut table, revision) = read_table(&barrier).await?;
        if table.complete() {
            // Whoever loses the race finds the winner's rows.
            let batch = Batch::new()
                .expect(MOUNTS, revision)
                .put(MOUNTS, encode(&table)?);
            barrier.commit(batch).await?.ignore();
        }
        let tables = load(&barrier, &offers, None, Changed::ALL, clock.now()).await?;
        Ok(Arc::new(Self {
            barrier,
            offers,
            current: ArcSwap::from_pointee(tables),
            applied: watch::Sender::new(seen),
            tokens,
            clock,
            audit_changed: watch::Sender::new(0),
        }))
    }

    /// Follows the store until it closes or `stop` says so.
    pub(crate) async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let from = *self.applied.borrow();
            let followed = tokio::select! {
                // What was sealed on purpose is no broken watch.
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                followed = self.follow_from(from) => followed,
            };
            let Err(error) = followed else { return };
            tracing::warn!(
                reason = error.internal_text(),
                "the watch on the store broke; reading everything again"
            );
            if let Err(fault) = self.reread().await {
                tracing::error!(
                    reason = fault.internal_text(),
                    "cannot read mounts and policies"
                );
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
    }

    async fn follow_from(&self, from: Revision) -> Result<(), Fault> {
        let mut watch = self.barrier.watch(from).await?;
        loop {
            let event = watch.next().await?;
            let mounts = event.keys.iter().any(|key| key == MOUNTS);
            let policies = event
                .keys
                .iter()
                .any(|key| key.starts_with(policies::POLICIES));
            let changed = Changed {
                mounts,
                policies,
                settings: event
                    .keys
                    .iter()
                    .any(|key| key.starts_with(settings::BELOW)),
            };
            if changed != Changed::NOTHING
                && let Err(fault) = self.reload(changed).await
            {
                // Not applied: requests wait at the barrier rather than use old rules.
                tracing::error!(
                    reason = fault.internal_text(),
                    "cannot apply a change of mounts or policies"
                );
                return Err(fault);
            }
            let tokens = event.keys.iter().filter_map(|key| key.strip_prefix(TOKENS));
            tokens.for_each(|hash| self.tokens.forget(hash));
            let holders = event.keys.iter().filter_map(|key| {
                let id = key.strip_prefix(identity::ENTITIES);
                id.or_else(|| key.strip_prefix(identity::GROUPS))
            });
            self.tokens.forget_holders(&holders.collect::<Vec<_>>());
            forget(&self.offers, Some(&event.keys));
            if event.keys.iter().any(|key| key == AUDIT) {
                self.audit_changed.send_modify(|count| *count += 1);
            }
            self.applied.send_replace(event.revision);
        }
    }

    async fn reread(&self) -> Result<(), Fault> {
        let seen = self.barrier.read_barrier().await?;
        self.reload(Changed::ALL).await?;
        self.tokens.clear();
        forget(&self.offers, None);
        self.audit_changed.send_modify(|count| *count += 1);
        self.applied
            .send_modify(|applied| *applied = seen.max(*applied));
        Ok(())
    }

    async fn reload(&self, changed: Changed) -> Result<(), Fault> {
        let tables = load(
            &self.barrier,
            &self.offers,
            Some(&self.current.load()),
            changed,
            self.clock.now(),
        )
        .await?;
        self.current.store(Arc::new(tables));
        Ok(())
    }

    /// The snapshot, not older than the newest revision at the time of the call.
    ///
    /// # Errors
    /// When the store cannot say what is newest.
    pub(crate) async fn fresh(&self) -> Result<Arc<Tables>, Fault> {
        let newest = self.barrier.read_barrier().await?;
        self.reach(newest).await?;
        let tables = self.current.load_full();
        // The clock is asked only where something ends.
        let Some(end) = tables.ends else {
            return Ok(tables);
        };
        let now = self.clock.now();
        if now < end {
            return Ok(tables);
        }
        // Not read again: whoever follows the store may be putting a newer snapshot in its place.
        self.current.rcu(|tables| tables.without_ended(now));
        Ok(self.current.load_full())
    }

    /// The snapshot as it is, however old: for start-up, before anything follows the store.
    #[must_use]
    pub(crate) fn current(&self) -> Arc<Tables> {
        self.current.load_full()
    }

    async fn reach(&self, revision: Revision) -> Result<(), Fault> {
        if *self.applied.borrow() >= revision {
            return Ok(());
        }
        let mut applied = self.applied.subscribe();
        let reached = tokio::time::timeout(
            std::time::Duration::from_secs(10),
            applied.wait_for(|at| *at >= revision),
        )
        .await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Fault::unavailable(
                "mounts and policies are not up to date; try again",
                "the watch fell behind",
            )),
        }
    }

    /// Bumped whenever the audit table changes.
    #[must_use]
    pub(crate) fn audit_changes(&self) -> watch::Receiver<u64> {
        self.audit_changed.subscribe()
    }

    /// The barrier below.
    #[must_use]
    pub(crate) const fn barrier(&self) -> &Barrier<Unsealed> {
        &self.barrier
    }

    /// The engine to enable as `kind`.
    #[must_use]
    pub(crate) fn offer(&self, class: Class, kind: &str) -> Option<&Offer> {
        self.offers
            .iter()
            .find(|offer| offer.class == class && offer.kind == kind)
    }

    /// What can be enabled.
    pub(crate) fn offers(&self) -> impl Iterator<Item = &Offer> {
        self.offers.iter()
    }

    /// Changes the mount table under a compare, and returns when the change is in the snapshot.
    ///
    /// # Errors
    /// What `change` refuses; or the store's failure.
    pub(crate) async fn change_mounts<T>(
        &self,
        change: impl Fn(&mut Table) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.change_mounts_with(|table| Ok((change(table)?, Batch::new())))
            .await
    }

    /// As [`Self::change_mounts`], for a mount that leaves its path: what it issued ends
    /// ([`token::retired`]), of which the same transaction leaves a mark.
    ///
    /// # Errors
    /// What `change` refuses; or the store's failure.
    pub(crate) async fn retire_mount(
        &self,
        change: impl Fn(&mut Table) -> Result<Mount, Fault>,
    ) -> Result<Mount, Fault> {
        self.change_mounts_with(|table| {
            let mount = change(table)?;
            let mark = token::retired::mark(&mount)?;
            Ok((mount, mark))
        })
        .await
    }

    /// The same, with more that is to happen in the same transaction.
    ///
    /// # Errors
    /// As [`Self::change_mounts`].
    pub(crate) async fn change_mounts_with<T>(
        &self,
        change: impl Fn(&mut Table) -> Result<(T, Batch), Fault>,
    ) -> Result<T, Fault> {
        for _ in 0..64 {
            let now = self.fresh().await?;
            let mut table = now.mounts().clone();
            let (result, more) = change(&mut table)?;
            let batch = Batch::new()
                .merge(more)
                .expect(MOUNTS, now.table_revision)
                .put(MOUNTS, encode(&table)?);
            if let Commit::Done(revision) = self.barrier.commit(batch).await? {
                self.reach(revision).await?;
                return Ok(result);
            }
        }
        Err(Fault::unavailable(
            "the mount table is too busy; try again",
            "lost every race",
        ))
    }

    /// Stores or removes (`None`) a policy, and returns when it is in force. `change` is told what
    /// there is, and asked again where another writer was faster.
    ///
    /// # Errors
    /// Those of `change`, and the store's.
    pub(crate) async fn put_policy(
        &self,
        name: &str,
        now: Time,
        mut change: impl FnMut(Option<(&str, About)>) -> Result<Option<Change>, Fault>,
    ) -> Result<(), Fault> {
        for _ in 0..ROUNDS {
            let (found, revision) = policies::stored(&self.barrier, name, now).await?;
            // What is built in is there before anything is stored.
            let built_in = self.current.load().policy(name).cloned();
            let standing = match (&found, &built_in) {
                (Some((text, about)), _) => Some((text.as_str(), *about)),
                (None, Some(kept)) if kept.about.version == 0 => Some((&*kept.text, kept.about)),
                _ => None,
            };
            let batch = Batch::new().expect(policies::key(name), revision);
            let batch = match change(standing)? {
                Some(change) => {
                    let before = standing.map(|(_, about)| about);
                    batch.put(policies::key(name), policies::next(before, change, now)?)
                }
                None => batch.delete(policies::key(name)),
            };
            if let Commit::Done(revision) = self.barrier.commit(batch).await? {
                return self.reach(revision).await;
            }
        }
        Err(Fault::unavailable(
            "the policy has too many writers; try again",
            "lost every race",
        ))
    }

    /// Removes what is left of policies that have ended.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn drop_ended(&self) -> Result<(), Fault> {
        if !self.fresh().await?.remains {
            return Ok(());
        }
        let now = self.clock.now();
        for (key, revision) in policies::ended(&self.barrier, now).await? {
            let batch = Batch::new()
                .expect_at(key.as_str(), revision)
                .delete(key.as_str());
            // Where it changed meanwhile, it has not ended.
            self.barrier.commit(batch).await?.ignore();
        }
        Ok(())
    }
}

/// Tells engines, which may keep what they decoded.
pub(crate) fn forget(offers: &[Offer], keys: Option<&[String]>) {
    for offer in offers {
        offer.engine.forget(keys);
    }
}
