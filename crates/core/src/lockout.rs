//! Lockout: a name that was tried with wrong passwords too often is refused for a while.
//!
//! What it promises (replay lines AUTH-1 and AUTH-2):
//!
//! * the counter belongs to the canonical name, the one the method authenticates, so that no
//!   spelling has a counter of its own (CVE-2025-6004);
//! * it lies in the mount's storage and changes under a compare: one counter for all replicas, and a
//!   restart does not reset it;
//! * a clock that is put back does not make it longer: who finds a failure noted in the future notes
//!   it anew as of now, so that a name is locked for its duration from then on at most;
//! * it is bounded: only the method decides for which names it counts, and one that counts for names
//!   which nobody has would let strangers fill the store.
//!
//! | Key | Holds |
//! |---|---|
//! | `lockout/NAME` | failures in a row, and when the last one was |

use crate::clock::Time;
use crate::fault::Fault;
use crate::mount::MountConfig;
use crate::record::decode;
use cofferdam_barrier::{Commit, Opened, Revision, View};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const PREFIX: &str = "lockout/";
/// Rounds of the compare after which a failure is not counted: others counted theirs meanwhile.
const ROUNDS: u32 = 32;

/// What a mount says of lockout, by `tune`; `None`: the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Failures in a row that lock a name.
    pub threshold: Option<u64>,
    /// Seconds that a name stays locked.
    pub duration: Option<u64>,
    /// Seconds without a failure after which the count begins again.
    pub counter_reset: Option<u64>,
    /// Off.
    pub disable: Option<bool>,
}

/// The rules of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    threshold: u64,
    duration: Duration,
    counter_reset: Duration,
}

impl Rules {
    /// Those of a mount; `None` when lockout is off. Five failures lock for fifteen minutes, as in
    /// Vault.
    #[must_use]
    pub fn of(config: &MountConfig) -> Option<Self> {
        let said = &config.user_lockout;
        if said.disable.unwrap_or_default() {
            return None;
        }
        let quarter = |seconds: Option<u64>| Duration::from_secs(seconds.unwrap_or(15 * 60));
        Some(Self {
            threshold: said.threshold.unwrap_or(5).max(1),
            duration: quarter(said.duration),
            counter_reset: quarter(said.counter_reset),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    failures: u64,
    last: Time,
}

impl Record {
    fn locks(&self, rules: &Rules, now: Time) -> bool {
        self.failures >= rules.threshold && now < self.last.after(rules.duration)
    }

    /// Failures that still count.
    fn standing(&self, rules: &Rules, now: Time) -> u64 {
        let over = self.failures >= rules.threshold;
        let forgotten = if over {
            now >= self.last.after(rules.duration)
        } else {
            now >= self.last.after(rules.counter_reset)
        };
        if forgotten { 0 } else { self.failures }
    }
}

fn record(found: &Opened) -> Result<Record, Fault> {
    decode(&found.value)
}

async fn load(view: &View, name: &str) -> Result<Option<(Record, Revision)>, Fault> {
    let Some(found) = view.get(&format!("{PREFIX}{name}")).await? else {
        return Ok(None);
    };
    Ok(Some((record(&found)?, found.revision)))
}

/// The same, and not of the future: without noting it anew it would stay `now` at each look.
async fn past(view: &View, name: &str, now: Time) -> Result<Option<(Record, Revision)>, Fault> {
    let key = format!("{PREFIX}{name}");
    for _ in 0..ROUNDS {
        let Some((mut record, revision)) = load(view, name).await? else {
            return Ok(None);
        };
        if record.last <= now {
            return Ok(Some((record, revision)));
        }
        record.last = record.last.not_after(now);
        let bytes = Secret::new(serde_json::to_vec(&record).map_err(Fault::internal)?);
        let batch = view.batch().expect_at(key.as_str(), revision);
        // Where somebody was faster, what is there now is looked at.
        view.commit(batch.put(key.as_str(), bytes)).await?.ignore();
    }
    load(view, name).await
}

/// Whether `name` is locked.
///
/// # Errors
/// When the store fails.
pub async fn locked(view: &View, name: &str, rules: &Rules, now: Time) -> Result<bool, Fault> {
    let found = past(view, name, now).await?;
    Ok(found.is_some_and(|(record, _)| record.locks(rules, now)))
}

/// Counts a failure; whether it locked the name.
///
/// # Errors
/// When the store fails.
pub async fn failed(view: &View, name: &str, rules: &Rules, now: Time) -> Result<bool, Fault> {
    let key = format!("{PREFIX}{name}");
    for _ in 0..ROUNDS {
        let found = past(view, name, now).await?;
        let before = found.as_ref().map(|(_, revision)| *revision);
        let failures = match &found {
            // A locked name is not locked for longer by knocking on.
            Some((record, _)) if record.locks(rules, now) => return Ok(false),
            Some((record, _)) => record.standing(rules, now) + 1,
            None => 1,
        };
        let bytes = serde_json::to_vec(&Record {
            failures,
            last: now,
        });
        let bytes = Secret::new(bytes.map_err(Fault::internal)?);
        let batch = view
            .batch()
            .expect(key.as_str(), before)
            .put(key.as_str(), bytes);
        if matches!(view.commit(batch).await?, Commit::Done(_)) {
            return Ok(failures >= rules.threshold);
        }
    }
    Ok(false)
}

/// Does the work of counting for a name that is not counted (nobody has it, or it is locked), so that
/// the time of an answer does not tell which names there are. Always the same one entry.
///
/// # Errors
/// When the store fails.
pub async fn feign(view: &View, now: Time) -> Result<(), Fault> {
    let bytes = serde_json::to_vec(&Record {
        failures: 0,
        last: now,
    });
    let bytes = Secret::new(bytes.map_err(Fault::internal)?);
    // No name of a login begins with a dot.
    let batch = view.batch().put(format!("{PREFIX}.nobody"), bytes);
    view.commit(batch).await?.ignore();
    Ok(())
}

/// Forgets the failures of `name`: it logged in, or an operator unlocked it.
///
/// # Errors
/// When the store fails.
pub async fn forget(view: &View, name: &str) -> Result<(), Fault> {
    let key = format!("{PREFIX}{name}");
    for _ in 0..ROUNDS {
        let Some((_, revision)) = load(view, name).await? else {
            return Ok(());
        };
        let batch = view
            .batch()
            .expect_at(key.as_str(), revision)
            .delete(key.as_str());
        if matches!(view.commit(batch).await?, Commit::Done(_)) {
            return Ok(());
        }
    }
    Err(Fault::unavailable(
        "the name fails logins faster than it can be unlocked; try again",
        "lost every round of a contest",
    ))
}

/// The locked names of a mount, in order.
///
/// # Errors
/// When the store fails.
pub async fn all(view: &View, rules: &Rules, now: Time) -> Result<Vec<String>, Fault> {
    let page = view.range(PREFIX, None, usize::MAX).await?;
    let mut names = Vec::new();
    for found in &page.entries {
        let Some(name) = found.key.strip_prefix(PREFIX) else {
            continue;
        };
        // As a login would find it; looking changes nothing.
        let mut record = record(found)?;
        record.last = record.last.not_after(now);
        if record.locks(rules, now) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
