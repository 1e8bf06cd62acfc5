//! `import/PATH`: a secret as another server had it, with its numbers, times and states.
//!
//! Ours alone: Vault's API can only write the next version of now. It is `sudo`, because it writes
//! values on a path that no rule about `data/PATH` covers, and times that were not.
//!
//! | Field | Meaning |
//! |---|---|
//! | `versions` | `{"3": {"created_time", "deletion_time", "destroyed", "data"}}`, numbered without gaps |
//! | `after` | the versions continue those that are here, whose newest has this number; 0: nothing is here |
//! | `overwrite` | what is here goes away with all its versions |
//! | `oldest_version`, `current_metadata_version`, `created_time`, `updated_time` | as the other server shows them |
//! | settings | as of `metadata/PATH` |
//!
//! One call is one transaction. A long history comes in several, oldest first, and whoever dies in
//! between goes on with `after`. A version has its data, or it is destroyed: what is marked deleted
//! can be brought back here, so it must be here.

use super::data::exists;
use super::record::{Last, Metadata, Version};
use super::storage::{self, Stored};
use super::{Kv, custom, elsewhere, metadata};
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Access, Pending, Route};
use cofferdam_core::fields::Kind;
use cofferdam_core::json::field::{Count, Flag};
use cofferdam_core::json::{FieldError, Problem, Raw};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use cofferdam_secret::Secret;
use serde::Deserialize;

pub(super) const ROUTE: Route<Kv> = Route::new("import/*path", &[(Verb::Write, write)])
    .takes::<Body>()
    .takes::<metadata::Change>()
    .takes_each(&[("versions", Kind::List), ("custom_metadata", Kind::Object)])
    .access(Access::Sudo)
    .creating(exists);

/// Versions in one call: bounds the transaction.
const AT_ONCE: usize = 1024;
/// The largest number of a version: what a double holds exactly, and far from where counting ends.
const MAX_NUMBER: u64 = 1 << 53;

#[derive(Deserialize)]
struct Body {
    created_time: Option<String>,
    updated_time: Option<String>,
    oldest_version: Option<Count>,
    current_metadata_version: Option<Count>,
    after: Option<Count>,
    overwrite: Option<Flag>,
}

#[derive(Deserialize)]
struct State {
    created_time: Option<String>,
    deletion_time: Option<String>,
    destroyed: Option<Flag>,
}

/// What one call brings, checked.
struct Brought<'a> {
    created: Option<Time>,
    updated: Option<Time>,
    revision: Option<u64>,
    oldest: u64,
    after: u64,
    overwrite: bool,
    /// In the order of their numbers, from `after + 1` or wherever the history begins.
    first: u64,
    versions: Vec<(Version, Option<Raw<'a>>)>,
}

fn moment(text: Option<&str>, field: &str) -> Result<Option<Time>, Fault> {
    match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match Time::parse(text) {
            Some(time) => Ok(Some(time)),
            None => Err(expected(field, "a time of RFC 3339")),
        },
    }
}

fn expected(field: &str, what: &'static str) -> Fault {
    FieldError::new(field, Problem::Expected(what.into())).into()
}

impl<'a> Brought<'a> {
    fn of(call: &Call<'a>) -> Result<Self, Fault> {
        let body: Body = call.body.parse()?;
        let after = body.after.unwrap_or_default().0;
        if after > MAX_NUMBER {
            return Err(expected("after", "a number that a version can have"));
        }
        let mut numbered = numbered(call)?;
        numbered.sort_by_key(|(number, ..)| *number);
        let first = numbered.first().map_or(after + 1, |(number, ..)| *number);
        let gapless = (first..)
            .zip(&numbered)
            .all(|(want, (have, ..))| want == *have);
        if !gapless || first == 0 || (after > 0 && first != after + 1) {
            return Err(expected(
                "versions",
                "numbers without gaps, after those that are here",
            ));
        }
        let oldest = body.oldest_version.unwrap_or_default().0;
        let last = first - 1 + numbered.len() as u64;
        if oldest > last || (after == 0 && oldest > first) {
            return Err(expected("oldest_version", "a number of these versions"));
        }
        Ok(Self {
            created: moment(body.created_time.as_deref(), "created_time")?,
            updated: moment(body.updated_time.as_deref(), "updated_time")?,
            revision: body
                .current_metadata_version
                .map(|count| count.0.min(MAX_NUMBER)),
            oldest,
            after,
            overwrite: body.overwrite.unwrap_or_default().0,
            first,
            versions: numbered
                .into_iter()
                .map(|(_, version, data)| (version, data))
                .collect(),
        })
    }
}

