//! What connects a record under way with the request that waits for it.

use crate::audit::Record;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use thiserror::Error;
use tokio::sync::oneshot;

/// No device took the record: the request must not be carried out, or not be answered. Which device
/// failed why is in [`super::Broker::status`], not for the caller.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no audit device accepted the record")]
pub struct Refused;

/// A record under way.
#[must_use = "nothing may be answered before the record is accepted"]
pub struct Receipt(pub(super) State);

pub(super) enum State {
    /// Known already.
    Done(Result<(), Refused>),
    /// Some device still has it.
    Pending(oneshot::Receiver<bool>),
}

impl Receipt {
    /// Waits until one device has written the record, or none will. Bounded by the broker's
    /// deadline for a write.
    ///
    /// # Errors
    /// [`Refused`] when no device took it.
    pub async fn accepted(self) -> Result<(), Refused> {
        match self.0 {
            State::Done(outcome) => outcome,
            State::Pending(outcome) => match outcome.await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(Refused),
            },
        }
    }
}

/// One record on its way through all devices. Each device tells once how it went.
pub(super) struct Entry {
    pub(super) record: Record,
    /// Devices that have not told yet.
    pending: AtomicUsize,
    waiting: Mutex<Option<oneshot::Sender<bool>>>,
}

impl Entry {
    pub(super) fn new(record: Record, devices: usize) -> (Self, Receipt) {
        let (sender, receiver) = oneshot::channel();
        let entry = Self {
            record,
            pending: AtomicUsize::new(devices),
            waiting: Mutex::new(Some(sender)),
        };
        (entry, Receipt(State::Pending(receiver)))
    }

    pub(super) fn written(&self) {
        self.pending.fetch_sub(1, Ordering::AcqRel);
        self.tell(true);
    }

    pub(super) fn refused(&self) {
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tell(false);
        }
    }

    /// The first to tell decides; who waits may be gone.
    fn tell(&self, accepted: bool) {
        let sender = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(sender) = sender {
            let _caller_is_gone = sender.send(accepted);
        }
    }
}
