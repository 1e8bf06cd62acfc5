//! The values that this daemon has handed out: what the log driver masks.
//!
//! All containers' logs are masked for all of them. A value that one container got and another prints
//! has leaked no less.
//!
//! * **Bounded.** So many values, and so many bytes of them, are searched for ([`values`]). What no
//!   volume, task or container needs goes first, then versions that were replaced, the oldest first.
//! * **Never silent.** A value that is not masked, because there is no room or because it is too weak to
//!   be searched for, is named in our own log, with how many there are by now.
//! * What containers ask for themselves is counted for each: one that asks for new random bytes in a loop
//!   takes neither our memory nor another one's place.

mod values;

pub(super) use values::Holder;

use cofferdam_agent::fetch::Lent;
use cofferdam_agent::output::Current;
use cofferdam_detect::redact::{Masks, Style};
use cofferdam_detect::{Label, Needles};
use cofferdam_secret::Secret;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use values::{Refused, Values};

/// Longest value that a container asked for: what KV keeps at most.
const LONGEST: usize = 1 << 20;

/// How long a task may take from its secret to its container.
const START: Duration = Duration::from_secs(15 * 60);

/// Between two questions who is no more.
const PAUSE: Duration = Duration::from_secs(60);

/// Values that were handed out, and the search for them.
pub(super) struct Known {
    state: Mutex<State>,
    current: Arc<Current>,
}

#[derive(Default)]
struct State {
    values: Values,
    /// Values of which logs may show something, said so far.
    unmasked: u64,
    /// Containers of which it was said that they have asked for too much.
    told: BTreeSet<String>,
    /// When it was last said that there is little room.
    asked_who: Option<Instant>,
}

impl Known {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            current: Current::new(Masks::new(Needles::for_redaction(), &Style::default())),
        })
    }

    /// Remembers a value for `holder`. To be called before it is handed out.
    pub(super) fn learn(&self, holder: &Holder, label: &Label, value: &Secret<Vec<u8>>) {
        let mut state = self.state();
        if state.values.add(holder, label, value).is_err() {
            state.unmasked += 1;
            tracing::error!(
                secret = %label,
                unmasked = state.unmasked,
                "more values are in use than are masked in logs: logs show this one as it is"
            );
        }
    }

    /// Remembers what was fetched.
    pub(super) fn learn_lent(&self, holder: &Holder, lent: &[Lent]) {
        for lent in lent {
            let field = lent.reference.field().unwrap_or("value");
            let label = Label::new(lent.reference.path(), lent.version, field);
            self.learn(holder, &label, &lent.value);
        }
    }

    /// Remembers a value that a container asked for by itself, as long as it has not asked for too many.
    pub(super) fn learn_asked(&self, container: &str, label: &Label, value: &Secret<Vec<u8>>) {
        let mut state = self.state();
        let added = if value.expose().len() > LONGEST {
            Err(Refused)
        } else {
            let holder = Holder::Asked(container.to_owned());
            state.values.add(&holder, label, value)
        };
        if added.is_err() {
            state.unmasked += 1;
            // Once for each container: it may ask in a loop.
            if state.told.insert(container.to_owned()) {
                tracing::warn!(
                    container,
                    secret = %label,
                    unmasked = state.unmasked,
                    "this container has asked for more values than are masked in logs: logs show this one, and what it asks for from here on, as it is"
                );
            }
        }
    }

    /// A holder is no more: what nobody else has may be forgotten.
    pub(super) fn ended(&self, holder: &Holder) {
        let mut state = self.state();
        state.values.release(|one| one == holder);
        if let Holder::Asked(container) = holder {
            state.told.remove(container);
        }
    }

    /// Of all tasks these are there. One whose container is still to come is given time for it.
    pub(super) fn tasks(&self, there: &BTreeSet<String>) {
        let mut state = self.state();
        state.values.release_older(
            START,
            |holder| matches!(holder, Holder::Task(task) if !there.contains(task)),
        );
    }

    /// Whether it is time to find out who is no more. Said once in a while.
    pub(super) fn is_tight(&self) -> bool {
        let mut state = self.state();
        let recently = state.asked_who.is_some_and(|then| then.elapsed() < PAUSE);
        let tight = state.values.is_tight() && !recently;
        if tight {
            state.asked_who = Some(Instant::now());
        }
        tight
    }

    /// The search for everything that is known by now.
    pub(super) fn masks(&self) -> Arc<Masks> {
        let mut state = self.state();
        let Some(prepared) = state.values.prepare(self.current.get().needles()) else {
            return self.current.get();
        };
        for (label, reason) in prepared.unmasked {
            state.unmasked += 1;
            tracing::warn!(
                secret = %label,
                %reason,
                unmasked = state.unmasked,
                "logs show a value as it is: it cannot be masked"
            );
        }
        self.current
            .replace(Masks::new(prepared.needles, &Style::default()));
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
mod tests;
