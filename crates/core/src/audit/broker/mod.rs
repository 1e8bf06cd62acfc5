//! Hands each record to every device and waits for none but the quickest.
//!
//! * [`Broker::submit`] never waits: it queues. Order is kept for records submitted one after the
//!   other.
//! * A device's next write is whatever arrived during its last one.
//! * A record is accepted when one device has written it, and refused when all have failed. Without
//!   any device enabled everything is accepted, as in Vault.
//! * A device whose write does not end within the deadline is given up on until it does; the others
//!   go on. One that fails is tried again with each batch.

mod channel;
mod herald;
mod receipt;

pub use receipt::{Receipt, Refused};

use super::chain::{ChainKey, Head};
use super::device::{Device, Failure};
use super::{Names, Record};
use arc_swap::ArcSwap;
use channel::{Channel, Handed};
use receipt::{Entry, State};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// What a device may cost before it counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest write. 5 seconds: far above any disk, below the patience of clients.
    pub deadline: Duration,
    /// Records in one queue. 16 384.
    pub records: usize,
    /// Bytes in one queue. 64 MiB.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            records: 16_384,
            bytes: 64 << 20,
        }
    }
}

/// How a device is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The last write succeeded, or there was none.
    Working,
    /// The last write failed, for this reason; the next is tried.
    Failing(String),
    /// A write has not ended within the deadline; nothing is given to it until it does.
    Stuck,
}

/// A device as an operator sees it.
#[derive(Clone, Debug)]
pub struct Status {
    /// The name it was enabled under.
    pub name: String,
    /// `file`, `stdout`.
    pub kind: &'static str,
    /// How it is doing.
    pub condition: Condition,
    /// The end of its chain.
    pub head: Head,
    /// Records written since it was enabled.
    pub written: u64,
    /// Records it did not take.
    pub refused: u64,
    /// Free bytes, once they were found to be few.
    pub low_space: Option<u64>,
}

/// Why a device was not enabled.
#[derive(Debug, Error)]
pub enum EnableError {
    /// There is one of this name.
    #[error("an audit device of this name is enabled already")]
    NameInUse,
    /// It cannot be read back.
    #[error(transparent)]
    Device(#[from] Failure),
    /// The system gives us no thread.
    #[error("no thread for the audit device")]
    NoThread,
}

/// Hands records to devices. Cheap to share behind an `Arc`; ends its threads when dropped.
pub struct Broker {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    channels: ArcSwap<Vec<Arc<Channel>>>,
    /// One change of the list at a time. Whether the watch runs.
    changing: Mutex<bool>,
    /// Some record may be under way, so that the watch must look.
    watched: AtomicBool,
    ended: AtomicBool,
    asleep: Mutex<bool>,
    wake: Condvar,
}

impl Broker {
    /// A broker without devices.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let shared = Arc::new(Shared {
            limits,
            channels: ArcSwap::default(),
            changing: Mutex::new(false),
            watched: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            asleep: Mutex::new(false),
            wake: Condvar::new(),
        });
        Self { shared }
    }

    /// Adds a device. Its chain continues where the device says it ends, or after `resume` (the head
    /// noted when the device was last seen) if that is further: then the end of the log was lost or
    /// cut off, and stays visible as a gap. Else it begins.
    ///
    /// # Errors
    /// [`EnableError`].
    pub fn enable(
        &self,
        name: &str,
        mut device: Box<dyn Device>,
        key: ChainKey,
        resume: Option<Head>,
    ) -> Result<(), EnableError> {
        let mut watching = self
            .shared
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut channels = Vec::clone(&self.shared.channels.load());
        if channels.iter().any(|channel| channel.name == name) {
            return Err(EnableError::NameInUse);
        }
        let found = device.head(&key)?.unwrap_or_default();
        let head = resume
            .filter(|noted| noted.seq > found.seq)
            .unwrap_or(found);
        if !*watching {
            watch(&self.shared).map_err(|_| EnableError::NoThread)?;
            *watching = true;
        }
        let channel = Channel::start(name.to_owned(), device, key, head, self.shared.limits)
            .map_err(|_| EnableError::NoThread)?;
        channels.push(channel);
        self.shared.channels.store(Arc::new(channels));
        Ok(())
    }

    /// Removes a device once it has written what was queued (at most one deadline long), and gives
    /// the head of its chain; `None` when there is none of this name. Blocks.
    #[must_use]
    pub fn disable(&self, name: &str) -> Option<Head> {
        let _one = self
            .shared
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut channels = Vec::clone(&self.shared.channels.load());
        let at = channels.iter().position(|channel| channel.name == name)?;
        let channel = channels.remove(at);
        // First out of the list, then closed: who still has the old list submits again.
        self.shared.channels.store(Arc::new(channels));
        channel.close();
        Some(channel.wait_closed())
    }

    /// Whether any device is enabled.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.shared.channels.load().is_empty()
    }

    /// How each device is doing, in the order they were enabled.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        self.shared
            .channels
            .load()
            .iter()
            .map(|channel| channel.status())
            .collect()
    }

    /// Whether any device wants names like this.
    #[must_use]
    pub fn wants(&self, names: Names) -> bool {
        let channels = self.shared.channels.load();
        channels.iter().any(|channel| channel.names == names)
    }

    /// Queues a record for every device.
    pub fn submit(&self, mut record: Record) -> Receipt {
        loop {
            let channels = self.shared.channels.load();
            if channels.is_empty() {
                return Receipt(State::Done(Ok(())));
            }
            let (entry, receipt) = Entry::new(record, channels.len());
            let entry = Arc::new(entry);
            let mut closed = 0;
            for channel in channels.iter() {
                match channel.hand(&entry) {
                    Handed::Over => {}
                    Handed::No => entry.refused(),
                    Handed::Closed => {
                        closed += 1;
                        entry.refused();
                    }
                }
            }
            // All were disabled between the look at the list and now: look again.
            if closed == channels.len() {
                match Arc::try_unwrap(entry) {
                    Ok(entry) => record = entry.record,
                    Err(_) => return Receipt(State::Done(Err(Refused))),
                }
                continue;
            }
            self.shared.rouse();
            return receipt;
        }
    }
}

