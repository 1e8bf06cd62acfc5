//! A store that counts what it is asked, and how long ranges and transactions take.
//!
//! Single keys are counted and not timed: there are several in every request, and they take less
//! than reading a clock twice is worth.

use crate::contract::{Commit, Entry, Error, Key, Page, Revision, Span, Store, Transaction, Watch};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// One kind of question.
#[derive(Default)]
pub struct Timed {
    count: AtomicU64,
    nanos: AtomicU64,
}

impl Timed {
    /// How often it was asked.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Nanoseconds it took together.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed)
    }

    fn since(&self, began: Instant) {
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

/// What was counted.
#[derive(Default)]
pub struct Timings {
    /// Single keys: counted only.
    pub get: Timed,
    /// Ranges of keys.
    pub range: Timed,
    /// Transactions, until they were durable.
    pub commit: Timed,
    failures: AtomicU64,
}

impl Timings {
    /// Questions about ranges and transactions that ended in an error.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn noticed<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|_| {
            self.failures.fetch_add(1, Ordering::Relaxed);
        })
    }
}

/// A store, counted.
pub struct Metered {
    inner: Arc<dyn Store>,
    timings: Arc<Timings>,
}

impl Metered {
    /// Counts what `inner` is asked.
    #[must_use]
    pub const fn new(inner: Arc<dyn Store>, timings: Arc<Timings>) -> Self {
        Self { inner, timings }
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Written as the contract's macro would write it, so that what passes through is not boxed twice.
impl Store for Metered {
    fn get<'a, 'b, 'r>(&'a self, key: &'b Key) -> Answer<'r, Option<Entry>>
    where
        'a: 'r,
        'b: 'r,
        Self: 'r,
    {
        self.timings.get.count.fetch_add(1, Ordering::Relaxed);
        self.inner.get(key)
    }

    fn range<'a, 'b, 'c, 'r>(
        &'a self,
        span: &'b Span,
        after: Option<&'c Key>,
        limit: usize,
    ) -> Answer<'r, Page>
    where
        'a: 'r,
        'b: 'r,
        'c: 'r,
        Self: 'r,
    {
        Box::pin(async move {
            let began = Instant::now();
            let page = self.inner.range(span, after, limit).await;
            self.timings.range.since(began);
            self.timings.noticed(page)
        })
    }

    fn commit<'a, 'r>(&'a self, transaction: Transaction) -> Answer<'r, Commit>
    where
        'a: 'r,
        Self: 'r,
    {
        Box::pin(async move {
            let began = Instant::now();
            let done = self.inner.commit(transaction).await;
            self.timings.commit.since(began);
            self.timings.noticed(done)
        })
    }

    fn barrier<'a, 'r>(&'a self) -> Answer<'r, Revision>
    where
        'a: 'r,
        Self: 'r,
    {
        self.inner.barrier()
    }

    fn watch<'a, 'r>(&'a self, after: Revision) -> Answer<'r, Box<dyn Watch>>
    where
        'a: 'r,
        Self: 'r,
    {
        self.inner.watch(after)
    }
}
