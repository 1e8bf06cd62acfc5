//! Moving a store from one seal to another.
//!
//! What is to be done is said by two things together: the store's record, which names the seal that
//! closed it, and the configuration, which names the seal that is wanted and the one that is left
//! (`disabled`; people's shares need not be named). Whoever holds the shares of today then says when,
//! as in Vault: `sys/unseal` with `migrate`. The shares go along: unseal keys become recovery keys, and
//! recovery keys unseal keys.
//!
//! What this room promises:
//!
//! * the store changes in one transaction, to a new root key and to the new seal: a crash leaves the
//!   old seal in force, or the new one, and what the old seal still opens afterwards opens nothing;
//! * nothing is changed before the new seal opened what it closed ([`seal::close`]);
//! * where the configuration does not say so, nothing is moved and nothing opened.

use super::{SealChoice, Vault};
use crate::fault::Fault;
use cofferdam_barrier::seal::shamir::Shamir;
use cofferdam_barrier::seal::{self, Found, Seal as _};
use cofferdam_barrier::{Error, RootKey};

/// What there is to do with a store.
pub(super) enum Course {
    /// The seal that is configured opens it.
    Open,
    /// It is to be moved to the seal that is configured.
    Move,
    /// It is to be moved, or was already: both seals are of one kind, and only a trial tells.
    MoveUnlessOpened,
    /// The configuration does not say how to come from one to the other.
    Refused(String),
}

impl Course {
    pub(super) const fn moves(&self) -> bool {
        matches!(self, Self::Move | Self::MoveUnlessOpened)
    }
}

impl SealChoice {
    /// The word for it in configuration and status.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Shamir => "shamir",
            Self::Auto(auto) => auto.kind(),
        }
    }
}

impl Vault {
    pub(super) fn course(&self, stored: &seal::Config) -> Course {
        let wanted = self.seal.kind();
        let left = self.former.as_ref().map(|former| former.kind());
        match (stored.kind == wanted, left) {
            (true, Some(left)) if left == wanted => Course::MoveUnlessOpened,
            (true, _) => Course::Open,
            (false, Some(left)) if left == stored.kind => self.unless_nobody(stored),
            (false, None) if stored.kind == "shamir" => Course::Move,
            (false, None) => Course::Refused(format!(
                "the store is sealed by {0}, and the configuration names {wanted} alone: to move the \
                 store, keep the block  seal \"{0}\"  in it with  disabled = \"true\", and then: \
                 cofferdam operator unseal -migrate",
                stored.kind
            )),
            (false, Some(left)) => Course::Refused(format!(
                "the store is sealed by {}, and the configuration names {wanted} to move it to and \
                 {left} to move it from",
                stored.kind
            )),
        }
    }

    /// Without anybody's shares there is nobody who could unseal later.
    fn unless_nobody(&self, stored: &seal::Config) -> Course {
        match &self.seal {
            SealChoice::Shamir if stored.shares == 0 => Course::Refused(format!(
                "the store has no recovery shares that could become unseal keys: with the seal {} make \
                 some first: cofferdam operator rekey -target=recovery -init",
                stored.kind
            )),
            _ => Course::Move,
        }
    }

    /// Moves the store, and opens it. `people` hold the shares, where there are any.
    ///
    /// # Errors
    /// When the new seal cannot close it, when somebody else changed the seal meanwhile, and those of
    /// the store: then the old seal is in force, or, where only the answer was lost, the new one.
    pub(super) async fn migrate(
        &self,
        root: &RootKey,
        found: &Found,
        people: Option<&Shamir>,
    ) -> Result<(), Fault> {
        let fresh = RootKey::generate()?;
        // Without the lock: another machine may take its time, and whoever asks for the state does not
        // wait for it.
        let record = self.moved(&fresh, &found.record, people).await?;
        let mut closed = self.closed.lock().await;
        let Some(barrier) = closed.barrier.take() else {
            return Ok(());
        };
        let barrier = match barrier.unseal(root).await {
            Ok(barrier) => barrier,
            Err((barrier, error)) => {
                closed.barrier = Some(barrier);
                return Err(overtaken(error));
            }
        };
        if let Err(error) = barrier.rekey(&fresh, &record, found.revision).await {
            closed.barrier = Some(barrier.seal());
            return Err(overtaken(error));
        }
        let (from, to) = (&found.record.config.kind, &record.config.kind);
        tracing::warn!(
            from,
            to,
            "the store was moved to another seal, with a new root key"
        );
        closed.config = Some(record.config);
        self.enter(barrier).await.map_err(|(barrier, fault)| {
            closed.barrier = Some(barrier);
            fault
        })
    }

    /// The record of the seal that is configured.
    async fn moved(
        &self,
        root: &RootKey,
        before: &seal::Record,
        people: Option<&Shamir>,
    ) -> Result<seal::Record, Fault> {
        let by_people = match people {
            Some(people) => Some(people.wrap(root).await?),
            None => None,
        };
        let (wrapped, recovery) = match (&self.seal, by_people) {
            (SealChoice::Shamir, Some(wrapped)) => (wrapped, None),
            (SealChoice::Shamir, None) => return Err(Fault::internal("nobody holds shares")),
            (SealChoice::Auto(auto), recovery) => {
                let wrapped = seal::close(auto.as_ref(), root).await;
                (
                    wrapped.map_err(|error| unwilling(auto.kind(), &error))?,
                    recovery,
                )
            }
        };
        Ok(seal::Record {
            config: seal::Config {
                kind: self.seal.kind().to_owned(),
                ..before.config.clone()
            },
            wrapped,
            recovery,
            generation: before.generation.saturating_add(1),
            // The shares stay the same.
            people: before.people.clone(),
        })
    }

    /// Whether the store was moved already, where only a trial tells.
    pub(super) async fn was_moved(&self, record: &seal::Record) -> bool {
        match &self.seal {
            SealChoice::Shamir => false,
            SealChoice::Auto(auto) => auto.unwrap(&record.wrapped).await.is_ok(),
        }
    }
}

/// The new seal did not do its part. Its errors name causes and no values.
fn unwilling(kind: &str, error: &Error) -> Fault {
    Fault::invalid(format!(
        "nothing was changed, the new seal {kind} cannot close the store: {error}; see that it answers, \
         and give the shares again"
    ))
}

fn overtaken(error: Error) -> Fault {
    match error {
        Error::SealChanged | Error::WrongKey => Fault::invalid(
            "somebody else changed the seal at this moment: see cofferdam status, and give the shares again",
        ),
        error => error.into(),
    }
}
