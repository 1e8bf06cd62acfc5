//! What is stored of a SecretID, and taking one use off it.

use super::key::Key;
use super::role::encode;
use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Batch, Commit, Opened, Revision, View};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// SecretIDs looked at, or removed, in one go.
pub(super) const AT_ONCE: usize = 128;

/// A SecretID: everything but itself.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SecretId {
    /// The handle that may be shown.
    pub(super) accessor: String,
    /// Logins left; 0: no limit. With the last use the whole record goes.
    pub(super) uses: u32,
    /// Seconds, as it was asked for.
    pub(super) ttl: u64,
    pub(super) created: Time,
    /// `None`: it does not.
    pub(super) expires: Option<Time>,
    pub(super) updated: Time,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) cidr_list: Vec<IpNet>,
    pub(super) token_bound_cidrs: Vec<IpNet>,
}

/// A SecretID with where it lies.
pub(super) struct Stored {
    pub(super) secret: SecretId,
    key: String,
    revision: Revision,
}

/// What an accessor leads to.
#[derive(Serialize, Deserialize)]
pub(super) struct Handle {
    pub(super) incarnation: String,
    pub(super) hash: String,
}

impl SecretId {
    pub(super) fn expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

/// Where the SecretIDs of a role lie.
pub(super) fn place(incarnation: &str) -> String {
    format!("secret/{incarnation}/")
}

fn accessor_key(key: &Key, accessor: &str) -> Result<String, Fault> {
    Ok(format!("accessor/{}", key.accessor(accessor)?))
}

fn stored(found: Opened) -> Result<Stored, Fault> {
    let secret = serde_json::from_slice(found.value.expose()).map_err(Fault::unreadable)?;
    Ok(Stored {
        secret,
        key: found.key,
        revision: found.revision,
    })
}

/// The SecretID with this hash, of the role with this incarnation. An expired one counts as none,
/// and is removed.
pub(super) async fn load(
    view: &View,
    key: &Key,
    incarnation: &str,
    hash: &str,
    now: Time,
) -> Result<Option<Stored>, Fault> {
    let Some(found) = view.get(&format!("{}{hash}", place(incarnation))).await? else {
        return Ok(None);
    };
    let found = stored(found)?;
    if found.secret.expired(now) {
        // When somebody was faster, it is gone already.
        let _faster = remove(view, key, &found).await?;
        return Ok(None);
    }
    Ok(Some(found))
}

/// The SecretID an accessor means, if it belongs to the role with this incarnation.
pub(super) async fn by_accessor(
    view: &View,
    key: &Key,
    incarnation: &str,
    accessor: &str,
    now: Time,
) -> Result<Option<Stored>, Fault> {
    let Some(found) = view.get(&accessor_key(key, accessor)?).await? else {
        return Ok(None);
    };
    let handle: Handle = serde_json::from_slice(found.value.expose()).map_err(Fault::unreadable)?;
    if handle.incarnation != incarnation {
        return Ok(None);
    }
    load(view, key, incarnation, &handle.hash, now).await
}

/// Stores a new one, if the role is still what it was; `false` when it is not, or the SecretID
/// exists.
pub(super) async fn create(
    view: &View,
    key: &Key,
    role: &super::role::Stored,
    hash: String,
    secret: &SecretId,
) -> Result<bool, Fault> {
    let incarnation = role.role.incarnation.clone();
    let own = format!("{}{hash}", place(&incarnation));
    let batch = view
        .batch()
        .expect_at(super::role::key_of(&role.role.name), role.revision)
        .expect_absent(own.as_str())
        .put(own, encode(secret)?)
        .put(
            accessor_key(key, &secret.accessor)?,
            encode(&Handle { incarnation, hash })?,
        );
    Ok(matches!(view.commit(batch).await?, Commit::Done(_)))
}

/// Takes one use off; whether nobody was faster. One without a limit is not written.
pub(super) async fn spend(
    view: &View,
    key: &Key,
    found: &Stored,
    now: Time,
) -> Result<bool, Fault> {
    let batch = match found.secret.uses {
        0 => return Ok(true),
        1 => return remove(view, key, found).await,
        uses => {
            let left = SecretId {
                uses: uses - 1,
                updated: now,
                ..found.secret.clone()
            };
            view.batch().put(found.key.as_str(), encode(&left)?)
        }
    };
    let batch = batch.expect_at(found.key.as_str(), found.revision);
    Ok(matches!(view.commit(batch).await?, Commit::Done(_)))
}

/// Only while it is what was read: a SecretID of one's own choice may have been made anew.
fn removal(view: &View, key: &Key, found: &Stored) -> Result<Batch, Fault> {
    Ok(view
        .batch()
        .expect_at(found.key.as_str(), found.revision)
        .delete(found.key.as_str())
        .delete(accessor_key(key, &found.secret.accessor)?))
}

/// Removes one with its accessor; whether nobody was faster.
pub(super) async fn remove(view: &View, key: &Key, found: &Stored) -> Result<bool, Fault> {
    let commit = view.commit(removal(view, key, found)?).await?;
    Ok(matches!(commit, Commit::Done(_)))
}

/// Removes every SecretID of a role, some at a time.
pub(super) async fn remove_all(view: &View, key: &Key, incarnation: &str) -> Result<(), Fault> {
    loop {
        let page = view.range(&place(incarnation), None, AT_ONCE).await?;
        if page.entries.is_empty() {
            return Ok(());
        }
        remove_some(view, key, page.entries, |_| true).await?;
    }
}

/// Removes those that `doomed` picks, in one transaction; how many. None, when one of them changed
/// meanwhile: whoever comes next will see.
pub(super) async fn remove_some(
    view: &View,
    key: &Key,
    entries: Vec<Opened>,
    doomed: impl Fn(&SecretId) -> bool,
) -> Result<usize, Fault> {
    let mut batch = view.batch();
    let mut count = 0;
    for entry in entries {
        let found = stored(entry)?;
        if doomed(&found.secret) {
            batch = batch.merge(removal(view, key, &found)?);
            count += 1;
        }
    }
    match count > 0 && view.commit(batch).await? == Commit::Conflict {
        true => Ok(0),
        false => Ok(count),
    }
}

/// Accessors of a role's SecretIDs that are not expired.
pub(super) async fn accessors(
    view: &View,
    incarnation: &str,
    now: Time,
) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = view
            .range(&place(incarnation), after.as_deref(), AT_ONCE)
            .await?;
        after = page.entries.last().map(|entry| entry.key.clone());
        for entry in page.entries {
            let secret = stored(entry)?.secret;
            if !secret.expired(now) {
                found.push(secret.accessor);
            }
        }
        if !page.more {
            return Ok(found);
        }
    }
}
