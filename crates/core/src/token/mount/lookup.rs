//! `lookup`, `lookup-self`, `lookup-accessor` and the list of accessors.

use super::handles::{ByAccessor, ByToken};
use super::{Tokens, named_token};
use crate::clock::Time;
use crate::fault::Fault;
use crate::json::Data;
use crate::outcome::{Outcome, Response};
use crate::request::{Call, Caller};
use crate::token::Entry;
use cofferdam_secret::Secret;
use serde::Serialize;
use std::collections::BTreeMap;

pub(super) async fn lookup_self(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let _ = engine;
    match call.caller {
        Caller::Token(entry) => describe(entry, call.presented, call.now),
        Caller::Local { uid } => local(*uid, call.now),
        Caller::Anonymous => Err(Fault::denied()),
    }
}

pub(super) async fn lookup(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let token = call.body.parse::<ByToken>()?.required()?;
    let services = engine.services()?;
    let entry = named_token(&services.tokens, &call, &token).await?;
    describe(&entry, Some(&token), call.now)
}

pub(super) async fn lookup_accessor(engine: &Tokens, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let entry = call
        .body
        .parse::<ByAccessor>()?
        .find(&services.tokens, &call)
        .await?;
    describe(&entry, None, call.now)
}

pub(super) async fn accessors(engine: &Tokens, _call: Call<'_>) -> Result<Outcome, Fault> {
    let keys = engine.services()?.tokens.accessors().await?;
    Outcome::keys(&keys)
}

/// What Vault shows of a token, field by field.
#[derive(Serialize)]
struct Shape<'a> {
    accessor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_cidrs: Option<&'a [ipnet::IpNet]>,
    creation_time: u64,
    creation_ttl: u64,
    display_name: &'a str,
    entity_id: &'a str,
    expire_time: Option<String>,
    explicit_max_ttl: u64,
    /// Shown where there are policies of an entity; there is one namespace, so always empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_namespace_policies: Option<BTreeMap<String, Vec<String>>>,
    id: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    identity_policies: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    issue_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_renewal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_renewal_time: Option<u64>,
    meta: Option<&'a BTreeMap<String, String>>,
    num_uses: u32,
    orphan: bool,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u64>,
    policies: &'a [String],
    renewable: bool,
    ttl: u64,
    r#type: &'static str,
}

fn describe(entry: &Entry, token: Option<&Secret<String>>, now: Time) -> Result<Outcome, Fault> {
    let shape = Shape {
        accessor: &entry.accessor,
        bound_cidrs: (!entry.bound_cidrs.is_empty()).then_some(&entry.bound_cidrs),
        creation_time: entry.created.seconds(),
        creation_ttl: entry.creation_ttl,
        display_name: &entry.display_name,
        entity_id: &entry.entity_id,
        expire_time: entry.expires.map(Time::rfc3339),
        explicit_max_ttl: entry.explicit_max_ttl,
        external_namespace_policies: (!entry.identity_policies().is_empty()).then(BTreeMap::new),
        id: token.map_or("", |token| token.expose()),
        identity_policies: entry.identity_policies(),
        issue_time: entry.expires.map(|_| entry.created.rfc3339()),
        last_renewal: entry.renewed.map(Time::rfc3339),
        last_renewal_time: entry.renewed.map(Time::seconds),
        meta: (!entry.metadata.is_empty()).then_some(&entry.metadata),
        num_uses: entry.uses_left.unwrap_or(0),
        orphan: entry.parent.is_none(),
        path: &entry.path,
        period: (entry.period > 0).then_some(entry.period),
        policies: &entry.policies,
        renewable: entry.renewable,
        ttl: entry.ttl(now).map_or(0, |ttl| ttl.as_secs()),
        r#type: entry.kind(),
    };
    Ok(Outcome::Data(Response::of(
        Data::of(&shape).map_err(Fault::internal)?,
    )))
}

/// The local admin holds no token: what would be one is described.
fn local(uid: u32, now: Time) -> Result<Outcome, Fault> {
    let policies = ["root".to_owned()];
    let display_name = format!("local-uid-{uid}");
    let shape = Shape {
        accessor: "",
        bound_cidrs: None,
        creation_time: now.seconds(),
        creation_ttl: 0,
        display_name: &display_name,
        entity_id: "",
        expire_time: None,
        explicit_max_ttl: 0,
        external_namespace_policies: None,
        id: "",
        identity_policies: &[],
        issue_time: None,
        last_renewal: None,
        last_renewal_time: None,
        meta: None,
        num_uses: 0,
        orphan: true,
        path: "local socket",
        period: None,
        policies: &policies,
        renewable: false,
        ttl: 0,
        r#type: "local",
    };
    Ok(Outcome::Data(Response::of(
        Data::of(&shape).map_err(Fault::internal)?,
    )))
}
