//! Ceremonies of an open vault: people give their shares to have something done that no token alone
//! may do. `sys/rotate/root`, `sys/rotate/recovery` and `sys/generate-root-token`, with Vault's older
//! names for them.
//!
//! What this room promises:
//!
//! * nobody without a token begins, feeds, looks at or cancels a ceremony (CVE-2025-4656): `sudo` on
//!   the path is needed besides the shares;
//! * an attempt is in the store, behind the barrier, so that shares may come in by different
//!   replicas; it ends after an hour, and it is gone from the store before its effect begins, so that
//!   no set of shares works twice;
//! * an answer tells how many shares were given and never whether one of them was right
//!   ([`cofferdam_barrier::seal::ceremony`]).

pub(super) mod backup;
pub(super) mod generate_root;
pub(crate) mod root_key;
pub(super) mod rotate_root;

use super::System;
use crate::clock::Time;
use crate::engine::{Access, Handler, Route};
use crate::fault::Fault;
use crate::json::Body;
use crate::operation::Verb;
use crate::outcome::Outcome;
use crate::record::decode;
use crate::request::Call;
use crate::vault::Services;
use cofferdam_barrier::seal::ceremony::{Ceremony, Step};
use cofferdam_barrier::seal::{self, Found, Seal as _, shamir};
use cofferdam_barrier::{Barrier, Batch, Commit, Error, Revision, RootKey, Unsealed};
use cofferdam_secret::{Buffer, Secret};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// After this an attempt is over, whoever began it.
const LIFETIME: Duration = Duration::from_hours(1);
/// Rounds of the compare with the store: only against others who give shares at the same moment.
const ROUNDS: u32 = 32;

/// What can be done on a path.
pub(super) type Operations = &'static [(Verb, Handler<System>)];

/// A row for those whose policies grant `sudo`: shares come on top of that, not instead of it.
pub(super) const fn route(pattern: &'static str, operations: Operations) -> Route<System> {
    Route::new(pattern, operations)
        .lifted()
        .access(Access::Sudo)
}

/// Which shares a path names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Unseal,
    Recovery,
}

impl Whose {
    /// `rotate/root`, `rekey` or `rotate/recovery`, `rekey-recovery-key`.
    fn of(call: &Call<'_>) -> Self {
        let path = call.path.as_str();
        let recovery = ["rotate/recovery/", "rekey-recovery-key/"]
            .iter()
            .any(|start| path.starts_with(start));
        if recovery || path == "rekey/recovery-key-backup" {
            Self::Recovery
        } else {
            Self::Unseal
        }
    }
}

/// A share as it is kept while the ceremony lasts.
struct Part(Secret<Vec<u8>>);

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(shamir::to_hex(&self.0).expose())
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Secret::<String>::deserialize(deserializer)?;
        let share = shamir::decode(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(share))
    }
}

/// Shares being collected for one thing.
#[derive(Serialize, Deserialize)]
struct Round {
    nonce: String,
    parts: Vec<Part>,
}

impl Round {
    fn fresh() -> Self {
        Self {
            nonce: Uuid::new_v4().to_string(),
            parts: Vec::new(),
        }
    }

    fn progress(&self) -> usize {
        self.parts.len()
    }

    /// Takes a share; with enough of them, the key they make. The round is empty afterwards.
    fn give(
        &mut self,
        config: &seal::Config,
        share: Secret<Vec<u8>>,
    ) -> Result<Option<shamir::Shamir>, Fault> {
        let mut ceremony = Ceremony::new(config.clone());
        for part in &self.parts {
            ceremony
                .give(part.0.duplicate(), None)
                .map_err(Fault::internal)?;
        }
        match ceremony.give(share.duplicate(), None) {
            Ok(Step::More) => self.parts.push(Part(share)),
            Ok(Step::Known) => {}
            Ok(Step::Complete(people)) => {
                self.parts.clear();
                return Ok(Some(people));
            }
            Err(Error::WrongKey) => {
                self.parts.clear();
                return Err(wrong_key());
            }
            Err(error) => return Err(Fault::invalid("'key' is not a share").noting(error)),
        }
        Ok(None)
    }
}

/// What is kept of an attempt: the round under way, and what it is for.
#[derive(Serialize, Deserialize)]
struct Attempt<T> {
    started: Time,
    round: Round,
    purpose: T,
}

/// An attempt with the revision a change of it must compare with.
struct Stored<T> {
    attempt: Attempt<T>,
    revision: Revision,
}

/// The attempt kept at `place`, if there is one that is not over.
async fn load<T: Serialize + DeserializeOwned>(
    barrier: &Barrier<Unsealed>,
    place: &str,
    now: Time,
) -> Result<Option<Stored<T>>, Fault> {
    let Some(mut found) = barrier.get(place).await? else {
        return Ok(None);
    };
    let mut attempt: Attempt<T> = decode(&found.value)?;
    if attempt.started > now {
        // The clock was put back: it would hold the place for as much longer.
        attempt.started = now;
        let _faster = store(barrier, place, Some(found.revision), Some(&attempt)).await?;
        let Some(again) = barrier.get(place).await? else {
            return Ok(None);
        };
        (attempt, found) = (decode(&again.value)?, again);
    }
    if now >= attempt.started.after(LIFETIME) {
        // When somebody was faster, it is gone or a new one already.
        let _faster = store::<T>(barrier, place, Some(found.revision), None).await?;
        return Ok(None);
    }
    Ok(Some(Stored {
        attempt,
        revision: found.revision,
    }))
}

