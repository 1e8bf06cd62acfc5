//! Unsealing by shares, and what anybody may know of the seal.

use super::migrate::Course;
use super::{Closed, SealChoice, Vault};
use crate::fault::Fault;
use cofferdam_barrier::seal::ceremony::{Ceremony, Step};
use cofferdam_barrier::seal::{self, Seal as _, shamir};
use cofferdam_barrier::{Error, RootKey};
use cofferdam_secret::Secret;
use serde::Serialize;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Attempts to unseal that are answered at once; after them one each [`PACE`].
const BURST: u32 = 32;
const PACE: Duration = Duration::from_millis(100);

/// The answer of `sys/seal-status`, by Vault's names.
#[derive(Clone, Debug, Serialize)]
pub struct SealStatus {
    /// `shamir`, `machine`, …
    pub r#type: String,
    /// There is a keyring.
    pub initialized: bool,
    /// Nothing can be read.
    pub sealed: bool,
    /// Shares needed.
    pub t: u8,
    /// Shares made.
    pub n: u8,
    /// Shares given.
    pub progress: u8,
    /// Names this round of unsealing.
    pub nonce: String,
    /// Of the server.
    pub version: String,
    /// Not told: it would make builds differ.
    pub build_date: String,
    /// The store is to be moved to the seal of this type.
    pub migration: bool,
    /// Only when open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// The shares are of the recovery key.
    pub recovery_seal: bool,
    /// How those shares are made; only where there are such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_seal_type: Option<&'static str>,
    /// Of the backend.
    pub storage_type: String,
}

/// Keeps strangers from keeping the server busy with shares.
#[derive(Default)]
pub(super) struct Attempts(Mutex<Option<(Instant, u32)>>);

impl Attempts {
    fn take(&self) -> Result<(), Fault> {
        let now = Instant::now();
        let mut state = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (since, used) = state.unwrap_or((now, 0));
        let passed = now.duration_since(since).as_millis() / PACE.as_millis();
        let back = u32::try_from(passed).unwrap_or(u32::MAX);
        let used = used.saturating_sub(back);
        if used >= BURST {
            return Err(Fault::too_many(
                "too many attempts to unseal; wait a second",
            ));
        }
        let since = if back > 0 || used == 0 { now } else { since };
        *state = Some((since, used + 1));
        Ok(())
    }
}

