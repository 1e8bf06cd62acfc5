//! Initialization: once, by whoever comes first, with everything made in one store transaction.

use super::{SealChoice, Vault};
use crate::fault::Fault;
use crate::json::field::{Count, Words};
use crate::token::NewToken;
use cofferdam_barrier::seal::{self, Seal as _, shamir::Shamir};
use cofferdam_barrier::{Barrier, RootKey, Sealed};
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Between two requests to open, where another machine opens the seal: from here to there, twice as
/// long each time.
const RETRY: Range<Duration> = Duration::from_secs(2)..Duration::from_mins(1);

/// What can be asked for, by Vault's names.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct InitRequest {
    secret_shares: Count,
    secret_threshold: Count,
    recovery_shares: Count,
    recovery_threshold: Count,
    stored_shares: Count,
    pgp_keys: Words,
    recovery_pgp_keys: Words,
    root_token_pgp_key: String,
}

/// What only the one who initialized gets to see, once.
pub struct Initialized {
    /// Shares of the unseal key, or of the recovery key where the seal opens by itself.
    pub shares: Vec<Secret<Vec<u8>>>,
    /// The shares are of the recovery key.
    pub recovery: bool,
    /// Allows everything.
    pub root_token: Secret<String>,
}

impl Vault {
    /// Initializes. With Shamir the vault is sealed afterwards, with an automatic seal it is open.
    ///
    /// # Errors
    /// When it is initialized already, or the counts make no sense.
    pub async fn initialize(&self, request: &InitRequest) -> Result<Initialized, Fault> {
        refuse_unserved(request)?;
        let auto = matches!(self.seal, SealChoice::Auto(_));
        let (shares, threshold) = counts(request, auto)?;
        let mut closed = self.closed.lock().await;
        if closed.config.is_some() || closed.barrier.is_none() {
            return Err(Fault::invalid("Vault is already initialized"));
        }
        let root = RootKey::generate()?;
        let people = if shares == 0 {
            None
        } else {
            Some(Shamir::generate()?)
        };
        let record = self
            .record(&root, people.as_ref(), shares, threshold)
            .await?;
        let handed = people
            .as_ref()
            .map(|people| people.shares(shares, threshold))
            .transpose()?
            .unwrap_or_default();
        let barrier = closed.barrier.take().ok_or_else(Fault::sealed)?;
        let config = record.config.clone();
        let barrier = match barrier.initialize(&root, &record).await {
            Ok(barrier) => barrier,
            Err((barrier, error)) => {
                closed.barrier = Some(barrier);
                return Err(error.into());
            }
        };
        let services = self.start(barrier).await?;
        let issued = services.tokens.create(
            self.clock.now(),
            NewToken {
                policies: vec!["root".to_owned()],
                display_name: "root".to_owned(),
                path: "auth/token/root".to_owned(),
                mount: "auth/token".to_owned(),
                ..NewToken::default()
            },
        );
        let root_token = issued
            .await?
            .token
            .ok_or_else(|| Fault::internal("a new token has no text"))?;
        closed.config = Some(config);
        if auto {
            self.open.store(Some(services));
        } else {
            services.stop().await;
            closed.barrier = Some(services.barrier().clone().seal());
        }
        tracing::info!(shares, threshold, "vault is initialized");
        Ok(Initialized {
            shares: handed,
            recovery: auto,
            root_token,
        })
    }

    async fn record(
        &self,
        root: &RootKey,
        people: Option<&Shamir>,
        shares: u8,
        threshold: u8,
    ) -> Result<seal::Record, Fault> {
        let shared = match people {
            Some(people) => Some(people.wrap(root).await?),
            None => None,
        };
        match (&self.seal, shared) {
            (SealChoice::Shamir, Some(wrapped)) => {
                let config = seal::Config {
                    kind: "shamir".to_owned(),
                    shares,
                    threshold,
                };
                Ok(seal::Record {
                    config,
                    wrapped,
                    recovery: None,
                })
            }
            (SealChoice::Shamir, None) => Err(Fault::invalid("secret_shares must be at least 1")),
            (SealChoice::Auto(auto), recovery) => {
                let config = seal::Config {
                    kind: auto.kind().to_owned(),
                    shares,
                    threshold,
                };
                Ok(seal::Record {
                    config,
                    wrapped: auto.wrap(root).await?,
                    recovery,
                })
            }
        }
    }

