//! `data/PATH`: reading, writing, patching and soft deletion of the newest version.

use super::config::Config;
use super::record::{Last, Metadata, Version, deletion};
use super::storage::{self, Stored};
use super::{Kv, elsewhere, merge};
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Pending, Revision, Route};
use cofferdam_core::fields::Kind;
use cofferdam_core::json::Data;
use cofferdam_core::json::{FieldError, Problem, Raw};
use cofferdam_core::{Call, Fault, Outcome, Query, Response, Verb};
use cofferdam_secret::Secret;
use serde::Serialize;
use std::collections::BTreeMap;

pub(super) const ROUTE: Route<Kv> = Route::new(
    "data/*path",
    &[
        (Verb::Read, read),
        (Verb::Write, write),
        (Verb::Patch, patch),
        (Verb::Delete, delete),
    ],
)
.takes_each(&[("data", Kind::Object), ("options", Kind::Object)])
.asks(&["version"])
.creating(exists);

/// Reads that lose a race with a writer who drops their version look again; this often at most.
const LOOKS: usize = 8;

/// A version as answers show it.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    created_time: String,
    custom_metadata: Option<&'a BTreeMap<String, String>>,
    deletion_time: String,
    destroyed: bool,
    version: u64,
}

impl<'a> Shown<'a> {
    pub(super) fn of(meta: &'a Metadata, number: u64, version: &Version) -> Self {
        Self {
            created_time: version.created.rfc3339(),
            custom_metadata: shown_custom(meta),
            deletion_time: version.deleted.map(Time::rfc3339).unwrap_or_default(),
            destroyed: version.destroyed,
            version: number,
        }
    }
}

/// Vault shows no custom metadata as null, whether it was never set or emptied.
pub(super) fn shown_custom(meta: &Metadata) -> Option<&BTreeMap<String, String>> {
    (!meta.custom.is_empty()).then_some(&meta.custom)
}

/// What a read found.
pub(super) enum Found {
    /// Data that can be read.
    Alive(Metadata, u64, Secret<Vec<u8>>, Revision),
    /// A deleted or destroyed version.
    Dead(Metadata, u64),
}

/// The version `wanted` of a secret, or its newest.
///
/// # Errors
/// [`cofferdam_core::Kind::Missing`] when there is no such secret or version.
pub(super) async fn find(call: &Call<'_>, wanted: Option<u64>) -> Result<Found, Fault> {
    for _ in 0..LOOKS {
        let stored = storage::load(call.view, call.capture("path")).await?;
        let Stored { meta, revision } = stored.ok_or_else(Fault::missing)?;
        let number = wanted.unwrap_or(meta.current);
        let version = meta.version(number).ok_or_else(Fault::missing)?;
        if !version.alive(call.now) {
            return Ok(Found::Dead(meta, number));
        }
        // None: it was dropped or destroyed after the record was read.
        if let Some(value) = storage::value(call.view, &meta, number).await? {
            return Ok(Found::Alive(meta, number, value, revision));
        }
    }
    Err(Fault::internal(
        "a kv version that its record names has no data",
    ))
}

/// `version=N`; zero, negative and empty mean the newest, as in Vault.
pub(super) fn wanted(query: &Query) -> Result<Option<u64>, Fault> {
    let number = number(query, "version")?;
    Ok(u64::try_from(number).ok().filter(|number| *number > 0))
}

/// A whole number of the query; zero when it is not there.
pub(super) fn number(query: &Query, name: &str) -> Result<i64, Fault> {
    match query.get(name).map(str::trim) {
        None | Some("") => Ok(0),
        Some(text) => text
            .parse()
            .map_err(|_| FieldError::new(name, Problem::Expected("a whole number".into())).into()),
    }
}

pub(super) fn exists<'a>(_: &'a Kv, call: &'a Call<'a>) -> Pending<'a, bool> {
    Box::pin(async move {
        Ok(storage::load(call.view, call.capture("path"))
            .await?
            .is_some())
    })
}

fn read<'a>(_: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        if call.capture("path").is_empty() {
            return elsewhere::root();
        }
        match find(&call, wanted(call.query)?).await? {
            Found::Alive(meta, number, value, revision) => {
                let data = answer("data", value.expose(), &meta, number)?;
                // A version's data never changes, and the rest is in the record of this revision.
                let identity = format!("{}@{}#{number}", call.capture("path"), revision.0);
                Ok(Outcome::Data(Response::of(data).identified(identity)))
            }
            Found::Dead(meta, number) => Ok(Outcome::Gone(Response::of(answer(
                "data", b"null", &meta, number,
            )?))),
        }
    })
}

/// `{NAME: VALUE, "metadata": {…}}`.
pub(super) fn answer(
    name: &str,
    value: &[u8],
    meta: &Metadata,
    number: u64,
) -> Result<Data, Fault> {
    let version = meta.version(number).ok_or_else(Fault::missing)?;
    let object = Data::object()
        .raw(name, value)
        .value("metadata", &Shown::of(meta, number, version));
    Ok(object.map_err(Fault::internal)?.finish())
}

/// The check-and-set option of a write.
#[derive(Clone, Copy)]
enum Cas {
    /// Not given.
    None,
    /// Only if the newest version has this number.
    At(u64),
    /// A number that no version has.
    Never,
}

