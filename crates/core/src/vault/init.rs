//! Initialization: once, by whoever comes first, with everything made in one store transaction.

use super::migrate::Course;
use super::recipients::{Recipients, recipient, sealed_token};
use super::{SealChoice, Vault};
use crate::fault::Fault;
use crate::json::field::{Count, Words};
use crate::system::root_key;
use crate::token::NewToken;
use cofferdam_barrier::seal::{self, Found, Seal as _, shamir::Shamir};
use cofferdam_barrier::{Barrier, RootKey, Sealed, Unsealed};
use cofferdam_openpgp::Recipient;
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Between two requests to open, where another machine opens the seal: from here to there, twice as
/// long each time.
const RETRY: Range<Duration> = Duration::from_secs(2)..Duration::from_mins(1);

/// What became of opening without people.
enum Tried {
    /// It is open, or people open it.
    Done,
    /// There is no store yet.
    Nothing,
    /// It is to be moved, and people with shares have to agree.
    Waits {
        /// Where it may have been moved already: why the new seal did not open it.
        tried: Option<String>,
    },
    /// The configuration does not fit the store.
    Refused(String),
}

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
    /// Shares of the unseal key, or of the recovery key where the seal opens by itself; messages to
    /// their holders where there are keys of them.
    pub shares: Vec<Secret<Vec<u8>>>,
    /// The shares are of the recovery key.
    pub recovery: bool,
    /// Allows everything; a message in base64 where there is a key for it.
    pub root_token: Secret<String>,
}

fn already() -> Fault {
    Fault::invalid("Vault is already initialized")
}

