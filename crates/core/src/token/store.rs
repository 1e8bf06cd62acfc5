//! Where tokens live. One transaction makes a token with its indexes; use counts and revocation are
//! compares on its entry, so they hold on many replicas as on one.
//!
//! Keys, below the token view: `id/HASH` the entry, `accessor/HASH` the way from an accessor,
//! `parent/PARENT/CHILD` and `expiry/TIME/HASH` indexes, `revoking/HASH` revocations begun,
//! `wrapped/HASH` the reply a wrapping token holds.

use super::batch;
use super::cache::Cache;
use super::entry::{Entry, Issued, Prepared, Purpose, Standing};
use crate::clock::Time;
use crate::fault::Fault;
use crate::identity;
use crate::record::{decode, encode};
use cofferdam_barrier::{Batch, Commit, Opened, View};
use cofferdam_secret::{Secret, random_base62};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The prefix of service tokens.
pub const SERVICE_PREFIX: &str = "hvs.";
/// Longest token text looked at: bounds the work for strangers.
const LONGEST: usize = 1024;
/// How often a lost race is tried again.
const ATTEMPTS: usize = 64;

/// What a new token shall be.
#[derive(Default)]
pub struct NewToken {
    /// `None`: an orphan.
    pub parent: Option<Arc<Entry>>,
    /// Policies, in any order.
    pub policies: Vec<String>,
    /// Shown at lookup.
    pub display_name: String,
    /// Shown at lookup.
    pub metadata: BTreeMap<String, String>,
    /// For the auth method's check at renewal.
    pub binding: BTreeMap<String, String>,
    /// Where it is made.
    pub path: String,
    /// The mount that makes it.
    pub mount: String,
    /// Its uuid, where its tokens end with it.
    pub mount_id: String,
    /// Lifetime; `None`: it does not end.
    pub ttl: Option<Duration>,
    /// Hard end from now.
    pub explicit_max_ttl: Option<Duration>,
    /// Renewable for ever, for this long each time.
    pub period: Option<Duration>,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Requests; 0: no limit.
    pub num_uses: u32,
    /// Where it may be used from.
    pub bound_cidrs: Vec<ipnet::IpNet>,
    /// What it is for.
    pub purpose: Purpose,
    /// A token chosen by the caller (root only).
    pub chosen: Option<Secret<String>>,
    /// The reply it holds, for wrapping.
    pub wrapped: Option<Secret<Vec<u8>>>,
    /// Who holds it, where identity knows.
    pub entity_id: String,
    /// Names of groups that the login gave.
    pub groups: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct ByAccessor {
    hash: String,
    accessor: String,
}

/// The token store.
pub struct Store {
    view: View,
    cache: Arc<Cache>,
    cubbyhole: View,
    key: Hmac<Sha256>,
    identity: Arc<identity::Store>,
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

    /// Makes a token and stores it with its indexes.
    ///
    /// # Errors
    /// When the parent is no longer alive, or the chosen token exists.
    pub async fn create(&self, now: Time, new: NewToken) -> Result<Issued, Fault> {
        if new.purpose == Purpose::Batch {
            return self.create_batch(now, &new).await;
        }
        let token = match &new.chosen {
            Some(token) => token.duplicate(),
            None => mint()?,
        };
        let accessor = random_base62(24).map_err(Fault::internal)?.expose().clone();
        let mut entry = describe(self.hash("id:", token.expose()), accessor, now, &new);
        self.stand(&mut entry).await?;
        let mut wrapped = new.wrapped;
        for _ in 0..ATTEMPTS {
            let mut batch = self.insert(&entry)?;
            if let Some(reply) = wrapped.take() {
                batch = batch.put(format!("wrapped/{}", entry.hash), reply);
            }
            if let Some(parent) = &new.parent {
                let live = self
                    .stored(&parent.hash)
                    .await?
                    .filter(|(live, _)| !live.revoking && !live.expired(now));
                let (_, revision) = live.ok_or_else(Fault::denied)?;
                batch = batch.expect(format!("id/{}", parent.hash), Some(revision));
            }
            if let Commit::Done(_) = self.view.commit(batch).await? {
                let lease = entry.ttl(now).map_or(0, |ttl| ttl.as_secs());
                return Ok(Issued {
                    token: Some(token),
                    entry,
                    lease,
                });
            }
            if self.stored(&entry.hash).await?.is_some() {
                return Err(Fault::invalid("cannot create a token with a duplicate ID"));
            }
            // The parent changed meanwhile (a use was counted): look whether it still lives.
        }
        Err(Fault::unavailable(
            "the parent token is too busy; try again",
            "create lost every race",
        ))
    }

    /// Makes a token that is stored nowhere.
    async fn create_batch(&self, now: Time, new: &NewToken) -> Result<Issued, Fault> {
        if let Some(parent) = &new.parent
            && self.by_hash(now, &parent.hash).await?.is_none()
        {
            return Err(Fault::denied());
        }
        let mut entry = describe(String::new(), String::new(), now, new);
        let token = batch::enclose(&self.view, &entry).await?;
        entry.hash = self.hash("id:", token.expose());
        let lease = entry.ttl(now).map_or(0, |ttl| ttl.as_secs());
        Ok(Issued {
            token: Some(token),
            entry,
            lease,
        })
    }

