//! Figures of the running server, for `sys/metrics`.
//!
//! Counting must not be felt: a request adds to a handful of atomics of its own kind, takes no lock,
//! and reads no clock that the audit records had not read. What needs the store (tokens) is counted
//! when it is asked for, and then kept for a while. Names are Vault's where it has one, so that
//! dashboards made for it draw; labels hold kinds of mounts and operations, never paths or names.

mod render;

pub(crate) use render::{json, prometheus};

use crate::clock::Steady;
use crate::operation::Verb;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Kinds of mounts that are told apart; the last stands for all others.
pub(crate) const KINDS: [&str; 17] = [
    "kv",
    "system",
    "token",
    "approle",
    "transit",
    "cubbyhole",
    "identity",
    "userpass",
    "jwt",
    "kubernetes",
    "aws",
    "cert",
    "docker",
    "totp",
    "database",
    "none",
    "other",
];
/// Operations, in the order of [`operation`].
pub(crate) const OPERATIONS: [&str; 6] = ["read", "write", "patch", "delete", "list", "scan"];
/// Upper bounds of the classes of durations, in nanoseconds; what is longer has the last class.
pub(crate) const BOUNDS: [u64; 9] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    25_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
];
/// How long a count of stored things is used: counting reads the store's index.
const FRESH: Duration = Duration::from_secs(60);

/// A kind's number in [`KINDS`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Class(usize);

impl Class {
    /// No mount serves it.
    pub(crate) const NONE: Self = Self(KINDS.len() - 2);

    pub(crate) fn of(kind: &str) -> Self {
        Self(
            KINDS
                .iter()
                .position(|known| *known == kind)
                .unwrap_or(KINDS.len() - 1),
        )
    }
}

const fn operation(verb: Verb) -> usize {
    match verb {
        Verb::Read => 0,
        Verb::Write => 1,
        Verb::Patch => 2,
        Verb::Delete => 3,
        Verb::List => 4,
        Verb::Scan => 5,
    }
}

/// Requests of one kind and operation.
#[derive(Default)]
pub(crate) struct Series {
    /// By class of duration.
    pub(crate) durations: [AtomicU64; BOUNDS.len() + 1],
    pub(crate) nanos: AtomicU64,
    /// Refused or failed; what is not there is no failure.
    pub(crate) refused: AtomicU64,
}

impl Series {
    pub(crate) fn count(&self) -> u64 {
        self.durations.iter().map(read).sum()
    }
}

/// The figures.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) series: [[Series; OPERATIONS.len()]; KINDS.len()],
    pub(crate) logins: AtomicU64,
    pub(crate) tokens_created: AtomicU64,
    pub(crate) tokens_wrapping: AtomicU64,
    pub(crate) audit_request_failures: AtomicU64,
    pub(crate) audit_response_failures: AtomicU64,
    pub(crate) quota_violations: AtomicU64,
    pub(crate) lease_count_violations: AtomicU64,
    tokens: Mutex<Option<(Steady, u64)>>,
}

pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Metrics {
    /// One more.
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that is over.
    pub(crate) fn request(&self, class: Class, verb: Verb, refused: bool, took: Duration) {
        let Some(series) = self
            .series
            .get(class.0)
            .and_then(|kind| kind.get(operation(verb)))
        else {
            return;
        };
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let slot = BOUNDS.iter().position(|bound| nanos <= *bound);
        if let Some(counter) = series.durations.get(slot.unwrap_or(BOUNDS.len())) {
            Self::add(counter);
        }
        series.nanos.fetch_add(nanos, Ordering::Relaxed);
        if refused {
            Self::add(&series.refused);
        }
    }

    /// The number of tokens as it was counted lately.
    pub(crate) fn tokens(&self, now: Steady) -> Option<u64> {
        let kept = self.kept();
        kept.filter(|(at, _)| now.since(*at) < FRESH)
            .map(|(_, count)| count)
    }

    /// Keeps what was counted now.
    pub(crate) fn keep_tokens(&self, now: Steady, count: u64) {
        *self
            .tokens
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some((now, count));
    }

    fn kept(&self) -> Option<(Steady, u64)> {
        *self
            .tokens
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
