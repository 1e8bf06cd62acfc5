//! Taking out what a wrapping token holds.

use super::make::{NewToken, describe, mint};
use super::{ATTEMPTS, Store, alive};
use crate::clock::Time;
use crate::fault::Fault;
use crate::mount::system_lifetimes;
use crate::token::entry::{Entry, Issued, Purpose};
use cofferdam_barrier::Commit;
use cofferdam_secret::{Secret, random_base62};
use std::time::Duration;

impl Store {
    /// Takes the reply out of a wrapping token and ends the token, in one transaction: of any number
    /// of callers exactly one gets it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unwrap(&self, now: Time, entry: &Entry) -> Result<Option<Secret<Vec<u8>>>, Fault> {
        for _ in 0..ATTEMPTS {
            let Some((live, revision)) = self.stored(&entry.hash).await? else {
                return Ok(None);
            };
            if !alive(&live, now) || live.purpose != Purpose::Wrapping {
                return Ok(None);
            }
            let key = format!("wrapped/{}", entry.hash);
            let Some(reply) = self.view.get(&key).await? else {
                return Ok(None);
            };
            let _turn = self.turn_of(&live).await;
            let batch = self
                .removal(&live)
                .await?
                .expect(format!("id/{}", live.hash), Some(revision))
                .delete(key);
            if let Commit::Done(_) = self.view.commit(batch).await? {
                return Ok(Some(reply.value));
            }
            // Somebody else had it, or a counter changed: look again.
        }
        Ok(None)
    }

    /// Moves the reply of a wrapping token into a new one with a new life of the same length, in one
    /// transaction: a crash leaves the old token good, or the new one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rewrap(&self, now: Time, entry: &Entry) -> Result<Option<Issued>, Fault> {
        let live = self.stored(&entry.hash).await?;
        let live = live.filter(|(live, _)| alive(live, now) && live.purpose == Purpose::Wrapping);
        let Some((live, revision)) = live else {
            return Ok(None);
        };
        let Some(reply) = self.view.get(&format!("wrapped/{}", live.hash)).await? else {
            return Ok(None);
        };
        let life = Duration::from_secs(live.creation_ttl);
        let life = Some(life.min(system_lifetimes().max));
        let new = NewToken {
            policies: live.policies.clone(),
            path: live.path.clone(),
            mount: live.mount.clone(),
            ttl: life,
            explicit_max_ttl: life,
            num_uses: 1,
            purpose: Purpose::Wrapping,
            ..NewToken::default()
        };
        let token = mint()?;
        let accessor = random_base62(24).map_err(Fault::internal)?.expose().clone();
        let mut fresh = describe(self.hash("id:", token.expose()), accessor, now, &new);
        // One goes, one comes: the place among those that are counted is handed on.
        fresh.counted.clone_from(&live.counted);
        let batch = self
            .without(self.insert(&fresh)?, &live)
            .expect(format!("id/{}", live.hash), Some(revision))
            .put(format!("wrapped/{}", fresh.hash), reply.value);
        match self.view.commit(batch).await? {
            Commit::Done(_) => Ok(Some(Issued {
                token: Some(token),
                made: true,
                lease: fresh.ttl(now).map_or(0, |ttl| ttl.as_secs()),
                entry: fresh,
            })),
            Commit::Conflict => Ok(None),
        }
    }
}
