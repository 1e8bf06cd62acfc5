//! Places at work: how many requests there are at once, and how much of that one kind may take.
//!
//! A change keeps its place to its end, whoever hangs up; a read gives it back. So changes never take
//! all places: whatever they wait for, health and reading go on. And changes that show no token (logins)
//! never take all of those. A token that was made up counts as one: that bound keeps order among
//! clients that behave, the other one holds against all.

use crate::limits::Limits;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a listener.
pub(super) struct Places {
    all: Arc<Semaphore>,
    changes: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

/// A place that was taken; dropped, it is free again.
pub(super) struct Place(#[expect(dead_code, reason = "held, not read")] Vec<OwnedSemaphorePermit>);

impl Places {
    pub(super) fn new(limits: &Limits) -> Self {
        let places = |number: usize| Arc::new(Semaphore::new(number.max(1)));
        Self {
            all: places(limits.requests),
            changes: places(limits.changes()),
            strangers: places(limits.strangers()),
        }
    }

    /// Waits for a place; `None` when the server ends.
    pub(super) async fn take(&self, changes: bool, known: bool) -> Option<Place> {
        let stranger = (changes && !known).then_some(&self.strangers);
        let change = changes.then_some(&self.changes);
        let mut taken = Vec::with_capacity(3);
        // The narrowest first: who waits there holds nothing that others need.
        for places in stranger.into_iter().chain(change).chain([&self.all]) {
            taken.push(Arc::clone(places).acquire_owned().await.ok()?);
        }
        Some(Place(taken))
    }
}
