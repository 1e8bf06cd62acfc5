//! `sys/rotate/root` and `sys/rotate/recovery`, and `sys/rekey` as Vault called them: another root key
//! and other shares, for those who give enough of the present ones.
//!
//! With `pgp_keys` the new shares leave as messages to their holders, and with `backup` the messages
//! are kept as well ([`super::backup`]), from the moment the shares count.
//!
//! With `require_verification` the change waits until the new shares were given once: whoever lost
//! them on the way has lost nothing.
//!
//! A seal that was made without recovery shares gets its first ones from who may ask for them: there
//! is nobody yet whose shares could be asked for, as in OpenBao.

use super::super::System;
use super::backup::Backup;
use super::{
    Attempt, Given, Operations, Round, Table, Whose, changed_meanwhile, in_use, load, lock_of,
    root_key, store,
};
use crate::fault::Fault;
use crate::json::Data;
use crate::json::field::{Count, Flag, Words};
use crate::operation::Verb;
use crate::outcome::{Outcome, Response};
use crate::request::Call;
use crate::vault::recipients::Recipients;
use crate::vault::{SealChoice, Services, share_counts};
use cofferdam_barrier::seal::shamir::{self, Shamir};
use cofferdam_barrier::seal::{self, Found, Seal as _};
use cofferdam_barrier::{Error, RootKey};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Looking at an attempt, beginning and cancelling one.
pub(in super::super) const ATTEMPT: Operations = &[
    (Verb::Read, |e, c| Box::pin(status(e, c))),
    (Verb::Write, |e, c| Box::pin(begin(e, c))),
    (Verb::Delete, |e, c| Box::pin(cancel(e, c))),
];

/// Giving a share.
pub(in super::super) const UPDATE: Operations = &[(Verb::Write, |e, c| Box::pin(update(e, c)))];

/// Looking at the verification of new shares, giving one, and forgetting those given.
pub(in super::super) const VERIFY: Operations = &[
    (Verb::Read, |e, c| Box::pin(verify_status(e, c))),
    (Verb::Write, |e, c| Box::pin(verify(e, c))),
    (Verb::Delete, |e, c| Box::pin(verify_reset(e, c))),
];

const PLACE: &str = "core/ceremony/rotate-root";
const IDLE: &str = "no rekey in progress";
const NO_VERIFICATION: &str = "no rekey verification in progress";

/// What was asked for, and what waits to be verified.
#[derive(Serialize, Deserialize)]
pub(super) struct Purpose {
    shares: u8,
    threshold: u8,
    verify: bool,
    /// Who the new shares are for.
    #[serde(default)]
    recipients: Recipients,
    /// Keep the messages.
    #[serde(default)]
    backup: bool,
    pending: Option<Pending>,
}

/// A seal that is not in force yet. Its root key is known to the new shares alone.
#[derive(Serialize, Deserialize)]
struct Pending {
    record: seal::Record,
    round: Round,
    /// What is kept when the seal is in force.
    #[serde(default)]
    backup: Option<Backup>,
}

