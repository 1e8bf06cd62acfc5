//! `config`: settings of the mount.

use super::{Kv, storage};
use cofferdam_core::engine::View;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::{Count, Flag, SignedTtl, duration_text};
use cofferdam_core::json::{FieldError, Problem};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use cofferdam_secret::{Buffer, Secret};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const ROUTE: Route<Kv> =
    Route::new("config", &[(Verb::Read, read), (Verb::Write, write)]).takes::<Change>();

pub(super) const KEY: &str = "config";

/// Settings that hold for every secret of a mount.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    /// 0: not set.
    pub(super) max_versions: u32,
    pub(super) cas_required: bool,
    pub(super) metadata_cas_required: bool,
    /// Seconds; 0: not set.
    delete_version_after: u64,
    /// Deletion by time is off for every secret.
    never_delete: bool,
}

impl Config {
    /// Seconds until deletion, zero for not set; `None` when deletion by time is off.
    pub(super) fn delete_version_after(&self) -> Option<u64> {
        (!self.never_delete).then_some(self.delete_version_after)
    }

    /// The settings of the mount with this storage.
    pub(super) async fn load(view: &View) -> Result<Self, Fault> {
        match view.get(KEY).await? {
            Some(found) => serde_json::from_slice(found.value.expose()).map_err(Fault::unreadable),
            None => Ok(Self::default()),
        }
    }

    fn encode(&self) -> Result<Secret<Vec<u8>>, Fault> {
        let mut out = Buffer::default();
        serde_json::to_writer(&mut out, self).map_err(Fault::internal)?;
        Ok(out.finish())
    }
}

/// The limit as it is stored.
///
/// # Errors
/// When it is larger than Vault takes.
pub(super) fn max_versions(count: Count) -> Result<u32, Fault> {
    u32::try_from(count.0).map_err(|_| FieldError::new("max_versions", Problem::Invalid).into())
}

#[derive(Deserialize)]
struct Change {
    max_versions: Option<Count>,
    cas_required: Option<Flag>,
    metadata_cas_required: Option<Flag>,
    delete_version_after: Option<SignedTtl>,
}

#[derive(Serialize)]
struct Shown {
    cas_required: bool,
    delete_version_after: String,
    max_versions: u32,
    metadata_cas_required: bool,
}

fn read<'a>(_: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let config = Config::load(call.view).await?;
        Outcome::data(&Shown {
            cas_required: config.cas_required,
            // Vault shows "off" as this duration.
            delete_version_after: config.delete_version_after().map_or_else(
                || "-1s".to_owned(),
                |seconds| duration_text(Duration::from_secs(seconds)),
            ),
            max_versions: config.max_versions,
            metadata_cas_required: config.metadata_cas_required,
        })
    })
}

fn write<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let change: Change = call.body.parse()?;
        let mut contest = kv.contests.enter(call.view.prefix(), KEY);
        loop {
            let stored = call.view.get(KEY).await?.map(|found| found.revision);
            let mut config = Config::load(call.view).await?;
            change.apply(&mut config)?;
            let batch = call
                .view
                .batch()
                .expect(KEY, stored)
                .put(KEY, config.encode()?);
            if storage::won(call.view.commit(batch).await?) {
                return Ok(Outcome::Done);
            }
            contest.lost().await?;
        }
    })
}

impl Change {
    fn apply(&self, config: &mut Config) -> Result<(), Fault> {
        if let Some(count) = self.max_versions {
            config.max_versions = max_versions(count)?;
        }
        if let Some(Flag(required)) = self.cas_required {
            config.cas_required = required;
        }
        if let Some(Flag(required)) = self.metadata_cas_required {
            config.metadata_cas_required = required;
        }
        if let Some(span) = self.delete_version_after {
            config.never_delete = span.negative;
            config.delete_version_after = if span.negative {
                0
            } else {
                span.length.as_secs()
            };
        }
        Ok(())
    }
}
