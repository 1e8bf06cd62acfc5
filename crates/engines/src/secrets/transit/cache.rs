//! Keys decoded and expanded: what almost every request needs.
//!
//! A key in here is never older than the revision up to which the store's watch was followed: the
//! registry calls [`Cache::forget`] for every committed transaction before a request that begins
//! after it passes the read barrier. So a version that one replica disallows is refused on all of
//! them from the acknowledgement on.

use super::key::Key;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keys kept; beyond it the cache starts again. A key of few versions is below 1 kB.
const MOST: usize = 4096;

/// Keys by where the barrier has them.
#[derive(Default)]
pub(super) struct Cache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    keys: HashMap<String, Arc<Key>>,
    /// How often something of ours was forgotten.
    changes: u64,
}

/// What had been forgotten when a read of the store began.
#[derive(Clone, Copy)]
pub(super) struct Mark(u64);

impl Cache {
    /// The key, or what [`Cache::keep`] wants to know later.
    pub(super) fn get(&self, place: &str) -> Result<Arc<Key>, Mark> {
        let inner = self.lock();
        let known = inner.keys.get(place).cloned();
        known.ok_or(Mark(inner.changes))
    }

    /// Keeps what was read after `mark`, unless anything changed since: what was read may be from
    /// before the change, and nobody would forget it any more.
    pub(super) fn keep(&self, place: String, key: &Arc<Key>, mark: Mark) {
        let mut inner = self.lock();
        if inner.changes != mark.0 {
            return;
        }
        if inner.keys.len() >= MOST {
            inner.keys.clear();
        }
        inner.keys.insert(place, Arc::clone(key));
    }

    /// These entries of the store have changed, or anything may have (`None`).
    pub(super) fn forget(&self, places: Option<&[String]>) {
        let mut inner = self.lock();
        let Some(places) = places else {
            inner.keys.clear();
            inner.changes += 1;
            return;
        };
        for place in places.iter().filter(|place| super::store::is_key(place)) {
            inner.keys.remove(place);
            inner.changes += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Wanted;
    use super::super::kind::Kind;
    use super::*;

    fn key() -> Arc<Key> {
        let wanted = Wanted {
            kind: Kind::Aes256,
            derived: false,
            convergent: false,
            exportable: false,
            allow_plaintext_backup: false,
            auto_rotate: 0,
            key_size: 0,
        };
        Arc::new(Key::new(&wanted).unwrap())
    }

    #[test]
    fn what_changed_while_it_was_read_is_not_kept() {
        let cache = Cache::default();
        let place = "mount/1/k/a".to_owned();
        let Err(mark) = cache.get(&place) else {
            panic!("nothing was kept yet")
        };
        cache.forget(Some(std::slice::from_ref(&place)));
        cache.keep(place.clone(), &key(), mark);
        assert!(cache.get(&place).is_err());
        let Err(mark) = cache.get(&place) else {
            panic!("nothing was kept")
        };
        // What is no key does not count.
        cache.forget(Some(&["mount/1/other".to_owned()]));
        cache.keep(place.clone(), &key(), mark);
        assert!(cache.get(&place).is_ok());
        cache.forget(None);
        assert!(cache.get(&place).is_err());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let cache = Cache::default();
        for number in 0..3 * MOST {
            let place = format!("mount/1/k/{number}");
            if let Err(mark) = cache.get(&place) {
                cache.keep(place, &key(), mark);
            }
        }
        assert!(cache.lock().keys.len() <= MOST);
    }
}
