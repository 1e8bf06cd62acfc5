//! `sys/seal`, `sys/key-status` and `sys/rotate`.

use super::System;
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::request::Call;
use serde::Serialize;

/// Seals when this request is answered: its audit record still needs the keys.
pub(super) async fn seal(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    engine.services()?.request_seal();
    Ok(Outcome::Done)
}

pub(super) async fn key_status(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape {
        term: u32,
    }
    Outcome::data(&Shape {
        term: engine.services()?.barrier().term()?.0,
    })
}

pub(super) async fn rotate(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    let term = engine.services()?.barrier().rotate().await?;
    tracing::info!(term = term.0, "the barrier encrypts with a new key");
    Ok(Outcome::Done)
}
