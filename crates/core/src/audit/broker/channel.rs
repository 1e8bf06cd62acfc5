//! One device, its queue and its thread.

use super::herald::Herald;
use super::receipt::Entry;
use super::{Condition, Limits, Status};
use crate::audit::chain::{ChainKey, Head, Link};
use crate::audit::device::{Device, Failed, Space};
use crate::audit::{Names, Pieces};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Bytes of records that one write takes at most.
const BATCH_BYTES: usize = 4 << 20;
/// Bytes of room for lines that are kept from one write to the next.
const ROOM: usize = 1 << 20;

pub(super) struct Channel {
    pub(super) name: String,
    kind: &'static str,
    pub(super) names: Names,
    limits: Limits,
    queue: Mutex<Queue>,
    herald: Herald,
    /// There is something to write, or nothing more will come.
    ready: Condvar,
    /// The thread has ended.
    ended: Condvar,
}

struct Queue {
    waiting: Vec<Arc<Entry>>,
    bytes: usize,
    /// Being written now; taken away by the watch when the write does not end.
    in_flight: Vec<Arc<Entry>>,
    since: Option<Instant>,
    /// The thread sleeps and must be woken.
    asleep: bool,
    closed: bool,
    ended: bool,
    condition: Condition,
    head: Head,
    written: u64,
    refused: u64,
    low_space: Option<u64>,
}

/// What came of handing over a record.
pub(super) enum Handed {
    /// It is in the queue.
    Over,
    /// The device cannot take it now.
    No,
    /// The device was disabled meanwhile.
    Closed,
}

impl Channel {
    /// Starts the thread of `device`, whose chain continues after `head`.
    pub(super) fn start(
        name: String,
        device: Box<dyn Device>,
        key: ChainKey,
        head: Head,
        limits: Limits,
    ) -> std::io::Result<Arc<Self>> {
        let queue = Queue {
            waiting: Vec::new(),
            bytes: 0,
            in_flight: Vec::new(),
            since: None,
            asleep: false,
            closed: false,
            ended: false,
            condition: Condition::Working,
            head,
            written: 0,
            refused: 0,
            low_space: None,
        };
        let channel = Arc::new(Self {
            name,
            kind: device.kind(),
            names: device.names(),
            limits,
            queue: Mutex::new(queue),
            herald: Herald::new(),
            ready: Condvar::new(),
            ended: Condvar::new(),
        });
        let worker = Worker {
            channel: Arc::clone(&channel),
            device,
            key,
            head,
        };
        std::thread::Builder::new()
            .name("audit-device".into())
            .spawn(move || worker.run())?;
        Herald::serve(&channel);
        Ok(channel)
    }

    pub(super) const fn herald(&self) -> &Herald {
        &self.herald
    }

    /// Wakes the device, if it sleeps over records.
    pub(super) fn wake(&self) {
        let mut queue = self.lock();
        if !queue.waiting.is_empty() && std::mem::take(&mut queue.asleep) {
            drop(queue);
            self.ready.notify_one();
        }
    }

    /// Whether the device's thread waits for a record.
    #[cfg(test)]
    pub(super) fn is_asleep(&self) -> bool {
        self.lock().asleep
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this device writes of a record.
    fn text<'e>(&self, entry: &'e Entry) -> &'e Pieces {
        entry.record.text(self.names)
    }

    pub(super) fn hand(&self, entry: &Arc<Entry>) -> Handed {
        let length = self.text(entry).len();
        let mut queue = self.lock();
        if queue.closed {
            return Handed::Closed;
        }
        let full = queue.waiting.len() >= self.limits.records
            || queue.bytes.saturating_add(length) > self.limits.bytes;
        if full || matches!(queue.condition, Condition::Stuck) {
            queue.refused += 1;
            return Handed::No;
        }
        queue.bytes += length;
        queue.waiting.push(Arc::clone(entry));
        let asleep = queue.asleep;
        drop(queue);
        if asleep && !self.herald.wakes() {
            self.wake();
        }
        Handed::Over
    }

    /// Gives up on a write that does not end: everybody who waits for this device is told no, and
    /// it gets nothing more until the write has ended. `true` when there is nothing to watch.
    pub(super) fn watch(&self) -> bool {
        let mut queue = self.lock();
        let Some(since) = queue.since else {
            return queue.waiting.is_empty();
        };
        if since.elapsed() < self.limits.deadline {
            return false;
        }
        let mut abandoned = std::mem::take(&mut queue.in_flight);
        abandoned.append(&mut queue.waiting);
        queue.bytes = 0;
        queue.refused += abandoned.len() as u64;
        let newly = !matches!(queue.condition, Condition::Stuck);
        queue.condition = Condition::Stuck;
        drop(queue);
        if newly {
            tracing::error!(device = ?self.name, "audit device does not finish a write: given up on until it does");
        }
        abandoned.iter().for_each(|entry| entry.refused());
        true
    }

    /// Takes nothing more; what is queued is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// Waits until everything queued before [`Channel::close`] is written, at most for the deadline
    /// of a write, and gives the head of the chain.
    pub(super) fn wait_closed(&self) -> Head {
        let queue = self.lock();
        let waited = self
            .ended
            .wait_timeout_while(queue, self.limits.deadline, |queue| {
                !queue.ended && !matches!(queue.condition, Condition::Stuck)
            });
        waited.unwrap_or_else(PoisonError::into_inner).0.head
    }

    pub(super) fn status(&self) -> Status {
        let queue = self.lock();
        Status {
            name: self.name.clone(),
            kind: self.kind,
            condition: queue.condition.clone(),
            head: queue.head,
            written: queue.written,
            refused: queue.refused,
            low_space: queue.low_space,
        }
    }
}