impl Vault {
    /// Initializes. With Shamir the vault is sealed afterwards, with an automatic seal it is open.
    ///
    /// # Errors
    /// When it is initialized already, or the counts make no sense.
    pub async fn initialize(&self, request: &InitRequest) -> Result<Initialized, Fault> {
        let auto = matches!(self.seal, SealChoice::Auto(_));
        if request.stored_shares.0 > 1 {
            return Err(Fault::invalid("stored_shares is decided by the seal"));
        }
        let (shares, threshold) = counts(request, auto)?;
        let mut closed = self.closed.lock().await;
        if closed.config.is_some() || closed.barrier.is_none() {
            return Err(already());
        }
        let (recipients, for_root) = self.recipients(request, auto, shares)?;
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
        let handed = recipients.handed(handed)?;
        let barrier = closed.barrier.take().ok_or_else(Fault::sealed)?;
        let config = record.config.clone();
        let barrier = match barrier.initialize(&root, &record).await {
            Ok(barrier) => barrier,
            Err((barrier, error)) => {
                closed.barrier = Some(barrier);
                return Err(match error {
                    // Another replica was asked at the same moment, and came first.
                    cofferdam_barrier::Error::AlreadyInitialized => already(),
                    error => error.into(),
                });
            }
        };
        let services = self.start(barrier).await?;
        if let Some(absent) = &record.people {
            root_key::keep(services.barrier(), absent).await?;
        }
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
        let root_token = match &for_root {
            Some(recipient) => sealed_token(recipient, &root_token)?,
            None => root_token,
        };
        closed.config = Some(config);
        if auto {
            self.opened.store(true, Ordering::SeqCst);
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

    /// Who shares and root token are encrypted to.
    fn recipients(
        &self,
        request: &InitRequest,
        auto: bool,
        shares: u8,
    ) -> Result<(Recipients, Option<Recipient>), Fault> {
        let (keys, name, others) = if auto {
            let keys = &request.recovery_pgp_keys;
            (keys, "recovery_pgp_keys", &request.pgp_keys)
        } else {
            let keys = &request.pgp_keys;
            (keys, "pgp_keys", &request.recovery_pgp_keys)
        };
        if !others.0.is_empty() {
            return Err(Fault::invalid(if auto {
                "parameters pgp_keys not applicable to this seal, which opens by itself: its shares are recovery shares, and their keys recovery_pgp_keys"
            } else {
                "parameters recovery_pgp_keys not applicable to seal type shamir: its shares are unseal keys, and their keys pgp_keys"
            }));
        }
        let now = self.clock.now();
        let recipients = Recipients::judge(keys, shares, name, now)?;
        let for_root = match request.root_token_pgp_key.as_str() {
            "" => None,
            key => Some(recipient(key, "root_token_pgp_key", now)?),
        };
        Ok((recipients, for_root))
    }

    async fn record(
        &self,
        root: &RootKey,
        people: Option<&Shamir>,
        shares: u8,
        threshold: u8,
    ) -> Result<seal::Record, Fault> {
        let (shared, absent) = match people {
            Some(people) => (Some(people.wrap(root).await?), Some(people.absent()?)),
            None => (None, None),
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
                    generation: 0,
                    people: absent.clone(),
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
                    wrapped: seal::close(auto.as_ref(), root).await?,
                    recovery,
                    generation: 0,
                    people: absent.clone(),
                })
            }
        }
    }

    /// Opens an automatic seal, if that is what there is. Failure leaves the vault sealed; whether
    /// trying again may help.
    pub(super) async fn open_by_itself(&self, first: bool) -> bool {
        let seal = self.seal.kind();
        let asks = || match &self.seal {
            SealChoice::Shamir => false,
            SealChoice::Auto(auto) => auto.asks() || self.former.iter().any(|seal| seal.asks()),
        };
        match self.try_open().await {
            Ok(Tried::Done) => false,
            // Another replica may initialize it.
            Ok(Tried::Nothing) => asks(),
            // People may agree at another replica: then the new seal opens here as well.
            Ok(Tried::Waits { tried }) => {
                if first {
                    tracing::warn!(
                        seal,
                        tried,
                        "the store is to be moved to this seal, which its people must agree to: cofferdam operator unseal -migrate"
                    );
                }
                matches!(self.seal, SealChoice::Auto(_))
            }
            Ok(Tried::Refused(reason)) => {
                tracing::error!(%reason, "the vault stays sealed");
                false
            }
            Err(reason) => {
                tracing::error!(%reason, seal, "the seal did not open: give recovery shares with: cofferdam operator unseal");
                asks()
            }
        }
    }

    /// Where something else has to happen first (another machine that is asked may be starting as
    /// well), tries again until the vault has opened once. What an operator seals afterwards stays
    /// sealed.
    pub(super) fn open_later(self: &Arc<Self>) {
        let vault = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut pause = RETRY.start;
            loop {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY.end);
                let Some(vault) = vault.upgrade() else { return };
                let opened = vault.opened.load(Ordering::SeqCst);
                if opened || !vault.open_by_itself(false).await {
                    return;
                }
            }
        });
    }

    /// Opens what is closed; nothing to open is fine.
    async fn try_open(&self) -> Result<Tried, String> {
        let found = match &self.closed.lock().await.barrier {
            Some(barrier) => barrier.seal_found().await,
            None => return Ok(Tried::Done),
        };
        let Some(found) = found.map_err(|error| error.to_string())? else {
            return Ok(Tried::Nothing);
        };
        let course = match self.course(&found.record.config) {
            Course::Refused(reason) => return Ok(Tried::Refused(reason)),
            course => course,
        };
        // Without the lock: another machine may take its time, and whoever asks for the state does not
        // wait for it.
        let opened = match (&course, &self.seal) {
            (Course::Open, SealChoice::Shamir) => return Ok(Tried::Done),
            (Course::Open | Course::MoveUnlessOpened, SealChoice::Auto(auto)) => {
                auto.unwrap(&found.record.wrapped).await
            }
            _ => return self.try_to_move(&found).await,
        };
        match opened {
            Ok(root) => self.unlock_kept(&root).await.map(|()| Tried::Done),
            Err(_) if course.moves() && found.record.config.shares == 0 => {
                self.try_to_move(&found).await
            }
            Err(error) if course.moves() => Ok(Tried::Waits {
                tried: Some(error.to_string()),
            }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A store that nobody has shares of is moved without them: who wrote the configuration commands
    /// both seals.
    async fn try_to_move(&self, found: &Found) -> Result<Tried, String> {
        let Some(former) = self
            .former
            .as_ref()
            .filter(|_| found.record.config.shares == 0)
        else {
            return Ok(Tried::Waits { tried: None });
        };
        let root = former.unwrap(&found.record.wrapped).await;
        let root = root.map_err(|error| format!("the seal to move away from: {error}"))?;
        let moved = self.migrate(&root, found, None).await;
        moved.map(|()| Tried::Done).map_err(|fault| said(&fault))
    }

    async fn unlock_kept(&self, root: &RootKey) -> Result<(), String> {
        let mut closed = self.closed.lock().await;
        let Some(barrier) = closed.barrier.take() else {
            return Ok(());
        };
        let unlocked = self.unlock(barrier, root).await;
        unlocked.map_err(|(barrier, fault)| {
            closed.barrier = Some(barrier);
            said(&fault)
        })
    }

    /// Opens the barrier with the root key and starts the services.
    pub(super) async fn unlock(
        &self,
        barrier: Barrier<Sealed>,
        root: &RootKey,
    ) -> Result<(), (Barrier<Sealed>, Fault)> {
        match barrier.unseal(root).await {
            Ok(barrier) => self.enter(barrier).await,
            Err((barrier, error)) => Err((barrier, error.into())),
        }
    }

    /// Starts the services over an open barrier.
    pub(super) async fn enter(
        &self,
        barrier: Barrier<Unsealed>,
    ) -> Result<(), (Barrier<Sealed>, Fault)> {
        match self.start(barrier.clone()).await {
            Ok(services) => {
                self.opened.store(true, Ordering::SeqCst);
                self.open.store(Some(services));
                tracing::info!("vault is unsealed");
                Ok(())
            }
            Err(fault) => Err((barrier.seal(), fault)),
        }
    }
}

fn said(fault: &Fault) -> String {
    fault.internal_text().unwrap_or(fault.public()).to_owned()
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
