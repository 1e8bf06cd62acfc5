//! Stands between a device's thread and the tasks that wait for it, so that the two change places
//! once a batch and not once a record.
//!
//! * A record submitted on a runtime does not wake the device at once: the herald does, and as a
//!   task it runs after the requests that are ready now. They all submit first, and one write takes
//!   them all.
//! * A finished batch is told by the herald too. On the runtime a wake-up is an entry in its queue;
//!   from another thread each would be a system call, and on one core the first of them would take
//!   the processor from the thread that has the rest still to tell.
//!
//! Without a runtime (a broker used from plain threads) both happen directly.

use super::channel::Channel;
use super::receipt::Entry;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Entries that share an outcome.
struct Told {
    entries: Vec<Arc<Entry>>,
    written: bool,
}

impl Told {
    fn tell(self) {
        for entry in &self.entries {
            if self.written {
                entry.written();
            } else {
                entry.refused();
            }
        }
    }
}

/// What one device has for the runtime, and the runtime for it.
pub(super) struct Herald {
    due: Mutex<Vec<Told>>,
    /// `None`: there is no runtime.
    errand: Option<Arc<Notify>>,
}

impl Herald {
    /// For a device that is enabled here. [`Herald::serve`] gives it its task.
    pub(super) fn new() -> Self {
        let errand = Handle::try_current().is_ok();
        Self {
            due: Mutex::default(),
            errand: errand.then(Arc::default),
        }
    }

    /// Starts the task; it ends with the channel.
    pub(super) fn serve(channel: &Arc<Channel>) {
        if let Some(errand) = &channel.herald().errand {
            let errand = Arc::clone(errand);
            tokio::spawn(run(errand, Arc::downgrade(channel)));
        }
    }

    /// Has the device woken once the requests that are ready have submitted; `false` where the
    /// caller must wake it.
    pub(super) fn wakes(&self) -> bool {
        self.errand.as_ref().is_some_and(|errand| {
            errand.notify_one();
            true
        })
    }

    /// Has a batch told what became of it.
    pub(super) fn announce(&self, entries: Vec<Arc<Entry>>, written: bool) {
        let told = Told { entries, written };
        let Some(errand) = &self.errand else {
            return told.tell();
        };
        self.lock().push(told);
        errand.notify_one();
    }

    /// Tells what is due now.
    fn tell(&self) {
        let due = std::mem::take(&mut *self.lock());
        due.into_iter().for_each(Told::tell);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Told>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Herald {
    /// The task ends with the channel; what it had not told yet is told here.
    fn drop(&mut self) {
        self.tell();
        if let Some(errand) = &self.errand {
            errand.notify_one();
        }
    }
}

async fn run(errand: Arc<Notify>, channel: Weak<Channel>) {
    loop {
        errand.notified().await;
        let Some(channel) = channel.upgrade() else {
            return;
        };
        channel.herald().tell();
        channel.wake();
    }
}