/// Puts or removes the attempt at `place`; whether nobody was faster.
async fn store<T: Serialize>(
    barrier: &Barrier<Unsealed>,
    place: &str,
    before: Option<Revision>,
    attempt: Option<&Attempt<T>>,
) -> Result<bool, Fault> {
    let batch = Batch::new().expect(place, before);
    let batch = match attempt {
        Some(attempt) => {
            let mut out = Buffer::with_capacity(1024);
            serde_json::to_writer(&mut out, attempt).map_err(Fault::internal)?;
            batch.put(place, out.finish())
        }
        None => batch.delete(place),
    };
    Ok(matches!(barrier.commit(batch).await?, Commit::Done(_)))
}

/// What a share led to.
enum Given<T> {
    /// More are needed.
    More(Attempt<T>),
    /// The shares opened the root key; the attempt is gone from the store.
    Complete { root: RootKey, attempt: Attempt<T> },
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::system) struct ShareGiven {
    key: Option<Secret<String>>,
    nonce: String,
}

/// Where shares go: a place of the store, and whose shares count there.
struct Table<'a, T> {
    services: &'a Services,
    place: &'a str,
    /// What is answered when there is no attempt.
    idle: &'static str,
    /// Whose shares are collected.
    config: fn(&Attempt<T>, &seal::Record) -> Option<seal::Config>,
    /// What the shares must open.
    lock: fn(&Attempt<T>, &seal::Record) -> Option<Vec<u8>>,
    /// The round of the attempt.
    round: fn(&mut Attempt<T>) -> Option<&mut Round>,
}

impl<T: Serialize + DeserializeOwned + Send + Sync> Table<'_, T> {
    /// Takes a share from a request.
    async fn give(&self, body: &Body, now: Time) -> Result<Given<T>, Fault> {
        let given: ShareGiven = body.parse()?;
        let key = given.key.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Fault::invalid("key is required"))?;
        let share = shamir::decode(&key)
            .map_err(|_| Fault::invalid("'key' must be a valid hex or base64 string"))?;
        let barrier = self.services.barrier();
        for _ in 0..ROUNDS {
            let Stored {
                mut attempt,
                revision,
            } = load(barrier, self.place, now)
                .await?
                .ok_or_else(|| Fault::invalid(self.idle))?;
            let record = record(self.services).await?;
            let idle = || Fault::invalid(self.idle);
            let config = (self.config)(&attempt, &record).ok_or_else(idle)?;
            let lock = (self.lock)(&attempt, &record).ok_or_else(idle)?;
            let round = (self.round)(&mut attempt).ok_or_else(idle)?;
            if given.nonce != round.nonce {
                return Err(Fault::invalid(
                    "incorrect nonce supplied; the operation's own is in its status",
                ));
            }
            let joined = match round.give(&config, share.duplicate()) {
                Ok(Some(people)) => people
                    .unwrap(&lock)
                    .await
                    .map(Some)
                    .map_err(|_| wrong_key()),
                Ok(None) => Ok(None),
                Err(fault) => Err(fault),
            };
            let done = matches!(joined, Ok(Some(_)));
            let after = (!done).then_some(&attempt);
            if !store(barrier, self.place, Some(revision), after).await? {
                continue;
            }
            return Ok(match joined? {
                Some(root) => Given::Complete { root, attempt },
                None => Given::More(attempt),
            });
        }
        Err(Fault::unavailable(
            "too many shares at the same moment; give this one again",
            "lost every round of a contest",
        ))
    }
}

/// Ends an attempt, whoever began it.
async fn cancel<T: Serialize + DeserializeOwned>(
    services: &Services,
    place: &str,
    now: Time,
) -> Result<Outcome, Fault> {
    for _ in 0..ROUNDS {
        let Some(found) = load::<T>(services.barrier(), place, now).await? else {
            return Ok(Outcome::Done);
        };
        if store::<T>(services.barrier(), place, Some(found.revision), None).await? {
            return Ok(Outcome::Done);
        }
    }
    Err(Fault::unavailable(
        "shares come in faster than the attempt can be ended; try again",
        "lost every round of a contest",
    ))
}

/// The seal as it is now.
async fn record(services: &Services) -> Result<seal::Record, Fault> {
    Ok(found(services).await?.record)
}

/// The same, to be changed.
async fn found(services: &Services) -> Result<Found, Fault> {
    let found = services.barrier().seal_found().await?;
    found.ok_or_else(|| Fault::internal("an open vault without a seal"))
}

/// The services, and the seal that they hold: what this replica closes a root key with must be what
/// opens it.
async fn in_use(engine: &System) -> Result<(Arc<Services>, Found), Fault> {
    let services = engine.services()?;
    let found = found(&services).await?;
    if found.record.generation != services.generation {
        return Err(Fault::invalid(
            "the store was moved to another seal since this replica was opened: restart it with the configuration that names the new seal",
        ));
    }
    Ok((services, found))
}

fn changed_meanwhile(error: Error) -> Fault {
    match error {
        Error::SealChanged => Fault::invalid(
            "the seal was changed meanwhile; this rekey is over, and has changed nothing",
        ),
        error => error.into(),
    }
}

/// What people's shares open: the root key, directly or beside a seal that opens by itself.
fn lock_of(record: &seal::Record) -> Vec<u8> {
    record.recovery.as_ref().unwrap_or(&record.wrapped).clone()
}

fn wrong_key() -> Fault {
    Fault::invalid("the shares given are not the key; progress is reset")
}
