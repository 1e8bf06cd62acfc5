//! Tokens counted against limits of leases.
//!
//! A counter changes in the transaction that makes or ends a token, under a compare: of all replicas
//! together no more tokens are made than the limit says, and each end gives back one place once.

use super::{Entry, Store};
use crate::fault::Fault;
use crate::metrics::Metrics;
use crate::record::{decode, encode};
use cofferdam_barrier::{Batch, Commit, Revision};
use tokio::sync::MutexGuard;

/// Rounds of a compare that somebody else may win.
const ATTEMPTS: usize = 64;

/// The limit that a new token counts against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Of the limit.
    pub(crate) id: String,
    /// Tokens at once.
    pub(crate) most: u64,
}

fn key(id: &str) -> String {
    format!("counter/{id}")
}

/// One more than the limit allows.
pub(crate) fn exceeded() -> Fault {
    Fault::too_many("lease count quota exceeded")
}

impl Store {
    async fn counter(&self, id: &str) -> Result<Option<(u64, Revision)>, Fault> {
        let found = self.view.get(&key(id)).await?;
        found
            .map(|found| Ok((decode(&found.value)?, found.revision)))
            .transpose()
    }

    /// How many count against a limit now.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn counts(&self, id: &str) -> Result<u64, Fault> {
        Ok(self.counter(id).await?.map_or(0, |(count, _)| count))
    }

    /// The turn of whoever ends a token that is counted.
    pub(super) async fn turn_of(&self, entry: &Entry) -> Option<MutexGuard<'_, ()>> {
        match entry.counted {
            Some(_) => Some(self.turn.lock().await),
            None => None,
        }
    }

    /// Adds one, if that is not one too many.
    pub(super) async fn count_up(&self, batch: Batch, counted: &Counted) -> Result<Batch, Fault> {
        let found = self.counter(&counted.id).await?;
        let (count, revision) = found.map_or((0, None), |(count, at)| (count, Some(at)));
        if count >= counted.most {
            Metrics::add(&self.metrics.lease_count_violations);
            return Err(exceeded());
        }
        let key = key(&counted.id);
        Ok(batch
            .expect(key.clone(), revision)
            .put(key, encode(&(count + 1))?))
    }

    /// Takes one away. A counter that is gone was that of a limit that is gone.
    pub(super) async fn count_down(&self, batch: Batch, id: &str) -> Result<Batch, Fault> {
        let Some((count, revision)) = self.counter(id).await? else {
            return Ok(batch);
        };
        Ok(batch
            .expect(key(id), Some(revision))
            .put(key(id), encode(&count.saturating_sub(1))?))
    }

    /// Counts every token anew, after limits changed: each against the limit that `narrowest` names,
    /// whatever that allows. A token is moved in one transaction; ended in the middle, it may be done
    /// again.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn recount(
        &self,
        narrowest: impl Fn(&Entry) -> Option<String> + Send + Sync,
    ) -> Result<(), Fault> {
        let mut moved = Vec::new();
        self.each(|entry| {
            let wanted = narrowest(&entry).filter(|_| entry.expires.is_some());
            if wanted != entry.counted {
                moved.push((entry.hash, wanted));
            }
        })
        .await?;
        for (hash, wanted) in moved {
            self.reassign(&hash, wanted).await?;
        }
        Ok(())
    }

    async fn reassign(&self, hash: &str, wanted: Option<String>) -> Result<(), Fault> {
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS {
            let Some((mut entry, revision)) = self.stored(hash).await? else {
                return Ok(());
            };
            let before = std::mem::replace(&mut entry.counted, wanted.clone());
            if before == wanted {
                return Ok(());
            }
            let id = format!("id/{hash}");
            let mut batch = Batch::new()
                .expect(id.clone(), Some(revision))
                .put(id, encode(&entry)?);
            if let Some(before) = &before {
                batch = self.count_down(batch, before).await?;
            }
            if let Some(wanted) = &wanted {
                let anew = Counted {
                    id: wanted.clone(),
                    most: u64::MAX,
                };
                batch = self.count_up(batch, &anew).await?;
            }
            if let Commit::Done(_) = self.view.commit(batch).await? {
                return Ok(());
            }
        }
        Err(Fault::unavailable(
            "tokens change too fast to be counted; it goes on within a minute",
            "recount lost every race",
        ))
    }

    /// Forgets the counter of a limit that is gone, and against which nobody counts.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn uncounted(&self, id: &str) -> Result<(), Fault> {
        self.view
            .commit(Batch::new().delete(key(id)))
            .await?
            .ignore();
        Ok(())
    }
}
