//! Ending tokens, with their children or without, and those whose time is over.

use super::{ATTEMPTS, Store, expiry_key};
use crate::clock::Time;
use crate::fault::Fault;
use crate::record::{self, encode};
use crate::token::entry::Entry;
use cofferdam_barrier::{Batch, Commit};
use cofferdam_secret::Secret;

/// Rows of the index by time that are looked at together.
const DUE: usize = 64;

impl Store {
    /// What takes a token away, its place among those that are counted included.
    pub(super) async fn removal(&self, entry: &Entry) -> Result<Batch, Fault> {
        let batch = self.without(Batch::new(), entry);
        match &entry.counted {
            Some(id) => self.count_down(batch, id).await,
            None => Ok(batch),
        }
    }

    /// Adds what removes a token.
    pub(super) fn without(&self, batch: Batch, entry: &Entry) -> Batch {
        let mut batch = batch
            .delete(format!("id/{}", entry.hash))
            .delete(format!(
                "accessor/{}",
                self.hash("accessor:", &entry.accessor)
            ))
            .delete(format!("wrapped/{}", entry.hash))
            .delete(format!("revoking/{}", entry.hash));
        if let Some(parent) = &entry.parent {
            batch = batch.delete(format!("parent/{parent}/{}", entry.hash));
        }
        if let Some(end) = entry.expires {
            batch = batch.delete(expiry_key(end, &entry.hash));
        }
        batch
    }

    /// Ends a token and all its children.
    ///
    /// The token is first marked, so that it is refused and can have no new children, and noted in
    /// `revoking/`: a crash in the middle is finished by [`Self::sweep`].
    ///
    /// # Errors
    /// When the store fails; the token itself is refused from the mark on.
    pub async fn revoke(&self, hash: &str) -> Result<(), Fault> {
        let mut pending = vec![hash.to_owned()];
        while let Some(next) = pending.last().cloned() {
            if !self.mark(&next).await? {
                pending.pop();
                continue;
            }
            let children = self
                .view
                .list(&format!("parent/{next}/"), None, 256)
                .await?;
            if children.names.is_empty() {
                self.erase(&next).await?;
                pending.pop();
            } else {
                for child in children.names {
                    if self.stored(&child).await?.is_some() {
                        pending.push(child);
                    } else {
                        self.view
                            .commit(Batch::new().delete(format!("parent/{next}/{child}")))
                            .await?
                            .ignore();
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends a token and lets its children live on as orphans.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_orphaning(&self, hash: &str) -> Result<(), Fault> {
        if !self.mark(hash).await? {
            return Ok(());
        }
        loop {
            let children = self
                .view
                .list(&format!("parent/{hash}/"), None, 256)
                .await?;
            if children.names.is_empty() {
                return self.erase(hash).await;
            }
            for child in children.names {
                let mut batch = Batch::new().delete(format!("parent/{hash}/{child}"));
                if let Some((mut live, revision)) = self.stored(&child).await? {
                    live.parent = None;
                    let key = format!("id/{child}");
                    batch = batch
                        .expect(key.clone(), Some(revision))
                        .put(key, encode(&live)?);
                }
                self.view.commit(batch).await?.ignore();
            }
        }
    }

    /// Marks a token as being revoked; `false` when it is gone.
    async fn mark(&self, hash: &str) -> Result<bool, Fault> {
        for _ in 0..ATTEMPTS {
            let Some((mut live, revision)) = self.stored(hash).await? else {
                return Ok(false);
            };
            if live.revoking {
                return Ok(true);
            }
            live.revoking = true;
            let key = format!("id/{hash}");
            let batch = Batch::new()
                .expect(key.clone(), Some(revision))
                .put(key, encode(&live)?)
                .put(format!("revoking/{hash}"), Secret::new(Vec::new()));
            if let Commit::Done(_) = self.view.commit(batch).await? {
                return Ok(true);
            }
        }
        Err(Fault::internal(
            "a token changed too often while it was revoked",
        ))
    }

    /// Removes a marked token, what it kept in its cubbyhole first.
    async fn erase(&self, hash: &str) -> Result<(), Fault> {
        loop {
            let page = self.cubbyhole.keys(&format!("{hash}/"), None, 128).await?;
            if page.names.is_empty() {
                break;
            }
            let batch = page.names.into_iter().fold(Batch::new(), Batch::delete);
            self.cubbyhole.commit(batch).await?.ignore();
        }
        for _ in 0..ATTEMPTS {
            let Some((entry, revision)) = self.stored(hash).await? else {
                return Ok(());
            };
            let _turn = self.turn_of(&entry).await;
            // Under the condition that it is still there: of two who remove it one counts.
            let batch = self
                .removal(&entry)
                .await?
                .expect(format!("id/{hash}"), Some(revision));
            if let Commit::Done(_) = self.view.commit(batch).await? {
                return Ok(());
            }
        }
        Err(Fault::internal(
            "a token changed too often while it was removed",
        ))
    }

    /// Ends tokens whose time is over, and revocations that a crash interrupted; at most `limit`. One
    /// that cannot be ended is told of and does not keep the others alive.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault> {
        let mut done = 0;
        for hash in self.view.list("revoking/", None, limit).await?.names {
            match self.revoke(&hash).await {
                Ok(()) => done += 1,
                Err(fault) => record::skipped(&format!("token/id/{hash}"), &fault),
            }
        }
        // By their keys alone: what they hold is nothing, and may be damaged. A few at a time, for mostly
        // the first one is not due yet.
        let (mut after, mut looked): (Option<String>, _) = (None, 0);
        'due: while looked < limit {
            let few = DUE.min(limit - looked);
            let page = self.view.keys("expiry/", after.as_deref(), few).await?;
            for row in &page.names {
                let mut parts = row.trim_start_matches("expiry/").split('/');
                let end = parts
                    .next()
                    .and_then(|text| u64::from_str_radix(text, 16).ok());
                let Some((end, hash)) = end.zip(parts.next()) else {
                    continue;
                };
                if Time::from_nanos(end) > now {
                    break 'due;
                }
                match self.expire(hash, row).await {
                    Ok(()) => done += 1,
                    Err(fault) => record::skipped(&format!("token/id/{hash}"), &fault),
                }
            }
            looked += page.names.len();
            after = page.names.last().cloned();
            if !page.more {
                break;
            }
        }
        Ok(done)
    }

    async fn expire(&self, hash: &str, row: &str) -> Result<(), Fault> {
        self.revoke(hash).await?;
        // The entry may be gone already: the index row goes in any case.
        let batch = Batch::new().delete(row.to_owned());
        self.view.commit(batch).await?.ignore();
        Ok(())
    }
}
