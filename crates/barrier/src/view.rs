//! A part of the barrier: everything under one prefix, with keys relative to it.

use crate::{
    Barrier, Batch, Commit, Error, KeyWatch, Names, Opened, OpenedPage, Revision, Unsealed,
};
use std::sync::Arc;

/// The keys under one prefix. Whoever holds only a view cannot name a key outside it.
#[derive(Clone)]
pub struct View {
    barrier: Barrier<Unsealed>,
    prefix: Arc<str>,
}

impl View {
    pub(crate) fn new(barrier: Barrier<Unsealed>, prefix: impl Into<String>) -> Self {
        Self {
            barrier,
            prefix: prefix.into().into(),
        }
    }

    /// What stands before every key of this view.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A narrower view.
    #[must_use]
    pub fn sub(&self, prefix: &str) -> Self {
        Self::new(self.barrier.clone(), format!("{}{prefix}", self.prefix))
    }

    /// A batch whose keys belong to this view, to be merged into a wider transaction.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::at_home(self.home())
    }

    /// One value.
    ///
    /// # Errors
    /// As [`Barrier::get`].
    pub async fn get(&self, key: &str) -> Result<Option<Opened>, Error> {
        let full = format!("{}{key}", self.prefix);
        let opened = self.barrier.get(&full).await?;
        Ok(opened.map(|opened| self.relative(opened)))
    }

    /// Values under `prefix`, as [`Barrier::range`].
    ///
    /// # Errors
    /// As [`Barrier::range`].
    pub async fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<OpenedPage, Error> {
        let full = format!("{}{prefix}", self.prefix);
        let after = after.map(|after| format!("{}{after}", self.prefix));
        let page = self.barrier.range(&full, after.as_deref(), limit).await?;
        let entries = page.entries.into_iter().map(|entry| self.relative(entry));
        Ok(OpenedPage {
            entries: entries.collect(),
            more: page.more,
        })
    }

    /// Keys under `prefix`, as [`Barrier::keys`].
    ///
    /// # Errors
    /// As [`Barrier::keys`].
    pub async fn keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Names, Error> {
        let full = format!("{}{prefix}", self.prefix);
        let after = after.map(|after| format!("{}{after}", self.prefix));
        let mut found = self.barrier.keys(&full, after.as_deref(), limit).await?;
        for key in &mut found.names {
            *key = key.get(self.prefix.len()..).unwrap_or_default().to_owned();
        }
        Ok(found)
    }

    /// Names one level under `prefix`, as [`Barrier::list`].
    ///
    /// # Errors
    /// As [`Barrier::list`].
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Names, Error> {
        let full = format!("{}{prefix}", self.prefix);
        self.barrier.list(&full, after, limit).await
    }

    /// Applies a batch; keys without a view of their own are relative to this one.
    ///
    /// # Errors
    /// [`Error::OutsideView`] when it holds keys of a view that is not inside this one; else as
    /// [`Barrier::commit`].
    pub async fn commit(&self, batch: Batch) -> Result<Commit, Error> {
        self.barrier.commit_under(&self.prefix, batch).await
    }

    /// As [`Barrier::enclose`], for a purpose of this view's.
    ///
    /// # Errors
    /// As [`Barrier::enclose`].
    pub async fn enclose(
        &self,
        purpose: &str,
        plain: &cofferdam_secret::Secret<Vec<u8>>,
    ) -> Result<Vec<u8>, Error> {
        let purpose = format!("{}{purpose}", self.prefix);
        self.barrier.enclose(&purpose, plain).await
    }

    /// As [`Barrier::disclose`], for a purpose of this view's.
    ///
    /// # Errors
    /// As [`Barrier::disclose`].
    pub async fn disclose(
        &self,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<Option<cofferdam_secret::Secret<Vec<u8>>>, Error> {
        let purpose = format!("{}{purpose}", self.prefix);
        self.barrier.disclose(&purpose, sealed).await
    }

    /// The read barrier of the store.
    ///
    /// # Errors
    /// As [`Barrier::read_barrier`].
    pub async fn read_barrier(&self) -> Result<Revision, Error> {
        self.barrier.read_barrier().await
    }

    /// Changes of this view's keys after `after`; events of other keys arrive with no keys.
    ///
    /// # Errors
    /// As [`Barrier::watch`].
    pub async fn watch(&self, after: Revision) -> Result<KeyWatch, Error> {
        self.barrier.watch_under(&self.prefix, after).await
    }

    pub(crate) fn home(&self) -> Arc<str> {
        Arc::clone(&self.prefix)
    }

    fn relative(&self, opened: Opened) -> Opened {
        let key = opened.key.get(self.prefix.len()..).unwrap_or_default();
        Opened {
            key: key.to_owned(),
            ..opened
        }
    }
}
