//! The services of an open vault, and the work they do in the background.

use super::{SealChoice, Vault};
use crate::clock::Clock;
use crate::devices::Devices;
use crate::events::Hub;
use crate::fault::Fault;
use crate::fingerprint::Fingerprinter;
use crate::host::Host;
use crate::identity::{self, Identities};
use crate::json::Budget;
use crate::metrics::Metrics;
use crate::mount::Class;
use crate::registry::{Offer, Registry};
use crate::system::{System, lease_counts, rotation, upgrade};
use crate::token::{self, Store, Tokens};
use crate::under_way::UnderWay;
use cofferdam_barrier::{Barrier, Batch, Unsealed};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How often ended tokens are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How many sweeps between two notes of where the audit chains end.
const NOTE_EVERY: u64 = 60;
/// How many are ended in one go.
const SWEEP_AT_MOST: usize = 1000;

/// What an open vault works with.
pub(crate) struct Services {
    pub(crate) registry: Arc<Registry>,
    pub(crate) tokens: Store,
    pub(crate) identity: Arc<identity::Store>,
    pub(crate) audit: Devices,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budget: Budget,
    pub(crate) fingerprinter: Arc<dyn Fingerprinter>,
    pub(crate) events: Arc<Hub>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) under_way: Arc<UnderWay>,
    pub(crate) metrics: Arc<Metrics>,
    /// How the root key is kept.
    pub(crate) seal: SealChoice,
    /// [`cofferdam_barrier::seal::Record::generation`] at that time.
    pub(crate) generation: u32,
    /// One upgrade of mounts at a time.
    pub(crate) upgrades: tokio::sync::Mutex<()>,
    seal_requested: AtomicBool,
    stop: watch::Sender<bool>,
}

impl Services {
    /// The barrier below everything.
    #[must_use]
    pub(crate) fn barrier(&self) -> &Barrier<Unsealed> {
        self.registry.barrier()
    }

    /// The limit of leases that a token of this path and role counts against.
    pub(crate) fn counted(&self, path: &str, role: Option<&str>) -> Option<token::Counted> {
        let tables = self.registry.current();
        let rule = tables.settings().leases().narrowest(path, role)?;
        Some(token::Counted {
            id: rule.id.clone(),
            most: rule.max_leases,
        })
    }

    /// Asks for the vault to be sealed when the present request is answered.
    pub(crate) fn request_seal(&self) {
        self.seal_requested.store(true, Ordering::SeqCst);
    }

    pub(super) fn seal_requested(&self) -> bool {
        self.seal_requested.load(Ordering::SeqCst)
    }

    /// Becomes true when the vault is sealed.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        self.audit.close(self.barrier()).await;
    }
}

impl Vault {
    /// Puts the services together over an open barrier and starts their background work.
    pub(super) async fn start(&self, barrier: Barrier<Unsealed>) -> Result<Arc<Services>, Fault> {
        let system = Arc::new(System::default());
        let tokens = Arc::new(Tokens::default());
        let identities = Arc::new(Identities::default());
        let mut offers = self.offers.clone();
        offers.push(Offer {
            class: Class::Secret,
            kind: "system",
            engine: system.clone(),
        });
        offers.push(Offer {
            class: Class::Auth,
            kind: "token",
            engine: tokens.clone(),
        });
        offers.push(Offer {
            class: Class::Secret,
            kind: "identity",
            engine: identities.clone(),
        });
        let generation = barrier.seal_record().await?;
        let generation = generation.map_or(0, |record| record.generation);
        let cache = Arc::new(token::Cache::default());
        let registry =
            Registry::open(barrier.clone(), offers, cache.clone(), self.clock.clone()).await?;
        let mounts = registry.current();
        let cubbyhole = mounts
            .point("cubbyhole")
            .ok_or_else(|| Fault::internal("no cubbyhole mount"))?;
        let identity = Arc::new(identity::Store::new(barrier.view("identity/")));
        let services = Arc::new(Services {
            tokens: Store::open(
                barrier.view("token/"),
                cubbyhole.view.clone(),
                cache,
                identity.clone(),
                self.metrics.clone(),
            )
            .await?,
            identity,
            audit: Devices::open(&barrier).await?,
            registry,
            clock: self.clock.clone(),
            budget: self.budget,
            fingerprinter: self.fingerprinter.clone(),
            events: Arc::default(),
            host: self.host.clone(),
            under_way: self.under_way.clone(),
            metrics: self.metrics.clone(),
            seal: self.seal.clone(),
            generation,
            upgrades: tokio::sync::Mutex::default(),
            seal_requested: AtomicBool::new(false),
            stop: watch::Sender::new(false),
        });
        super::versions::note(services.barrier(), &self.info.version, services.clock.now()).await?;
        rotation::keep(&services).await?;
        let weak = Arc::downgrade(&services);
        // The cells are new: setting them cannot fail.
        let _ = system.services.set(weak.clone());
        let _ = tokens.services.set(weak.clone());
        let _ = identities.services.set(weak);
        spawn_background(&services);
        keep_signing_keys(&services).await;
        Ok(services)
    }
}

