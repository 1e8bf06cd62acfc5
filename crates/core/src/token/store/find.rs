//! Looking tokens up: by their text, their hash, their accessor.

use super::{ByAccessor, Store, alive};
use crate::clock::Time;
use crate::fault::Fault;
use crate::identity;
use crate::record::decode;
use crate::token::batch;
use crate::token::entry::{Entry, Prepared, Standing};
use cofferdam_secret::Secret;
use std::sync::Arc;

/// Longest token text looked at: bounds the work for strangers.
const LONGEST: usize = 1024;

impl Store {
    /// Looks up what the entity of a token adds to it now.
    pub(super) async fn stand(&self, entry: &mut Entry) -> Result<(), Fault> {
        entry.standing = None;
        if entry.entity_id.is_empty() {
            return Ok(());
        }
        let identity::Found {
            live,
            policies,
            subject,
        } = self.identity.standing(&entry.entity_id).await?;
        let mut effective = [entry.policies.as_slice(), &policies].concat();
        effective.sort();
        effective.dedup();
        entry.standing = Some(Arc::new(Standing {
            live,
            name: format!("{}:{}", entry.hash, effective.join(",")),
            policies,
            effective,
            subject,
            prepared: Prepared::default(),
        }));
        Ok(())
    }

    /// The live token of this text; `None` for everything else, without telling why.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lookup(&self, now: Time, token: &Secret<String>) -> Result<Option<Entry>, Fault> {
        let Some(hash) = self.named(token) else {
            return Ok(None);
        };
        if !batch::is(token) {
            return self.by_hash(now, &hash).await;
        }
        match batch::disclose(&self.view, token, &hash).await? {
            Some(entry) => self.again(now, &entry).await,
            None => Ok(None),
        }
    }

    /// The hash of a text that may be a token's.
    fn named(&self, token: &Secret<String>) -> Option<String> {
        let longest = if batch::is(token) {
            batch::LONGEST
        } else {
            LONGEST
        };
        let fits = !token.is_empty() && token.len() <= longest;
        fits.then(|| self.hash("id:", token.expose()))
    }

    /// A token that was found before, as it is now; `None` when it has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn again(&self, now: Time, entry: &Entry) -> Result<Option<Entry>, Fault> {
        if !entry.is_batch() {
            return self.by_hash(now, &entry.hash).await;
        }
        let orphaned = match &entry.parent {
            Some(parent) => self.by_hash(now, parent).await?.is_none(),
            None => false,
        };
        if orphaned || !alive(entry, now) {
            return Ok(None);
        }
        let mut entry = entry.clone();
        self.stand(&mut entry).await?;
        Ok(Some(entry))
    }

    /// As [`Self::lookup`], for a request that has passed the read barrier: as it was there, or later.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lookup_cached(
        &self,
        now: Time,
        token: &Secret<String>,
    ) -> Result<Option<Arc<Entry>>, Fault> {
        let Some(hash) = self.named(token) else {
            return Ok(None);
        };
        let Some(entry) = self.cached(&hash, Some(token)).await? else {
            return Ok(None);
        };
        if entry.is_batch()
            && let Some(parent) = &entry.parent
        {
            // Nothing was stored of the child that could have been taken away with its parent.
            let parent = self.cached(parent, None).await?;
            if parent.is_none_or(|parent| !alive(&parent, now)) {
                return Ok(None);
            }
        }
        Ok(Some(entry).filter(|entry| alive(entry, now)))
    }

    /// The entry with this hash, alive or not: as it is kept, else as it is stored, or as `token`
    /// itself says.
    async fn cached(
        &self,
        hash: &str,
        token: Option<&Secret<String>>,
    ) -> Result<Option<Arc<Entry>>, Fault> {
        let mark = match self.cache.get(hash) {
            Ok(known) => return Ok(Some(known)),
            Err(mark) => mark,
        };
        let found = match token.filter(|token| batch::is(token)) {
            Some(token) => batch::disclose(&self.view, token, hash).await?,
            None => self.stored(hash).await?.map(|(entry, _)| entry),
        };
        let Some(mut entry) = found else {
            return Ok(None);
        };
        self.stand(&mut entry).await?;
        let entry = Arc::new(entry);
        self.cache.keep(&entry, mark);
        Ok(Some(entry))
    }

    /// The live token with this hash.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn by_hash(&self, now: Time, hash: &str) -> Result<Option<Entry>, Fault> {
        let found = self.stored(hash).await?;
        let Some((mut entry, _)) = found.filter(|(entry, _)| alive(entry, now)) else {
            return Ok(None);
        };
        self.stand(&mut entry).await?;
        Ok(Some(entry))
    }

    /// The live token with this accessor.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn by_accessor(&self, now: Time, accessor: &str) -> Result<Option<Entry>, Fault> {
        let Some(found) = self
            .view
            .get(&format!("accessor/{}", self.hash("accessor:", accessor)))
            .await?
        else {
            return Ok(None);
        };
        let by: ByAccessor = decode(&found.value)?;
        self.by_hash(now, &by.hash).await
    }
}
