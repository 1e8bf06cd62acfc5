//! How often a key has encrypted, counted in the store before it does.
//!
//! With random 96-bit nonces the chance that one repeats grows with the square of the number of
//! encryptions; NIST SP 800-38D section 8.3 allows 2^32. A replica takes encryptions from the store
//! in blocks: what it crashes with is lost, never used twice, so the count can only be too high.

use crate::barrier::Unsealed;
use crate::keyring::{Keyring, Term};
use crate::{Barrier, Error};
use cofferdam_store::{Commit, Key, Transaction};
use std::sync::Arc;

/// When a key has encrypted enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Encryptions a term may do before the barrier rotates to the next by itself.
    pub bound: u64,
    /// Encryptions a replica takes from the store at a time.
    pub block: u64,
}

impl Default for Limits {
    /// 2^30 leaves the chance of one repeated nonce in a term below 2^-36, far under the 2^-32 that
    /// NIST allows. Blocks of 2^16 cost one small write per 65,536 and allow 16,384 crashes a term.
    fn default() -> Self {
        Self {
            bound: 1 << 30,
            block: 1 << 16,
        }
    }
}

/// What this process may still encrypt, and with which key.
#[derive(Default)]
pub(crate) struct Allowance {
    term: Option<Term>,
    left: u64,
}

impl Barrier<Unsealed> {
    /// Takes `count` encryptions and returns the keyring to do them with.
    pub(crate) async fn spend(&self, count: u64) -> Result<Arc<Keyring>, Error> {
        let mut allowance = self.allowance().lock().await;
        loop {
            let ring = self.ring()?;
            let term = ring.active();
            if allowance.term == Some(term) && allowance.left >= count {
                allowance.left -= count;
                return Ok(ring);
            }
            let wanted = self.limits().block.max(count);
            if self.reserve(&ring, wanted).await? {
                *allowance = Allowance {
                    term: Some(term),
                    left: wanted,
                };
            } else {
                self.rotate().await?;
            }
        }
    }

    /// How many encryptions the active term has done: never too low. What other replicas have taken
    /// and not used yet is in it.
    ///
    /// # Errors
    /// [`Error::Sealed`], and those of the store.
    pub async fn encryptions(&self) -> Result<u64, Error> {
        let allowance = self.allowance().lock().await;
        let ring = self.ring()?;
        let name = name(ring.active());
        let stored = self.store().get(&Key::from(name.as_str())).await?;
        let used = match stored {
            Some(entry) => parse(&name, ring.decrypt(&name, &entry.value)?.expose())?,
            None => 0,
        };
        let own = Some(ring.active()) == allowance.term;
        Ok(used.saturating_sub(if own { allowance.left } else { 0 }))
    }

    /// Adds `wanted` to the stored count of the active term; `false` when the term is used up.
    async fn reserve(&self, ring: &Keyring, wanted: u64) -> Result<bool, Error> {
        let name = name(ring.active());
        let key = Key::from(name.as_str());
        loop {
            let stored = self.store().get(&key).await?;
            let used = match &stored {
                Some(entry) => parse(&name, ring.decrypt(&name, &entry.value)?.expose())?,
                None => 0,
            };
            // The counter's own encryptions are at most one for each encryption counted.
            let after = used.saturating_add(wanted).saturating_add(1);
            // A single batch larger than the bound still has to go through under a fresh key.
            if after > self.limits().bound && used > 0 {
                return Ok(false);
            }
            let sealed = ring.encrypt(&name, &after.to_be_bytes())?;
            let transaction = Transaction::new()
                .expect(key.clone(), stored.map(|entry| entry.revision))
                .put(key.clone(), sealed);
            if let Commit::Done(_) = self.store().commit(transaction).await? {
                return Ok(true);
            }
        }
    }
}

fn name(term: Term) -> String {
    format!("barrier/usage/{}", term.0)
}

fn parse(name: &str, plain: &[u8]) -> Result<u64, Error> {
    let bytes = plain.try_into();
    bytes
        .map(u64::from_be_bytes)
        .map_err(|_| Error::Damaged(name.to_owned()))
}