impl Vault {
    /// What anybody may know of the seal.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn seal_status(&self) -> Result<SealStatus, Fault> {
        let mut closed = self.closed.lock().await;
        if let Some(services) = self.open.load_full() {
            // Shares may have been made anew since.
            closed.config = services.barrier().seal_config().await?;
        } else if closed.config.is_none()
            && let Some(barrier) = &closed.barrier
        {
            // Another replica may have initialized meanwhile.
            closed.config = barrier.seal_config().await?;
        }
        Ok(self.status(&closed))
    }

    fn status(&self, closed: &Closed) -> SealStatus {
        let open = self.open.load().is_some();
        let progress = closed.ceremony.as_ref().map(Ceremony::progress);
        let auto = matches!(self.seal, SealChoice::Auto(_));
        let moves = |config: &seal::Config| !open && self.course(config).moves();
        let migration = closed.config.as_ref().is_some_and(moves);
        let kind = match &closed.config {
            // As Vault: where it goes to.
            Some(config) if !migration => config.kind.clone(),
            _ => self.seal.kind().to_owned(),
        };
        SealStatus {
            r#type: kind,
            initialized: closed.config.is_some(),
            sealed: !open,
            t: closed.config.as_ref().map_or(0, |config| config.threshold),
            n: closed.config.as_ref().map_or(0, |config| config.shares),
            progress: progress.as_ref().map_or(0, |progress| progress.given),
            nonce: progress.map(|progress| progress.nonce).unwrap_or_default(),
            version: self.info.version.clone(),
            build_date: String::new(),
            migration,
            cluster_name: open.then(|| self.info.cluster_name.clone()),
            recovery_seal: auto,
            recovery_seal_type: auto.then_some("shamir"),
            storage_type: self.info.storage_type.clone(),
        }
    }

    /// Forgets the shares given so far.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn reset_unseal(&self) -> Result<SealStatus, Fault> {
        self.attempts.take()?;
        let mut closed = self.closed.lock().await;
        closed.ceremony = None;
        Ok(self.status(&closed))
    }

    /// Takes one share, hex or base64; with enough of them the vault opens. Where the store is to be
    /// moved to another seal, `migrate` has to say that this is meant, and it is moved first.
    ///
    /// # Errors
    /// For a share that has not the form of one, and when the shares together are not the key: the
    /// answer does not tell which of them was wrong. Where the configuration does not fit the store,
    /// or `migrate` does not fit the two.
    pub async fn unseal(&self, share: &Secret<String>, migrate: bool) -> Result<SealStatus, Fault> {
        self.attempts.take()?;
        let mut closed = self.closed.lock().await;
        let Some(barrier) = &closed.barrier else {
            return Ok(self.status(&closed));
        };
        let found = barrier.seal_found().await?;
        let found = found.ok_or_else(|| Fault::invalid("Vault is not initialized"))?;
        let record = &found.record;
        closed.config = Some(record.config.clone());
        let course = self.agreed(&record.config, migrate)?;
        if record.config.shares == 0 {
            return Err(Fault::invalid(
                "this seal has no recovery shares; it opens by itself on its own machine",
            ));
        }
        let share = shamir::decode(share)
            .map_err(|_| Fault::invalid("'key' must be a valid hex or base64 string"))?;
        let ceremony = closed
            .ceremony
            .get_or_insert_with(|| Ceremony::new(record.config.clone()));
        let people = match ceremony.give(share, None) {
            Ok(Step::More | Step::Known) => return Ok(self.status(&closed)),
            Ok(Step::Complete(people)) => people,
            Err(Error::WrongKey) => return Err(wrong_key()),
            Err(error) => return Err(Fault::invalid("'key' is not a share").noting(error)),
        };
        closed.ceremony = None;
        let wrapped = record.recovery.as_ref().unwrap_or(&record.wrapped);
        let root = people.unwrap(wrapped).await.map_err(|_| wrong_key())?;
        // Without the lock: it may be another machine that tells.
        drop(closed);
        let moves = match course {
            Course::MoveUnlessOpened => !self.was_moved(record).await,
            course => course.moves(),
        };
        if moves {
            self.migrate(&root, &found, Some(&people)).await?;
        } else {
            self.unlock_once(&root).await?;
        }
        Ok(self.status(&*self.closed.lock().await))
    }

    /// What is to be done, if the caller means the same.
    fn agreed(&self, config: &seal::Config, migrate: bool) -> Result<Course, Fault> {
        match self.course(config) {
            Course::Refused(reason) => Err(Fault::invalid(reason)),
            course if course.moves() && !migrate => Err(Fault::invalid(
                "migrate option not provided and seal migration is pending: to agree to it, give the shares with: cofferdam operator unseal -migrate",
            )),
            // Who gives shares again after a crash need not know that it was moved just before.
            Course::Open if migrate && self.former.is_none() => Err(Fault::invalid(
                "can't perform a seal migration, no migration seal found: the configuration names no seal to move the store from or to",
            )),
            course => Ok(course),
        }
    }

    async fn unlock_once(&self, root: &RootKey) -> Result<(), Fault> {
        let mut closed = self.closed.lock().await;
        let Some(barrier) = closed.barrier.take() else {
            return Ok(());
        };
        match self.unlock(barrier, root).await {
            Ok(()) => Ok(()),
            Err((barrier, fault)) => {
                closed.barrier = Some(barrier);
                Err(fault)
            }
        }
    }
}

fn wrong_key() -> Fault {
    Fault::invalid(
        "failed to decrypt keys from storage: the shares given are not the unseal key; progress is reset",
    )
}
