//! Tokens by the ids of their leases.

use super::{Entry, Store};
use crate::clock::Time;
use crate::fault::Fault;
use std::collections::BTreeSet;

impl Entry {
    /// The id of its lease.
    #[must_use]
    pub fn lease_id(&self) -> String {
        format!("{}/h{}", self.path, self.hash)
    }
}

impl Store {
    /// The live token with this lease.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn by_lease(&self, now: Time, id: &str) -> Result<Option<Entry>, Fault> {
        let hash = id.rsplit_once("/h").map_or("", |(_, hash)| hash);
        // Nothing but a name of ours becomes part of a key.
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let found = self.by_hash(now, hash).await?;
        Ok(found.filter(|entry| entry.lease_id() == id))
    }

    /// Names one level below a prefix (without a slash at its end; empty for all) of leases.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leases(&self, prefix: &str) -> Result<BTreeSet<String>, Fault> {
        let mut names = BTreeSet::new();
        self.each(|entry| {
            let id = entry.lease_id();
            let below = match prefix {
                "" => Some(id.as_str()),
                prefix => id
                    .strip_prefix(prefix)
                    .and_then(|rest| rest.strip_prefix('/')),
            };
            let name = below.and_then(|below| below.split_inclusive('/').next());
            names.extend(name.map(str::to_owned));
        })
        .await?;
        Ok(names)
    }

    /// Hashes of the tokens whose lease is this one, or below it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leased_below(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let mut all = Vec::new();
        self.each(|entry| {
            let id = entry.lease_id();
            let rest = id.strip_prefix(prefix);
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                all.push(entry.hash);
            }
        })
        .await?;
        Ok(all)
    }
}