impl Drop for Broker {
    /// Writes what is queued, at most one deadline long.
    fn drop(&mut self) {
        let channels = self.shared.channels.load();
        channels.iter().for_each(|channel| channel.close());
        for channel in channels.iter() {
            channel.wait_closed();
        }
        self.shared.ended.store(true, Ordering::Release);
        self.shared.wake_watch();
    }
}

impl Shared {
    /// Makes sure the watch looks. One atomic read while anything is going on.
    fn rouse(&self) {
        if !self.watched.load(Ordering::Acquire) && !self.watched.swap(true, Ordering::AcqRel) {
            self.wake_watch();
        }
    }

    fn wake_watch(&self) {
        *self.asleep.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.wake.notify_one();
    }

    /// Whether no device has anything under way.
    fn look(&self) -> bool {
        let mut idle = true;
        for channel in self.channels.load().iter() {
            idle &= channel.watch();
        }
        idle
    }

    /// One round of the watch: `false` after the end of the broker.
    fn watch_round(&self) -> bool {
        if self.ended.load(Ordering::Acquire) {
            return false;
        }
        if self.look() {
            // Say so first and look again after, or a record submitted in between is missed.
            self.watched.store(false, Ordering::Release);
            if self.look() && !self.watched.load(Ordering::Acquire) {
                let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
                *asleep = true;
                while *asleep
                    && !self.watched.load(Ordering::Acquire)
                    && !self.ended.load(Ordering::Acquire)
                {
                    asleep = self
                        .wake
                        .wait(asleep)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                return true;
            }
            self.watched.store(true, Ordering::Release);
        }
        std::thread::sleep((self.limits.deadline / 8).max(Duration::from_millis(1)));
        true
    }
}

/// Starts the thread that notices writes which do not end. It sleeps without a timer while nothing
/// is under way, and ends with the broker.
fn watch(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    let watch = move || while shared.watch_round() {};
    std::thread::Builder::new()
        .name("audit-watch".into())
        .spawn(watch)
        .map(drop)
}

#[cfg(test)]
mod tests;
