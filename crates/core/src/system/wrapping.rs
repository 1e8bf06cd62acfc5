//! `sys/wrapping`: replies that only one holder of a token can open, once.

use super::System;
use crate::fault::Fault;
use crate::json::Data;
use crate::outcome::{Outcome, Response};
use crate::request::{Call, Caller};
use crate::token::{Entry, Purpose};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    token: Option<Secret<String>>,
}

/// Answers with what it was given; the lease stage wraps it.
pub(super) async fn wrap(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let _ = engine;
    if !call.wraps {
        return Err(Fault::invalid(
            "endpoint requires response wrapping to be used: give X-Vault-Wrap-TTL or -wrap-ttl",
        ));
    }
    Ok(Outcome::Data(Response::of(Data::from_raw(Secret::new(
        call.body.as_bytes().to_vec(),
    )))))
}

/// The wrapping token a request is about: the one in the body, else the one it came with.
async fn target(engine: &System, call: &Call<'_>) -> Result<Entry, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let found = match wanted.token.filter(|token| !token.is_empty()) {
        Some(token) => engine.services()?.tokens.lookup(call.now, &token).await?,
        None => match call.caller {
            Caller::Token(entry) => Some(entry.as_ref().clone()),
            _ => None,
        },
    };
    found
        .filter(|entry| entry.purpose == Purpose::Wrapping)
        .ok_or_else(not_valid)
}

/// The same words for a token that never was, has ended, or was opened by somebody else.
fn not_valid() -> Fault {
    tracing::warn!(
        "a wrapping token was presented that is not valid (any more): if its holder did not open it, somebody else did"
    );
    Fault::invalid("wrapping token is not valid or does not exist")
}

pub(super) async fn unwrap(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let entry = target(engine, &call).await?;
    let reply = engine
        .services()?
        .tokens
        .unwrap(call.now, &entry)
        .await?
        .ok_or_else(not_valid)?;
    Ok(Outcome::Unwrapped(Data::from_raw(reply)))
}

pub(super) async fn lookup(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        creation_path: &'a str,
        creation_time: String,
        creation_ttl: u64,
    }
    let entry = target(engine, &call).await?;
    Outcome::data(&Shape {
        creation_path: &entry.path,
        creation_time: entry.created.rfc3339(),
        creation_ttl: entry.creation_ttl,
    })
}

/// Moves the reply into a new token with a new life of the same length.
pub(super) async fn rewrap(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let entry = target(engine, &call).await?;
    let services = engine.services()?;
    let issued = services.tokens.rewrap(call.now, &entry).await?;
    Ok(Outcome::Rewrapped(Box::new(issued.ok_or_else(not_valid)?)))
}
