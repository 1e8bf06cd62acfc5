//! Which keys changed: the store's watch, with physical keys translated.

use crate::barrier::{DATA, Unsealed};
use crate::{Barrier, Error, Revision};
use cofferdam_store::Watch;

/// One transaction, by the keys it touched. Values are read through the barrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    /// Its revision.
    pub revision: Revision,
    /// Keys under the watched prefix, relative to it. Empty for a transaction elsewhere, so that a
    /// follower still learns how far it has come.
    pub keys: Vec<String>,
}

/// A running watch of keys.
pub struct KeyWatch {
    inner: Box<dyn Watch>,
    barrier: Barrier<Unsealed>,
    /// Physical prefix.
    prefix: String,
}

impl KeyWatch {
    pub(crate) fn new(inner: Box<dyn Watch>, barrier: Barrier<Unsealed>, prefix: &str) -> Self {
        Self {
            inner,
            barrier,
            prefix: format!("{DATA}{prefix}"),
        }
    }

    /// The next transaction. A rotation by another replica is followed on the way.
    ///
    /// # Errors
    /// `Store(Compacted)` when events were lost and all must be read again; [`Error::Sealed`].
    pub async fn next(&mut self) -> Result<KeyEvent, Error> {
        let event = self.inner.next().await?;
        let mut keys = Vec::new();
        for change in &event.changes {
            let Ok(key) = std::str::from_utf8(change.key.as_bytes()) else {
                continue;
            };
            if key == crate::keyring::KEYRING {
                self.barrier.refresh().await?;
            } else if let Some(key) = key.strip_prefix(&self.prefix) {
                keys.push(key.to_owned());
            }
        }
        Ok(KeyEvent {
            revision: event.revision,
            keys,
        })
    }
}
