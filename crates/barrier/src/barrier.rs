//! The barrier itself: sealed and unsealed as types.

use crate::aead::Cipher;
use crate::keyring::{KEYRING, Keyring, ROOT, RootKey, Term};
use crate::usage::{Allowance, Limits};
use crate::{Batch, Error, KeyWatch, Names, View, listing, seal};
use arc_swap::ArcSwapOption;
use cofferdam_secret::Secret;
use cofferdam_store::leadership::{Candidate, Leadership};
use cofferdam_store::{Commit, Entry, Key, Page, Revision, Span, Store, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Where values are. The barrier's own records are beside it, so no key of a caller can meet them.
pub(crate) const DATA: &str = "data/";

mod closed {
    /// Keeps [`State`](super::State) to the two states there are.
    pub trait Closed {}
}

/// Sealed or unsealed.
pub trait State: closed::Closed + Send + Sync + 'static {}

/// There are no keys in memory.
pub struct Sealed(());

/// The keyring is open.
#[derive(Clone)]
pub struct Unsealed(Arc<Open>);

impl closed::Closed for Sealed {}
impl closed::Closed for Unsealed {}
impl State for Sealed {}
impl State for Unsealed {}

struct Open {
    /// Empty once sealed: for all clones at once.
    ring: ArcSwapOption<Keyring>,
    allowance: Mutex<Allowance>,
    bound: AtomicU64,
    block: u64,
}

/// The one way to the store for everything above.
#[derive(Clone)]
pub struct Barrier<S: State> {
    store: Arc<dyn Store>,
    state: S,
}

/// A decrypted value.
pub struct Opened {
    /// Its key, relative to where it was read.
    pub key: String,
    /// The plaintext; wiped when dropped.
    pub value: Secret<Vec<u8>>,
    /// The transaction that put it.
    pub revision: Revision,
}

/// One answer of a range read.
pub struct OpenedPage {
    /// In key order.
    pub entries: Vec<Opened>,
    /// There are more after the last one.
    pub more: bool,
}

impl<S: State> Barrier<S> {
    /// Whether there is a keyring.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn initialized(&self) -> Result<bool, Error> {
        Ok(self.store.get(&Key::from(KEYRING)).await?.is_some())
    }

    /// How the root key is wrapped; `None` before initialization.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is not what was written, and those of the store.
    pub async fn seal_record(&self) -> Result<Option<seal::Record>, Error> {
        Ok(self.seal_found().await?.map(|found| found.record))
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// As [`Barrier::seal_record`].
    pub async fn seal_found(&self) -> Result<Option<seal::Found>, Error> {
        let stored = self.store.get(&Key::from(seal::RECORD)).await?;
        let found = stored.map(|entry| {
            Ok(seal::Found {
                record: seal::Record::parse(&entry.value)?,
                revision: entry.revision,
            })
        });
        found.transpose()
    }

    /// The public part of [`Barrier::seal_record`].
    ///
    /// # Errors
    /// As [`Barrier::seal_record`].
    pub async fn seal_config(&self) -> Result<Option<seal::Config>, Error> {
        Ok(self.seal_record().await?.map(|record| record.config))
    }
}

impl Barrier<Sealed> {
    /// A sealed barrier over `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            state: Sealed(()),
        }
    }

    /// Creates the keyring under `root`, and stores how `root` is wrapped, in one transaction: two
    /// replicas that initialize at once cannot mix their keys.
    ///
    /// # Errors
    /// [`Error::AlreadyInitialized`], and those of the store; the sealed barrier comes back.
    pub async fn initialize(
        self,
        root: &RootKey,
        seal: &seal::Record,
    ) -> Result<Barrier<Unsealed>, (Self, Error)> {
        match self.create(root, seal).await {
            Ok(()) => self.unseal(root).await,
            Err(error) => Err((self, error)),
        }
    }

    async fn create(&self, root: &RootKey, seal: &seal::Record) -> Result<(), Error> {
        let transaction = Transaction::new()
            .expect(Key::from(KEYRING), None)
            .put(Key::from(KEYRING), Keyring::create(root)?)
            .put(Key::from(seal::RECORD), seal.to_bytes()?);
        match self.store.commit(transaction).await? {
            Commit::Done(_) => Ok(()),
            Commit::Conflict => Err(Error::AlreadyInitialized),
        }
    }

    /// Opens the keyring.
    ///
    /// # Errors
    /// [`Error::NotInitialized`], [`Error::WrongKey`], and those of the store; the sealed barrier
    /// comes back.
    pub async fn unseal(self, root: &RootKey) -> Result<Barrier<Unsealed>, (Self, Error)> {
        self.unseal_with(root, Limits::default()).await
    }

    /// As [`Barrier::unseal`], with limits of one's own.
    ///
    /// # Errors
    /// As [`Barrier::unseal`].
    pub async fn unseal_with(
        self,
        root: &RootKey,
        limits: Limits,
    ) -> Result<Barrier<Unsealed>, (Self, Error)> {
        let ring = match self.open(root).await {
            Ok(ring) => ring,
            Err(error) => return Err((self, error)),
        };
        Ok(Barrier {
            store: self.store,
            state: Unsealed(Arc::new(Open {
                ring: ArcSwapOption::from_pointee(ring),
                allowance: Mutex::default(),
                bound: AtomicU64::new(limits.bound),
                block: limits.block,
            })),
        })
    }

    async fn open(&self, root: &RootKey) -> Result<Keyring, Error> {
        let stored = self.store.get(&Key::from(KEYRING)).await?;
        let stored = stored.ok_or(Error::NotInitialized)?;
        Keyring::open(root, &stored.value, stored.revision)
    }
}

