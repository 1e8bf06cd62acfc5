//! Fenced leadership for background work (lease expiry, rotation), over any store.
//!
//! Two keys. `NAME/term` is written once by each leader, and its revision is the fence: every
//! transaction of the leader compares it, so the moment somebody else takes over, nothing of the
//! old leader is applied any more, however late it arrives. `NAME/beat` is written again and again
//! by a living leader and removed by one that resigns.
//!
//! A challenger takes over when the beat has not changed for a whole TTL *by its own monotonic
//! clock*. Clocks of two machines are never compared, and a wrong clock can only cost time, never
//! make two leaders' writes count.

use crate::{Commit, Compare, Error, Key, Revision, Store, Transaction};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Which office, who runs for it, and how long a silent leader keeps it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Name of the office: the prefix of its two keys.
    pub office: String,
    /// Tells candidates apart in the store; not secret.
    pub id: String,
    /// How long the beat may stand still. A leader renews three times as often.
    pub ttl: Duration,
}

/// A won office. Its writes count as long as their transactions carry the [`Leadership::fence`].
pub struct Leadership {
    store: Arc<dyn Store>,
    candidate: Candidate,
    fence: Revision,
    /// When the last renewal that succeeded was begun.
    renewed: Instant,
}

/// Somebody else leads now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

impl Candidate {
    /// Waits until the office is won. Cancel by dropping the future; should it have won in that
    /// very moment, the office is vacant again after a TTL.
    ///
    /// # Errors
    /// Those of the store; the candidate may run again.
    pub async fn campaign(self, store: Arc<dyn Store>) -> Result<Leadership, Error> {
        let mut seen: Option<(Seat, Instant)> = None;
        loop {
            let seat = self.look(&*store).await?;
            let since = match seen {
                Some((before, since)) if before == seat => since,
                _ => Instant::now(),
            };
            let vacant = seat.beat.is_none() || since.elapsed() >= self.ttl;
            if vacant && let Some(leadership) = self.take(&store, seat).await? {
                return Ok(leadership);
            }
            seen = Some((seat, since));
            if !vacant {
                sleep_until((since + self.ttl).min(Instant::now() + self.pause())).await;
            }
        }
    }

    fn pause(&self) -> Duration {
        self.ttl / 3
    }

    fn key(&self, part: &str) -> Key {
        Key::from(format!("{}/{part}", self.office))
    }

    async fn look(&self, store: &dyn Store) -> Result<Seat, Error> {
        let revision = |entry: Option<crate::Entry>| entry.map(|entry| entry.revision);
        Ok(Seat {
            term: revision(store.get(&self.key("term")).await?),
            beat: revision(store.get(&self.key("beat")).await?),
        })
    }

    /// Takes the office, unless anything about it has changed since it was looked at.
    async fn take(&self, store: &Arc<dyn Store>, seat: Seat) -> Result<Option<Leadership>, Error> {
        let renewed = Instant::now();
        let id = Bytes::from(self.id.clone());
        let transaction = Transaction::new()
            .expect(self.key("term"), seat.term)
            .expect(self.key("beat"), seat.beat)
            .put(self.key("term"), id.clone())
            .put(self.key("beat"), id);
        Ok(match store.commit(transaction).await? {
            Commit::Done(fence) => Some(Leadership {
                store: Arc::clone(store),
                candidate: self.clone(),
                fence,
                renewed,
            }),
            Commit::Conflict => None,
        })
    }
}

/// The two keys, by when they were written.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seat {
    term: Option<Revision>,
    beat: Option<Revision>,
}

impl Leadership {
    /// The condition every transaction of the leader must carry.
    #[must_use]
    pub fn fence(&self) -> Compare {
        Compare {
            key: self.candidate.key("term"),
            expected: Some(self.fence),
        }
    }

    /// Whether no challenger can have taken over yet. To save work, not for safety: that is what
    /// the fence is for.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.renewed.elapsed() < self.candidate.ttl
    }

    /// Tells the challengers that the leader lives.
    ///
    /// # Errors
    /// Those of the store: whether it is still the leader is open then, so try again.
    pub async fn renew(&mut self) -> Result<Result<(), Lost>, Error> {
        let begun = Instant::now();
        let beat = Bytes::from(self.candidate.id.clone());
        let mut transaction = Transaction::new().put(self.candidate.key("beat"), beat);
        transaction.compares.push(self.fence());
        Ok(match self.store.commit(transaction).await? {
            Commit::Done(_) => {
                self.renewed = begun;
                Ok(())
            }
            Commit::Conflict => Err(Lost),
        })
    }

    /// Renews until the office is lost. Run it beside the work, in a `select!`.
    pub async fn keep(&mut self) -> Lost {
        loop {
            sleep(self.candidate.pause()).await;
            match self.renew().await {
                Ok(Ok(())) => {}
                Ok(Err(lost)) => return lost,
                // A store that fails for a whole TTL has most likely given the office to another.
                Err(_) if self.is_fresh() => {}
                Err(_) => return Lost,
            }
        }
    }

    /// Leaves at once, so that nobody has to wait for the TTL.
    ///
    /// # Errors
    /// Those of the store; the TTL frees the office then.
    pub async fn resign(self) -> Result<(), Error> {
        let mut transaction = Transaction::new().delete(self.candidate.key("beat"));
        transaction.compares.push(self.fence());
        // A conflict means that it was lost already, which is as good.
        self.store.commit(transaction).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests;
