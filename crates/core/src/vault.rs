//! The vault: sealed or open, and the door every request comes in by.
//!
//! No type owns everything: a closed vault holds only its sealed barrier and the shares given so far,
//! an open one holds [`Services`], which requests keep alive until they are done.

mod figures;
mod init;
mod migrate;
mod open;
pub(crate) mod recipients;
mod unseal;
pub(crate) mod versions;

pub(crate) use init::{InitRequest, Initialized, share_counts};
pub(crate) use open::Services;

pub(crate) use open::erase;

use crate::clock::Clock;
use crate::engine::Listed;
use crate::fault::Fault;
use crate::fingerprint::Fingerprinter;
use crate::host::Host;
use crate::json::Budget;
use crate::metrics::Metrics;
use crate::operation::Verb;
use crate::pipeline;
use crate::registry::Offer;
use crate::reply::{Answer, Reply, Standing};
use crate::request::Arrival;
use crate::settings::Settings;
use crate::under_way::UnderWay;
use arc_swap::ArcSwapOption;
use cofferdam_barrier::seal::{self, Seal, ceremony::Ceremony};
use cofferdam_barrier::{Barrier, Sealed};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::Mutex;

/// How the root key is kept.
#[derive(Clone)]
pub enum SealChoice {
    /// People with shares.
    Shamir,
    /// Something that opens by itself.
    Auto(Arc<dyn Seal>),
}

/// What the binary puts together.
pub struct Parts {
    /// Over the chosen store.
    pub barrier: Barrier<Sealed>,
    /// How the root key is kept.
    pub seal: SealChoice,
    /// The seal that the store is moved away from, where the configuration says so.
    pub former: Option<Arc<dyn Seal>>,
    /// Secret engines and auth methods on offer; `sys` and `auth/token` are added here.
    pub offers: Vec<Offer>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who makes fingerprints of values.
    pub fingerprinter: Arc<dyn Fingerprinter>,
    /// The process around it.
    pub host: Arc<dyn Host>,
    /// What a request's JSON may cost.
    pub budget: Budget,
    /// Shown to callers.
    pub info: Info,
}

/// What the server says of itself.
#[derive(Clone, Debug, Default)]
pub struct Info {
    /// Of the API that clients expect, with our own behind it.
    pub version: String,
    /// Shown in status.
    pub cluster_name: String,
    /// Shown in status.
    pub storage_type: String,
}

/// A vault.
pub struct Vault {
    clock: Arc<dyn Clock>,
    seal: SealChoice,
    former: Option<Arc<dyn Seal>>,
    offers: Vec<Offer>,
    fingerprinter: Arc<dyn Fingerprinter>,
    host: Arc<dyn Host>,
    under_way: Arc<UnderWay>,
    metrics: Arc<Metrics>,
    budget: Budget,
    info: Info,
    open: ArcSwapOption<Services>,
    /// It was open once.
    opened: AtomicBool,
    closed: Mutex<Closed>,
    attempts: unseal::Attempts,
}

/// What there is while the vault is sealed.
struct Closed {
    /// `None` while it is open.
    barrier: Option<Barrier<Sealed>>,
    config: Option<seal::Config>,
    ceremony: Option<Ceremony>,
}

impl Vault {
    /// A vault over these parts; an automatic seal is opened at once.
    ///
    /// # Errors
    /// When the store cannot be read. A seal that does not open leaves the vault sealed and says why
    /// in the log.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, Fault> {
        let config = parts.barrier.seal_config().await?;
        let vault = Arc::new(Self {
            clock: parts.clock,
            seal: parts.seal,
            former: parts.former,
            offers: parts.offers,
            fingerprinter: parts.fingerprinter,
            host: parts.host,
            under_way: Arc::default(),
            metrics: Arc::default(),
            budget: parts.budget,
            info: parts.info,
            open: ArcSwapOption::empty(),
            opened: AtomicBool::new(false),
            closed: Mutex::new(Closed {
                barrier: Some(parts.barrier),
                config,
                ceremony: None,
            }),
            attempts: unseal::Attempts::default(),
        });
        if vault.open_by_itself(true).await {
            vault.open_later();
        }
        Ok(vault)
    }

    /// Serves one request: never panics, always answers.
    pub async fn handle(&self, arrival: Arrival) -> Reply {
        let _seat = self
            .under_way
            .begin(self.now(), arrival.verb, &arrival.path, &arrival.peer);
        if let Some(route) = pipeline::exempt::route(&arrival) {
            return pipeline::exempt::serve(self, route, arrival).await;
        }
        let Some(services) = self.open.load_full() else {
            return Reply::new(String::new(), Answer::Fault(Fault::sealed()));
        };
        let reply = pipeline::serve(&services, arrival).await;
        if services.seal_requested() {
            drop(services);
            self.seal().await;
        }
        reply
    }

    /// Its condition.
    pub async fn standing(&self) -> Standing {
        if self.open.load().is_some() {
            return Standing::Active;
        }
        if self.closed.lock().await.config.is_some() {
            Standing::Sealed
        } else {
            Standing::Uninitialized
        }
    }

    /// Drops the keys, and what engines decoded with them. Requests already under way end with an error where they next need one.
    pub async fn seal(&self) {
        let mut closed = self.closed.lock().await;
        let Some(services) = self.open.swap(None) else {
            return;
        };
        services.stop().await;
        closed.barrier = Some(services.barrier().clone().seal());
        // After the keys: what a request under way has read before is kept by nobody.
        crate::registry::forget(&self.offers, None);
        closed.ceremony = None;
        tracing::info!("vault is sealed");
    }

    /// What operators set for all requests, as this replica knows it now; `None` while it is sealed.
    #[must_use]
    pub fn settings(&self) -> Option<Arc<Settings>> {
        let services = self.open.load();
        let tables = services.as_ref()?.registry.current();
        Some(tables.settings().clone())
    }

    /// Opens audit devices that could not be opened before. Files that were moved are followed
    /// without it.
    pub async fn reopen_audit(&self) {
        let Some(services) = self.open.load_full() else {
            return;
        };
        if let Err(fault) = services.audit.reconcile(services.barrier()).await {
            tracing::error!(
                reason = fault.internal_text(),
                "audit devices were not opened again"
            );
        }
    }

    /// Ends background work and lets the audit devices finish. The vault is sealed afterwards.
    pub async fn shutdown(&self) {
        self.seal().await;
    }

    /// Every route that is served now: its mount, and its row. For coverage tests and documentation.
    ///
    /// # Errors
    /// When the vault is sealed, or the store fails.
    pub async fn routes(&self) -> Result<Vec<(String, Listed)>, Fault> {
        let services = self.open.load_full().ok_or_else(Fault::sealed)?;
        let tables = services.registry.fresh().await?;
        let mut all = Vec::new();
        for mount in tables.mounts().iter() {
            let engine = tables
                .point(&mount.path)
                .and_then(|point| point.engine.clone());
            let rows = engine.map(|engine| engine.routes()).unwrap_or_default();
            all.extend(rows.into_iter().map(|row| (mount.path.clone(), row)));
        }
        Ok(all)
    }

    /// The routes that answer outside the pipeline, since they must work sealed.
    #[must_use]
    pub fn exempt_routes() -> Vec<(Verb, &'static str)> {
        pipeline::exempt::ROUTES
            .iter()
            .map(|(verb, path, _)| (*verb, *path))
            .collect()
    }

    /// What the server says of itself.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    pub(crate) fn now(&self) -> crate::clock::Time {
        self.clock.now()
    }

    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }
}
