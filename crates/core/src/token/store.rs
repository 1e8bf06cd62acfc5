//! Where tokens live. One transaction makes a token with its indexes; use counts and revocation are
//! compares on its entry, so they hold on many replicas as on one.
//!
//! Keys, below the token view: `id/HASH` the entry, `accessor/HASH` the way from an accessor,
//! `parent/PARENT/CHILD` and `expiry/TIME/HASH` indexes, `revoking/HASH` revocations begun,
//! `wrapped/HASH` the reply a wrapping token holds, `counter/LIMIT` how many count against a limit of
//! leases.

mod end;
mod find;
mod make;
mod wrapping;

pub(crate) use make::LENGTH;
pub use make::{NewToken, SERVICE_PREFIX};

use super::cache::Cache;
use super::entry::{Entry, Purpose};
use crate::clock::Time;
use crate::fault::Fault;
use crate::identity;
use crate::metrics::Metrics;
use crate::record::{self, decode, encode};
use cofferdam_barrier::{Batch, Commit, Opened, View};
use cofferdam_secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::sync::Arc;

/// How often a lost race is tried again.
const ATTEMPTS: usize = 64;

#[derive(Serialize, Deserialize)]
struct ByAccessor {
    hash: String,
    accessor: String,
}

/// The token store.
pub struct Store {
    pub(super) view: View,
    cache: Arc<Cache>,
    cubbyhole: View,
    key: Hmac<Sha256>,
    identity: Arc<identity::Store>,
    pub(super) metrics: Arc<Metrics>,
    /// Of those in this process who change a counter: else they would all lose the race but one.
    pub(super) turn: tokio::sync::Mutex<()>,
}

impl Store {
    /// Opens the store below `view`, making its hash key on first use. What tokens keep in
    /// `cubbyhole` is removed with them. Somebody follows the store and tells `cache`.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn open(
        view: View,
        cubbyhole: View,
        cache: Arc<Cache>,
        identity: Arc<identity::Store>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Fault> {
        loop {
            if let Some(stored) = view.get("key").await? {
                let key = Hmac::new_from_slice(stored.value.expose()).map_err(Fault::internal)?;
                return Ok(Self {
                    view,
                    cache,
                    cubbyhole,
                    key,
                    identity,
                    metrics,
                    turn: tokio::sync::Mutex::new(()),
                });
            }
            let fresh = cofferdam_secret::random::<32>().map_err(Fault::internal)?;
            let batch = Batch::new()
                .expect_absent("key")
                .put("key", Secret::new(fresh.expose().to_vec()));
            let _: Commit = view.commit(batch).await?;
        }
    }

    /// How many there are, wrapping tokens and those that expired a moment ago included.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn count(&self) -> Result<usize, Fault> {
        Ok(self.view.list("id/", None, usize::MAX).await?.names.len())
    }

    /// The keyed hash that names a token or an accessor in storage.
    fn hash(&self, domain: &str, text: &str) -> String {
        let mut mac = self.key.clone();
        mac.update(domain.as_bytes());
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    pub(super) async fn stored(
        &self,
        hash: &str,
    ) -> Result<Option<(Entry, cofferdam_barrier::Revision)>, Fault> {
        match self.view.get(&format!("id/{hash}")).await? {
            Some(Opened {
                value, revision, ..
            }) => Ok(Some((decode(&value)?, revision))),
            None => Ok(None),
        }
    }

    /// Hashes of all tokens that a mount made while it was at this path.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn issued_by(&self, mount: &str, id: &str) -> Result<Vec<String>, Fault> {
        let mut all = Vec::new();
        self.each(|entry| {
            if entry.mount == mount && entry.is_of(id) {
                all.push(entry.hash);
            }
        })
        .await?;
        Ok(all)
    }

    /// Looks at every stored token that can be read; nobody can use another one.
    pub(super) async fn each(&self, mut look: impl FnMut(Entry) + Send) -> Result<(), Fault> {
        let mut after: Option<String> = None;
        loop {
            let page = record::page(&self.view, "id/", after.as_deref(), 512).await?;
            page.records
                .into_iter()
                .for_each(|found| look(found.record));
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// All accessors.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn accessors(&self) -> Result<Vec<String>, Fault> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.view.range("accessor/", after.as_deref(), 512).await?;
            for opened in &page.entries {
                all.push(decode::<ByAccessor>(&opened.value)?.accessor);
            }
            after = page.entries.last().map(|last| last.key.clone());
            if !page.more || after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Takes one use of a token that counts them. `Last` must be revoked when its request is over.
    ///
    /// Counted before the request runs: a crash in between may waste a use, never grant one.
    ///
    /// # Errors
    /// [`crate::Kind::Denied`] when no use is left.
    pub async fn spend(&self, now: Time, entry: Arc<Entry>) -> Result<(Arc<Entry>, Spent), Fault> {
        if entry.uses_left.is_none() || entry.purpose == Purpose::Wrapping {
            return Ok((entry, Spent::Uncounted));
        }
        for _ in 0..ATTEMPTS {
            let Some((mut live, revision)) = self.stored(&entry.hash).await? else {
                return Err(Fault::denied());
            };
            let left = live.uses_left.unwrap_or(0);
            if !alive(&live, now) || left == 0 {
                return Err(Fault::denied());
            }
            live.uses_left = Some(left - 1);
            let key = format!("id/{}", live.hash);
            let batch = Batch::new()
                .expect(key.clone(), Some(revision))
                .put(key, encode(&live)?);
            if let Commit::Done(_) = self.view.commit(batch).await? {
                live.standing.clone_from(&entry.standing);
                return Ok((
                    Arc::new(live),
                    if left == 1 {
                        Spent::Last
                    } else {
                        Spent::Counted
                    },
                ));
            }
        }
        Err(too_busy())
    }

    /// Moves the end of a token. The caller has worked out how far.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] when it is gone.
    pub async fn extend(&self, now: Time, hash: &str, end: Option<Time>) -> Result<Entry, Fault> {
        for _ in 0..ATTEMPTS {
            let Some((mut live, revision)) = self
                .stored(hash)
                .await?
                .filter(|(live, _)| alive(live, now))
            else {
                return Err(Fault::invalid("token not found"));
            };
            let key = format!("id/{hash}");
            let mut batch = Batch::new().expect(key.clone(), Some(revision));
            if let Some(old) = live.expires {
                batch = batch.delete(expiry_key(old, hash));
            }
            live.expires = end;
            live.renewed = Some(now);
            if let Some(end) = end {
                batch = batch.put(expiry_key(end, hash), Secret::new(Vec::new()));
            }
            if let Commit::Done(_) = self.view.commit(batch.put(key, encode(&live)?)).await? {
                self.stand(&mut live).await?;
                return Ok(live);
            }
        }
        Err(too_busy())
    }
}

/// What taking a use came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// The token does not count.
    Uncounted,
    /// There are uses left.
    Counted,
    /// That was the last one: revoke it when the request is over.
    Last,
}

/// Nothing is wrong with the token: whoever asks again may be luckier.
fn too_busy() -> Fault {
    Fault::unavailable(
        "the token is too busy; try again",
        "a change of a token lost every race",
    )
}

fn alive(entry: &Entry, now: Time) -> bool {
    !entry.revoking && !entry.expired(now) && entry.uses_left != Some(0)
}

fn expiry_key(end: Time, hash: &str) -> String {
    format!("expiry/{:016x}/{hash}", end.nanos())
}