    /// Opens an automatic seal, if that is what there is. Failure leaves the vault sealed.
    pub(super) async fn open_by_itself(self: &Arc<Self>) {
        let SealChoice::Auto(auto) = &self.seal else {
            return;
        };
        match self.try_open(auto.as_ref()).await {
            Ok(()) => {}
            Err(reason) => {
                tracing::error!(%reason, seal = auto.kind(), "the seal did not open: give recovery shares with: cofferdam operator unseal");
            }
        }
    }

    /// Where the seal asks another machine, asks it again until the vault has opened once: the other
    /// may be starting as well. What an operator seals afterwards stays sealed.
    pub(super) fn open_later(self: &Arc<Self>) {
        let SealChoice::Auto(auto) = &self.seal else {
            return;
        };
        if !auto.asks() || self.open.load().is_some() {
            return;
        }
        let vault = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut pause = RETRY.start;
            loop {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY.end);
                let Some(vault) = vault.upgrade() else { return };
                if vault.open.load().is_none() {
                    vault.open_by_itself().await;
                }
                if vault.open.load().is_some() {
                    return;
                }
            }
        });
    }

    /// Opens what is closed; nothing to open is fine.
    async fn try_open(&self, auto: &dyn seal::Seal) -> Result<(), String> {
        let record = match &self.closed.lock().await.barrier {
            Some(barrier) => barrier.seal_record().await,
            None => return Ok(()),
        };
        let Some(record) = record.map_err(|error| error.to_string())? else {
            return Ok(());
        };
        if record.config.kind != auto.kind() {
            return Err(format!(
                "the store is sealed by {}, not by {}",
                record.config.kind,
                auto.kind()
            ));
        }
        // Without the lock: another machine may take its time, and whoever asks for the state does not
        // wait for it.
        let root = auto.unwrap(&record.wrapped).await;
        let root = root.map_err(|error| error.to_string())?;
        let mut closed = self.closed.lock().await;
        let Some(barrier) = closed.barrier.take() else {
            return Ok(());
        };
        let unlocked = self.unlock(barrier, &root).await;
        unlocked.map_err(|(barrier, fault)| {
            closed.barrier = Some(barrier);
            fault.internal_text().unwrap_or(fault.public()).to_owned()
        })
    }

    /// Opens the barrier with the root key and starts the services.
    pub(super) async fn unlock(
        &self,
        barrier: Barrier<Sealed>,
        root: &RootKey,
    ) -> Result<(), (Barrier<Sealed>, Fault)> {
        let barrier = match barrier.unseal(root).await {
            Ok(barrier) => barrier,
            Err((barrier, error)) => return Err((barrier, error.into())),
        };
        match self.start(barrier.clone()).await {
            Ok(services) => {
                self.open.store(Some(services));
                tracing::info!("vault is unsealed");
                Ok(())
            }
            Err(fault) => Err((barrier.seal(), fault)),
        }
    }
}

fn refuse_unserved(request: &InitRequest) -> Result<(), Fault> {
    let pgp = !request.pgp_keys.0.is_empty()
        || !request.recovery_pgp_keys.0.is_empty()
        || !request.root_token_pgp_key.is_empty();
    if pgp {
        return Err(Fault::unsupported(
            "pgp_keys are not served yet; initialize without them on the local socket",
        ));
    }
    if request.stored_shares.0 > 1 {
        return Err(Fault::invalid("stored_shares is decided by the seal"));
    }
    Ok(())
}

/// Shares and threshold: the unseal key's with Shamir, else the recovery key's (0 shares: none).
fn counts(request: &InitRequest, auto: bool) -> Result<(u8, u8), Fault> {
    match (
        auto,
        request.recovery_shares.0,
        request.recovery_threshold.0,
    ) {
        (true, 0, 0) => Ok((0, 0)),
        (true, shares, threshold) => {
            share_counts(shares, threshold, "recovery_shares and recovery_threshold")
        }
        (false, ..) => share_counts(
            request.secret_shares.0,
            request.secret_threshold.0,
            "secret_shares and secret_threshold",
        ),
    }
}

/// Shares and threshold as Shamir's scheme takes them.
pub(crate) fn share_counts(
    shares: u64,
    threshold: u64,
    names: &'static str,
) -> Result<(u8, u8), Fault> {
    let fits = (shares, threshold) == (1, 1)
        || ((2..=255).contains(&threshold) && threshold <= shares && shares <= 255);
    let counts = u8::try_from(shares)
        .ok()
        .zip(u8::try_from(threshold).ok())
        .filter(|_| fits);
    counts.ok_or_else(|| Fault::invalid(format!("{names}: shares from 1 to 255, and a threshold from 2 to the number of shares (or 1 of 1)")))
}
