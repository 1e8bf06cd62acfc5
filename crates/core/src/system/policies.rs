//! `sys/policy` and `sys/policies/acl`: the same policies in Vault's old and new shapes.

use super::System;
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::path::Name;
use crate::policy::Policy;
use crate::request::Call;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest policy text.
const LONGEST: usize = 1 << 20;

pub(super) async fn list_old(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape {
        keys: Vec<String>,
        policies: Vec<String>,
    }
    let names = names(engine).await?;
    Outcome::data(&Shape {
        keys: names.clone(),
        policies: names,
    })
}

pub(super) async fn list(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    Outcome::keys(&names(engine).await?)
}

pub(super) async fn names(engine: &System) -> Result<Vec<String>, Fault> {
    let mut names = engine.services()?.registry.fresh().await?.policy_names();
    names.retain(|name| name != "response-wrapping");
    Ok(names)
}

pub(super) async fn read_old(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        name: &'a str,
        rules: &'a str,
    }
    let (name, text) = text(engine, &call).await?;
    Outcome::data(&Shape {
        name: &name,
        rules: &text,
    })
}

pub(super) async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        name: &'a str,
        policy: &'a str,
    }
    let (name, text) = text(engine, &call).await?;
    Outcome::data(&Shape {
        name: &name,
        policy: &text,
    })
}

async fn text(engine: &System, call: &Call<'_>) -> Result<(String, Arc<str>), Fault> {
    let name = name(call)?;
    if name == "root" {
        return Ok((name, "".into()));
    }
    let tables = engine.services()?.registry.fresh().await?;
    let (_, text) = tables.policy(&name).ok_or_else(Fault::missing)?;
    Ok((name, text.clone()))
}

/// The one spelling of a policy's name: lower case, ASCII.
fn name(call: &Call<'_>) -> Result<String, Fault> {
    if call.capture("name") == Name::ROOT {
        return Ok(Name::ROOT.to_owned());
    }
    let name = Name::policy(call.capture("name"));
    let name = name
        .map_err(|_| Fault::invalid("a policy name has letters, digits, '-', '_' and '.' only"))?;
    Ok(name.as_str().to_owned())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    policy: String,
    rules: String,
}

pub(super) async fn write(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    if matches!(name.as_str(), "root" | "response-wrapping") {
        return Err(Fault::invalid("cannot update a built-in policy"));
    }
    let wanted: Wanted = call.body.parse()?;
    let text = if wanted.policy.is_empty() {
        wanted.rules
    } else {
        wanted.policy
    };
    if text.is_empty() {
        return Err(Fault::invalid("'policy' parameter not supplied or empty"));
    }
    let text = decoded(text);
    if text.len() > LONGEST {
        return Err(Fault::too_large("field policy: at most 1 MiB"));
    }
    Policy::parse(&name, &text)
        .map_err(|error| Fault::invalid(format!("failed to parse policy: {error}")))?;
    engine
        .services()?
        .registry
        .put_policy(&name, Some(&text))
        .await?;
    Ok(Outcome::Done)
}

/// Vault takes the text as it is or in base64.
fn decoded(text: String) -> String {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or(text)
}

pub(super) async fn delete(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    if matches!(name.as_str(), "root" | "default" | "response-wrapping") {
        return Err(Fault::invalid("cannot delete a built-in policy"));
    }
    engine.services()?.registry.put_policy(&name, None).await?;
    Ok(Outcome::Done)
}
