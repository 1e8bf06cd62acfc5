//! `sys/capabilities`: what a token may do on paths.

use super::System;
use crate::fault::Fault;
use crate::json::Data;
use crate::json::field::Words;
use crate::outcome::{Outcome, Response};
use crate::path::Path;
use crate::policy::Acl;
use crate::request::Call;
use cofferdam_secret::Secret;
use serde::Deserialize;

/// More paths than this in one request are refused.
const MOST_PATHS: usize = 1000;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    token: Option<Secret<String>>,
    accessor: Option<String>,
    path: Words,
    paths: Words,
}

pub(super) async fn of_self(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let acl = super::internal::acl(engine, &call).await?;
    answer(&wanted, &acl)
}

pub(super) async fn of_token(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let token = wanted
        .token
        .as_ref()
        .ok_or_else(|| Fault::invalid("no token found"))?;
    let entry = engine.services()?.tokens.lookup(call.now, token).await?;
    let entry = entry.ok_or_else(|| Fault::invalid("invalid token"))?;
    let acl = engine.services()?.registry.fresh().await?.acl(&entry);
    answer(&wanted, &acl)
}

pub(super) async fn of_accessor(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let accessor = wanted.accessor.as_deref().unwrap_or_default();
    let entry = engine
        .services()?
        .tokens
        .by_accessor(call.now, accessor)
        .await?;
    let entry = entry.ok_or_else(|| Fault::invalid("invalid accessor"))?;
    let acl = engine.services()?.registry.fresh().await?.acl(&entry);
    answer(&wanted, &acl)
}

fn answer(wanted: &Wanted, acl: &Acl) -> Result<Outcome, Fault> {
    let paths = if wanted.paths.0.is_empty() {
        &wanted.path.0
    } else {
        &wanted.paths.0
    };
    if paths.is_empty() || paths.len() > MOST_PATHS {
        return Err(Fault::invalid("paths: name from 1 to 1000 of them"));
    }
    let mut object = Data::object();
    for text in paths {
        let path = Path::parse(text.trim_start_matches('/'))
            .map_err(|error| Fault::invalid(error.to_string()))?;
        object = object
            .value(text, &acl.capabilities(&path).names())
            .map_err(Fault::internal)?;
        if paths.len() == 1 {
            object = object
                .value("capabilities", &acl.capabilities(&path).names())
                .map_err(Fault::internal)?;
        }
    }
    Ok(Outcome::Data(Response::of(object.finish())))
}
