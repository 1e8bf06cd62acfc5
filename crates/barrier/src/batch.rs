//! A transaction in plaintext: conditions and writes, still unencrypted.

use crate::{Error, View};
use cofferdam_secret::Secret;
use cofferdam_store::{Compare, Leadership, Revision};
use std::sync::Arc;

/// Conditions and writes, applied all or not at all.
///
/// Keys of a [`Batch::new`] are relative to whoever commits it. Keys of a [`View::batch`] belong to
/// that view wherever the batch is merged, so one transaction can span views.
#[derive(Default)]
pub struct Batch {
    /// `None`: relative to whoever commits.
    home: Option<Arc<str>>,
    pub(crate) compares: Vec<(Place, Option<Revision>)>,
    pub(crate) writes: Vec<(Place, Option<Secret<Vec<u8>>>)>,
    /// Conditions on offices, which have keys outside all views.
    pub(crate) fences: Vec<Compare>,
}

/// A key with the prefix it is relative to.
pub(crate) struct Place {
    home: Option<Arc<str>>,
    key: String,
}

impl Batch {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn at_home(prefix: Arc<str>) -> Self {
        Self {
            home: Some(prefix),
            ..Self::default()
        }
    }

    /// Only if `key` is absent.
    #[must_use]
    pub fn expect_absent(self, key: impl Into<String>) -> Self {
        self.expect(key, None)
    }

    /// Only if `key` was last put at `revision`.
    #[must_use]
    pub fn expect_at(self, key: impl Into<String>, revision: Revision) -> Self {
        self.expect(key, Some(revision))
    }

    /// Only if `key` is at this revision, or (`None`) absent.
    #[must_use]
    pub fn expect(mut self, key: impl Into<String>, expected: Option<Revision>) -> Self {
        let place = self.place(key);
        self.compares.push((place, expected));
        self
    }

    /// Sets a value.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: Secret<Vec<u8>>) -> Self {
        let place = self.place(key);
        self.writes.push((place, Some(value)));
        self
    }

    /// Removes a key; removing an absent one is no error.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        let place = self.place(key);
        self.writes.push((place, None));
        self
    }

    /// Only if `leader` still leads: what its successor may have done meanwhile stays untouched.
    #[must_use]
    pub fn fenced(mut self, leader: &Leadership) -> Self {
        self.fences.push(leader.fence());
        self
    }

    /// Gives the keys that have no view yet to `view`, and those added later as well.
    #[must_use]
    pub fn within(mut self, view: &View) -> Self {
        let home = view.home();
        let compares = self.compares.iter_mut().map(|(place, _)| place);
        let writes = self.writes.iter_mut().map(|(place, _)| place);
        for place in compares.chain(writes) {
            place.home.get_or_insert_with(|| Arc::clone(&home));
        }
        self.home.get_or_insert(home);
        self
    }

    /// Adds everything of `other`, after what is here; keys stay where they belong.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.compares.extend(other.compares);
        self.writes.extend(other.writes);
        self.fences.extend(other.fences);
        self
    }

    /// Whether it neither compares nor writes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.compares.is_empty() && self.writes.is_empty() && self.fences.is_empty()
    }

    fn place(&self, key: impl Into<String>) -> Place {
        Place {
            home: self.home.clone(),
            key: key.into(),
        }
    }
}

impl Place {
    /// The full key, when committed under `prefix`.
    pub(crate) fn resolve(self, prefix: &str) -> Result<String, Error> {
        match self.home {
            None => Ok(format!("{prefix}{}", self.key)),
            Some(home) if home.starts_with(prefix) => Ok(format!("{home}{}", self.key)),
            Some(_) => Err(Error::OutsideView),
        }
    }
}
