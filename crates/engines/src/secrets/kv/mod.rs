//! KV: version 2, versioned secrets, and in [`unversioned`] version 1; [`upgrade`] leads from the
//! one to the other. The mount's option `version` says which one answers; without it, version 1, as
//! in Vault.
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
mod import;
mod kept;
mod merge;
mod metadata;
mod names;
mod record;
mod scan;
mod storage;
mod subkeys;
mod unversioned;
mod upgrade;
mod versions;

#[cfg(test)]
mod import_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use unversioned::Unversioned;

use crate::contest::Contests;
use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use cofferdam_core::engine::View;
use cofferdam_core::engine::{Engine, Happened, Kept, Pending, Route, Routed, Touched};
use cofferdam_core::mount::{Mount, MountConfig};
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The engine's name in mount tables. `kv-v2` means this one with the option `version` = `2`.
pub const KIND: &str = "kv";

/// The engine.
#[derive(Default)]
pub struct Kv {
    contests: Contests,
    unversioned: Arc<unversioned::Unversioned>,
    upgrading: Arc<upgrade::Upgrading>,
    listings: names::Listings,
}

/// The version that a mount's options name.
///
/// # Errors
/// When there is no such version.
fn version(options: &BTreeMap<String, String>) -> Result<u8, Fault> {
    match options.get("version").map(String::as_str) {
        // Vault mounts version 1 where none is named.
        None | Some("" | "1") => Ok(1),
        Some("2") => Ok(2),
        Some(_) => Err(Fault::invalid("options.version: kv has versions 1 and 2")),
    }
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
        import::ROUTE,
        // Last: explains every other path.
        elsewhere::ROUTE,
    ];

    fn forget(&self, keys: Option<&[String]>) {
        self.listings.forget(keys);
    }

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
            version(&config.options).map(|_| ())
        })
    }

    fn of_version(&self, mount: &Mount) -> Option<Arc<dyn Engine>> {
        if mount.upgrading {
            return Some(self.upgrading.clone());
        }
        match version(&mount.config.options) {
            Ok(1) => Some(self.unversioned.clone()),
            _ => None,
        }
    }

    fn retune(&self, now: &MountConfig, wanted: &BTreeMap<String, String>) -> Result<bool, Fault> {
        if !wanted.contains_key("version") {
            return Ok(false);
        }
        match (version(&now.options)?, version(wanted)?) {
            (2, 1) => Err(Fault::invalid("cannot downgrade mount from version 2")),
            (1, 2) => Ok(true),
            _ => Ok(false),
        }
    }

    fn upgrade<'a>(&'a self, view: &'a View, now: Time) -> Pending<'a, bool> {
        Box::pin(upgrade::step(view, now))
    }
}
