//! Changing what others change at the same time: optimistic first, in line after the first loss.
//!
//! A handler reads, decides, and commits under a compare with what it read. When the commit loses,
//! it reads and decides again, so that a condition (check-and-set, a use count) is judged on what is
//! really there. Between processes only the compare counts. Inside one process the losers of one
//! name queue up, so that under any load each of them wins after at most a few rounds.

use cofferdam_core::Fault;
use std::hash::{BuildHasher, RandomState};
use tokio::sync::{Mutex, MutexGuard};

/// Enough that unrelated losers seldom wait for each other.
const LINES: usize = 64;

/// Rounds after which a caller is told to come back: reached only against writers of other replicas.
const ROUNDS: u32 = 64;

/// The lines losers stand in.
pub(crate) struct Contests {
    lines: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for Contests {
    fn default() -> Self {
        Self {
            lines: (0..LINES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Contests {
    /// Begins a change of `name` below the storage prefix `place`.
    pub(crate) fn enter(&self, place: &str, name: &str) -> Contest<'_> {
        let line =
            usize::try_from(self.hasher.hash_one((place, name)) % LINES as u64).unwrap_or_default();
        Contest {
            line: self.lines.get(line),
            turn: None,
            losses: 0,
        }
    }
}

/// One change under way.
pub(crate) struct Contest<'a> {
    line: Option<&'a Mutex<()>>,
    turn: Option<MutexGuard<'a, ()>>,
    losses: u32,
}

impl Contest<'_> {
    /// To be called after a conflict, before reading again.
    ///
    /// # Errors
    /// After too many rounds.
    pub(crate) async fn lost(&mut self) -> Result<(), Fault> {
        self.losses += 1;
        if self.losses >= ROUNDS {
            return Err(Fault::unavailable(
                "too many writers of the same name; try again",
                "lost every round of a contest",
            ));
        }
        if self.turn.is_none()
            && let Some(line) = self.line
        {
            self.turn = Some(line.lock().await);
        }
        Ok(())
    }
}
