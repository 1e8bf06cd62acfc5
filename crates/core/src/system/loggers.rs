//! `sys/loggers`: how much the log says, changed while the server runs.

use super::System;
use crate::engine::Route;
use crate::fault::Fault;
use crate::host::Level;
use crate::operation::Verb::{Delete, Read, Write};
use crate::outcome::Outcome;
use crate::request::Call;
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) const ALL: Route<System> = Route::new(
    "loggers",
    &[
        (Read, |e, c| Box::pin(read(e, c))),
        (Write, |e, c| Box::pin(write(e, c))),
        (Delete, |e, c| Box::pin(revert(e, c))),
    ],
)
.takes::<Wanted>();
pub(super) const ONE: Route<System> = Route::new(
    "loggers/:name",
    &[
        (Read, |e, c| Box::pin(read(e, c))),
        (Write, |e, c| Box::pin(write(e, c))),
        (Delete, |e, c| Box::pin(revert(e, c))),
    ],
)
.takes::<Wanted>();

/// The logger that is asked for; `None` for all of them.
fn asked<'a>(call: &'a Call<'_>) -> Option<&'a str> {
    Some(call.capture("name")).filter(|name| !name.is_empty())
}

fn no_logger<E>(_: E) -> Fault {
    Fault::invalid("no logger has this name; list them with: cofferdam read sys/loggers")
}

async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let asked = asked(&call);
    let loggers = engine.services()?.host.loggers();
    let shown: BTreeMap<_, _> = loggers
        .into_iter()
        .filter(|(name, _)| asked.is_none_or(|asked| asked == *name))
        .map(|(name, level)| (name, level.as_str()))
        .collect();
    Outcome::data(&shown)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    level: String,
}

async fn write(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    if wanted.level.is_empty() {
        return Err(Fault::invalid("level is required"));
    }
    let level = Level::parse(&wanted.level).ok_or_else(|| {
        Fault::invalid("invalid level provided: expected trace, debug, info, warn or error")
    })?;
    let host = &engine.services()?.host;
    host.set_level(asked(&call), Some(level))
        .map_err(no_logger)?;
    tracing::info!(
        logger = asked(&call),
        level = level.as_str(),
        "a log level was changed"
    );
    Ok(Outcome::Done)
}

async fn revert(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let host = &engine.services()?.host;
    host.set_level(asked(&call), None).map_err(no_logger)?;
    tracing::info!(logger = asked(&call), "a log level was reverted");
    Ok(Outcome::Done)
}
