//! What a process writes, with the values it was given masked on the way.
//!
//! [`Lane`] carries one stream: it waits, reads, masks and writes, and lets go of a short possible
//! beginning of a value when nothing comes for a while ([`QUIET`], see
//! [`cofferdam_detect::redact`]). [`Console`] puts lanes between a child and where our own output
//! goes, and shows the child a terminal where we have one.
//!
//! stdout and stderr stay two streams, each in its order, and a value that is split over both is not
//! seen: nothing here could know where the halves belong.

mod console;
mod lane;
mod terminal;

pub use console::Console;
pub use lane::{End, Lane, QUIET};

use cofferdam_detect::redact::Masks;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// What is masked now. Lanes look at it with each piece.
#[derive(Debug)]
pub struct Current {
    masks: RwLock<Arc<Masks>>,
    changes: AtomicU64,
}

impl Current {
    /// Begins with `masks`.
    #[must_use]
    pub fn new(masks: Masks) -> Arc<Self> {
        Arc::new(Self {
            masks: RwLock::new(Arc::new(masks)),
            changes: AtomicU64::new(0),
        })
    }

    /// Masks these from the next piece on.
    pub fn replace(&self, masks: Masks) {
        *self.masks.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(masks);
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// What is masked.
    #[must_use]
    pub fn get(&self) -> Arc<Masks> {
        Arc::clone(&self.masks.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}
