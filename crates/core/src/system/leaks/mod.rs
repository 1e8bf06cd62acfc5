//! `sys/leaks`: what searches for leaks found, kept so that a later one can say what is new.
//!
//! An extension of Vault's API. A report is made once and never changed; moment and author are the
//! server's own. It names secrets and places and holds no value. Beside the reports stands when each
//! exposure was seen first and last, by the hash of the secret's path.
//!
//! Both are bounded. The oldest report of whoever made the most makes room for a new one, and takes
//! along what no later report has seen.

mod seen;

use super::System;
use super::shares::{author, of_author};
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::path::Name;
use crate::record::{decode, encode};
use crate::request::Call;
use cofferdam_barrier::{Commit, View};
use serde::{Deserialize, Serialize};

/// Most exposures of one report; a client says how many more it had.
const MOST: usize = 1000;
/// Most kinds of places.
const PLACES: usize = 64;
/// Longest text of one field, in bytes.
const LONGEST: usize = 4096;
/// Reports of one answer; `after` continues.
const PAGE: usize = 1000;
/// Most reports.
const REPORTS: u64 = 10_000;
/// Old reports that a new one takes away at most.
const AT_ONCE: usize = 2;
/// What reports are called where shares are counted.
const REPORT: &str = "report";
/// A kind of place, and how far it was looked at.
#[derive(Clone, Serialize, Deserialize)]
struct Looked {
    place: String,
    state: String,
}

/// A value in a plain place.
#[derive(Clone, Serialize, Deserialize)]
struct Exposure {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    field: String,
    place: String,
    form: String,
    location: String,
    /// Set by the server.
    #[serde(default)]
    first_seen: String,
    #[serde(default)]
    last_seen: String,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    host: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    secrets: u64,
    #[serde(default)]
    more: u64,
    #[serde(default)]
    places: Vec<Looked>,
    #[serde(default)]
    exposures: Vec<Exposure>,
}

/// A report, as stored and as answered.
#[derive(Serialize, Deserialize)]
struct Report {
    id: String,
    at: String,
    by: String,
    /// Of the token that made it: the name alone is whatever the token's maker chose.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    entity_id: String,
    host: String,
    title: String,
    /// How many were searched for.
    secrets: u64,
    /// How many exposures are not in it.
    more: u64,
    places: Vec<Looked>,
    exposures: Vec<Exposure>,
}

impl Report {
    /// Whose it is where room is made.
    fn author(&self) -> String {
        author(&self.by, &self.entity_id)
    }
}

pub(super) async fn create(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    check(&wanted)?;
    let at = call.now.rfc3339();
    let view = view(engine)?;
    let random = cofferdam_secret::random::<4>().map_err(Fault::internal)?;
    // In a form that sorts as time, two in one second too, and may stand in a path.
    let second = at.get(..19).unwrap_or(&at).replace(':', "-");
    let moment = format!("{second}-{:09}", call.now.nanos() % 1_000_000_000);
    let mut report = Report {
        id: format!("{moment}-{}", hex::encode(random.expose())),
        at,
        by: call.caller.display_name(),
        entity_id: call.caller.entity_id().to_owned(),
        host: wanted.host,
        title: wanted.title,
        secrets: wanted.secrets,
        more: wanted.more,
        places: wanted.places,
        exposures: wanted.exposures,
    };
    seen::note(&view, &mut report).await?;
    let key = place(&report.id);
    let own = format!("{}{}", of_author(REPORT, &report.author()), report.id);
    let batch = view.batch().expect_absent(&key).put(&key, encode(&report)?);
    let batch = batch.put(own, encode(&())?);
    match view.commit(batch).await? {
        Commit::Done(_) => {
            // The report stands, whatever becomes of old ones.
            if let Err(fault) = make_room(engine, &view, &report.author()).await {
                let reason = fault.internal_text();
                tracing::warn!(reason, "old reports of leaks were not taken away");
            }
            Outcome::data(&report)
        }
        Commit::Conflict => Err(Fault::internal("two reports have the same random name")),
    }
}

/// `author` has just made a report.
async fn make_room(engine: &System, view: &View, author: &str) -> Result<(), Fault> {
    let shares = &engine.shares;
    shares.made(view, REPORT, author).await?;
    for _ in 0..AT_ONCE {
        let Some(largest) = shares.over(REPORT, REPORTS, author) else {
            break;
        };
        let prefix = of_author(REPORT, &largest);
        match view.list(&prefix, None, 1).await?.names.first() {
            Some(id) => {
                remove(view, &largest, id).await?;
                shares.with(REPORT, |shares| shares.lost(&largest));
            }
            None => {
                shares.with(REPORT, |shares| shares.forget(&largest));
            }
        }
    }
    Ok(())
}

/// Removes a report, and the memory of what nobody has seen since.
async fn remove(view: &View, author: &str, id: &str) -> Result<(), Fault> {
    if let Some(found) = view.get(&place(id)).await? {
        let report: Report = decode(&found.value)?;
        seen::forget(view, &report).await?;
    }
    let own = format!("{}{id}", of_author(REPORT, author));
    let batch = view.batch().delete(place(id)).delete(own);
    view.commit(batch).await?.ignore();
    Ok(())
}

pub(super) async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let found = view(engine)?.get(&place(&name(&call)?)).await?;
    let found = found.ok_or_else(Fault::missing)?;
    Outcome::data(&decode::<Report>(&found.value)?)
}

pub(super) async fn delete(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let view = view(engine)?;
    let id = name(&call)?;
    let Some(found) = view.get(&place(&id)).await? else {
        return Ok(Outcome::Done);
    };
    let author = decode::<Report>(&found.value)?.author();
    let own = format!("{}{id}", of_author(REPORT, &author));
    let batch = view.batch().delete(place(&id)).delete(own);
    view.commit(batch).await?.ignore();
    engine.shares.with(REPORT, |shares| shares.lost(&author));
    Ok(Outcome::Done)
}

pub(super) async fn list(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let names = view(engine)?
        .list("report/", call.query.get("after"), PAGE)
        .await?;
    Outcome::keys(&names.names)
}

fn view(engine: &System) -> Result<View, Fault> {
    Ok(engine.services()?.barrier().view("leaks/"))
}

fn name(call: &Call<'_>) -> Result<String, Fault> {
    Name::parse(call.capture("id"))
        .map(|name| name.as_str().to_owned())
        .map_err(|_| Fault::invalid("a report's id has letters, digits, '-', '_' and '.' only"))
}

fn place(id: &str) -> String {
    format!("report/{id}")
}

/// Bounds, and no controls: the texts are shown on terminals and pages one day.
fn check(wanted: &Wanted) -> Result<(), Fault> {
    if wanted.exposures.len() > MOST || wanted.places.len() > PLACES {
        return Err(Fault::too_large(
            "a report has at most 1000 exposures and 64 kinds of places",
        ));
    }
    if wanted.places.is_empty() {
        return Err(Fault::invalid(
            "a report says which places were looked at: \"places\" is empty",
        ));
    }
    let places = wanted
        .places
        .iter()
        .flat_map(|looked| [&looked.place, &looked.state]);
    let exposures = wanted.exposures.iter().flat_map(|exposure| {
        [
            &exposure.path,
            &exposure.field,
            &exposure.place,
            &exposure.form,
            &exposure.location,
        ]
    });
    for text in [&wanted.host, &wanted.title]
        .into_iter()
        .chain(places)
        .chain(exposures)
    {
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(Fault::invalid(
                "a text of a report has control characters or more than 4096 bytes",
            ));
        }
    }
    Ok(())
}
