//! KV version 2: versioned secrets.
//!
//! Follows Vault's KV v2 API, shapes, status and texts, with OpenBao's check-and-set of metadata.
//! Where the two differ from what is here: `data` must be an object (`null` is refused), negative
//! limits are refused instead of wrapping, and error texts do not quote input.
//!
//! Storage, relative to the mount:
//!
//! | Key | Holds |
//! |---|---|
//! | `config` | settings of the mount |
//! | `m/PATH` | the metadata record of a secret: settings and one line a version |
//! | `v/INCARNATION/NUMBER` | the data of one version, the JSON bytes as they were sent |
//! | `gone/INCARNATION/NUMBER` | a promise to delete the data of versions up to this number |
//!
//! A version is readable only through the metadata record, and each change compares the revision
//! of that record: so a write with `cas` is exact on any number of replicas, and nothing is seen
//! half-written. The incarnation is random and new whenever a path is made again, so data that is
//! left after a crash can never be read under the new secret.

mod config;
mod custom;
mod data;
mod detailed;
mod elsewhere;
mod events;
mod kept;
mod merge;
mod metadata;
mod record;
mod storage;
mod subkeys;
mod versions;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use crate::contest::Contests;
use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use cofferdam_core::engine::View;
use cofferdam_core::engine::{Happened, Kept, Pending, Route, Routed, Touched};
use cofferdam_core::mount::MountConfig;
use cofferdam_secret::Secret;

/// The engine's name in mount tables. `kv-v2` means this one with the option `version` = `2`.
pub const KIND: &str = "kv";

/// The engine.
#[derive(Default)]
pub struct Kv {
    contests: Contests,
}

impl Routed for Kv {
    const ROUTES: &'static [Route<Self>] = &[
        config::ROUTE,
        data::ROUTE,
        subkeys::ROUTE,
        versions::DELETE,
        versions::UNDELETE,
        versions::DESTROY,
        metadata::ROUTE,
        detailed::ROUTE,
        // Last: explains every other path.
        elsewhere::ROUTE,
    ];

    fn events<'a>(&'a self, touched: &'a [Touched<'a>]) -> Pending<'a, Vec<Happened>> {
        Box::pin(events::of(touched))
    }

    fn kept<'a>(
        &'a self,
        view: &'a View,
        after: Option<&'a str>,
        most: usize,
        now: Time,
    ) -> Pending<'a, Vec<Kept>> {
        Box::pin(kept::page(view, after, most, now))
    }

    fn content<'a>(
        &'a self,
        view: &'a View,
        kept: &'a Kept,
        version: u64,
    ) -> Pending<'a, Option<Secret<Vec<u8>>>> {
        Box::pin(storage::content(view, kept.incarnation, version))
    }

    fn mount<'a>(&'a self, _: &'a View, config: &'a MountConfig) -> Pending<'a, ()> {
        Box::pin(async move {
            if let Some(unknown) = config.options.keys().find(|name| *name != "version") {
                return Err(Fault::invalid(format!(
                    "unknown option of a kv mount: {unknown}"
                )));
            }
            match config.options.get("version").map(String::as_str) {
                Some("2") => Ok(()),
                // Vault mounts version 1 where none is named.
                None | Some("" | "1") => Err(Fault::invalid(
                    "kv version 1 is not served yet; use: cofferdam secrets enable -version=2 kv",
                )),
                Some(_) => Err(Fault::invalid(
                    "kv has no such version; use: cofferdam secrets enable -version=2 kv",
                )),
            }
        })
    }
}
