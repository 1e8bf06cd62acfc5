//! `config`: what a renewal asks for, and what an alias tells.

use super::Cert;
use crate::auth::role::{self, Stored, save};
use cofferdam_core::engine::{Pending, Route, View};
use cofferdam_core::json::field::{Count, Flag};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::{Deserialize, Serialize};

pub(super) const ROUTE: Route<Cert> =
    Route::new("config", &[(Verb::Read, read), (Verb::Write, write)]).takes::<Change>();

const KEY: &str = "config";

/// The settings as they are stored, and shown.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) disable_binding: bool,
    pub(super) enable_identity_alias_metadata: bool,
    /// OpenBao's, of answers that are not asked for here.
    ocsp_cache_size: u64,
}

pub(super) async fn load(view: &View) -> Result<Config, Fault> {
    let stored = role::load(view, KEY).await?;
    Ok(stored.map(|stored| stored.record).unwrap_or_default())
}

#[derive(Deserialize)]
struct Change {
    disable_binding: Option<Flag>,
    enable_identity_alias_metadata: Option<Flag>,
    ocsp_cache_size: Option<Count>,
}

fn write<'a>(method: &'a Cert, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let change: Change = call.body.parse()?;
        if change.ocsp_cache_size.is_some_and(|Count(size)| size > 0) {
            return Err(Fault::invalid(
                "not served: ocsp_cache_size: OCSP is not asked",
            ));
        }
        let mut contest = method.contests.enter(call.view.prefix(), KEY);
        loop {
            let (before, revision) = Stored::apart(role::load::<Config>(call.view, KEY).await?);
            let mut config = before.unwrap_or_default();
            if let Some(Flag(set)) = change.disable_binding {
                config.disable_binding = set;
            }
            if let Some(Flag(set)) = change.enable_identity_alias_metadata {
                config.enable_identity_alias_metadata = set;
            }
            if save(call.view, KEY, revision, &config).await? {
                return Ok(Outcome::Done);
            }
            contest.lost().await?;
        }
    })
}

fn read<'a>(_: &'a Cert, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { Outcome::data(&load(call.view).await?) })
}
