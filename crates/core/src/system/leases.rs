//! `sys/leases`: what was given for a time. Everything leased here is a token.
//!
//! The id of a lease is the path that made the token and the token's name in storage:
//! `auth/approle/login/h4f…`. As Vault's: a token's lease is looked up, listed and revoked here and
//! renewed only at `auth/token`. There is no index by path: listing and revoking by prefix look at every
//! token once, and need `sudo`.
//!
//! Nothing outside has to agree when a token ends, so no lease is ever irrevocable, and forced
//! revocation is the same as any other.

use super::System;
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::path::Path;
use crate::request::Call;
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// Vault's client puts it here, older ones into the path.
    lease_id: Option<Secret<String>>,
}

/// The lease that a request names.
fn named(call: &Call<'_>) -> Result<String, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let told = wanted.lease_id.filter(|id| !id.is_empty());
    let id = told.map_or_else(
        || call.capture("lease").to_owned(),
        |id| id.expose().clone(),
    );
    if id.is_empty() {
        return Err(Fault::invalid("lease_id must be specified"));
    }
    Ok(id)
}

/// The canonical form of a prefix; empty for all.
fn prefix(call: &Call<'_>) -> Result<String, Fault> {
    if call.capture("prefix").is_empty() {
        return Ok(String::new());
    }
    let path = Path::parse(call.capture("prefix"));
    let path = path.map_err(|error| Fault::invalid(error.to_string()))?;
    Ok(path.as_str().trim_end_matches('/').to_owned())
}

pub(super) async fn lookup(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        expire_time: Option<String>,
        id: &'a str,
        issue_time: String,
        last_renewal: Option<String>,
        path: &'a str,
        renewable: bool,
        ttl: u64,
    }
    let id = named(&call)?;
    let found = engine.services()?.tokens.by_lease(call.now, &id).await?;
    let entry = found.ok_or_else(|| Fault::invalid("invalid lease"))?;
    Outcome::data(&Shape {
        expire_time: entry.expires.map(crate::clock::Time::rfc3339),
        id: &id,
        issue_time: entry.created.rfc3339(),
        last_renewal: entry.renewed.map(crate::clock::Time::rfc3339),
        path: &entry.path,
        renewable: entry.renewable,
        ttl: entry.ttl(call.now).map_or(0, |ttl| ttl.as_secs()),
    })
}

pub(super) async fn list(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let names = engine.services()?.tokens.leases(&prefix(&call)?).await?;
    Outcome::keys(&names.into_iter().collect::<Vec<_>>())
}

pub(super) async fn renew(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let id = named(&call)?;
    let found = engine.services()?.tokens.by_lease(call.now, &id).await?;
    Err(Fault::invalid(match found {
        None => "lease not found",
        Some(entry) if !entry.renewable => "lease is not renewable",
        Some(_) => "tokens cannot be renewed through this endpoint",
    }))
}

/// What is not there is revoked, as in Vault: clients revoke again after a lost answer.
pub(super) async fn revoke(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    if let Some(entry) = services.tokens.by_lease(call.now, &named(&call)?).await? {
        services.tokens.revoke(&entry.hash).await?;
    }
    Ok(Outcome::Done)
}

/// Done when it is answered, whether `sync` was asked for or not.
pub(super) async fn revoke_prefix(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let prefix = prefix(&call)?;
    if prefix.is_empty() {
        return Err(Fault::unsupported("unsupported path"));
    }
    let services = engine.services()?;
    for hash in services.tokens.leased_below(&prefix).await? {
        services.tokens.revoke(&hash).await?;
    }
    Ok(Outcome::Done)
}

/// Ends at once what the background sweep would end in its turn.
pub(super) async fn tidy(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let tokens = &engine.services()?.tokens;
    tokens.sweep(call.now, usize::MAX).await?;
    Ok(Outcome::Done)
}

/// The only kind that can be asked for.
fn irrevocable(call: &Call<'_>) -> Result<(), Fault> {
    match call.query.get("type") {
        Some("irrevocable") => Ok(()),
        _ => Err(Fault::missing()),
    }
}

pub(super) async fn count(_: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Counts {}
    #[derive(Serialize)]
    struct Shape {
        counts: Counts,
        lease_count: u64,
    }
    irrevocable(&call)?;
    Outcome::data(&Shape {
        counts: Counts {},
        lease_count: 0,
    })
}

pub(super) async fn all(_: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape {
        lease_count: u64,
        leases: [(); 0],
    }
    irrevocable(&call)?;
    let limit = call.query.get("limit").unwrap_or("none");
    if limit != "none" && limit.parse::<u64>().is_err() {
        return Err(Fault::invalid("field limit: expected a number or none"));
    }
    Outcome::data(&Shape {
        lease_count: 0,
        leases: [],
    })
}
