//! Public keys, as they are kept in memory: anybody may ask for them, as often as they like, and to find
//! them all roles or clients are read.
//!
//! What is in here is never older than the revision up to which the store's watch was followed, since
//! the registry tells of every change before a request that begins after it is let through. One at a
//! time reads what is not in here, and those who ask meanwhile wait for that one: a flood costs the
//! store what one request costs. When a key's time is over, the clock says, and not the store.

use super::signing::Jwk;
use crate::clock::Time;
use crate::fault::Fault;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Issuers whose keys are kept; beyond it all begin again.
const MOST: usize = 256;
/// Where what is kept comes from.
const BELOW: &str = "identity/oidc/";
/// And what changes with every login at a client, and no key with it.
const CODES: &str = "identity/oidc/code/";

/// A public key, until when it may be trusted where that is known.
pub(super) struct Public {
    pub(super) jwk: Jwk,
    pub(super) until: Option<Time>,
}

/// Those of `all` that may be trusted now.
pub(super) fn trusted(all: &[Public], now: Time) -> impl Iterator<Item = &Jwk> {
    let standing = all
        .iter()
        .filter(move |public| public.until.is_none_or(|until| until > now));
    standing.map(|public| &public.jwk)
}

/// The keys of issuers, by the provider's name; those of `identity/oidc` itself without one.
#[derive(Default)]
pub(crate) struct Published {
    inner: Mutex<Inner>,
    /// Held by the one who reads.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Inner {
    kept: BTreeMap<Option<String>, Arc<Vec<Public>>>,
    /// How often something was forgotten.
    changes: u64,
}

/// What had been forgotten when a read of the store began.
struct Mark(u64);

impl Published {
    /// What is kept of an issuer.
    pub(super) fn known(&self, issuer: Option<&str>) -> Option<Arc<Vec<Public>>> {
        self.get(issuer).ok()
    }

    /// The keys of an issuer, by `read` where they are not kept.
    pub(super) async fn of(
        &self,
        issuer: Option<&str>,
        read: impl Future<Output = Result<Vec<Public>, Fault>>,
    ) -> Result<Arc<Vec<Public>>, Fault> {
        if let Ok(kept) = self.get(issuer) {
            return Ok(kept);
        }
        let _turn = self.turn.lock().await;
        let mark = match self.get(issuer) {
            Ok(kept) => return Ok(kept),
            Err(mark) => mark,
        };
        let found = Arc::new(read.await?);
        let mut inner = self.lock();
        // Else it may be from before the change, and nobody would forget it any more.
        if inner.changes == mark.0 {
            if inner.kept.len() >= MOST {
                inner.kept.clear();
            }
            inner
                .kept
                .insert(issuer.map(str::to_owned), Arc::clone(&found));
        }
        Ok(found)
    }

    /// These entries of the store have changed, or anything may have (`None`).
    pub(crate) fn forget(&self, keys: Option<&[String]>) {
        let ours = |key: &String| key.starts_with(BELOW) && !key.starts_with(CODES);
        if keys.is_none_or(|keys| keys.iter().any(ours)) {
            let mut inner = self.lock();
            inner.kept.clear();
            inner.changes += 1;
        }
    }

    fn get(&self, issuer: Option<&str>) -> Result<Arc<Vec<Public>>, Mark> {
        let inner = self.lock();
        let kept = inner.kept.get(&issuer.map(str::to_owned)).cloned();
        kept.ok_or(Mark(inner.changes))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_changed_while_it_was_read_is_not_kept() {
        let published = Published::default();
        let changed = |key: &str| published.forget(Some(&[key.to_owned()]));
        let read = async {
            changed("identity/oidc/key/a");
            Ok(Vec::new())
        };
        assert!(published.of(None, read).await.is_ok());
        assert!(published.known(None).is_none());
        let read = async {
            changed("identity/oidc/code/a");
            changed("mount/1/a");
            Ok(Vec::new())
        };
        assert!(published.of(None, read).await.is_ok());
        assert!(published.known(None).is_some());
        published.forget(None);
        assert!(published.known(None).is_none());
    }

    #[tokio::test]
    async fn it_does_not_grow_without_end_and_keeps_no_failure() {
        let published = Published::default();
        for number in 0..3 * MOST {
            let name = number.to_string();
            let failed = published.of(Some(&name), async { Err(Fault::missing()) });
            assert!(failed.await.is_err());
            assert!(published.known(Some(&name)).is_none());
            let found = published.of(Some(&name), async { Ok(Vec::new()) });
            assert!(found.await.is_ok());
        }
        assert!(published.lock().kept.len() <= MOST);
    }
}
