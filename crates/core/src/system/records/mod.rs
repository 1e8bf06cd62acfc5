//! `sys/records`: what was given to whom, for the day when somebody asks where a secret has gone.
//!
//! An extension of Vault's API. A record says which secrets, in which version, became part of which
//! thing; it never holds a value. It is made once and never changed: whoever could rewrite it could
//! hide where a leaked version is. Moment and author are the server's own, not the client's word.
//!
//! Beside each record stands one index entry per secret, so that "who holds this one" needs no walk
//! through everything. Its key has the hash of the secret's path: a path may be longer than a key.
//! Two more have the moment: records are kept in bounds ([`retention`]).

pub(super) mod retention;

use super::System;
use super::shares::author;
use crate::fault::Fault;
use crate::json::field::Pairs;
use crate::outcome::Outcome;
use crate::path::{Name, Path};
use crate::record::{decode, encode};
use crate::request::Call;
use cofferdam_barrier::{Batch, Commit, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What may be recorded. A build lends secrets to steps, a push carries its result elsewhere, a
/// delivery is a file in a container's hands.
const KINDS: [&str; 3] = ["build", "push", "delivery"];

/// Most secrets, subjects or attributes of one record.
const MOST: usize = 1000;
/// Longest text of one field, in bytes.
const LONGEST: usize = 4096;
/// Records of one answer; `after` continues.
const PAGE: usize = 1000;

/// A thing that secrets went into.
#[derive(Clone, Serialize, Deserialize)]
struct Subject {
    name: String,
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

/// A secret that was given.
#[derive(Clone, Serialize, Deserialize)]
struct Given {
    name: String,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// `None` where the engine has no versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    subject: Vec<Subject>,
    #[serde(default)]
    secrets: Vec<Given>,
    #[serde(default)]
    attributes: Pairs,
}

/// A record, as stored and as answered.
#[derive(Serialize, Deserialize)]
struct Record {
    kind: String,
    id: String,
    at: String,
    by: String,
    /// Of the token that made it: the name alone is whatever the token's maker chose.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    entity_id: String,
    subject: Vec<Subject>,
    secrets: Vec<Given>,
    attributes: BTreeMap<String, String>,
}

impl Record {
    /// Whose it is where room is made.
    fn author(&self) -> String {
        author(&self.by, &self.entity_id)
    }
}

/// An entry of the index.
#[derive(Serialize, Deserialize)]
struct Mention {
    kind: String,
    id: String,
    at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

pub(super) async fn exists(engine: &System, call: &Call<'_>) -> Result<bool, Fault> {
    // Asked before policy: what is no name must get the same answer as anything else.
    let Ok((kind, id)) = named(call) else {
        return Ok(false);
    };
    Ok(view(engine)?.get(&place(kind, &id)).await?.is_some())
}

pub(super) async fn create(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (kind, id) = named(&call)?;
    let wanted: Wanted = call.body.parse()?;
    let record = Record {
        kind: kind.to_owned(),
        id,
        at: call.now.rfc3339(),
        by: call.caller.display_name(),
        entity_id: call.caller.entity_id().to_owned(),
        subject: wanted.subject,
        secrets: wanted.secrets,
        attributes: wanted.attributes.0,
    };
    check(&record)?;
    let record = canonical(record)?;
    let key = place(kind, &record.id);
    let batch = Batch::new().expect_absent(&key).put(&key, encode(&record)?);
    let mut batch = retention::enter(batch, &record, call.now)?;
    for (number, given) in record.secrets.iter().enumerate() {
        let mention = Mention {
            kind: record.kind.clone(),
            id: record.id.clone(),
            at: record.at.clone(),
            version: given.version,
        };
        let sorted = retention::mention(&record, call.now.nanos(), number, &given.path);
        batch = batch.put(sorted, encode(&mention)?);
    }
    let view = view(engine)?;
    match view.commit(batch).await? {
        // The record stands, whatever becomes of old ones.
        Commit::Done(_) => {
            if let Err(fault) =
                retention::sweep(engine, &view, kind, &record.author(), call.now).await
            {
                tracing::warn!(
                    kind,
                    reason = fault.internal_text(),
                    "old records were not taken away"
                );
            }
        }
        Commit::Conflict => {
            return Err(Fault::invalid(
                "there is a record of this name, and records are never changed",
            ));
        }
    }
    #[derive(Serialize)]
    struct Made<'a> {
        kind: &'a str,
        id: &'a str,
        at: &'a str,
        by: &'a str,
    }
    Outcome::data(&Made {
        kind: &record.kind,
        id: &record.id,
        at: &record.at,
        by: &record.by,
    })
}

pub(super) async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let (kind, id) = named(&call)?;
    let found = view(engine)?.get(&place(kind, &id)).await?;
    let found = found.ok_or_else(Fault::missing)?;
    Outcome::data(&decode::<Record>(&found.value)?)
}

pub(super) async fn list(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let prefix = place(kind(&call)?, "");
    let names = view(engine)?
        .list(&prefix, call.query.get("after"), PAGE)
        .await?;
    Outcome::keys(&names.names)
}

/// The records that name one secret, oldest first; `?version=N` keeps those of one version.
pub(super) async fn by_secret(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Found {
        keys: Vec<String>,
        records: Vec<Mention>,
        /// Where the next page begins, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    }
    let path = secret_path(call.capture("path"))?;
    let only = match call.query.get("version") {
        Some(text) => Some(text.parse::<u64>().map_err(|_| {
            Fault::invalid("the \"version\" parameter is a whole number of one or more")
        })?),
        None => None,
    };
    let prefix = index(&path);
    let after = call
        .query
        .get("after")
        .map(|name| format!("{prefix}{name}"));
    let page = view(engine)?.range(&prefix, after.as_deref(), PAGE).await?;
    let last = page.entries.last().filter(|_| page.more);
    let after = last.and_then(|entry| entry.key.strip_prefix(&prefix).map(str::to_owned));
    let mut records = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        let mention: Mention = decode(&entry.value)?;
        if only.is_none() || mention.version == only {
            records.push(mention);
        }
    }
    if records.is_empty() && after.is_none() {
        return Err(Fault::missing());
    }
    let key = |mention: &Mention| format!("{}/{}", mention.kind, mention.id);
    Outcome::data(&Found {
        keys: records.iter().map(key).collect(),
        records,
        after,
    })
}

fn view(engine: &System) -> Result<View, Fault> {
    Ok(engine.services()?.barrier().view("records/"))
}

fn kind(call: &Call<'_>) -> Result<&'static str, Fault> {
    let text = call.capture("kind");
    let known = KINDS.into_iter().find(|kind| *kind == text);
    known.ok_or_else(|| Fault::invalid("unknown kind of record: build, push or delivery"))
}

fn named(call: &Call<'_>) -> Result<(&'static str, String), Fault> {
    let name = Name::parse(call.capture("id"))
        .map_err(|_| Fault::invalid("a record's id has letters, digits, '-', '_' and '.' only"))?;
    Ok((kind(call)?, name.as_str().to_owned()))
}

fn place(kind: &str, id: &str) -> String {
    format!("by-id/{kind}/{id}")
}

fn index(path: &str) -> String {
    format!("by-secret/{}/", hex::encode(Sha256::digest(path)))
}

fn secret_path(text: &str) -> Result<String, Fault> {
    match Path::parse(text) {
        Ok(path) if !path.is_root() && !path.is_directory() => Ok(path.as_str().to_owned()),
        _ => Err(Fault::invalid(
            "the path of a secret is not in canonical form",
        )),
    }
}

/// Bounds, and no controls: the texts are shown on terminals one day.
fn check(record: &Record) -> Result<(), Fault> {
    if record.secrets.is_empty() || record.subject.is_empty() {
        return Err(Fault::invalid(
            "a record has at least one subject and one secret",
        ));
    }
    let counts = [
        record.secrets.len(),
        record.subject.len(),
        record.attributes.len(),
    ];
    if counts.into_iter().any(|count| count > MOST) {
        return Err(Fault::too_large(
            "a record has at most 1000 subjects, secrets and attributes",
        ));
    }
    let subjects = record.subject.iter().flat_map(|subject| {
        let digests = subject.digest.iter().flat_map(|(k, v)| [k, v]);
        std::iter::once(&subject.name).chain(digests)
    });
    let secrets = record
        .secrets
        .iter()
        .flat_map(|given| [&given.name, &given.path].into_iter().chain(&given.field));
    let attributes = record.attributes.iter().flat_map(|(k, v)| [k, v]);
    for text in subjects.chain(secrets).chain(attributes) {
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(Fault::invalid(
                "a text of a record has control characters or more than 4096 bytes",
            ));
        }
    }
    if record.secrets.iter().any(|given| given.version == Some(0)) {
        return Err(Fault::invalid("versions are counted from 1"));
    }
    Ok(())
}

/// The same with every path as policies and the index know it.
fn canonical(mut record: Record) -> Result<Record, Fault> {
    for given in &mut record.secrets {
        given.path = secret_path(&given.path)?;
    }
    Ok(record)
}
