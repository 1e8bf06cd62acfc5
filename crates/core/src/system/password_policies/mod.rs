//! `sys/policies/password`: what generated passwords are like.
//!
//! Follows Vault's password policies. Differences, all towards refusal: a key that is none is
//! refused, since it would be a rule that is written and not kept; names are of the same characters
//! as all names here.

mod rule;

use super::System;
use crate::fault::Fault;
use crate::json::Data;
use crate::outcome::{Outcome, Response};
use crate::path::Name;
use crate::request::Call;
use base64::Engine as _;
use cofferdam_barrier::Batch;
use cofferdam_secret::Secret;
use rule::PasswordPolicy;
use serde::{Deserialize, Serialize};

const PREFIX: &str = "password-policy/";
/// Longest policy text.
const LONGEST: usize = 64 * 1024;

fn key(call: &Call<'_>) -> Result<String, Fault> {
    let name = Name::parse(call.capture("name"));
    let name = name.map_err(|_| {
        Fault::invalid("the name of a password policy has letters, digits, '-', '_' and '.' only")
    })?;
    Ok(format!("{PREFIX}{}", name.as_str()))
}

fn missing() -> Fault {
    Fault::unsupported("policy does not exist")
}

pub(super) async fn list(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let names = services.barrier().list(PREFIX, None, usize::MAX).await?;
    Outcome::keys(&names.names)
}

async fn text(engine: &System, call: &Call<'_>) -> Result<String, Fault> {
    let key = key(call)?;
    let found = engine.services()?.barrier().get(&key).await?;
    let found = found.ok_or_else(missing)?;
    String::from_utf8(found.value.expose().clone()).map_err(Fault::internal)
}

pub(super) async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape {
        policy: String,
    }
    Outcome::data(&Shape {
        policy: text(engine, &call).await?,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    policy: String,
}

pub(super) async fn write(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let key = key(&call)?;
    let Wanted { policy } = call.body.parse()?;
    if policy.is_empty() {
        return Err(Fault::invalid("missing policy"));
    }
    // Vault takes the text as it is or in base64.
    let decoded = base64::engine::general_purpose::STANDARD.decode(policy.trim());
    let decoded = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let policy = decoded.unwrap_or(policy);
    if policy.len() > LONGEST {
        return Err(Fault::too_large("field policy: at most 64 KiB"));
    }
    PasswordPolicy::parse(&policy)?;
    let batch = Batch::new().put(key, Secret::new(policy.into_bytes()));
    engine.services()?.barrier().commit(batch).await?.ignore();
    Ok(Outcome::Done)
}

pub(super) async fn delete(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let batch = Batch::new().delete(key(&call)?);
    engine.services()?.barrier().commit(batch).await?.ignore();
    Ok(Outcome::Done)
}

pub(super) async fn generate(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let policy = PasswordPolicy::parse(&text(engine, &call).await?)?;
    let password = policy.generate()?;
    let data = Data::object().text("password", password.expose()).finish();
    Ok(Outcome::Data(Response::of(data)))
}
