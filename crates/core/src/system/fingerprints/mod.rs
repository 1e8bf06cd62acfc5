//! `sys/fingerprints`: what a scanner is given instead of values.
//!
//! An extension of Vault's API; `docs/adr/0018-fingerprints.md` says what a fingerprint gives away.
//! A caller gets those of the secrets whose path below `sys/fingerprints/secrets/` it may read. That is
//! a grant of its own: it does not need the value's, and does not give it.
//!
//! | Route | |
//! |---|---|
//! | `session` | all that the caller may have, a page at a time, with the key |
//! | `secrets/PATH` | those of one secret |
//! | `config` | which key, and who signs packs |
//! | `rotate` | another key; what was handed out finds nothing that is made from now on |
//! | `export` | a pack: the strong ones, signed, for a time, under a key of its own |
//!
//! The key of a session stays on this host: it is given over the local socket only.

mod cache;
pub(super) mod export;
mod keys;
mod pace;
mod walk;

pub(super) use export::export;
pub(super) use pace::Pace;

use super::System;
use crate::fault::Fault;
use crate::json::Data;
use crate::outcome::{Outcome, Response};
use crate::path::Path;
use crate::request::{Call, Peer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use walk::Walk;

/// Secrets of one page.
const PAGE: usize = 500;

/// A value's fingerprint as scanners read it; short names, since there are many.
#[derive(Serialize)]
struct Item<'a> {
    p: &'a str,
    v: u64,
    f: &'a str,
    n: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<&'a str>,
    d: &'a str,
}

pub(super) async fn session(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    stays_here(&call)?;
    engine.pace.take(&call)?;
    let after = call.query.get("after").filter(|text| !text.is_empty());
    let walk = Walk::new(engine, &call, prefixes(&call)).await?;
    let page = walk.page(after, PAGE).await?;
    answer(engine, &walk, &page).await
}

pub(super) async fn of_secret(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    stays_here(&call)?;
    engine.pace.take(&call)?;
    let path = match Path::parse(call.capture("path")) {
        Ok(path) if !path.is_root() && !path.is_directory() => path.as_str().to_owned(),
        _ => {
            return Err(Fault::invalid(
                "the path of a secret is not in canonical form",
            ));
        }
    };
    let walk = Walk::new(engine, &call, vec![path.clone()]).await?;
    let mut page = walk.page(None, PAGE).await?;
    // What is below it is another secret, and it may be the first that there is.
    page.secrets.retain(|secret| secret.path == path);
    page.after = None;
    if page.secrets.is_empty() {
        return Err(Fault::missing());
    }
    answer(engine, &walk, &page).await
}

async fn answer(engine: &System, walk: &Walk, page: &walk::Page) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let keys = keys::load(services.barrier()).await?;
    let mut bundle = Vec::new();
    for secret in &page.secrets {
        let prints = cache::of(engine, &keys, secret).await?;
        for (version, fields) in &prints {
            for (field, print) in fields {
                let item = Item {
                    p: &secret.path,
                    v: *version,
                    f: field,
                    n: secret.kept.current,
                    o: secret.kept.owner.as_deref(),
                    d: print,
                };
                bundle.push(if bundle.is_empty() { b'[' } else { b',' });
                serde_json::to_writer(&mut bundle, &item).map_err(Fault::internal)?;
            }
        }
    }
    bundle.extend(if bundle.is_empty() { "[]" } else { "]" }.as_bytes());
    let bundle = std::str::from_utf8(&bundle).map_err(Fault::internal)?;
    let mut data = Data::object()
        .value("generation", &keys.generation)
        .map_err(Fault::internal)?
        .text("key", &STANDARD.encode(keys.print.expose()))
        .value("hidden", &walk.hidden(page))
        .map_err(Fault::internal)?
        // One text, so that the audit record has one hash and not thousands.
        .text("prints", bundle);
    if let Some(after) = &page.after {
        data = data.text("after", after);
    }
    Ok(Outcome::Data(Response::of(data.finish())))
}

pub(super) async fn config(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let keys = keys::load(services.barrier()).await?;
    Outcome::data(&shown(engine, &keys)?)
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    signer: crate::json::field::Flag,
}

/// A new key, and a new signer where one is asked for. The fingerprints of before are removed.
pub(super) async fn rotate(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let services = engine.services()?;
    let keys = keys::rotate(services.barrier(), wanted.signer.0).await?;
    cache::sweep(services.barrier(), keys.generation).await?;
    Outcome::data(&shown(engine, &keys)?)
}

#[derive(Serialize)]
struct Shown {
    generation: u64,
    signer: String,
}

fn shown(engine: &System, keys: &keys::Keys) -> Result<Shown, Fault> {
    let public = engine.services()?.fingerprinter.public(&keys.seed)?;
    Ok(Shown {
        generation: keys.generation,
        signer: STANDARD.encode(public),
    })
}

/// What the caller narrows the search to.
fn prefixes(call: &Call<'_>) -> Vec<String> {
    let text = call.query.get("prefix").unwrap_or_default();
    let all = text.split(',').map(|prefix| prefix.trim_matches('/'));
    all.filter(|prefix| !prefix.is_empty())
        .map(str::to_owned)
        .collect()
}

fn stays_here(call: &Call<'_>) -> Result<(), Fault> {
    match call.peer {
        Peer::Local { .. } => Ok(()),
        Peer::Network(_) | Peer::Certified(..) => Err(Fault::invalid(
            "the key of fingerprints stays on its host: ask over the server's own socket, or take a \
             pack with: cofferdam fingerprints export",
        )),
    }
}
