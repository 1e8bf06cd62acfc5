//! `sys/fingerprints/export`: a pack for a place that has no way to this server.

use super::super::System;
use super::walk::Walk;
use super::{cache, keys};
use crate::fault::Fault;
use crate::fingerprint::{Order, Stored};
use crate::json::Data;
use crate::json::field::{Ttl, Words};
use crate::outcome::{Outcome, Response};
use crate::request::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::time::Duration;

/// How long a pack counts where nothing is said, and at most.
const USUAL: Duration = Duration::from_hours(7 * 24);
const LONGEST: Duration = Duration::from_hours(90 * 24);
/// Most values of a pack.
const MOST: usize = 200_000;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::system) struct Wanted {
    ttl: Option<Ttl>,
    prefix: Words,
}

pub(in crate::system) async fn export(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    engine.pace.take(&call)?;
    let wanted: Wanted = call.body.parse()?;
    let life = wanted.ttl.map_or(USUAL, |ttl| ttl.0);
    if life.is_zero() || life > LONGEST {
        return Err(Fault::invalid("a pack lives from one second to 90 days"));
    }
    let prefixes = wanted
        .prefix
        .0
        .iter()
        .map(|prefix| prefix.trim_matches('/'));
    let prefixes = prefixes.filter(|prefix| !prefix.is_empty());
    let walk = Walk::new(engine, &call, prefixes.map(str::to_owned).collect()).await?;
    let values = values(engine, &walk).await?;
    let services = engine.services()?;
    let keys = keys::load(services.barrier()).await?;
    let key = cofferdam_secret::random::<32>().map_err(Fault::internal)?;
    let expires = call.now.after(life);
    let order = Order {
        key: &key,
        seed: &keys.seed,
        issued: call.now.seconds(),
        expires: expires.seconds(),
        values,
    };
    let packed = services.fingerprinter.pack(order)?;
    let signer = services.fingerprinter.public(&keys.seed)?;
    let data = Data::object()
        .text("pack", &STANDARD.encode(&packed.bytes))
        .text("key", &STANDARD.encode(key.expose()))
        .text("signer", &STANDARD.encode(signer))
        .text("expires", &expires.rfc3339())
        .value("taken", &packed.taken)
        .map_err(Fault::internal)?
        .value("weak", &packed.weak)
        .map_err(Fault::internal)?;
    Ok(Outcome::Data(Response::of(data.finish())))
}

async fn values(engine: &System, walk: &Walk) -> Result<Vec<Stored>, Fault> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = walk.page(after.as_deref(), super::PAGE).await?;
        for secret in &page.secrets {
            for &version in &secret.kept.versions {
                let fields = cache::values(engine, secret, version).await?;
                for (field, value) in fields.into_iter().flatten() {
                    all.push(Stored {
                        path: secret.path.clone(),
                        version,
                        field,
                        newest: secret.kept.current,
                        owner: secret.kept.owner.clone(),
                        value,
                    });
                }
            }
        }
        if all.len() > MOST {
            return Err(Fault::too_large(
                "too many values for one pack: narrow it with \"prefix\"",
            ));
        }
        after = page.after;
        if after.is_none() {
            return Ok(all);
        }
    }
}
