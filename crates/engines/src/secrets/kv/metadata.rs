//! `metadata/PATH`: settings and history of a secret, its removal, and the names below a path.

use super::config::{self, Config};
use super::custom;
use super::data::{number, shown_custom};
use super::record::{Last, Metadata, Version};
use super::storage::{self, Stored};
use super::{Kv, elsewhere, scan};
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::fields::Kind;
use cofferdam_core::json::Data;
use cofferdam_core::json::field::{Count, Flag, Ttl, duration_text};
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const ROUTE: Route<Kv> = Route::new(
    "metadata/*path",
    &[
        (Verb::Read, read),
        (Verb::Write, write),
        (Verb::Patch, patch),
        (Verb::Delete, delete),
        (Verb::List, list),
        (Verb::Scan, scan::metadata),
    ],
)
.takes::<Change>()
.takes_each(&[("custom_metadata", Kind::Object)])
.asks(&["after", "limit"])
.creating(exists);

fn exists<'a>(_: &'a Kv, call: &'a Call<'a>) -> Pending<'a, bool> {
    Box::pin(async move {
        Ok(storage::load(call.view, call.capture("path"))
            .await?
            .is_some())
    })
}

/// A secret as answers show it.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    cas_required: bool,
    created_time: String,
    current_metadata_version: u64,
    current_version: u64,
    custom_metadata: Option<&'a BTreeMap<String, String>>,
    delete_version_after: String,
    max_versions: u32,
    metadata_cas_required: bool,
    oldest_version: u64,
    updated_time: String,
    versions: Versions<'a>,
}

struct Versions<'a>(&'a Metadata);

#[derive(Serialize)]
struct ShownVersion {
    created_time: String,
    deletion_time: String,
    destroyed: bool,
}

impl From<&Version> for ShownVersion {
    fn from(version: &Version) -> Self {
        Self {
            created_time: version.created.rfc3339(),
            deletion_time: version.deleted.map(Time::rfc3339).unwrap_or_default(),
            destroyed: version.destroyed,
        }
    }
}

impl Serialize for Versions<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(
            self.0
                .versions()
                .map(|(number, version)| (number.to_string(), ShownVersion::from(version))),
        )
    }
}

impl<'a> From<&'a Metadata> for Shown<'a> {
    fn from(meta: &'a Metadata) -> Self {
        Self {
            cas_required: meta.cas_required,
            created_time: meta.created.rfc3339(),
            current_metadata_version: meta.revision,
            current_version: meta.current,
            custom_metadata: shown_custom(meta),
            delete_version_after: duration_text(Duration::from_secs(meta.delete_version_after)),
            max_versions: meta.max_versions,
            metadata_cas_required: meta.metadata_cas_required,
            oldest_version: meta.oldest,
            updated_time: meta.updated.rfc3339(),
            versions: Versions(meta),
        }
    }
}

fn read<'a>(_: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let path = call.capture("path");
        if path.is_empty() {
            return elsewhere::root();
        }
        let stored = storage::load(call.view, path)
            .await?
            .ok_or_else(Fault::missing)?;
        Outcome::data(&Shown::from(&stored.meta))
    })
}

/// The settings a write or patch names.
#[derive(Deserialize)]
pub(super) struct Change {
    max_versions: Option<Count>,
    cas_required: Option<Flag>,
    metadata_cas_required: Option<Flag>,
    delete_version_after: Option<Ttl>,
    metadata_cas: Option<Count>,
}

/// Fields that change something.
const SETTINGS: [&str; 5] = [
    "max_versions",
    "cas_required",
    "metadata_cas_required",
    "delete_version_after",
    "custom_metadata",
];

/// Names of a body's settings that are `null`: a patch sets those back.
fn nulls<'a>(call: &'a Call<'_>) -> impl Iterator<Item = &'static str> + 'a {
    SETTINGS.into_iter().filter(|name| {
        call.body
            .raw(name)
            .is_some_and(cofferdam_core::json::Raw::is_null)
    })
}

impl Change {
    pub(super) fn apply(&self, meta: &mut Metadata) -> Result<(), Fault> {
        if let Some(count) = self.max_versions {
            meta.max_versions = config::max_versions(count)?;
        }
        if let Some(Flag(required)) = self.cas_required {
            meta.cas_required = required;
        }
        if let Some(Flag(required)) = self.metadata_cas_required {
            meta.metadata_cas_required = required;
        }
        if let Some(after) = self.delete_version_after {
            meta.delete_version_after = after.seconds();
        }
        Ok(())
    }

    fn check_cas(&self, stored: Option<&Stored>, config: &Config) -> Result<(), Fault> {
        let required = config.metadata_cas_required
            || stored.is_some_and(|stored| stored.meta.metadata_cas_required);
        match (self.metadata_cas, stored) {
            (None, _) if required => Err(Fault::invalid(
                "metadata check-and-set parameter required for this call",
            )),
            (None, _) => Ok(()),
            (Some(Count(0)), None) => Ok(()),
            (Some(_), None) => Err(Fault::invalid(
                "metadata_cas must be 0 when creating new metadata",
            )),
            (Some(Count(number)), Some(stored)) if number == stored.meta.revision => Ok(()),
            (Some(_), Some(_)) => Err(Fault::invalid(
                "metadata check-and-set parameter does not match the current version",
            )),
        }
    }

