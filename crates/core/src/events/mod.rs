//! Events: that something changed, told to those who may know.
//!
//! The source is the store's watch, not a hook in a handler: so every replica tells the same, and
//! nothing is told before it is committed. An engine says what a transaction on its keys means
//! ([`crate::engine::Routed::events`]); [`Hub`] follows the store once for all subscribers and only
//! while there are any; a [`Subscription`] holds each event against the filter and the policies of
//! its own caller before it hands it out.
//!
//! The shape is Vault's (<https://developer.hashicorp.com/vault/docs/concepts/events>): CloudEvents
//! in JSON with the names of paths and a version number, never a value. An event may be delivered
//! twice and, to one who reads too slowly, not at all: the stream then ends, and whoever opens it
//! again reads what it cares for once.

mod filter;
mod hub;
mod standing;
mod subscription;

pub use filter::{Filter, FilterError};
pub(crate) use hub::Hub;
pub(crate) use standing::{Needs, Standing};
pub use subscription::{End, Notice, Subscription, Wanted};

use crate::clock::Time;
use crate::fault::Fault;
use crate::mount::Mount;
use crate::path::Path;
use bytes::Bytes;
use cofferdam_barrier::{Barrier, KeyEvent, Revision, Unsealed};
use cofferdam_secret::Secret;
use serde::Serialize;
use std::collections::BTreeMap;

/// A key of a mount that a transaction touched.
pub struct Touched<'a> {
    key: &'a str,
    number: usize,
    event: &'a KeyEvent,
    barrier: &'a Barrier<Unsealed>,
}

impl<'a> Touched<'a> {
    /// Relative to the mount's storage.
    #[must_use]
    pub const fn key(&self) -> &'a str {
        self.key
    }

    /// Whether it is gone.
    #[must_use]
    pub fn removed(&self) -> bool {
        self.event.removed(self.number)
    }

    /// What was put there; `None` where it was removed.
    ///
    /// # Errors
    /// When the barrier was sealed meanwhile.
    pub async fn open(&self) -> Result<Option<Secret<Vec<u8>>>, Fault> {
        Ok(self.event.open(self.barrier, self.number).await?)
    }
}

/// What an engine says happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Vault's name of it (`kv-v2/data-write`).
    pub event_type: &'static str,
    /// The last part of the type, as Vault's metadata repeats it (`data-write`).
    pub operation: &'static str,
    /// Relative to the mount: the path a request would have (`data/app`).
    pub path: String,
    /// Relative to the mount: where the data is that changed. Policies on this path decide.
    pub data_path: String,
    /// More of Vault's metadata, as text.
    pub more: Vec<(&'static str, String)>,
}

/// An event on its way to subscribers.
#[derive(Debug)]
pub(crate) struct Event {
    event_type: &'static str,
    operation: &'static str,
    /// Where a request would have gone.
    path: Path,
    /// What policies are asked about.
    data_path: Path,
    mount: String,
    plugin: String,
    /// One line of JSON, the same for everybody.
    json: Bytes,
}

impl Event {
    /// `None` for a path that is not canonical: no request could name it, and no policy.
    fn new(
        source: &str,
        mount: &Mount,
        revision: Revision,
        number: usize,
        now: Time,
        happened: &Happened,
    ) -> Option<Self> {
        let full = |relative: &str| Path::parse(&format!("{}/{relative}", mount.path)).ok();
        let (path, data_path) = (full(&happened.path)?, full(&happened.data_path)?);
        let json = render(source, mount, revision, number, now, happened);
        Some(Self {
            event_type: happened.event_type,
            operation: happened.operation,
            path,
            data_path,
            mount: format!("{}/", mount.path),
            plugin: mount.kind.clone(),
            json: json.ok()?.into(),
        })
    }
}

fn render(
    source: &str,
    mount: &Mount,
    revision: Revision,
    number: usize,
    now: Time,
    happened: &Happened,
) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct CloudEvent<'a> {
        id: &'a str,
        source: &'a str,
        specversion: &'static str,
        r#type: &'static str,
        data: Data<'a>,
        datacontenttype: &'static str,
        time: String,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        event: Inner<'a>,
        event_type: &'static str,
        plugin_info: Plugin<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        id: &'a str,
        metadata: BTreeMap<&'static str, String>,
    }
    #[derive(Serialize)]
    struct Plugin<'a> {
        mount_class: &'static str,
        mount_accessor: &'a str,
        mount_path: String,
        plugin: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<&'a str>,
    }
    let shown = |relative: &str| format!("{}/{relative}", mount.path);
    let mut metadata: BTreeMap<_, _> = happened.more.iter().cloned().collect();
    metadata.insert("path", shown(&happened.path));
    metadata.insert("data_path", shown(&happened.data_path));
    metadata.insert("operation", happened.operation.to_owned());
    metadata.insert("modified", "true".to_owned());
    // The same on every replica: a client that moves to another can tell what it has seen.
    let id = format!("{}-{number}", revision.0);
    serde_json::to_vec(&CloudEvent {
        id: &id,
        source,
        specversion: "1.0",
        r#type: happened.event_type,
        data: Data {
            event: Inner { id: &id, metadata },
            event_type: happened.event_type,
            plugin_info: Plugin {
                mount_class: if mount.path.starts_with("auth/") {
                    "auth"
                } else {
                    "secret"
                },
                mount_accessor: &mount.accessor,
                mount_path: format!("{}/", mount.path),
                plugin: &mount.kind,
                version: mount.config.options.get("version").map(String::as_str),
            },
        },
        datacontenttype: "application/cloudevents",
        time: now.rfc3339(),
    })
}

/// Whether a pattern in which `*` stands for any text matches all of `text`.
#[must_use]
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // The leftmost place for each part in between leaves the most room for those after it.
    for part in parts {
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests;