impl Barrier<Unsealed> {
    /// One value.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is not what was written at this key, [`Error::UnknownTerm`] when
    /// its key was removed, [`Error::Sealed`], and those of the store.
    pub async fn get(&self, key: &str) -> Result<Option<Opened>, Error> {
        let full = format!("{DATA}{key}");
        match self.store.get(&Key::from(full.as_str())).await? {
            Some(entry) => self.decrypt(entry).await.map(Some),
            None => Ok(None),
        }
    }

    /// Values whose keys begin with `prefix`, in key order, after the key `after` (exclusive), at
    /// most `limit`.
    ///
    /// # Errors
    /// As [`Barrier::get`].
    pub async fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<OpenedPage, Error> {
        let page = self.page(prefix, after, limit).await?;
        let mut entries = Vec::with_capacity(page.entries.len());
        for entry in page.entries {
            entries.push(self.decrypt(entry).await?);
        }
        Ok(OpenedPage {
            entries,
            more: page.more,
        })
    }

    /// Keys that begin with `prefix`, as [`Barrier::range`] would find them. Decrypts nothing: a value
    /// that is damaged has its key all the same.
    ///
    /// # Errors
    /// [`Error::Sealed`], and those of the store.
    pub async fn keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Names, Error> {
        self.ring()?;
        let page = self.page(prefix, after, limit).await?;
        let key = |entry: &Entry| {
            let full = std::str::from_utf8(entry.key.as_bytes()).ok()?;
            full.strip_prefix(DATA).map(str::to_owned)
        };
        Ok(Names {
            names: page.entries.iter().filter_map(key).collect(),
            more: page.more,
        })
    }

    /// A page of entries as they are stored.
    async fn page(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let span = Span::prefix(format!("{DATA}{prefix}").as_bytes());
        let after = after.map(|after| Key::from(format!("{DATA}{after}")));
        Ok(self.store.range(&span, after.as_ref(), limit).await?)
    }

