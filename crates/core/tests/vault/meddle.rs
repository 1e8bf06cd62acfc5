//! A store that somebody else meddles with: values are damaged, writers are held up, reads are counted.

use crate::harness::Harness;
use crate::harness::parts;
use async_trait::async_trait;
use cofferdam_core::Vault;
use cofferdam_store::{
    Commit, Entry, Error, Key, Page, Revision, Span, Store, Transaction, Watch, Write,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Puts a value of no meaning where the vault keeps `key`.
pub async fn damage(store: &Arc<dyn Store>, key: &str) {
    let key = Key::from(format!("data/{key}"));
    let batch = Transaction::new().put(key, b"nothing that was ever sealed".to_vec());
    assert!(matches!(store.commit(batch).await, Ok(Commit::Done(_))));
}

/// What the vault keeps below `prefix`.
pub async fn kept(store: &Arc<dyn Store>, prefix: &str) -> Vec<String> {
    let span = Span::prefix(format!("data/{prefix}").as_bytes());
    let page = store.range(&span, None, usize::MAX).await.unwrap();
    let keys = page.entries.iter();
    keys.map(|entry| String::from_utf8(entry.key.as_bytes()[5..].to_vec()).unwrap())
        .collect()
}

/// Counts reads below one prefix, and holds up the next writer of one key.
pub struct Meddler {
    inner: Arc<dyn Store>,
    watched: &'static str,
    pub reads: AtomicUsize,
    /// The key whose next writer waits.
    pub held: Mutex<Option<&'static str>>,
    pub arrived: Semaphore,
    pub go: Semaphore,
}

impl Meddler {
    pub fn of(inner: &Arc<dyn Store>, watched: &'static str) -> Arc<Self> {
        Arc::new(Self {
            inner: inner.clone(),
            watched,
            reads: AtomicUsize::new(0),
            held: Mutex::new(None),
            arrived: Semaphore::new(0),
            go: Semaphore::new(0),
        })
    }

    /// A replica of a vault on it.
    pub async fn vault(self: &Arc<Self>, like: &Harness) -> Harness {
        let replica = Harness {
            vault: Vault::open(parts(self.clone(), like.clock.clone()))
                .await
                .unwrap(),
            clock: like.clock.clone(),
            store: self.clone(),
            root: like.root.clone(),
            keys: like.keys.clone(),
        };
        replica.unseal().await;
        replica
    }

    fn read(&self, from: &[u8]) {
        if from.starts_with(format!("data/{}", self.watched).as_bytes()) {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn holds(&self, transaction: &Transaction) -> bool {
        let mut held = self.held.lock().unwrap();
        let is = |key: &Key| {
            held.is_some_and(|held| key.as_bytes() == format!("data/{held}").as_bytes())
        };
        let found = transaction.writes.iter().any(|write| match write {
            Write::Put(key, _) | Write::Delete(key) => is(key),
        });
        if found {
            *held = None;
        }
        found
    }
}

#[async_trait]
impl Store for Meddler {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, Error> {
        self.read(key.as_bytes());
        self.inner.get(key).await
    }

    async fn range(&self, span: &Span, after: Option<&Key>, limit: usize) -> Result<Page, Error> {
        self.read(span.start.as_bytes());
        self.inner.range(span, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Commit, Error> {
        if self.holds(&transaction) {
            self.arrived.add_permits(1);
            self.go.acquire().await.unwrap().forget();
        }
        self.inner.commit(transaction).await
    }

    async fn barrier(&self) -> Result<Revision, Error> {
        self.inner.barrier().await
    }

    async fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, Error> {
        self.inner.watch(after).await
    }
}
