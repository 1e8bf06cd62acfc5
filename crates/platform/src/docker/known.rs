//! Every value that this daemon has handed out, for as long as it runs: what the log driver masks.
//!
//! All containers' logs are masked for all of them. A value that one container got and another prints
//! has leaked no less. What containers ask for themselves is counted for each ([`ASKED_EACH`]): one that
//! asks for new random bytes in a loop takes neither our memory nor another one's place.

use cofferdam_agent::fetch::Lent;
use cofferdam_agent::output::Current;
use cofferdam_detect::redact::{Masks, Style};
use cofferdam_detect::{Label, Needles};
use cofferdam_secret::Secret;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Different values of one container, and of all, that are remembered because it asked for them.
const ASKED_EACH: usize = 256;
const ASKED: usize = 8192;
/// Stands for a container that has had its share, and of which that was said.
const TOLD: usize = usize::MAX;
/// Longest of them: what KV keeps at most.
const LONGEST: usize = 1 << 20;

/// Values that were handed out, and the search for them.
pub(super) struct Known {
    state: Mutex<State>,
    current: Arc<Current>,
}

#[derive(Default)]
struct State {
    /// Learned since the search was last prepared: that is done when a log needs it.
    pending: Vec<(Label, Secret<Vec<u8>>)>,
    prints: HashSet<u64>,
    /// How many came by the socket for containers, by container.
    asked: HashMap<String, usize>,
    asked_in_all: usize,
    hasher: RandomState,
}

impl Known {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            current: Current::new(Masks::new(Needles::for_redaction(), &Style::default())),
        })
    }

    /// Remembers a value. To be called before it is handed out.
    pub(super) fn learn(&self, label: Label, value: &Secret<Vec<u8>>) {
        let mut state = self.state();
        let print = state.hasher.hash_one((&label, value.expose()));
        if state.prints.insert(print) {
            state.pending.push((label, value.duplicate()));
        }
    }

    /// Remembers a value that a container asked for by itself, as long as it has not asked for too many.
    pub(super) fn learn_asked(&self, container: &str, label: Label, value: &Secret<Vec<u8>>) {
        if value.expose().len() > LONGEST {
            return;
        }
        let mut state = self.state();
        let print = state.hasher.hash_one((&label, value.expose()));
        if state.prints.contains(&print) {
            return;
        }
        let count = state.asked.get(container).copied().unwrap_or_default();
        let full = count >= ASKED_EACH || state.asked_in_all >= ASKED;
        if full {
            // Once for each container: it may ask in a loop.
            if count < TOLD {
                tracing::warn!(
                    container,
                    "this container has asked for more values than are masked in logs"
                );
                state.asked.insert(container.to_owned(), TOLD);
            }
            return;
        }
        state.asked.insert(container.to_owned(), count + 1);
        state.asked_in_all += 1;
        state.prints.insert(print);
        state.pending.push((label, value.duplicate()));
    }

    /// Remembers what was fetched.
    pub(super) fn learn_lent(&self, lent: &[Lent]) {
        for lent in lent {
            let field = lent.reference.field().unwrap_or("value");
            let label = Label::new(lent.reference.path(), lent.version, field);
            self.learn(label, &lent.value);
        }
    }

    /// The search for everything that is known by now.
    pub(super) fn masks(&self) -> Arc<Masks> {
        let mut state = self.state();
        if state.pending.is_empty() {
            return self.current.get();
        }
        let mut needles = Needles::for_redaction();
        // More than four GiB of values cannot have been handed out of a few tmpfs.
        let kept = needles.keep(self.current.get().needles());
        let added = state
            .pending
            .drain(..)
            .try_for_each(|(label, value)| needles.add(label, &value).map(drop));
        if let Err(error) = kept.and(added) {
            tracing::error!(%error, "not every value is masked in logs");
        }
        self.current.replace(Masks::new(needles, &Style::default()));
        self.current.get()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Known")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_masked_and_nothing_is_forgotten() {
        let known = Known::new();
        let learn = |path: &str, version, value: &str| {
            let value = Secret::new(value.as_bytes().to_vec());
            known.learn(Label::new(path, version, "value"), &value);
        };
        assert_eq!(known.masks().redact(b"swordfish-77!"), b"swordfish-77!");
        learn("kv/db", Some(1), "swordfish-77!");
        learn("kv/db", Some(1), "swordfish-77!");
        assert_eq!(
            known.masks().redact(b"swordfish-77!"),
            "‹secret:kv/db@1›".as_bytes()
        );
        learn("kv/db", Some(2), "marlin-2026-Xy");
        let out = known.masks().redact(b"swordfish-77! marlin-2026-Xy");
        assert_eq!(out, "‹secret:kv/db@1› ‹secret:kv/db@2›".as_bytes());
        assert!(Arc::ptr_eq(&known.masks(), &known.masks()));
    }

    #[test]
    fn one_container_takes_no_others_place() {
        let known = Known::new();
        let ask = |container: &str, value: &str| {
            let value = Secret::new(value.as_bytes().to_vec());
            known.learn_asked(container, Label::new("kv/db", None, "value"), &value);
        };
        for number in 0..2000 {
            ask("greedy", &format!("random-{number:08}-Xq"));
            ask("greedy", &format!("random-{:08}-Xq", number / 2));
        }
        ask("modest", "marlin-2026-Xy");
        let masks = known.masks();
        assert_eq!(masks.redact(b"marlin-2026-Xy"), "‹secret:kv/db›".as_bytes());
        assert_eq!(
            masks.redact(b"random-00000000-Xq"),
            "‹secret:kv/db›".as_bytes()
        );
        assert_eq!(masks.redact(b"random-00001999-Xq"), b"random-00001999-Xq");
        assert_eq!(masks.needles().entries().len(), ASKED_EACH + 1);
    }
}