    /// Names one level under `prefix` (which ends with a slash or is empty), after the name `after`
    /// (exclusive), at most `limit`. Decrypts nothing and does not descend.
    ///
    /// # Errors
    /// [`Error::Sealed`], and those of the store.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Names, Error> {
        self.ring()?;
        listing::list(&*self.store, &format!("{DATA}{prefix}"), after, limit).await
    }

    /// Encrypts and applies a batch; returns when it is durable, or was not applied.
    ///
    /// # Errors
    /// [`Error::Sealed`], and those of the store.
    pub async fn commit(&self, batch: Batch) -> Result<Commit, Error> {
        self.commit_under("", batch).await
    }

    pub(crate) async fn commit_under(&self, prefix: &str, batch: Batch) -> Result<Commit, Error> {
        let mut transaction = Transaction::new();
        transaction.compares = batch.fences;
        for (place, expected) in batch.compares {
            let key = Key::from(format!("{DATA}{}", place.resolve(prefix)?));
            transaction = transaction.expect(key, expected);
        }
        let puts = batch.writes.iter().filter(|(_, value)| value.is_some());
        let ring = self.spend(puts.count() as u64).await?;
        for (place, value) in batch.writes {
            let full = format!("{DATA}{}", place.resolve(prefix)?);
            transaction = match value {
                Some(value) => {
                    let sealed = ring.encrypt(&full, value.expose())?;
                    transaction.put(Key::from(full), sealed)
                }
                None => transaction.delete(Key::from(full)),
            };
        }
        Ok(self.store.commit(transaction).await?)
    }

    /// The newest committed revision, linearizable.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read_barrier(&self) -> Result<Revision, Error> {
        Ok(self.store.barrier().await?)
    }

    /// All transactions after `after`, by the keys they touched.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn watch(&self, after: Revision) -> Result<KeyWatch, Error> {
        self.watch_under("", after).await
    }

    pub(crate) async fn watch_under(
        &self,
        prefix: &str,
        after: Revision,
    ) -> Result<KeyWatch, Error> {
        let inner = self.store.watch(after).await?;
        Ok(KeyWatch::new(inner, self.clone(), prefix))
    }

    /// Waits until this process leads in `office`: background work that only one replica may do. A
    /// leader's batches carry [`Batch::fenced`].
    ///
    /// # Errors
    /// [`Error::Sealed`], and those of the store.
    pub async fn campaign(
        &self,
        office: &str,
        id: impl Into<String>,
        ttl: Duration,
    ) -> Result<Leadership, Error> {
        self.ring()?;
        let candidate = Candidate {
            office: format!("barrier/office/{office}"),
            id: id.into(),
            ttl,
        };
        Ok(candidate.campaign(Arc::clone(&self.store)).await?)
    }

    /// Adds a key to the keyring and encrypts with it from now on; older terms still decrypt.
    ///
    /// # Errors
    /// [`Error::Sealed`], and those of the store.
    pub async fn rotate(&self) -> Result<Term, Error> {
        loop {
            if let Some(term) = self.rotate_from(self.term()?).await? {
                return Ok(term);
            }
        }
    }

    /// As [`Barrier::rotate`], but only from this term: of replicas that want the same, one does it
    /// and the others get `None`.
    ///
    /// # Errors
    /// [`Error::Sealed`], and those of the store.
    pub async fn rotate_from(&self, from: Term) -> Result<Option<Term>, Error> {
        loop {
            let ring = self.ring()?;
            if ring.active() != from {
                return Ok(None);
            }
            let stored = self.stored_keyring().await?;
            if stored.revision > ring.revision {
                self.refresh().await?;
                continue;
            }
            let (term, sealed) = ring.rotated(&stored.value)?;
            let mut transaction = Transaction::new()
                .expect(stored.key.clone(), Some(stored.revision))
                .put(stored.key, sealed);
            // Left behind for replicas that are open; after one whole term none of them needs it.
            let left = self.store.get(&Key::from(ROOT)).await?;
            if left.is_some_and(|left| !ring.is_current(&left.value)) {
                transaction = transaction.delete(Key::from(ROOT));
            }
            // On conflict another replica has changed the keyring: seen when it is read again.
            if let Commit::Done(_) = self.store.commit(transaction).await? {
                self.refresh().await?;
                return Ok(Some(term));
            }
        }
    }

    /// Puts the keyring under another root key and replaces its wrapping, in one transaction: only
    /// if the wrapping is still the one of `before`. The old root key opens nothing afterwards.
    ///
    /// The new one is left under the active term's key as well: other replicas are open and go on. It
    /// goes away with the second rotation from then; a replica that slept through both must be
    /// unsealed.
    ///
    /// # Errors
    /// [`Error::SealChanged`], [`Error::Sealed`], and those of the store.
    pub async fn rekey(
        &self,
        root: &RootKey,
        seal: &seal::Record,
        before: Revision,
    ) -> Result<(), Error> {
        self.rekey_with(root, seal, before, &[]).await
    }

    /// The same, with values that are put in the same transaction.
    ///
    /// # Errors
    /// As [`Barrier::rekey`].
    pub async fn rekey_with(
        &self,
        root: &RootKey,
        seal: &seal::Record,
        before: Revision,
        more: &[(&str, Secret<Vec<u8>>)],
    ) -> Result<(), Error> {
        Cipher::new(root.bytes())?;
        loop {
            // A replica that was not told of the last rotation leaves it under the newest key too.
            self.refresh().await?;
            let ring = self.spend(1 + more.len() as u64).await?;
            let stored = self.stored_keyring().await?;
            if stored.revision > ring.revision {
                continue;
            }
            let sealed = ring.rewrapped(&stored.value, root)?;
            let mut transaction = Transaction::new()
                .expect(stored.key.clone(), Some(stored.revision))
                .expect(Key::from(seal::RECORD), Some(before))
                .put(stored.key.clone(), sealed.clone())
                .put(Key::from(ROOT), ring.left(root)?)
                .put(Key::from(seal::RECORD), seal.to_bytes()?);
            for (key, value) in more {
                let full = format!("{DATA}{key}");
                let value = ring.encrypt(&full, value.expose())?;
                transaction = transaction.put(Key::from(full), value);
            }
            if let Commit::Done(revision) = self.store.commit(transaction).await? {
                self.adopt(Keyring::open(root, &sealed, revision)?);
                return Ok(());
            }
            let found = self.seal_found().await?;
            if found.is_none_or(|found| found.revision != before) {
                return Err(Error::SealChanged);
            }
        }
    }

    /// The term that encrypts.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub fn term(&self) -> Result<Term, Error> {
        Ok(self.ring()?.active())
    }

    /// All terms that decrypt, oldest first.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub fn terms(&self) -> Result<Vec<Term>, Error> {
        Ok(self.ring()?.terms().collect())
    }

    /// Everything under `prefix`.
    #[must_use]
    pub fn view(&self, prefix: impl Into<String>) -> View {
        View::new(self.clone(), prefix)
    }

    /// Drops the keys. Clones and views that are still held answer [`Error::Sealed`].
    #[must_use]
    pub fn seal(self) -> Barrier<Sealed> {
        self.state.0.ring.store(None);
        Barrier {
            store: self.store,
            state: Sealed(()),
        }
    }

    /// Whether another holder has sealed it.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.state.0.ring.load().is_none()
    }

    pub(crate) fn ring(&self) -> Result<Arc<Keyring>, Error> {
        self.state.0.ring.load_full().ok_or(Error::Sealed)
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// From now on a term may do this many encryptions, on this replica's word.
    pub fn set_bound(&self, bound: u64) {
        self.state.0.bound.store(bound, Ordering::Relaxed);
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            bound: self.state.0.bound.load(Ordering::Relaxed),
            block: self.state.0.block,
        }
    }

    pub(crate) fn allowance(&self) -> &Mutex<Allowance> {
        &self.state.0.allowance
    }

    /// Reads the keyring again: another replica may have rotated, or changed the root key.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let stored = self.stored_keyring().await?;
        let ring = self.ring()?;
        if stored.revision > ring.revision {
            let newer = match ring.reopen(&stored.value, stored.revision) {
                Err(Error::WrongKey) => self.follow(&ring, &stored).await?,
                other => other?,
            };
            self.adopt(newer);
        }
        Ok(())
    }

    async fn follow(&self, ring: &Keyring, stored: &Entry) -> Result<Keyring, Error> {
        let left = self.store.get(&Key::from(ROOT)).await?;
        let left = left.ok_or(Error::WrongKey)?;
        ring.follow(&left.value, &stored.value, stored.revision)
    }

    /// Takes a newer keyring; never goes back, and never unseals what was sealed meanwhile.
    fn adopt(&self, ring: Keyring) {
        let ring = Arc::new(ring);
        self.state.0.ring.rcu(|current| match current {
            Some(current) if current.revision < ring.revision => Some(Arc::clone(&ring)),
            other => other.clone(),
        });
    }

    async fn stored_keyring(&self) -> Result<Entry, Error> {
        let stored = self.store.get(&Key::from(KEYRING)).await?;
        stored.ok_or(Error::NotInitialized)
    }

    pub(crate) async fn decrypt(&self, entry: Entry) -> Result<Opened, Error> {
        let damaged = |_| Error::Damaged(format!("{:?}", entry.key));
        let full = std::str::from_utf8(entry.key.as_bytes()).map_err(damaged)?;
        let value = match self.ring()?.decrypt(full, &entry.value) {
            Err(Error::UnknownTerm(..)) => {
                self.refresh().await?;
                self.ring()?.decrypt(full, &entry.value)
            }
            other => other,
        }?;
        Ok(Opened {
            key: full.strip_prefix(DATA).unwrap_or(full).to_owned(),
            value,
            revision: entry.revision,
        })
    }
}

#[cfg(test)]
mod tests;