    fn insert(&self, entry: &Entry) -> Result<Batch, Fault> {
        let by = ByAccessor {
            hash: entry.hash.clone(),
            accessor: entry.accessor.clone(),
        };
        let mut batch = Batch::new()
            .expect_absent(format!("id/{}", entry.hash))
            .put(format!("id/{}", entry.hash), encode(entry)?)
            .put(
                format!("accessor/{}", self.hash("accessor:", &entry.accessor)),
                encode(&by)?,
            );
        if let Some(parent) = &entry.parent {
            batch = batch.put(
                format!("parent/{parent}/{}", entry.hash),
                Secret::new(Vec::new()),
            );
        }
        if let Some(end) = entry.expires {
            batch = batch.put(expiry_key(end, &entry.hash), Secret::new(Vec::new()));
        }
        Ok(batch)
    }

    /// Looks up what the entity of a token adds to it now.
    async fn stand(&self, entry: &mut Entry) -> Result<(), Fault> {
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

    async fn stored(
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

    /// Looks at every stored token.
    pub(super) async fn each(&self, mut look: impl FnMut(Entry) + Send) -> Result<(), Fault> {
        let mut after: Option<String> = None;
        loop {
            let page = self.view.range("id/", after.as_deref(), 512).await?;
            for opened in &page.entries {
                look(decode(&opened.value)?);
            }
            after = page.entries.last().map(|last| last.key.clone());
            if !page.more || after.is_none() {
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
                break;
            };
            let left = live.uses_left.unwrap_or(0);
            if !alive(&live, now) || left == 0 {
                break;
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
        Err(Fault::denied())
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
                break;
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
        Err(Fault::invalid("token not found"))
    }

    /// Takes the reply out of a wrapping token and ends the token, in one transaction: of any number
    /// of callers exactly one gets it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unwrap(&self, now: Time, entry: &Entry) -> Result<Option<Secret<Vec<u8>>>, Fault> {
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
        let batch = self
            .removal(&live)
            .expect(format!("id/{}", live.hash), Some(revision))
            .delete(key);
        match self.view.commit(batch).await? {
            Commit::Done(_) => Ok(Some(reply.value)),
            Commit::Conflict => Ok(None),
        }
    }

    fn removal(&self, entry: &Entry) -> Batch {
        let mut batch = Batch::new()
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
            let page = self.cubbyhole.range(&format!("{hash}/"), None, 128).await?;
            let batch = page
                .entries
                .iter()
                .fold(Batch::new(), |batch, kept| batch.delete(kept.key.clone()));
            if page.entries.is_empty() {
                break;
            }
            self.cubbyhole.commit(batch).await?.ignore();
        }
        if let Some((entry, _)) = self.stored(hash).await? {
            self.view.commit(self.removal(&entry)).await?.ignore();
        }
        Ok(())
    }

    /// Ends tokens whose time is over, and revocations that a crash interrupted; at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault> {
        let mut done = 0;
        for hash in self.view.list("revoking/", None, limit).await?.names {
            self.revoke(&hash).await?;
            done += 1;
        }
        let due = self.view.range("expiry/", None, limit).await?;
        for opened in due.entries {
            let mut parts = opened.key.trim_start_matches("expiry/").split('/');
            let end = parts
                .next()
                .and_then(|text| u64::from_str_radix(text, 16).ok());
            let Some((end, hash)) = end.zip(parts.next()) else {
                continue;
            };
            if Time::from_nanos(end) > now {
                break;
            }
            self.revoke(hash).await?;
            // The entry may be gone already: the index row goes in any case.
            self.view
                .commit(Batch::new().delete(opened.key.clone()))
                .await?
                .ignore();
            done += 1;
        }
        Ok(done)
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

fn alive(entry: &Entry, now: Time) -> bool {
    !entry.revoking && !entry.expired(now) && entry.uses_left != Some(0)
}

/// Bytes of a token's text.
pub(crate) const LENGTH: usize = SERVICE_PREFIX.len() + RANDOM;
/// Of them the random ones, as in Vault.
const RANDOM: usize = 95;

fn mint() -> Result<Secret<String>, Fault> {
    let random = random_base62(RANDOM).map_err(Fault::internal)?;
    Ok(Secret::new(format!("{SERVICE_PREFIX}{}", random.expose())))
}

fn describe(hash: String, accessor: String, now: Time, new: &NewToken) -> Entry {
    let mut policies = new.policies.clone();
    policies.sort();
    policies.dedup();
    Entry {
        hash,
        accessor,
        parent: new.parent.as_ref().map(|parent| parent.hash.clone()),
        policies,
        display_name: new.display_name.clone(),
        metadata: new.metadata.clone(),
        binding: new.binding.clone(),
        path: new.path.clone(),
        mount: new.mount.clone(),
        mount_id: new.mount_id.clone(),
        created: now,
        creation_ttl: new.ttl.map_or(0, |ttl| ttl.as_secs()),
        expires: new.ttl.map(|ttl| now.after(ttl)),
        renewed: None,
        explicit_max_ttl: new.explicit_max_ttl.map_or(0, |ttl| ttl.as_secs()),
        period: new.period.map_or(0, |period| period.as_secs()),
        renewable: new.renewable,
        uses_left: (new.num_uses > 0).then_some(new.num_uses),
        num_uses: new.num_uses,
        bound_cidrs: new.bound_cidrs.clone(),
        purpose: new.purpose,
        revoking: false,
        entity_id: new.entity_id.clone(),
        groups: new.groups.clone(),
        standing: None,
    }
}

fn expiry_key(end: Time, hash: &str) -> String {
    format!("expiry/{:016x}/{hash}", end.nanos())
}
