//! `detailed-metadata/PATH`: the names below a path, each with its metadata, as OpenBao lists them.

use super::data::number;
use super::metadata::Shown;
use super::{Kv, scan, storage};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

pub(super) const ROUTE: Route<Kv> = Route::new(
    "detailed-metadata/*path",
    &[(Verb::List, list), (Verb::Scan, scan::detailed)],
)
.asks(&["after", "limit"]);

/// A name, and its record where it is one of a secret.
struct Entry {
    name: String,
    stored: Option<storage::Stored>,
}

struct Entries(Vec<Entry>);

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(self.0.len()))?;
        for Entry { name, stored } in &self.0 {
            match stored {
                Some(stored) => map.serialize_entry(name, &Shown::from(&stored.meta))?,
                None => map.serialize_entry(name, &serde_json::Map::new())?,
            }
        }
        map.end()
    }
}

fn list<'a>(_: &'a Kv, call: Call<'a>) -> Pending<'a> {
    #[derive(Serialize)]
    struct Shape {
        key_info: Entries,
        keys: Vec<String>,
    }
    Box::pin(async move {
        let path = call.capture("path").to_owned();
        let above = match path.as_str() {
            "" => String::new(),
            path => format!("{path}/"),
        };
        let after = call.query.get("after").filter(|name| !name.is_empty());
        let limit = usize::try_from(number(call.query, "limit")?).ok();
        let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let below = storage::record_key(&above);
        let keys = call.view.list(&below, after, limit).await?.names;
        if keys.is_empty() {
            return Err(Fault::missing());
        }
        let mut entries = Vec::with_capacity(keys.len());
        for name in &keys {
            let stored = match name.ends_with('/') {
                true => None,
                false => storage::load(call.view, &format!("{above}{name}")).await?,
            };
            entries.push(Entry {
                name: name.clone(),
                stored,
            });
        }
        Outcome::data(&Shape {
            key_info: Entries(entries),
            keys,
        })
    })
}