fn spawn_background(services: &Arc<Services>) {
    tokio::spawn(services.registry.clone().follow(services.stop.subscribe()));
    let (swept, mut stop) = (Arc::downgrade(services), services.stop.subscribe());
    tokio::spawn(async move {
        if let Some(services) = swept.upgrade()
            && let Err(fault) = drop_unmounted(&services).await
        {
            tracing::warn!(
                reason = fault.internal_text(),
                "cannot remove the storage of former mounts"
            );
        }
        if let Some(services) = swept.upgrade() {
            count_leases(&services).await;
        }
        for round in 1_u64.. {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
            let Some(services) = swept.upgrade() else {
                return;
            };
            if let Err(fault) = token::retired::finish(&services).await {
                tracing::warn!(
                    reason = fault.internal_text(),
                    "cannot end the tokens of a former auth method"
                );
            }
            if let Err(fault) = services
                .tokens
                .sweep(services.clock.now(), SWEEP_AT_MOST)
                .await
            {
                tracing::warn!(reason = fault.internal_text(), "cannot end expired tokens");
            }
            if round.is_multiple_of(NOTE_EVERY) {
                services.audit.note_heads(services.barrier()).await;
                if let Err(fault) = services.registry.drop_ended().await {
                    tracing::warn!(
                        reason = fault.internal_text(),
                        "cannot remove policies that have ended"
                    );
                }
                if let Err(fault) = rotation::keep(&services).await {
                    tracing::warn!(
                        reason = fault.internal_text(),
                        "cannot see whether the key is to change"
                    );
                }
                keep_signing_keys(&services).await;
                count_leases(&services).await;
            }
        }
    });
    spawn_upgrades(services);
    let (audited, mut stop) = (Arc::downgrade(services), services.stop.subscribe());
    let mut changes = services.registry.audit_changes();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            let Some(services) = audited.upgrade() else {
                return;
            };
            if let Err(fault) = services.audit.reconcile(services.barrier()).await {
                tracing::error!(
                    reason = fault.internal_text(),
                    "cannot read the audit table"
                );
            }
        }
    });
}

async fn keep_signing_keys(services: &Services) {
    if let Err(fault) = identity::oidc::keep(services).await {
        tracing::warn!(
            reason = fault.internal_text(),
            "cannot rotate the keys of identity tokens"
        );
    }
}

/// Goes on with a count of tokens that somebody else began and did not end.
async fn count_leases(services: &Services) {
    if let Err(fault) = lease_counts::resume(services).await {
        tracing::warn!(
            reason = fault.internal_text(),
            "cannot count tokens against limits of leases; it is tried again"
        );
    }
}

/// Goes on with upgrades that somebody else began and did not end.
fn spawn_upgrades(services: &Arc<Services>) {
    let (upgraded, mut stop) = (Arc::downgrade(services), services.stop.subscribe());
    tokio::spawn(async move {
        loop {
            let Some(services) = upgraded.upgrade() else {
                return;
            };
            if upgrade::wanted(&services)
                && let Err(fault) = upgrade::run(&services).await
            {
                tracing::warn!(reason = fault.internal_text(), "cannot upgrade mounts");
            }
            drop(services);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    });
}

/// Removes what a crash left of mounts that were disabled. The names of storage are read before the
/// table: a mount made meanwhile is in the table before it stores anything.
async fn drop_unmounted(services: &Services) -> Result<(), Fault> {
    let stored = services.barrier().list("mount/", None, usize::MAX).await?;
    let tables = services.registry.fresh().await?;
    for name in stored.names {
        let storage = format!("mount/{name}");
        if !tables
            .mounts()
            .iter()
            .any(|mount| mount.storage() == storage)
        {
            erase(services.barrier(), &storage).await?;
        }
    }
    Ok(())
}

/// Removes everything below a prefix, page by page, and whatever is in it.
pub(crate) async fn erase(barrier: &Barrier<Unsealed>, prefix: &str) -> Result<(), Fault> {
    loop {
        let page = barrier.keys(prefix, None, 256).await?;
        if page.names.is_empty() {
            return Ok(());
        }
        let batch = page.names.into_iter().fold(Batch::new(), Batch::delete);
        barrier.commit(batch).await?.ignore();
    }
}
