//! Token entries, decoded: what almost every request looks up.
//!
//! An entry in here is never older than the revision up to which the store's watch has been
//! followed. Whoever asks has passed the registry's read barrier first, which waits for just that,
//! so a token revoked on one replica is refused on all of them from its acknowledgement on.
//!
//! No token is in here: entries are found by the keyed hash that names them in storage.

use super::Entry;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries kept, mostly under 1 kB each; beyond it the cache starts again.
const MOST: usize = 8192;
/// Policies and pairs of metadata of an entry that is kept: one with tens of thousands is read anew each
/// time, or its holder would fill our memory.
const LARGE: usize = 512;
/// So many entities and groups that change at once are not looked for one by one.
const MANY: usize = 16;

/// Decoded entries by their hash.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: HashMap<String, Arc<Entry>>,
    /// How often something was forgotten.
    changes: u64,
}

/// What had been forgotten when a read of the store began.
#[derive(Clone, Copy)]
pub(crate) struct Mark(u64);

impl Cache {
    /// The entry, or what [`Cache::keep`] wants to know later.
    pub(crate) fn get(&self, hash: &str) -> Result<Arc<Entry>, Mark> {
        let inner = self.lock();
        let known = inner.entries.get(hash).cloned();
        known.ok_or(Mark(inner.changes))
    }

    /// Keeps what was read from the store after `mark`, unless anything changed since: what was read
    /// may be from before the change, and nobody would forget it any more.
    pub(crate) fn keep(&self, entry: &Arc<Entry>, mark: Mark) {
        let mut inner = self.lock();
        if inner.changes != mark.0 || is_large(entry) {
            return;
        }
        if inner.entries.len() >= MOST {
            inner.entries.clear();
        }
        inner.entries.insert(entry.hash.clone(), Arc::clone(entry));
    }

    /// The stored entry has changed.
    pub(crate) fn forget(&self, hash: &str) {
        let mut inner = self.lock();
        inner.entries.remove(hash);
        inner.changes += 1;
    }

    /// Entities or groups have changed, and with them what their tokens may do.
    pub(crate) fn forget_holders(&self, ids: &[&str]) {
        if ids.is_empty() {
            return;
        }
        let rests = |entry: &Entry, id: &str| {
            let standing = entry.standing.as_ref();
            entry.entity_id == id || standing.is_some_and(|standing| standing.rests_on(id))
        };
        let mut inner = self.lock();
        if ids.len() > MANY {
            inner.entries.retain(|_, entry| entry.entity_id.is_empty());
        } else {
            inner
                .entries
                .retain(|_, entry| !ids.iter().any(|id| rests(entry, id)));
        }
        inner.changes += 1;
    }

    /// Anything may have changed.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.entries.clear();
        inner.changes += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_large(entry: &Entry) -> bool {
    entry.rules().len() + entry.metadata.len() > LARGE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use std::collections::BTreeMap;

    fn entry(hash: &str) -> Arc<Entry> {
        Arc::new(Entry {
            hash: hash.to_owned(),
            accessor: String::new(),
            parent: None,
            policies: Vec::new(),
            display_name: String::new(),
            metadata: BTreeMap::new(),
            binding: BTreeMap::new(),
            path: String::new(),
            mount: String::new(),
            mount_id: String::new(),
            created: Time::from_nanos(0),
            creation_ttl: 0,
            expires: None,
            renewed: None,
            explicit_max_ttl: 0,
            period: 0,
            renewable: false,
            uses_left: None,
            num_uses: 0,
            bound_cidrs: Vec::new(),
            purpose: super::super::Purpose::Service,
            revoking: false,
            entity_id: String::new(),
            groups: Vec::new(),
            role: String::new(),
            counted: None,
            standing: None,
        })
    }

    #[test]
    fn what_changed_while_it_was_read_is_not_kept() {
        let cache = Cache::default();
        let Err(mark) = cache.get("a") else {
            panic!("nothing was kept yet")
        };
        cache.forget("a");
        cache.keep(&entry("a"), mark);
        assert!(cache.get("a").is_err());
    }

    #[test]
    fn what_is_forgotten_is_read_again() {
        let cache = Cache::default();
        for hash in ["a", "b"] {
            let Err(mark) = cache.get(hash) else {
                panic!("nothing was kept yet")
            };
            cache.keep(&entry(hash), mark);
        }
        cache.forget("a");
        assert!(cache.get("a").is_err());
        assert!(cache.get("b").is_ok());
        cache.clear();
        assert!(cache.get("b").is_err());
    }

    #[test]
    fn tokens_of_an_entity_are_forgotten_with_it() {
        let cache = Cache::default();
        for hash in ["a", "b"] {
            let Err(mark) = cache.get(hash) else {
                panic!("nothing was kept yet")
            };
            let mut entry = (*entry(hash)).clone();
            hash.clone_into(&mut entry.entity_id);
            cache.keep(&Arc::new(entry), mark);
        }
        let Err(mark) = cache.get("c") else {
            panic!("nothing was kept yet")
        };
        cache.forget_holders(&["a"]);
        assert!(cache.get("a").is_err());
        assert!(cache.get("b").is_ok());
        // What was being read meanwhile may have seen the entity as it was.
        cache.keep(&entry("c"), mark);
        assert!(cache.get("c").is_err());
    }

    #[test]
    fn what_is_much_larger_than_others_is_not_kept() {
        let cache = Cache::default();
        let mut large = (*entry("a")).clone();
        large.policies = (0..20_000).map(|number| format!("p{number}")).collect();
        for (entry, kept) in [(Arc::new(large), false), (entry("b"), true)] {
            let Err(mark) = cache.get(&entry.hash) else {
                panic!("nothing was kept yet")
            };
            cache.keep(&entry, mark);
            assert_eq!(cache.get(&entry.hash).is_ok(), kept);
        }
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let cache = Cache::default();
        for number in 0..3 * MOST {
            let hash = number.to_string();
            if let Err(mark) = cache.get(&hash) {
                cache.keep(&entry(&hash), mark);
            }
        }
        assert!(cache.lock().entries.len() <= MOST);
    }
}
