//! Authorize: the caller's policies against exactly the path that will be routed. This is the only
//! room that makes an [`Authorized`].

use super::Refused;
use super::authenticate::{Authenticated, Place};
use super::facts::Facts;
use crate::engine::Access;
use crate::fault::Fault;
use crate::operation::{Operation, Verb};
use crate::path::Path;
use crate::policy::{Acl, Verdict};
use crate::request::{Call, Caller};
use std::sync::Arc;

/// A request that may be carried out. Private fields: nobody else can make one.
pub(super) struct Authorized {
    facts: Box<Facts>,
    place: Place,
    last_use: bool,
}

impl Authorized {
    pub(super) const fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    pub(super) const fn last_use(&self) -> bool {
        self.last_use
    }

    pub(super) fn into_facts(self) -> Box<Facts> {
        self.facts
    }
}

pub(super) async fn authorize(authenticated: Authenticated) -> Result<Authorized, Refused> {
    let Authenticated {
        mut facts,
        path,
        spelled,
        tables,
        place,
        last_use,
    } = authenticated;
    let acl = match &facts.caller {
        Caller::Token(entry) => Some(tables.acl(entry)),
        Caller::Local { .. } => Some(Arc::new(Acl::root())),
        Caller::Anonymous => None,
    };
    let place = match place {
        Ok(place) => place,
        // Somebody who may not use the path does not learn whether it is served.
        Err(fault) => {
            let allowed = acl.is_some_and(|acl| {
                decide(&acl, &path, &facts, facts.operation, Access::Token).is_ok()
            });
            let fault = if allowed { fault } else { Fault::denied() };
            return Err(Refused { facts, fault });
        }
    };
    if facts.verb == Verb::Write {
        match operation(&facts, &place).await {
            Ok(operation) => facts.operation = operation,
            Err(fault) => return Err(Refused { facts, fault }),
        }
    }
    let acl = acl.filter(|_| place.profile.access != Access::Known);
    let decided = acl.map_or(Ok(()), |acl| {
        // A rule that denies just this spelling means the request, though another one is served.
        if spelled.is_some_and(|spelled| acl.denies(&spelled)) {
            return Err(Fault::denied().noting("the spelling of the path is denied"));
        }
        decide(&acl, &path, &facts, facts.operation, place.profile.access)
    });
    match decided {
        Ok(()) => Ok(Authorized {
            facts,
            place,
            last_use,
        }),
        Err(fault) => Err(Refused { facts, fault }),
    }
}

/// Create or update: asked of the engine, which only looks whether the thing is there.
async fn operation(facts: &Facts, place: &Place) -> Result<Operation, Fault> {
    let Some(engine) = place
        .point
        .engine
        .as_ref()
        .filter(|_| place.profile.creates)
    else {
        return Ok(Operation::Update);
    };
    let mut call = call(facts, place, Operation::Read);
    Ok(if engine.exists(place.profile, &mut call).await? {
        Operation::Update
    } else {
        Operation::Create
    })
}

/// The call an engine sees.
pub(super) fn call<'a>(facts: &'a Facts, place: &'a Place, operation: Operation) -> Call<'a> {
    Call {
        operation,
        path: &place.relative,
        captures: crate::request::Captures::default(),
        body: &facts.body,
        query: &facts.query,
        caller: &facts.caller,
        presented: facts.token.as_ref(),
        peer: &facts.peer,
        mount: &place.point.mount,
        view: &place.point.view,
        now: facts.now,
        steady: facts.steady,
        wraps: facts.wrap_ttl.is_some(),
    }
}

fn decide(
    acl: &Acl,
    path: &Path,
    facts: &Facts,
    operation: Operation,
    access: Access,
) -> Result<(), Fault> {
    match acl.allows(path, operation, &facts.parameters()) {
        Verdict::Allowed { sudo } if sudo || access != Access::Sudo => Ok(()),
        Verdict::Allowed { .. } => Err(Fault::denied().noting("the path needs sudo")),
        Verdict::Denied { nearest } => Err(Fault::denied().noting(format!(
            "{} on {} is not allowed; nearest rule: {}",
            operation.as_str(),
            facts.path,
            nearest.as_deref().unwrap_or("none")
        ))),
    }
}
