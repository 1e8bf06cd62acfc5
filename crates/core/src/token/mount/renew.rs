//! `renew`, `renew-self`, `renew-accessor`: the binding to the auth method is checked again each time.

use super::create::ROLE;
use super::handles::ByAccessor;
use super::{Tokens, named_token, role};
use crate::engine::Asking;
use crate::fault::Fault;
use crate::json::field::Ttl;
use crate::outcome::{Login, Outcome};
use crate::pipeline::limits;
use crate::request::{Call, Caller};
use crate::token::lifetime::{Limits, grant};
use crate::token::{Entry, Issued};
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Wanted {
    token: Option<Secret<String>>,
    increment: Ttl,
}

pub(super) async fn renew_self(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    match call.caller {
        Caller::Token(entry) => {
            extend(
                engine,
                &call,
                entry,
                wanted.increment,
                call.presented.map(Secret::duplicate),
            )
            .await
        }
        Caller::Local { .. } => Err(Fault::invalid("the local admin has no token to renew")),
        Caller::Anonymous => Err(Fault::denied()),
    }
}

pub(super) async fn renew(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let token = wanted
        .token
        .filter(|token| !token.is_empty())
        .ok_or_else(|| Fault::invalid("missing token ID"))?;
    let entry = named_token(&engine.services()?.tokens, &call, &token).await?;
    extend(engine, &call, &entry, wanted.increment, Some(token)).await
}

pub(super) async fn renew_accessor(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let services = engine.services()?;
    let entry = call
        .body
        .parse::<ByAccessor>()?
        .find(&services.tokens, &call)
        .await?;
    extend(engine, &call, &entry, wanted.increment, None).await
}

async fn extend(
    engine: &Tokens,
    call: &Call<'_>,
    entry: &Entry,
    increment: Ttl,
    token: Option<Secret<String>>,
) -> Result<Outcome, Fault> {
    if entry.is_batch() {
        return Err(Fault::invalid("batch tokens cannot be renewed"));
    }
    if !entry.renewable || entry.expires.is_none() {
        return Err(Fault::invalid("lease is not renewable"));
    }
    let services = engine.services()?;
    let asked = (!increment.is_zero()).then_some(increment.0);
    let rules = Limits {
        asked,
        ..rules(&services, call, entry).await?
    };
    let granted = grant(call.now, entry.created, &rules);
    if granted.ttl.is_zero() {
        return Err(Fault::invalid(
            "the token has reached its maximum TTL and cannot be renewed",
        ));
    }
    let live = services
        .tokens
        .extend(call.now, &entry.hash, Some(granted.end))
        .await?;
    let issued = Issued {
        token,
        made: false,
        entry: live,
        lease: granted.ttl.as_secs(),
    };
    Ok(Outcome::Auth(Box::new(issued), granted.warnings))
}

/// The limits that hold now: of the auth method that made the token, asked afresh, or of this mount.
async fn rules(
    services: &crate::vault::Services,
    call: &Call<'_>,
    entry: &Entry,
) -> Result<Limits, Fault> {
    let own = Login {
        // A renewal that asks for nothing gives what the token began with, never the mount's
        // default: that would make a month of ten minutes.
        ttl: seconds(entry.creation_ttl),
        period: seconds(entry.period),
        explicit_max_ttl: seconds(entry.explicit_max_ttl),
        ..Login::default()
    };
    if entry.mount == call.mount.path {
        return Ok(limits(call.mount, &by_role(call, entry, own).await?));
    }
    let tables = services.registry.fresh().await?;
    let gone = || Fault::invalid("the auth method that issued the token is gone; log in again");
    let point = tables.point(&entry.mount);
    let point = point.filter(|point| entry.is_of(&point.mount.uuid));
    let point = point.ok_or_else(gone)?;
    let engine = point.engine.as_ref().ok_or_else(gone)?;
    let asking = Asking {
        peer: call.peer,
        now: call.now,
    };
    let login = engine.renew_for(&point.view, entry, asking).await?;
    if !entry.groups.is_empty() {
        let (accessor, groups) = (&point.mount.accessor, &entry.groups);
        let renewed = services
            .identity
            .renewed(&entry.entity_id, accessor, groups);
        renewed.await?;
    }
    Ok(limits(
        &point.mount,
        &Login {
            explicit_max_ttl: own.explicit_max_ttl,
            ..login
        },
    ))
}

/// A token that a role made follows the role as it is now, and ends without it.
async fn by_role(call: &Call<'_>, entry: &Entry, own: Login) -> Result<Login, Fault> {
    let Some(name) = entry.binding.get(ROLE) else {
        return Ok(own);
    };
    let found = role::load(call.view, name).await?;
    let role = found
        .ok_or_else(|| {
            Fault::invalid("the role of this token does not exist any more, not renewing")
        })?
        .role;
    Ok(Login {
        period: seconds(role.period),
        ..own
    })
}

fn seconds(count: u64) -> Option<Duration> {
    (count > 0).then(|| Duration::from_secs(count))
}