impl Cas {
    fn of(call: &Call<'_>) -> Result<Self, Fault> {
        let options = match call.body.raw("options") {
            None => return Ok(Self::None),
            Some(options) if options.is_null() => return Ok(Self::None),
            Some(options) => options,
        };
        if !options.is_object() {
            return Err(FieldError::new("options", Problem::Expected("an object".into())).into());
        }
        options.field("cas").map_or(Ok(Self::None), Self::parse)
    }

    /// A number, or one as text; null counts as 0, as in Vault.
    fn parse(raw: Raw<'_>) -> Result<Self, Fault> {
        let text = match raw.as_str() {
            "null" => return Ok(Self::At(0)),
            text => text
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .unwrap_or(text),
        };
        let number: i64 = text
            .parse()
            .map_err(|_| Fault::invalid("error parsing check-and-set parameter"))?;
        Ok(u64::try_from(number).map_or(Self::Never, Self::At))
    }

    fn check(self, current: u64, required: bool) -> Result<(), Fault> {
        match self {
            Self::None if required => Err(Fault::invalid(
                "check-and-set parameter required for this call",
            )),
            Self::None => Ok(()),
            Self::At(number) if number == current => Ok(()),
            Self::At(_) | Self::Never => Err(Fault::invalid(
                "check-and-set parameter did not match the current version",
            )),
        }
    }
}

/// The data a write brings.
fn sent<'a>(call: &Call<'a>) -> Result<Raw<'a>, Fault> {
    match call.body.raw("data") {
        None => Err(Fault::invalid("no data provided")),
        Some(data) if data.is_object() => Ok(data),
        Some(_) => Err(FieldError::new("data", Problem::Expected("an object".into())).into()),
    }
}

fn write<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let path = call.capture("path");
        if path.is_empty() {
            return elsewhere::root();
        }
        let (data, cas) = (sent(&call)?, Cas::of(&call)?);
        let mut contest = kv.contests.enter(call.view.prefix(), path);
        loop {
            let stored = storage::load(call.view, path).await?;
            let config = Config::load(call.view).await?;
            let current = stored.as_ref().map_or(0, |stored| stored.meta.current);
            let required = stored
                .as_ref()
                .is_some_and(|stored| stored.meta.cas_required);
            cas.check(current, required || config.cas_required)?;
            let value = data.to_owned().into_bytes();
            if let Some(done) = append(&call, stored, &config, value, Last::DataWrite).await? {
                return Ok(done);
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
        let (change, cas) = (sent(&call)?, Cas::of(&call)?);
        let mut contest = kv.contests.enter(call.view.prefix(), path);
        loop {
            let stored = storage::load(call.view, path)
                .await?
                .ok_or_else(Fault::missing)?;
            let config = Config::load(call.view).await?;
            let current = stored.meta.current;
            cas.check(current, stored.meta.cas_required || config.cas_required)?;
            let version = stored.meta.version(current).ok_or_else(Fault::missing)?;
            if !version.alive(call.now) {
                let shown = Data::of(&Shown::of(&stored.meta, current, version))
                    .map_err(Fault::internal)?;
                return Ok(Outcome::Gone(Response::of(shown)));
            }
            // None: somebody else changed the secret since; the compare below could not hold either.
            if let Some(before) = storage::value(call.view, &stored.meta, current).await? {
                let after = merge::patched(before, change)?;
                let appended = append(&call, Some(stored), &config, after, Last::DataPatch);
                if let Some(done) = appended.await? {
                    return Ok(done);
                }
            }
            contest.lost().await?;
        }
    })
}

/// Commits a new version; `None` when the secret changed since it was read.
async fn append(
    call: &Call<'_>,
    stored: Option<Stored>,
    config: &Config,
    value: Secret<Vec<u8>>,
    last: Last,
) -> Result<Option<Outcome>, Fault> {
    let path = call.capture("path");
    let revision = stored.as_ref().map(|stored| stored.revision);
    let mut meta = match stored {
        Some(stored) => stored.meta,
        None => Metadata::new(call.now)?,
    };
    let version = Version {
        created: call.now,
        deleted: deletion(
            call.now,
            config.delete_version_after(),
            meta.delete_version_after,
        ),
        destroyed: false,
    };
    let dropped = meta.append(version, config.max_versions);
    meta.last = last;
    let batch = storage::compare(call.view, path, revision);
    let batch = storage::put_value(
        storage::put_record(batch, path, &meta)?,
        &meta,
        meta.current,
        value,
    );
    let (batch, rest) = match dropped {
        Some(numbers) => storage::discard(batch, &meta, numbers),
        None => (batch, false),
    };
    if !storage::won(call.view.commit(batch).await?) {
        return Ok(None);
    }
    if rest {
        storage::sweep(call.view).await?;
    }
    Outcome::data(&Shown::of(&meta, meta.current, &version)).map(Some)
}

fn delete<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        super::versions::change(kv, &call, Last::DataDelete, &mut |meta, _, now| {
            let newest = meta.current;
            super::versions::mark_deleted(meta, newest, now);
        })
        .await
    })
}
