//! `revoke`, `revoke-self`, `revoke-accessor`, `revoke-orphan` and `tidy`.

use super::handles::{ByAccessor, ByToken};
use super::{Tokens, named_token};
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::request::{Call, Caller};
use crate::token::Entry;

pub(super) async fn revoke_self(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    match call.caller {
        Caller::Token(entry) => {
            stored(entry)?;
            engine.services()?.tokens.revoke(&entry.hash).await?;
        }
        Caller::Local { .. } => {
            return Err(Fault::invalid("the local admin has no token to revoke"));
        }
        Caller::Anonymous => return Err(Fault::denied()),
    }
    Ok(Outcome::Done)
}

pub(super) async fn revoke(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let token = call.body.parse::<ByToken>()?.required()?;
    let services = engine.services()?;
    // A token that is not there is revoked, as in Vault: clients revoke again after a lost answer.
    if let Some(entry) = services.tokens.lookup(call.now, &token).await? {
        stored(&entry)?;
        services.tokens.revoke(&entry.hash).await?;
    }
    Ok(Outcome::Done)
}

/// What is stored nowhere cannot be taken away.
fn stored(entry: &Entry) -> Result<(), Fault> {
    if entry.is_batch() {
        return Err(Fault::invalid("batch tokens cannot be revoked"));
    }
    Ok(())
}

pub(super) async fn revoke_accessor(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let entry = call
        .body
        .parse::<ByAccessor>()?
        .find(&services.tokens, &call)
        .await?;
    services.tokens.revoke(&entry.hash).await?;
    Ok(Outcome::Done)
}

pub(super) async fn revoke_orphan(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let token = call.body.parse::<ByToken>()?.required()?;
    let services = engine.services()?;
    let entry = named_token(&services.tokens, &call, &token).await?;
    stored(&entry)?;
    services.tokens.revoke_orphaning(&entry.hash).await?;
    Ok(Outcome::Done)
}

/// Ends at once what the background sweep would end in its turn.
pub(super) async fn tidy(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    engine
        .services()?
        .tokens
        .sweep(call.now, usize::MAX)
        .await?;
    Ok(Outcome::Done)
}
