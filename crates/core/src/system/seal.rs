//! `sys/seal`.

use super::System;
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::request::Call;

/// Seals when this request is answered: its audit record still needs the keys.
pub(super) async fn seal(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    engine.services()?.request_seal();
    Ok(Outcome::Done)
}
