//! `sys/leaks`: what searches for leaks found, kept so that a later one can say what is new.
//!
//! An extension of Vault's API. A report is made once and never changed; moment and author are the
//! server's own. It names secrets and places and holds no value. Beside the reports stands when each
//! exposure was seen first and last, by the hash of the secret's path.

use super::System;
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::path::Name;
use crate::request::Call;
use cofferdam_barrier::{Commit, View};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Most exposures of one report; a client says how many more it had.
const MOST: usize = 1000;
/// Most kinds of places.
const PLACES: usize = 64;
/// Longest text of one field, in bytes.
const LONGEST: usize = 4096;
/// Reports of one answer; `after` continues.
const PAGE: usize = 1000;
/// Attempts to note what was seen beside another report that is stored at the same moment.
const ATTEMPTS: usize = 32;

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
struct Wanted {
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
    host: String,
    title: String,
    /// How many were searched for.
    secrets: u64,
    /// How many exposures are not in it.
    more: u64,
    places: Vec<Looked>,
    exposures: Vec<Exposure>,
}

/// When something was seen.
#[derive(Clone, Serialize, Deserialize)]
struct Seen {
    first: String,
    last: String,
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
        host: wanted.host,
        title: wanted.title,
        secrets: wanted.secrets,
        more: wanted.more,
        places: wanted.places,
        exposures: wanted.exposures,
    };
    note(&view, &mut report).await?;
    let key = place(&report.id);
    let batch = view.batch().expect_absent(&key).put(&key, stored(&report)?);
    match view.commit(batch).await? {
        Commit::Done(_) => Outcome::data(&report),
        Commit::Conflict => Err(Fault::internal("two reports have the same random name")),
    }
}

pub(super) async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let found = view(engine)?.get(&place(&name(&call)?)).await?;
    let found = found.ok_or_else(Fault::missing)?;
    Outcome::data(&parsed::<Report>(found.value.expose())?)
}

pub(super) async fn delete(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let view = view(engine)?;
    let batch = view.batch().delete(place(&name(&call)?));
    view.commit(batch).await?.ignore();
    Ok(Outcome::Done)
}

pub(super) async fn list(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let names = view(engine)?
        .list("report/", call.query.get("after"), PAGE)
        .await?;
    Outcome::keys(&names.names)
}

/// Says of every exposure when it was seen first, and remembers that it was seen now.
async fn note(view: &View, report: &mut Report) -> Result<(), Fault> {
    let mut by_path: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, exposure) in report.exposures.iter().enumerate() {
        by_path
            .entry(exposure.path.clone())
            .or_default()
            .push(number);
    }
    for (path, numbers) in by_path {
        let key = format!("seen/{}", hex::encode(Sha256::digest(&path)));
        let mut noted = false;
        for _ in 0..ATTEMPTS {
            let known = view.get(&key).await?;
            let revision = known.as_ref().map(|known| known.revision);
            let mut all: BTreeMap<String, Seen> = match &known {
                Some(known) => parsed(known.value.expose())?,
                None => BTreeMap::new(),
            };
            for &number in &numbers {
                let Some(exposure) = report.exposures.get_mut(number) else {
                    continue;
                };
                let seen = all.entry(cell(exposure)).or_insert_with(|| Seen {
                    first: report.at.clone(),
                    last: report.at.clone(),
                });
                seen.last.clone_from(&report.at);
                exposure.first_seen.clone_from(&seen.first);
                exposure.last_seen.clone_from(&seen.last);
            }
            let batch = view.batch().expect(&key, revision).put(&key, stored(&all)?);
            if let Commit::Done(_) = view.commit(batch).await? {
                noted = true;
                break;
            }
        }
        if !noted {
            return Err(Fault::unavailable(
                "too many reports are stored at once; try again",
                "lost every race",
            ));
        }
    }
    Ok(())
}

/// A cell of the matrix: one value in one kind of place.
fn cell(exposure: &Exposure) -> String {
    let version = exposure.version.map(|version| version.to_string());
    format!(
        "{}#{} {}",
        version.unwrap_or_default(),
        exposure.field,
        exposure.place
    )
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

fn stored(value: &impl Serialize) -> Result<Secret<Vec<u8>>, Fault> {
    serde_json::to_vec(value)
        .map(Secret::new)
        .map_err(Fault::internal)
}

fn parsed<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|_| Fault::internal("a stored report does not parse"))
}
