//! What watchers read: a bounded ring of the newest transactions.
//!
//! A watcher holds only its position. A slow one costs nothing and blocks nobody; when the ring
//! has moved past it, it ends with [`Error::Compacted`]. The bound is by bytes as well as by count,
//! so that a few large values cannot hold the memory of thousands of small ones.

use crate::{Error, Event, Revision, Watch};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How much history is kept for watchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Transactions at most.
    pub events: usize,
    /// Bytes of keys and values at most; the newest transaction is kept whatever its size.
    pub bytes: usize,
}

impl Default for History {
    /// A replica that falls 4,096 transactions behind reads again, which is then the cheaper way;
    /// 4 MiB keeps an idle server small.
    fn default() -> Self {
        Self {
            events: 4096,
            bytes: 4 << 20,
        }
    }
}

/// The ring and the bell that wakes its watchers.
pub(crate) struct Feed {
    ring: Mutex<Ring>,
    bell: watch::Sender<Revision>,
}

struct Ring {
    history: History,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Everything after this revision is in `events`.
    floor: Revision,
}

impl Feed {
    /// A feed of a store that is at `newest`; nothing before that can be watched.
    pub(crate) fn new(newest: Revision, history: History) -> Arc<Self> {
        Arc::new(Self {
            ring: Mutex::new(Ring {
                history,
                events: VecDeque::new(),
                bytes: 0,
                floor: newest,
            }),
            bell: watch::Sender::new(newest),
        })
    }

    /// Adds transactions, oldest first, and wakes the watchers.
    pub(crate) fn publish(&self, events: Vec<Event>) {
        let Some(newest) = events.last().map(|event| event.revision) else {
            return;
        };
        {
            let mut ring = self.ring();
            for event in events {
                ring.push(event);
            }
        }
        self.bell.send_replace(newest);
    }

    /// Forgets all events: a store that is at `newest` cannot say what led there.
    pub(crate) fn restart(&self, newest: Revision) {
        {
            let mut ring = self.ring();
            ring.events.clear();
            ring.bytes = 0;
            ring.floor = newest;
        }
        self.bell.send_replace(newest);
    }

    /// Starts a watch of everything after `after`.
    pub(crate) fn watch(self: &Arc<Self>, after: Revision) -> Result<Box<dyn Watch>, Error> {
        if after < self.ring().floor {
            return Err(Error::Compacted);
        }
        Ok(Box::new(Watcher {
            feed: Arc::downgrade(self),
            bell: self.bell.subscribe(),
            position: after,
        }))
    }

    fn after(&self, position: Revision) -> Result<Option<Arc<Event>>, Error> {
        let ring = self.ring();
        if position < ring.floor {
            return Err(Error::Compacted);
        }
        let next = ring
            .events
            .partition_point(|event| event.revision <= position);
        Ok(ring.events.get(next).map(Arc::clone))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing under this lock can panic half-way through a change that matters.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, event: Event) {
        self.bytes += size(&event);
        self.events.push_back(Arc::new(event));
        while self.events.len() > 1
            && (self.events.len() > self.history.events || self.bytes > self.history.bytes)
        {
            let Some(oldest) = self.events.pop_front() else {
                return;
            };
            self.bytes -= size(&oldest);
            self.floor = oldest.revision;
        }
    }
}

fn size(event: &Event) -> usize {
    let change = |change: &crate::Change| {
        change.key.as_bytes().len() + change.value.as_ref().map_or(0, bytes::Bytes::len)
    };
    event.changes.iter().map(change).sum()
}

struct Watcher {
    /// Weak: a watch does not keep a closed store open.
    feed: std::sync::Weak<Feed>,
    bell: watch::Receiver<Revision>,
    position: Revision,
}

#[async_trait]
impl Watch for Watcher {
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            // Mark the bell as heard before looking: what is published in between rings it again.
            self.bell.borrow_and_update();
            let found = match self.feed.upgrade() {
                Some(feed) => feed.after(self.position)?,
                None => return Err(Error::Closed),
            };
            if let Some(event) = found {
                self.position = event.revision;
                return Ok(Event::clone(&event));
            }
            self.bell.changed().await.map_err(|_| Error::Closed)?;
        }
    }
}