impl Whose {
    /// Refuses what the seal does not have.
    fn check(self, seal: &SealChoice) -> Result<(), Fault> {
        match (self, seal) {
            (Self::Unseal, SealChoice::Shamir) | (Self::Recovery, SealChoice::Auto(_)) => Ok(()),
            (Self::Unseal, SealChoice::Auto(_)) => Err(Fault::invalid(
                "this seal opens by itself; its shares are recovery shares: use sys/rotate/recovery, or -target=recovery",
            )),
            (Self::Recovery, SealChoice::Shamir) => Err(Fault::invalid(
                "recovery keys are of seals that open by themselves; this one has unseal keys: use sys/rotate/root",
            )),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::system) struct Wanted {
    secret_shares: Count,
    secret_threshold: Count,
    pgp_keys: Words,
    backup: Flag,
    require_verification: Flag,
}

async fn prepared(engine: &System, call: &Call<'_>) -> Result<(Arc<Services>, Found), Fault> {
    let (services, found) = in_use(engine).await?;
    Whose::of(call).check(&services.seal)?;
    Ok((services, found))
}

/// How far it is, by Vault's names.
fn shown(attempt: Option<&Attempt<Purpose>>, required: u8) -> Result<Outcome, Fault> {
    #[derive(Default, Serialize)]
    struct Shape<'a> {
        nonce: &'a str,
        started: bool,
        t: u8,
        n: u8,
        progress: usize,
        required: u8,
        pgp_fingerprints: Option<Vec<String>>,
        backup: bool,
        verification_required: bool,
        verification_nonce: &'a str,
    }
    let mut shape = Shape {
        required,
        ..Shape::default()
    };
    if let Some(attempt) = attempt {
        let purpose = &attempt.purpose;
        shape = Shape {
            nonce: &attempt.round.nonce,
            started: true,
            t: purpose.threshold,
            n: purpose.shares,
            progress: attempt.round.progress(),
            pgp_fingerprints: purpose.recipients.fingerprints(),
            backup: purpose.backup,
            verification_required: purpose.verify,
            verification_nonce: purpose
                .pending
                .as_ref()
                .map_or("", |pending| &pending.round.nonce),
            ..shape
        };
    }
    Outcome::data(&shape)
}

async fn status(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (services, seal) = prepared(engine, &call).await?;
    let found = load::<Purpose>(services.barrier(), PLACE, call.now).await?;
    let attempt = found.as_ref().map(|found| &found.attempt);
    shown(attempt, seal.record.config.threshold)
}

async fn begin(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (services, seal) = prepared(engine, &call).await?;
    let wanted: Wanted = call.body.parse()?;
    if wanted.backup.0 && wanted.pgp_keys.0.is_empty() {
        return Err(Fault::invalid(
            "cannot request a backup of the new keys without providing PGP keys for encryption",
        ));
    }
    let (shares, threshold) = share_counts(
        wanted.secret_shares.0,
        wanted.secret_threshold.0,
        "secret_shares and secret_threshold",
    )?;
    let recipients = Recipients::judge(&wanted.pgp_keys, shares, "pgp_keys", call.now)?;
    let busy = || Fault::invalid("rekey already in progress");
    if load::<Purpose>(services.barrier(), PLACE, call.now)
        .await?
        .is_some()
    {
        return Err(busy());
    }
    let mut attempt = Attempt {
        started: call.now,
        round: Round::fresh(),
        purpose: Purpose {
            shares,
            threshold,
            verify: wanted.require_verification.0,
            recipients,
            backup: wanted.backup.0,
            pending: None,
        },
    };
    if seal.record.config.shares == 0 {
        return make(&services, &seal, Whose::of(&call), &mut attempt).await;
    }
    if !store(services.barrier(), PLACE, None, Some(&attempt)).await? {
        return Err(busy());
    }
    shown(Some(&attempt), seal.record.config.threshold)
}

async fn cancel(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (services, _) = prepared(engine, &call).await?;
    super::cancel::<Purpose>(&services, PLACE, call.now).await
}

async fn update(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (services, seal) = prepared(engine, &call).await?;
    let table: Table<'_, Purpose> = Table {
        services: &services,
        place: PLACE,
        idle: IDLE,
        config: |_, record| Some(record.config.clone()),
        lock: |_, record| Some(lock_of(record)),
        round: |attempt| match attempt.purpose.pending {
            // The present shares have done their part.
            Some(_) => None,
            None => Some(&mut attempt.round),
        },
    };
    let mut attempt = match table.give(call.body, call.now).await? {
        Given::More(attempt) => return shown(Some(&attempt), seal.record.config.threshold),
        Given::Complete { attempt, .. } => attempt,
    };
    make(&services, &seal, Whose::of(&call), &mut attempt).await
}

/// Makes the new root key and shares, and puts them in force, or has them wait for verification.
async fn make(
    services: &Services,
    before: &Found,
    whose: Whose,
    attempt: &mut Attempt<Purpose>,
) -> Result<Outcome, Fault> {
    let purpose = &mut attempt.purpose;
    let root = RootKey::generate()?;
    let people = Shamir::generate()?;
    let fresh = sealed(services, &root, &people, purpose).await?;
    let shares = people.shares(purpose.shares, purpose.threshold)?;
    let shares = purpose.recipients.handed(shares)?;
    let fingerprints = purpose.recipients.fingerprints();
    let backup = fingerprints
        .filter(|_| purpose.backup)
        .map(|of| Backup::new(&attempt.round.nonce, &of, &shares));
    if purpose.verify {
        purpose.pending = Some(Pending {
            record: fresh,
            round: Round::fresh(),
            backup,
        });
        if !store(services.barrier(), PLACE, None, Some(attempt)).await? {
            return Err(Fault::invalid(
                "another rekey began meanwhile; this one is over, and nothing has changed",
            ));
        }
    } else {
        in_force(services, whose, &root, &fresh, before, backup.as_ref()).await?;
        tracing::warn!(
            shares = purpose.shares,
            threshold = purpose.threshold,
            "root key and shares are new"
        );
    }
    made(attempt, &shares)
}

/// Puts a seal in force, and in the same transaction keeps the messages that belong to it.
async fn in_force(
    services: &Services,
    whose: Whose,
    root: &RootKey,
    fresh: &seal::Record,
    before: &Found,
    backup: Option<&Backup>,
) -> Result<(), Fault> {
    let mut kept = Vec::new();
    if let Some(backup) = backup {
        kept.push((whose.backup(), backup.to_bytes()?));
    }
    if let Some(absent) = &fresh.people {
        kept.push(root_key::kept(absent));
    }
    let barrier = services.barrier();
    let changed = barrier
        .rekey_with(root, fresh, before.revision, &kept)
        .await;
    changed.map_err(changed_meanwhile)
}

