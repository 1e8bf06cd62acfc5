//! Long lists of names, kept as they were answered until something below their path changes.
//!
//! A list of ten thousand names is ten thousand entries of the store, and as many hashes in its audit
//! record: both are the same until a key below changes. What is kept holds names, which the store
//! has in the clear, and no value.

use super::storage;
use cofferdam_core::engine::View;
use cofferdam_core::json::Data;
use cofferdam_core::{Fault, Outcome, Response};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shorter lists are read as fast as they are found.
const WORTH: usize = 256;
/// Bytes kept in all; beyond it the cache starts again.
const MOST: usize = 4 << 20;

/// A list as it was answered.
struct Listing {
    json: Arc<[u8]>,
    /// Tells it from every other list of this process.
    serial: u64,
}

/// Lists by where they lie in the store: the prefix of the names, which ends in a slash.
#[derive(Default)]
pub(super) struct Listings(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    known: HashMap<String, Arc<Listing>>,
    bytes: usize,
    /// What was read before a change is not kept after it.
    changes: u64,
    serial: u64,
}

impl Listings {
    /// All names below a path, as an answer.
    pub(super) async fn whole(&self, view: &View, path: &str) -> Result<Outcome, Fault> {
        let mut below = storage::record_key(path);
        if !path.is_empty() {
            below.push('/');
        }
        let place = format!("{}{below}", view.prefix());
        let changes = {
            let inner = self.lock();
            if let Some(known) = inner.known.get(&place) {
                let known = known.clone();
                drop(inner);
                return Ok(known.outcome(&place));
            }
            inner.changes
        };
        let names = view.list(&below, None, usize::MAX).await?.names;
        if names.len() < WORTH {
            return Outcome::keys(&names);
        }
        let listing = self.keep(&place, &names, changes)?;
        Ok(listing.outcome(&place))
    }

    fn keep(&self, place: &str, names: &[String], changes: u64) -> Result<Arc<Listing>, Fault> {
        #[derive(Serialize)]
        struct Keys<'a> {
            keys: &'a [String],
        }
        let json = serde_json::to_vec(&Keys { keys: names }).map_err(Fault::internal)?;
        let mut inner = self.lock();
        inner.serial += 1;
        let listing = Arc::new(Listing {
            json: json.into(),
            serial: inner.serial,
        });
        let size = listing.json.len() + place.len();
        if inner.changes == changes && size <= MOST {
            if inner.bytes + size > MOST {
                inner.known.clear();
                inner.bytes = 0;
            }
            let before = inner.known.insert(place.to_owned(), listing.clone());
            let replaced = before.map_or(0, |before| before.json.len() + place.len());
            inner.bytes = inner.bytes + size - replaced;
        }
        Ok(listing)
    }

    /// These keys of the store have changed, or anything may have (`None`).
    pub(super) fn forget(&self, keys: Option<&[String]>) {
        let mut inner = self.lock();
        inner.changes += 1;
        let Some(keys) = keys else {
            inner.known.clear();
            inner.bytes = 0;
            return;
        };
        if inner.known.is_empty() {
            return;
        }
        for key in keys {
            for (slash, _) in key.match_indices('/') {
                let place = key.get(..=slash).unwrap_or_default();
                if let Some(gone) = inner.known.remove(place) {
                    inner.bytes -= gone.json.len() + place.len();
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listing {
    fn outcome(&self, place: &str) -> Outcome {
        let data = Data::shared(Arc::clone(&self.json));
        let identity = format!("names/{place}@{}", self.serial);
        Outcome::Data(Response::of(data).identified(identity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("n{number:04}")).collect()
    }

    fn known(listings: &Listings) -> Vec<String> {
        let mut known: Vec<_> = listings.lock().known.keys().cloned().collect();
        known.sort();
        known
    }

    #[test]
    fn a_change_below_a_path_ends_the_lists_of_all_paths_above() {
        let listings = Listings::default();
        for place in ["mount/1/m/", "mount/1/m/a/", "mount/1/m/a/b/", "mount/2/m/"] {
            listings.keep(place, &names(300), 0).unwrap();
        }
        listings.forget(Some(&["mount/1/v/0/1".to_owned()]));
        assert_eq!(known(&listings).len(), 4);
        listings.forget(Some(&["mount/1/m/a/x".to_owned()]));
        assert_eq!(known(&listings), ["mount/1/m/a/b/", "mount/2/m/"]);
        listings.forget(None);
        assert!(known(&listings).is_empty() && listings.lock().bytes == 0);
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let listings = Listings::default();
        let before = listings.lock().changes;
        listings.forget(Some(&["mount/1/m/new".to_owned()]));
        let answered = listings.keep("mount/1/m/", &names(300), before).unwrap();
        assert!(known(&listings).is_empty());
        // Nor is its audit record taken for that of another.
        let next = listings.keep("mount/1/m/", &names(301), before).unwrap();
        assert_ne!(answered.serial, next.serial);
    }

    #[test]
    fn a_kept_list_is_answered_as_it_lies_in_memory() {
        let listings = Listings::default();
        let listing = listings.keep("mount/1/m/", &names(300), 0).unwrap();
        let Outcome::Data(answer) = listing.outcome("mount/1/m/") else {
            panic!("a list is data");
        };
        let bytes = answer.data.as_bytes();
        assert_eq!(bytes.as_ptr(), listing.json.as_ptr());
        let read: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(read["keys"].as_array().unwrap().len(), 300);
        // Whoever must own it gets a copy.
        assert_eq!(*answer.data.into_bytes().expose(), *listing.json);
    }

    #[test]
    fn memory_is_bounded() {
        let listings = Listings::default();
        for number in 0..200 {
            listings
                .keep(&format!("mount/{number}/m/"), &names(10_000), 0)
                .unwrap();
        }
        let inner = listings.lock();
        let bytes = inner
            .known
            .iter()
            .map(|(place, list)| place.len() + list.json.len());
        assert!(inner.bytes <= MOST && !inner.known.is_empty());
        assert_eq!(inner.bytes, bytes.sum::<usize>());
    }
}