struct Worker {
    channel: Arc<Channel>,
    device: Box<dyn Device>,
    key: ChainKey,
    head: Head,
}

impl Worker {
    fn run(mut self) {
        let mut lines = Pieces::default();
        while let Some(batch) = self.next_batch() {
            lines.clear(ROOM);
            let mut head = self.head;
            for entry in &batch {
                head = self.key.append(head, self.channel.text(entry), &mut lines);
            }
            let outcome = self.device.append(&lines);
            match &outcome {
                Ok(()) => self.head = head,
                Err(Failed { kept, .. }) => {
                    self.keep(lines.to_vec().get(..*kept).unwrap_or_default());
                }
            }
            let space = self.device.space();
            self.finish(&outcome.map_err(|failed| failed.failure.to_string()), space);
        }
        let Self {
            channel, device, ..
        } = self;
        // Closed before anybody is told that it is: the next device may be the same file.
        drop(device);
        channel.lock().ended = true;
        channel.ended.notify_all();
    }

    /// Lines of a failed write that are in the log after all: the chain goes on behind them. One
    /// that lacks only its line end counts, since the next write begins with that.
    fn keep(&mut self, kept: &[u8]) {
        let mut links = kept.rsplit(|byte| *byte == b'\n').filter_map(Link::parse);
        if let Some(link) = links.find(|link| self.key.is_authentic(link)) {
            self.head = link.head;
        }
    }

    /// Waits for records and takes what has come: the next write. `None` after the end.
    fn next_batch(&self) -> Option<Vec<Arc<Entry>>> {
        let mut queue = self.channel.lock();
        while queue.waiting.is_empty() {
            if queue.closed {
                return None;
            }
            queue.asleep = true;
            queue = self
                .channel
                .ready
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let fits = queue.waiting.iter().take_while(|entry| {
            bytes += self.channel.text(entry).len();
            bytes <= BATCH_BYTES
        });
        let count = fits.count().max(1).min(queue.waiting.len());
        let later = queue.waiting.split_off(count);
        let batch = std::mem::replace(&mut queue.waiting, later);
        let lengths = batch.iter().map(|entry| self.channel.text(entry).len());
        let taken: usize = lengths.sum();
        queue.bytes = queue.bytes.saturating_sub(taken);
        queue.in_flight.clone_from(&batch);
        queue.since = Some(Instant::now());
        Some(batch)
    }

    /// Tells who waits and notes the device's condition.
    fn finish(&self, outcome: &Result<(), String>, space: Space) {
        let mut queue = self.channel.lock();
        queue.since = None;
        let told = std::mem::take(&mut queue.in_flight);
        let before = queue.condition.clone();
        match outcome {
            Ok(()) => {
                queue.condition = Condition::Working;
                queue.written += told.len() as u64;
            }
            Err(reason) => {
                queue.condition = Condition::Failing(reason.clone());
                queue.refused += told.len() as u64;
            }
        }
        queue.head = self.head;
        let alarm = matches!(space, Space::Low(_)) && queue.low_space.is_none();
        match space {
            Space::Low(free) => queue.low_space = Some(free),
            Space::Enough => queue.low_space = None,
            Space::Unknown => {}
        }
        let after = queue.condition.clone();
        drop(queue);
        self.channel.herald.announce(told, outcome.is_ok());
        self.tell_operator(&before, &after, alarm);
    }

    fn tell_operator(&self, before: &Condition, after: &Condition, low_space: bool) {
        let device = &self.channel.name;
        if low_space {
            tracing::warn!(
                ?device,
                "audit device is running out of space: requests will be refused when it is full"
            );
        }
        match (before, after) {
            (before, after) if before == after => {}
            (_, Condition::Working) => tracing::warn!(?device, "audit device works again"),
            (_, Condition::Failing(reason)) => {
                tracing::error!(?device, reason, "audit device failed")
            }
            (_, Condition::Stuck) => {}
        }
    }
}
