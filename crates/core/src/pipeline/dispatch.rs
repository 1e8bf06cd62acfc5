//! Dispatch: the engine at work. A panic in an engine is a failed request with its audit record, never
//! a dead process.

use super::audit::{Intended, Ticket};
use super::authorize;
use super::facts::Facts;
use crate::engine::Profile;
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::vault::Services;
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;

/// A request that was carried out, or failed in trying.
pub(super) struct Performed {
    pub(super) facts: Box<Facts>,
    pub(super) profile: Profile,
    pub(super) result: Result<Outcome, Fault>,
    pub(super) ticket: Ticket,
}

pub(super) async fn dispatch(services: &Services, intended: Intended) -> Performed {
    let (authorized, ticket) = intended.open();
    let result = perform(&authorized).await;
    let mut result = result;
    if authorized.last_use()
        && let Some(entry) = authorized.facts().caller.token()
        && let Err(fault) = services.tokens.revoke(&entry.hash).await
    {
        // The token has no uses left in any case; the sweep removes it.
        tracing::warn!(
            reason = fault.internal_text(),
            "cannot revoke a token after its last use"
        );
        result = result.and(Err(fault));
    }
    let profile = authorized.place().profile;
    Performed {
        facts: authorized.into_facts(),
        profile,
        result,
        ticket,
    }
}

async fn perform(authorized: &authorize::Authorized) -> Result<Outcome, Fault> {
    let place = authorized.place();
    let Some(engine) = &place.point.engine else {
        return Err(Fault::unsupported("unsupported path"));
    };
    let call = authorize::call(authorized.facts(), place, authorized.facts().operation);
    match AssertUnwindSafe(engine.handle(place.profile, call))
        .catch_unwind()
        .await
    {
        Ok(result) => result,
        // What a panic carries may hold a value: it is dropped unread.
        Err(_) => Err(Fault::internal(format!(
            "panic in the engine {}",
            place.point.mount.kind
        ))),
    }
}
