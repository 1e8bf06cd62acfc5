//! The suite every backend runs: the promises of [`contract`](crate::contract), one check each.
//!
//! A backend's tests implement [`Factory`] and call [`run`], which panics with the name of the
//! promise that was broken. Backends that keep data over a restart also get the durability checks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test suite fails by panicking; it is compiled for tests only"
)]

mod concurrency;
mod model;
mod office;
mod reads;
mod transactions;
mod watches;

use crate::{Commit, Key, Revision, Store, Transaction};
use async_trait::async_trait;
use std::sync::Arc;

/// Transactions a store of this suite must keep for watchers, and not many more.
pub const HISTORY: usize = 64;

/// Makes stores for the suite.
#[async_trait]
pub trait Factory: Sync {
    /// A new, empty store that keeps [`HISTORY`] transactions for its watchers.
    async fn fresh(&self) -> Arc<dyn Store>;

    /// The same data after a restart; `None` where nothing survives one. `store` is the only
    /// handle left.
    async fn reopened(&self, store: Arc<dyn Store>) -> Option<Arc<dyn Store>> {
        drop(store);
        None
    }
}

/// Runs the whole suite. Needs a multi-threaded runtime.
///
/// # Panics
/// When a promise is broken.
pub async fn run(factory: &dyn Factory) {
    reads::check(factory).await;
    transactions::check(factory).await;
    concurrency::check(factory).await;
    watches::check(factory).await;
    office::check(factory).await;
    model::check(factory).await;
}

fn key(text: &str) -> Key {
    Key::from(text)
}

/// Commits what must not conflict.
async fn done(store: &dyn Store, transaction: Transaction) -> Revision {
    match store.commit(transaction).await.unwrap() {
        Commit::Done(revision) => revision,
        Commit::Conflict => panic!("a transaction whose conditions hold was refused"),
    }
}

async fn put(store: &dyn Store, at: &str, value: &str) -> Revision {
    done(store, Transaction::new().put(key(at), value.to_owned())).await
}

async fn value(store: &dyn Store, at: &str) -> Option<String> {
    let entry = store.get(&key(at)).await.unwrap()?;
    Some(String::from_utf8(entry.value.to_vec()).unwrap())
}
