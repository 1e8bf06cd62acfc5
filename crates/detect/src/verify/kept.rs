//! Values of findings, for whoever asks their providers about them.

use crate::pattern::Digest;
use cofferdam_secret::Secret;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Different values that are kept.
const MOST: usize = 4096;
/// Longest of them; AWS' session tokens are the longest there are.
const LONGEST: usize = 8 << 10;

/// Each value once, by its digest; in memory that is wiped.
#[derive(Default)]
pub struct Kept {
    values: Mutex<HashMap<Digest, Secret<Vec<u8>>>>,
}

impl Kept {
    /// Keeps a value that somebody can be asked about.
    pub(crate) fn keep(&self, rule: &str, digest: Digest, value: &[u8]) {
        // The parts of a pair are needed, too, that are no secrets by themselves.
        let part = ["aws-access-key-id", "aws-session-token"].contains(&rule);
        if value.len() > LONGEST || !(part || super::question(rule).is_some()) {
            return;
        }
        let mut values = self.values();
        if values.len() < MOST || values.contains_key(&digest) {
            let kept = || Secret::new(value.to_vec());
            values.entry(digest).or_insert_with(kept);
        }
    }

    /// A copy of a value.
    #[must_use]
    pub fn value(&self, digest: Digest) -> Option<Secret<Vec<u8>>> {
        self.values().get(&digest).map(Secret::duplicate)
    }

    fn values(&self) -> MutexGuard<'_, HashMap<Digest, Secret<Vec<u8>>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Kept")
    }
}
