//! Admit: one canonical path, a body within its budget, nothing trusted before.

use super::Refused;
use super::facts::Facts;
use super::request_id;
use crate::fault::Fault;
use crate::json::{Body, Refusal, field::Ttl};
use crate::operation::{Operation, Verb};
use crate::path::Path;
use crate::request::{Arrival, Caller, Query};
use crate::vault::Services;
use cofferdam_secret::Secret;
use std::time::Duration;

/// How much of a path that is not canonical an audit record keeps.
const SHOWN: usize = 256;

/// A request with a canonical path and a checked body.
pub(super) struct Admitted {
    pub(super) facts: Box<Facts>,
    pub(super) path: Path,
}

pub(super) fn admit(services: &Services, arrival: Arrival) -> Result<Admitted, Refused> {
    let now = services.clock.now();
    let path = Path::from_url(&arrival.path);
    let body = check(services, arrival.body);
    let wrap_ttl = arrival.wrap_ttl.as_deref().map(parse_wrap_ttl).transpose();
    let namespace = arrival
        .namespace
        .filter(|name| !matches!(name.trim_matches('/'), "" | "root"));
    let mut facts = Box::new(Facts {
        id: request_id::next(),
        now,
        steady: services.clock.steady(),
        verb: arrival.verb,
        operation: nearest(arrival.verb),
        path: String::new(),
        body: Body::empty(),
        query: Query::from(arrival.query),
        headers: arrival.headers,
        peer: arrival.peer,
        token: arrival.token,
        wrap_ttl: None,
        caller: Caller::Anonymous,
        point: None,
        role: None,
    });
    let refuse = |facts, fault| Err(Refused { facts, fault });
    let path = match path {
        Ok(path) => path,
        Err(error) => {
            facts.path = arrival.path.chars().take(SHOWN).collect();
            return refuse(
                facts,
                Fault::invalid(error.to_string()).noting(error.reason()),
            );
        }
    };
    path.as_str().clone_into(&mut facts.path);
    if path.is_directory() {
        facts.path.push('/');
    }
    match body {
        Ok(body) => facts.body = body,
        Err(fault) => return refuse(facts, fault),
    }
    match wrap_ttl {
        Ok(ttl) => facts.wrap_ttl = ttl.filter(|ttl| !ttl.is_zero()),
        Err(fault) => return refuse(facts, fault),
    }
    if namespace.is_some() {
        return refuse(
            facts,
            Fault::unsupported("namespaces are not served; leave X-Vault-Namespace away"),
        );
    }
    Ok(Admitted { facts, path })
}

fn check(services: &Services, bytes: Secret<Vec<u8>>) -> Result<Body, Fault> {
    if bytes.is_empty() {
        return Ok(Body::empty());
    }
    Body::checked(bytes, &services.budget)
        .map_err(|refusal: Refusal| Fault::invalid(refusal.to_string()))
}

fn parse_wrap_ttl(text: &str) -> Result<Duration, Fault> {
    Ttl::parse(text)
        .map(|ttl| ttl.0)
        .ok_or_else(|| Fault::invalid("X-Vault-Wrap-TTL is not a duration"))
}

const fn nearest(verb: Verb) -> Operation {
    match verb {
        Verb::Read => Operation::Read,
        Verb::Write => Operation::Update,
        Verb::Patch => Operation::Patch,
        Verb::Delete => Operation::Delete,
        Verb::List => Operation::List,
        Verb::Scan => Operation::Scan,
    }
}
