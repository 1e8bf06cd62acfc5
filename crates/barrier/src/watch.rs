//! Which keys changed: the store's watch, with physical keys translated.

use crate::barrier::{DATA, Unsealed};
use crate::{Barrier, Error, Revision};
use cofferdam_secret::Secret;
use cofferdam_store::{Entry, Watch};

/// One transaction, by the keys it touched. What it put there stays sealed until somebody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    /// Its revision.
    pub revision: Revision,
    /// Keys under the watched prefix, relative to it. Empty for a transaction elsewhere, so that a
    /// follower still learns how far it has come.
    pub keys: Vec<String>,
    /// For each of `keys`: what it put there; `None` where it removed it.
    sealed: Vec<Option<Entry>>,
}

impl KeyEvent {
    /// Whether the transaction removed the key with this number.
    #[must_use]
    pub fn removed(&self, number: usize) -> bool {
        self.sealed.get(number).is_some_and(Option::is_none)
    }

    /// What the transaction put at the key with this number: exactly that, whatever is there now.
    ///
    /// # Errors
    /// [`Error::Sealed`], and those of decryption.
    pub async fn open(
        &self,
        barrier: &Barrier<Unsealed>,
        number: usize,
    ) -> Result<Option<Secret<Vec<u8>>>, Error> {
        match self.sealed.get(number).cloned().flatten() {
            Some(entry) => Ok(Some(barrier.decrypt(entry).await?.value)),
            None => Ok(None),
        }
    }
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
        let (mut keys, mut sealed) = (Vec::new(), Vec::new());
        for change in event.changes {
            let Ok(key) = std::str::from_utf8(change.key.as_bytes()) else {
                continue;
            };
            if key == crate::keyring::KEYRING {
                self.barrier.refresh().await?;
            } else if let Some(key) = key.strip_prefix(&self.prefix) {
                keys.push(key.to_owned());
                let revision = event.revision;
                sealed.push(change.value.map(|value| Entry {
                    key: change.key.clone(),
                    value,
                    revision,
                }));
            }
        }
        Ok(KeyEvent {
            revision: event.revision,
            keys,
            sealed,
        })
    }
}
