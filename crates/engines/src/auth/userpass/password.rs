//! Passwords: their hashes, and checking one.
//!
//! bcrypt is slow on purpose. It runs on threads of its own, few at a time, and few may wait for it: a
//! flood of logins delays and refuses other logins, and nothing else.

use bcrypt::{HashParts, Version};
use cofferdam_core::Fault;
use cofferdam_secret::Secret;
use std::sync::{Arc, OnceLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// bcrypt's exponent, the one of Vault.
const COST: u32 = 10;
/// The greatest exponent of a hash that is brought along: the next doubles a login of seconds.
const GREATEST_COST: u32 = 14;
/// bcrypt reads 72 bytes, the last of which ends the password.
const LONGEST: usize = 71;
/// Checked at one time in a process.
const AT_ONCE: usize = 2;
/// Logins that may wait for their turn beside those. Each keeps a request's place at the listener: as
/// many as wait there cannot be used for anything else.
const WAITING: usize = 32;

/// A password's hash, in bcrypt's own notation.
pub(super) type Hash = String;

/// The checks under way.
pub(super) struct Checks {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// The right to have one password checked, now or after those before it.
pub(super) struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Default for Checks {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
        }
    }
}

impl Checks {
    /// A place for one login. Asked for before anything is read: the refusal is the same for every name.
    ///
    /// # Errors
    /// [`cofferdam_core::Kind::TooMany`] when too many are waiting.
    pub(super) fn place(&self) -> Result<Place, Fault> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place
            .map(Place)
            .map_err(|_| Fault::too_many("too many logins at once; try again"))
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// When it is one that bcrypt would cut.
    pub(super) async fn hash(&self, password: Secret<String>) -> Result<Hash, Fault> {
        refuse(&password)?;
        self.alone(move || bcrypt::hash(password.expose(), COST).map_err(Fault::internal))
            .await?
    }

    /// Whether `password` has `hash`. Without a hash it takes the same time, and the answer is no.
    pub(super) async fn matches(
        &self,
        place: Place,
        password: Secret<String>,
        hash: Option<Hash>,
    ) -> Result<bool, Fault> {
        self.alone(move || {
            let _place = place;
            let known = hash.is_some();
            // What could never be set is compared as well: its refusal takes the usual time.
            let fits = refuse(&password).is_ok();
            let hash = hash.unwrap_or_else(nobodys);
            let same = bcrypt::verify(password.expose(), &hash).map_err(Fault::internal)?;
            Ok(same && known && fits)
        })
        .await?
    }

    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(Fault::internal)?;
        let work = move || {
            // Kept by the work, not by the waiting request: one that hangs up does not free it early.
            let _turn = turn;
            work()
        };
        // What a panic carries is not looked at: it may hold the password.
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|_| Fault::internal("a password check did not end"))
    }
}

fn refuse(password: &Secret<String>) -> Result<(), Fault> {
    let bytes = password.expose().as_bytes();
    if bytes.len() > LONGEST {
        return Err(Fault::invalid("password: at most 71 bytes"));
    }
    if bytes.contains(&0) {
        return Err(Fault::invalid("password: must not contain NUL"));
    }
    Ok(())
}

/// The hash of a password that nobody knows.
fn nobodys() -> Hash {
    static HASH: OnceLock<Hash> = OnceLock::new();
    let made = HASH.get_or_init(|| {
        let mut password = [0_u8; 32];
        // Without entropy it is the hash of zeros: still nobody's, since the answer is always no.
        let _unfilled = cofferdam_secret::fill(&mut password);
        bcrypt::hash(hex::encode(password), COST).unwrap_or_default()
    });
    made.clone()
}

/// A hash that was made elsewhere.
///
/// # Errors
/// When it is not one of bcrypt, or one that would take too long to check.
pub(super) fn foreign(text: &str) -> Result<Hash, Fault> {
    let refused = || Fault::invalid("password_hash is not a valid bcrypt hash");
    let parts: HashParts = text.parse().map_err(|_| refused())?;
    // Written again: what reads as one must be one in every byte.
    let same = [Version::TwoA, Version::TwoB, Version::TwoY]
        .into_iter()
        .any(|version| parts.format_for_version(version) == text);
    if !same {
        return Err(refused());
    }
    if parts.get_cost() > GREATEST_COST {
        return Err(Fault::invalid("password_hash: a cost of at most 14"));
    }
    Ok(text.to_owned())
}