/// The versions of the body with their numbers, in the order they were written.
fn numbered<'a>(call: &Call<'a>) -> Result<Vec<(u64, Version, Option<Raw<'a>>)>, Fault> {
    let Some(versions) = call.body.raw("versions") else {
        return Ok(Vec::new());
    };
    if !versions.is_object() {
        return Err(expected("versions", "an object"));
    }
    let mut found = Vec::new();
    for (name, one) in versions.fields() {
        if found.len() == AT_ONCE {
            return Err(Fault::invalid(format!(
                "versions: at most {AT_ONCE} at once"
            )));
        }
        let number = name.decoded().parse::<u64>();
        let number = number.ok().filter(|number| *number <= MAX_NUMBER);
        let number = number.ok_or_else(|| expected("versions", "whole numbers as names"))?;
        if !one.is_object() {
            return Err(expected("versions", "an object for each number"));
        }
        let state: State = one.parse()?;
        let created = moment(state.created_time.as_deref(), "versions.created_time")?;
        let version = Version {
            created: created.unwrap_or(call.now),
            deleted: moment(state.deletion_time.as_deref(), "versions.deletion_time")?,
            destroyed: state.destroyed.unwrap_or_default().0,
        };
        let data = one.field("data").filter(|data| !data.is_null());
        match data {
            Some(_) if version.destroyed => {
                return Err(Fault::invalid(
                    "versions.data: a destroyed version has none",
                ));
            }
            None if !version.destroyed => {
                return Err(Fault::invalid(
                    "versions.data: missing: a version whose data is gone is destroyed",
                ));
            }
            Some(data) if !data.is_object() => return Err(expected("versions.data", "an object")),
            _ => found.push((number, version, data)),
        }
    }
    Ok(found)
}

fn write<'a>(kv: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let path = call.capture("path");
        if path.is_empty() {
            return elsewhere::root();
        }
        let brought = Brought::of(&call)?;
        let settings: metadata::Change = call.body.parse()?;
        let custom = call.body.raw("custom_metadata");
        let custom = custom.map(custom::Change::of_write).transpose()?;
        let mut contest = kv.contests.enter(call.view.prefix(), path);
        loop {
            let stored = storage::load(call.view, path).await?;
            brought.check(stored.as_ref())?;
            let revision = stored.as_ref().map(|stored| stored.revision);
            let mut batch = storage::compare(call.view, path, revision);
            let mut rest = false;
            let mut meta = match stored {
                Some(Stored { meta, .. }) if brought.after > 0 => meta,
                Some(Stored { meta, .. }) => {
                    (batch, rest) = storage::discard(batch, &meta, meta.first()..=meta.current);
                    Metadata::new(call.now)?
                }
                None => Metadata::new(call.now)?,
            };
            settings.apply(&mut meta)?;
            if let Some(custom) = &custom {
                meta.custom = custom.replacing();
            }
            if let Some(dropped) = brought.append(&mut meta) {
                let more;
                (batch, more) = storage::discard(batch, &meta, dropped);
                rest |= more;
            }
            for (number, (_, data)) in (brought.first..).zip(&brought.versions) {
                // One that is dropped in the same call was never here.
                if let Some(data) = data.filter(|_| number >= meta.first()) {
                    let value: Secret<Vec<u8>> = data.to_owned().into_bytes();
                    batch = storage::put_value(batch, &meta, number, value);
                }
            }
            let batch = storage::put_record(batch, path, &meta)?;
            if storage::won(call.view.commit(batch).await?) {
                if rest {
                    storage::sweep(call.view).await?;
                }
                return Outcome::data(&metadata::Shown::from(&meta));
            }
            contest.lost().await?;
        }
    })
}

impl Brought<'_> {
    /// Whether what is here may become what was brought.
    fn check(&self, stored: Option<&Stored>) -> Result<(), Fault> {
        let current = stored.map(|stored| stored.meta.current);
        match (current, self.after) {
            (None, 0) => Ok(()),
            (Some(_), 0) if self.overwrite => Ok(()),
            (Some(_), 0) => Err(Fault::invalid(
                "a secret is here already, and overwrite is not set",
            )),
            (Some(current), after) if current == after => Ok(()),
            _ => Err(Fault::invalid(
                "after: the newest version here has another number",
            )),
        }
    }

    /// Adds the versions to the record; the numbers that fell out of it.
    fn append(&self, meta: &mut Metadata) -> Option<std::ops::RangeInclusive<u64>> {
        let versions = self.versions.iter().map(|(version, _)| *version);
        let dropped = meta.continued(self.first, versions, self.oldest);
        if let Some(revision) = self.revision {
            meta.revision = revision;
        }
        if let Some(created) = self.created {
            meta.created = created;
        }
        if let Some(updated) = self.updated {
            meta.updated = updated;
        }
        meta.last = if self.versions.is_empty() {
            Last::MetadataWrite
        } else {
            Last::DataWrite
        };
        dropped
    }
}
