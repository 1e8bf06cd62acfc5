//! `cache-config` and `config/keys`: settings of the mount.

use super::Transit;
use super::fields::Int;
use cofferdam_core::engine::{Pending, Route, View};
use cofferdam_core::json::field::Flag;
use cofferdam_core::{Call, Fault, Outcome, Verb};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};

pub(super) const CACHE: Route<Transit> = Route::new(
    "cache-config",
    &[(Verb::Read, read_cache), (Verb::Write, write_cache)],
)
.takes::<WantedCache>();
pub(super) const KEYS: Route<Transit> = Route::new(
    "config/keys",
    &[(Verb::Read, read_keys), (Verb::Write, write_keys)],
)
.takes::<WantedKeys>();

const CACHE_AT: &str = "config/cache";
const KEYS_AT: &str = "config/keys";
/// The smallest cache Vault takes, unless it is unlimited.
const LEAST: u64 = 10;

/// How many keys Vault's cache may hold. Ours has a bound of its own: the number is kept and shown.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Cache {
    size: u64,
}

/// Rules for all keys of the mount.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Keys {
    /// Encryption with a key that is not there fails, and does not make it.
    pub(super) disable_upsert: bool,
}

impl Keys {
    pub(super) async fn load(view: &View) -> Result<Self, Fault> {
        load(view, KEYS_AT).await
    }
}

async fn load<T: Default + for<'de> Deserialize<'de>>(view: &View, at: &str) -> Result<T, Fault> {
    match view.get(at).await? {
        Some(found) => serde_json::from_slice(found.value.expose()).map_err(Fault::unreadable),
        None => Ok(T::default()),
    }
}

async fn put(view: &View, at: &str, value: &impl Serialize) -> Result<Outcome, Fault> {
    let stored = Secret::new(serde_json::to_vec(value).map_err(Fault::internal)?);
    let _unconditional = view.commit(view.batch().put(at, stored)).await?;
    Outcome::data(value)
}

fn read_cache<'a>(_: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { Outcome::data(&load::<Cache>(call.view, CACHE_AT).await?) })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WantedCache {
    size: Int,
}

fn write_cache<'a>(_: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let wanted: WantedCache = call.body.parse()?;
        match u64::try_from(wanted.size.0) {
            Ok(size) if size == 0 || size >= LEAST => {
                put(call.view, CACHE_AT, &Cache { size }).await
            }
            _ => Err(Fault::invalid(
                "size must be 0 or a value greater or equal to 10",
            )),
        }
    })
}

fn read_keys<'a>(_: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { Outcome::data(&Keys::load(call.view).await?) })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WantedKeys {
    disable_upsert: Flag,
}

fn write_keys<'a>(_: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let Flag(disable_upsert) = call.body.parse::<WantedKeys>()?.disable_upsert;
        put(call.view, KEYS_AT, &Keys { disable_upsert }).await
    })
}