/// The seal of a new root key.
async fn sealed(
    services: &Services,
    root: &RootKey,
    people: &Shamir,
    purpose: &Purpose,
) -> Result<seal::Record, Fault> {
    let by_people = people.wrap(root).await?;
    let (kind, wrapped, recovery) = match &services.seal {
        SealChoice::Shamir => ("shamir", by_people, None),
        SealChoice::Auto(auto) => {
            let wrapped = seal::close(auto.as_ref(), root).await?;
            (auto.kind(), wrapped, Some(by_people))
        }
    };
    Ok(seal::Record {
        config: seal::Config {
            kind: kind.to_owned(),
            shares: purpose.shares,
            threshold: purpose.threshold,
        },
        wrapped,
        recovery,
        generation: services.generation,
        people: Some(people.absent()?),
    })
}

/// The new shares, which are shown this once.
fn made(attempt: &Attempt<Purpose>, shares: &[Secret<Vec<u8>>]) -> Result<Outcome, Fault> {
    let hex: Vec<_> = shares.iter().map(shamir::to_hex).collect();
    let base64: Vec<_> = shares.iter().map(shamir::to_base64).collect();
    let pending = attempt.purpose.pending.as_ref();
    let fingerprints = attempt.purpose.recipients.fingerprints();
    let fingerprints = serde_json::to_vec(&fingerprints).map_err(Fault::internal)?;
    let data = Data::object()
        .text("nonce", &attempt.round.nonce)
        .flag("complete", true)
        .raw("keys", crate::json::texts(&hex).expose())
        .raw("keys_base64", crate::json::texts(&base64).expose())
        .raw("pgp_fingerprints", &fingerprints)
        .flag("backup", attempt.purpose.backup)
        .flag("verification_required", pending.is_some())
        .text(
            "verification_nonce",
            pending.map_or("", |pending| &pending.round.nonce),
        );
    Ok(Outcome::Data(Response::of(data.finish())))
}

/// How far the verification is.
fn verification(pending: &Pending, complete: bool) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        nonce: &'a str,
        started: bool,
        t: u8,
        n: u8,
        progress: usize,
        complete: bool,
    }
    let config = &pending.record.config;
    Outcome::data(&Shape {
        nonce: &pending.round.nonce,
        started: true,
        t: config.threshold,
        n: config.shares,
        progress: pending.round.progress(),
        complete,
    })
}

async fn verify_status(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (services, _) = prepared(engine, &call).await?;
    let found = load::<Purpose>(services.barrier(), PLACE, call.now).await?;
    let pending = found
        .as_ref()
        .and_then(|found| found.attempt.purpose.pending.as_ref());
    verification(
        pending.ok_or_else(|| Fault::invalid(NO_VERIFICATION))?,
        false,
    )
}

/// The new shares, once: with enough of them the new seal is in force.
async fn verify(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (services, seal) = prepared(engine, &call).await?;
    let table: Table<'_, Purpose> = Table {
        services: &services,
        place: PLACE,
        idle: NO_VERIFICATION,
        config: |attempt, _| Some(attempt.purpose.pending.as_ref()?.record.config.clone()),
        lock: |attempt, _| Some(lock_of(&attempt.purpose.pending.as_ref()?.record)),
        round: |attempt| Some(&mut attempt.purpose.pending.as_mut()?.round),
    };
    let idle = || Fault::invalid(NO_VERIFICATION);
    match table.give(call.body, call.now).await? {
        Given::More(attempt) => {
            verification(attempt.purpose.pending.as_ref().ok_or_else(idle)?, false)
        }
        Given::Complete { root, attempt } => {
            let pending = attempt.purpose.pending.as_ref().ok_or_else(idle)?;
            if pending.record.generation != seal.record.generation {
                return Err(changed_meanwhile(Error::SealChanged));
            }
            let (whose, backup) = (Whose::of(&call), pending.backup.as_ref());
            in_force(&services, whose, &root, &pending.record, &seal, backup).await?;
            tracing::warn!("root key and shares are new, and were verified");
            verification(pending, true)
        }
    }
}

/// Forgets the new shares given so far; the new seal still waits.
async fn verify_reset(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (services, _) = prepared(engine, &call).await?;
    let found = load::<Purpose>(services.barrier(), PLACE, call.now).await?;
    let mut found = found.ok_or_else(|| Fault::invalid(NO_VERIFICATION))?;
    let pending = found.attempt.purpose.pending.as_mut();
    let pending = pending.ok_or_else(|| Fault::invalid(NO_VERIFICATION))?;
    pending.round = Round::fresh();
    let outcome = verification(pending, false)?;
    if store(
        services.barrier(),
        PLACE,
        Some(found.revision),
        Some(&found.attempt),
    )
    .await?
    {
        Ok(outcome)
    } else {
        Err(Fault::unavailable(
            "somebody gave a share at the same moment; try again",
            "lost a contest",
        ))
    }
}
