//! `sys/audit`: the audit devices, the hash of a value, and what `audit verify` needs.

use super::System;
use crate::devices::Row;
use crate::fault::Fault;
use crate::json::Data;
use crate::json::field::{Flag, Pairs};
use crate::outcome::{Outcome, Response};
use crate::path::Name;
use crate::request::Call;
use base64::Engine as _;
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) async fn list(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shown<'a> {
        description: &'a str,
        local: bool,
        options: &'a BTreeMap<String, String>,
        path: String,
        r#type: &'a str,
    }
    let services = engine.services()?;
    let rows = services.audit.rows(services.barrier()).await?;
    let shown: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let path = format!("{}/", row.path);
            (
                path.clone(),
                Shown {
                    description: &row.description,
                    local: row.local,
                    options: &row.options,
                    path,
                    r#type: &row.kind,
                },
            )
        })
        .collect();
    Outcome::data(&shown)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    r#type: String,
    description: String,
    options: Pairs,
    local: Flag,
}

fn name(call: &Call<'_>) -> Result<String, Fault> {
    let name = Name::parse(call.capture("path"));
    Ok(name
        .map_err(|_| Fault::invalid("an audit path has letters, digits, '-', '_' and '.' only"))?
        .as_str()
        .to_owned())
}

pub(super) async fn enable(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let services = engine.services()?;
    let row = Row {
        path: name(&call)?,
        kind: wanted.r#type,
        description: super::tune::description(wanted.description)?,
        options: wanted.options.0,
        local: wanted.local.0,
        uuid: uuid::Uuid::new_v4().to_string(),
    };
    services.audit.enable(services.barrier(), &row).await?;
    Ok(Outcome::Done)
}

pub(super) async fn disable(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    services
        .audit
        .disable(services.barrier(), &name(&call)?)
        .await?;
    Ok(Outcome::Done)
}

#[derive(Deserialize)]
pub(super) struct Input {
    input: Option<Secret<String>>,
}

pub(super) async fn hash(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let path = name(&call)?;
    if !services
        .audit
        .rows(services.barrier())
        .await?
        .iter()
        .any(|row| row.path == path)
    {
        return Err(Fault::invalid("no audit device at this path"));
    }
    let input = call
        .body
        .parse::<Input>()?
        .input
        .ok_or_else(|| Fault::invalid("the \"input\" parameter is empty"))?;
    let hash = services.audit.salt().hash_value(input.expose().as_bytes());
    Ok(Outcome::Data(Response::of(
        Data::object().text("hash", hash.as_str()).finish(),
    )))
}

/// The chain key and the end of the chain, for whoever may verify. An extension of Vault's API.
pub(super) async fn chain(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let found = services
        .audit
        .chain(services.barrier(), &name(&call)?)
        .await?;
    let (key, head) = found.ok_or_else(|| Fault::invalid("no audit device at this path"))?;
    let key = Secret::new(base64::engine::general_purpose::STANDARD.encode(key.expose()));
    let seq = i64::try_from(head.seq).map_err(Fault::internal)?;
    let data = Data::object()
        .text("key", key.expose())
        .number("seq", seq)
        .text("mac", &hex::encode(head.mac))
        .text("head", &head.to_string());
    Ok(Outcome::Data(Response::of(data.finish())))
}
