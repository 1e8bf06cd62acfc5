//! `sys/rotate/root`: a new root key under the same shares, by whoever may ask for it.
//!
//! Nobody gives a share, so the new root key is wrapped with what is public of the key that people share
//! ([`cofferdam_barrier::seal::shamir::Absent`]). It is kept twice: in the record of the seal, which
//! says whose shares are in force, and behind the barrier, where nobody who merely writes to the store
//! can put his own. Where the two differ, nothing is wrapped: shares of before would open the store, or
//! somebody else.
//!
//! OpenBao keeps the shared key itself behind its barrier for this.

use super::super::System;
use super::{changed_meanwhile, in_use};
use crate::engine::{Access, Route};
use crate::fault::Fault;
use crate::operation::Verb;
use crate::outcome::Outcome;
use crate::vault::{SealChoice, Services};
use cofferdam_barrier::seal::{self, shamir::Absent};
use cofferdam_barrier::{Barrier, Batch, RootKey, Unsealed};
use cofferdam_secret::Secret;

const PLACE: &str = "core/seal/people";

/// The row of it.
pub(in super::super) const ROTATE: Route<System> = Route::new(
    "rotate/root",
    &[(Verb::Write, |engine, _| Box::pin(rotate(engine)))],
)
.takes_nothing()
.access(Access::Sudo);

/// What is kept of the people whose shares come in force, for the transaction that does it.
pub(super) fn kept(absent: &Absent) -> (&'static str, Secret<Vec<u8>>) {
    (PLACE, Secret::new(absent.to_bytes()))
}

/// Keeps it where the shares are in force already.
pub(crate) async fn keep(barrier: &Barrier<Unsealed>, absent: &Absent) -> Result<(), Fault> {
    let (place, value) = kept(absent);
    let _unconditional = barrier.commit(Batch::new().put(place, value)).await?;
    Ok(())
}

async fn rotate(engine: &System) -> Result<Outcome, Fault> {
    let (services, before) = in_use(engine).await?;
    let root = RootKey::generate()?;
    let by_people = match before.record.config.shares {
        0 => None,
        _ => Some(people(&services, &before.record).await?.wrap(&root)?),
    };
    let (wrapped, recovery) = match (&services.seal, by_people) {
        (SealChoice::Shamir, Some(by_people)) => (by_people, None),
        (SealChoice::Shamir, None) => return Err(Fault::internal("nobody holds shares")),
        (SealChoice::Auto(auto), by_people) => {
            (seal::close(auto.as_ref(), &root).await?, by_people)
        }
    };
    let fresh = seal::Record {
        wrapped,
        recovery,
        ..before.record
    };
    let changed = services.barrier().rekey(&root, &fresh, before.revision);
    changed.await.map_err(changed_meanwhile)?;
    tracing::warn!("root key is new, under the same shares");
    Ok(Outcome::Done)
}

/// Those whose shares are in force.
async fn people(services: &Services, record: &seal::Record) -> Result<Absent, Fault> {
    let kept = services.barrier().get(PLACE).await?;
    let kept = kept.and_then(|kept| Absent::from_bytes(kept.value.expose()));
    kept.filter(|kept| record.people.as_ref() == Some(kept)).ok_or_else(|| {
        Fault::invalid(
            "these shares were made by a version that could not do this, or the record of the seal was changed: make new shares, with sys/rotate/root/init (sys/rotate/recovery/init where the seal opens by itself)",
        )
    })
}