    /// A switch that the mount overrules is worth a word.
    fn warnings(&self, config: &Config) -> Vec<String> {
        let overruled = [
            ("cas_required", self.cas_required, config.cas_required),
            (
                "metadata_cas_required",
                self.metadata_cas_required,
                config.metadata_cas_required,
            ),
        ];
        let overruled = overruled
            .into_iter()
            .filter(|(_, asked, mandated)| *mandated && *asked == Some(Flag(false)));
        overruled
            .map(|(name, ..)| {
                format!("\"{name}\" set to false, but is mandated by backend config. This value will be ignored.")
            })
            .collect()
    }
}

fn settings_in(call: &Call<'_>) -> bool {
    SETTINGS
        .into_iter()
        .any(|name| call.body.raw(name).is_some())
}

fn write<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let path = call.capture("path");
        if path.is_empty() {
            return elsewhere::root();
        }
        let change: Change = call.body.parse()?;
        let custom = call
            .body
            .raw("custom_metadata")
            .map(custom::Change::of_write)
            .transpose()?;
        if !settings_in(&call) {
            return Ok(Outcome::Done);
        }
        let mut contest = kv.contests.enter(call.view.prefix(), path);
        loop {
            let stored = storage::load(call.view, path).await?;
            let config = Config::load(call.view).await?;
            change.check_cas(stored.as_ref(), &config)?;
            let revision = stored.as_ref().map(|stored| stored.revision);
            let mut meta = match stored {
                Some(stored) => stored.meta,
                None => Metadata::new(call.now)?,
            };
            change.apply(&mut meta)?;
            if let Some(custom) = &custom {
                meta.custom = custom.replacing();
            }
            if save(&call, meta, revision, Last::MetadataWrite).await? {
                return Ok(finished(change.warnings(&config)));
            }
            contest.lost().await?;
        }
    })
}

fn patch<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let path = call.capture("path");
        if path.is_empty() {
            return elsewhere::root();
        }
        let change: Change = call.body.parse()?;
        let custom = call
            .body
            .raw("custom_metadata")
            .map(custom::Change::of_patch)
            .transpose()?;
        if !settings_in(&call) {
            return Ok(Outcome::Done);
        }
        let mut contest = kv.contests.enter(call.view.prefix(), path);
        loop {
            let stored = storage::load(call.view, path)
                .await?
                .ok_or_else(Fault::missing)?;
            let config = Config::load(call.view).await?;
            change.check_cas(Some(&stored), &config)?;
            let Stored { mut meta, revision } = stored;
            change.apply(&mut meta)?;
            nulls(&call).for_each(|name| reset(&mut meta, name));
            if let Some(custom) = &custom {
                meta.custom = custom.merged(meta.custom)?;
            }
            if save(&call, meta, Some(revision), Last::MetadataPatch).await? {
                return Ok(finished(change.warnings(&config)));
            }
            contest.lost().await?;
        }
    })
}

fn reset(meta: &mut Metadata, name: &str) {
    match name {
        "max_versions" => meta.max_versions = 0,
        "cas_required" => meta.cas_required = false,
        "metadata_cas_required" => meta.metadata_cas_required = false,
        "delete_version_after" => meta.delete_version_after = 0,
        _ => meta.custom.clear(),
    }
}

/// Commits changed settings; whether nobody was faster.
async fn save(
    call: &Call<'_>,
    mut meta: Metadata,
    revision: Option<cofferdam_core::engine::Revision>,
    last: Last,
) -> Result<bool, Fault> {
    meta.last = last;
    meta.revision += 1;
    meta.updated = call.now;
    let path = call.capture("path");
    let batch = storage::put_record(storage::compare(call.view, path, revision), path, &meta)?;
    Ok(storage::won(call.view.commit(batch).await?))
}

fn finished(warnings: Vec<String>) -> Outcome {
    if warnings.is_empty() {
        return Outcome::Done;
    }
    let data = Data::from_raw(Secret::new(b"null".to_vec()));
    Outcome::Data(Response::of(data).warning(warnings))
}

fn delete<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let path = call.capture("path");
        if path.is_empty() {
            return elsewhere::root();
        }
        let mut contest = kv.contests.enter(call.view.prefix(), path);
        while let Some(stored) = storage::load(call.view, path).await? {
            let batch = storage::compare(call.view, path, Some(stored.revision))
                .delete(storage::record_key(path));
            let (batch, _) = storage::discard(
                batch,
                &stored.meta,
                stored.meta.first()..=stored.meta.current,
            );
            if storage::won(call.view.commit(batch).await?) {
                break;
            }
            contest.lost().await?;
        }
        // Also what an earlier process left when it crashed.
        storage::sweep(call.view).await?;
        Ok(Outcome::Done)
    })
}

fn list<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let part = |name| call.query.get(name).is_some_and(|value| !value.is_empty());
        if !part("after") && !part("limit") {
            return kv.listings.whole(call.view, call.capture("path")).await;
        }
        let mut below = storage::record_key(call.capture("path"));
        if !call.capture("path").is_empty() {
            below.push('/');
        }
        let after = call.query.get("after").filter(|name| !name.is_empty());
        let limit = usize::try_from(number(call.query, "limit")?)
            .ok()
            .filter(|limit| *limit > 0);
        let names = call
            .view
            .list(&below, after, limit.unwrap_or(usize::MAX))
            .await?
            .names;
        Outcome::keys(&names)
    })
}
