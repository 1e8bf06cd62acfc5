//! Counts connections, and ends those that cost without working.
//!
//! One tick a second for a whole listener replaces timers per connection: an idle connection costs
//! its socket and a few words. A connection with a request at work is never ended here (its body
//! and its work have deadlines of their own).

use crate::limits::Limits;
use cofferdam_core::Peer;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// What of a connection is watched. All times are ticks: seconds since the listener began, plus one.
pub(crate) struct Watch {
    ticks: Arc<AtomicU32>,
    /// Requests at work, until the transport has taken their answers.
    active: AtomicU32,
    /// Those of them whose answers go on until one side ends it.
    going_on: AtomicU32,
    /// The end of the last request, or of the handshake, or the beginning.
    idle_since: AtomicU32,
    /// First byte of a head that is not complete; 0: none.
    head_since: AtomicU32,
    /// The transport takes nothing since then; 0: it does.
    stuck_since: AtomicU32,
    /// Streams are framed: a byte is not the beginning of a head.
    framed: AtomicBool,
    /// Whether it ever made a whole request.
    proven: AtomicBool,
    task: OnceLock<AbortHandle>,
}

/// A request at work.
pub(crate) struct Working {
    watch: Arc<Watch>,
    goes_on: bool,
}

impl Watch {
    fn now(&self) -> u32 {
        self.ticks.load(Relaxed)
    }

    pub(crate) fn begin(self: &Arc<Self>) -> Working {
        self.active.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        self.proven.store(true, Relaxed);
        Working {
            watch: Arc::clone(self),
            goes_on: false,
        }
    }

    /// Whether nothing is at work but answers that go on.
    pub(crate) fn only_goes_on(&self) -> bool {
        let going_on = self.going_on.load(Relaxed);
        going_on > 0 && self.active.load(Relaxed) <= going_on
    }

    pub(crate) fn framed(&self) {
        self.framed.store(true, Relaxed);
    }

    /// The transport gave bytes.
    pub(crate) fn heard(&self) {
        let between = self.active.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0;
        if between && !self.framed.load(Relaxed) {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    /// The transport took bytes, or did not.
    pub(crate) fn wrote(&self, taken: bool) {
        let since = self.stuck_since.load(Relaxed);
        if taken && since != 0 {
            self.stuck_since.store(0, Relaxed);
        } else if !taken && since == 0 {
            self.stuck_since.store(self.now(), Relaxed);
        }
    }

    fn overdue(&self, limits: &Limits) -> bool {
        let (now, longer) = (self.now(), |since: u32, now: u32, span: Duration| {
            since != 0 && u64::from(now.saturating_sub(since)) > span.as_secs()
        });
        // Patience is for clients that have asked for something before.
        let patience = if self.proven.load(Relaxed) {
            limits.idle_time
        } else {
            limits.head_time
        };
        longer(self.stuck_since.load(Relaxed), now, limits.write_time)
            || (self.active.load(Relaxed) == 0
                && (longer(self.head_since.load(Relaxed), now, limits.head_time)
                    || longer(self.idle_since.load(Relaxed), now, patience)))
    }

    /// Which of two idle connections has to go first: one that never asked for anything, then the
    /// one idle for longest. `None`: at work.
    fn rank(&self) -> Option<(bool, u32)> {
        (self.active.load(Relaxed) == 0)
            .then(|| (self.proven.load(Relaxed), self.idle_since.load(Relaxed)))
    }

    fn end(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl Working {
    /// The answer goes on until one side ends it.
    pub(crate) fn goes_on(&mut self) {
        if !std::mem::replace(&mut self.goes_on, true) {
            self.watch.going_on.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let watch = &self.watch;
        watch.idle_since.store(watch.now(), Relaxed);
        watch.going_on.fetch_sub(u32::from(self.goes_on), Relaxed);
        watch.active.fetch_sub(1, Relaxed);
    }
}

/// Whom a connection counts against.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    V4([u8; 4]),
    /// A /64: the smallest network a host is given.
    V6([u16; 4]),
    Uid(u32),
}

impl Origin {
    fn of(peer: &Peer) -> Self {
        match peer {
            Peer::Local { uid, .. } => Self::Uid(*uid),
            Peer::Network(_) | Peer::Certified(..) => match peer.ip() {
                IpAddr::V4(address) => Self::V4(address.octets()),
                IpAddr::V6(address) => Self::V6(network(address)),
            },
        }
    }
}

const fn network(address: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
}

#[derive(Default)]
struct Members {
    next: u64,
    /// Each with whom it counts against; `None`: a proxy, which stands for many.
    all: HashMap<u64, (Arc<Watch>, Option<Origin>)>,
    by_origin: HashMap<Origin, usize>,
}

impl Members {
    /// The idle connection that has to go first, of one origin or of all.
    fn idlest(&self, only: Option<Origin>) -> Option<u64> {
        let candidates = self
            .all
            .iter()
            .filter(|(_, (_, origin))| only.is_none() || only == *origin);
        let ranked = candidates.filter_map(|(id, (watch, _))| Some((watch.rank()?, *id)));
        ranked.min().map(|(_, id)| id)
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Watch>> {
        let (watch, origin) = self.all.remove(&id)?;
        if let Some(origin) = origin {
            self.leave(origin);
        }
        Some(watch)
    }

    fn leave(&mut self, origin: Origin) {
        if let Some(count) = self.by_origin.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&origin);
            }
        }
    }

    /// Whether one more of this origin is one too many.
    fn crowded(&self, origin: Option<Origin>, limits: &Limits) -> bool {
        let count = origin.and_then(|origin| self.by_origin.get(&origin));
        count.is_some_and(|count| *count >= limits.connections_per_peer)
    }

    /// Ends the connection that has to go first, of one origin or of all; `None`: all are at work.
    fn make_room(&mut self, only: Option<Origin>) -> Option<()> {
        let victim = self.idlest(only)?;
        if let Some(watch) = self.remove(victim) {
            watch.end();
        }
        Some(())
    }
}

/// The connections of a listener.
pub(crate) struct Census {
    limits: Limits,
    ticks: Arc<AtomicU32>,
    began: Instant,
    members: Mutex<Members>,
    arrived: Notify,
    emptied: Notify,
}

/// A place in the census; left on drop.
pub(crate) struct Seat {
    census: Arc<Census>,
    id: u64,
    watch: Arc<Watch>,
}

impl Seat {
    pub(crate) const fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Counts the connection against whom it turned out to be of; `None`: still a proxy that stands
    /// for many. `false`: that peer has as many as it may have, all at work.
    pub(crate) fn turns_out(&self, peer: Option<&Peer>) -> bool {
        let origin = peer.map(Origin::of);
        let mut members = self.census.members();
        let Some((_, before)) = members.all.get(&self.id) else {
            return false;
        };
        let before = *before;
        if before == origin {
            return true;
        }
        if members.crowded(origin, &self.census.limits) && members.make_room(origin).is_none() {
            return false;
        }
        if let Some(before) = before {
            members.leave(before);
        }
        if let Some(origin) = origin {
            *members.by_origin.entry(origin).or_default() += 1;
        }
        if let Some((_, counted)) = members.all.get_mut(&self.id) {
            *counted = origin;
        }
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut members = self.census.members();
        members.remove(self.id);
        if members.all.is_empty() {
            self.census.emptied.notify_waiters();
        }
    }
}

impl Census {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            ticks: Arc::new(AtomicU32::new(1)),
            began: Instant::now(),
            members: Mutex::default(),
            arrived: Notify::new(),
            emptied: Notify::new(),
        }
    }

    /// A panic while the lock was held leaves counts that are still true.
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.members().all.len()
    }

    /// Admits a connection. Where a limit is reached, the longest idle one under the same limit
    /// makes room; `None` when all of them are at work.
    pub(crate) fn admit(self: &Arc<Self>, peer: &Peer) -> Option<Seat> {
        self.seat(Some(Origin::of(peer)))
    }

    /// Admits a connection of a proxy that stands for many: it counts for the listener alone.
    pub(crate) fn admit_proxy(self: &Arc<Self>) -> Option<Seat> {
        self.seat(None)
    }

    fn seat(self: &Arc<Self>, origin: Option<Origin>) -> Option<Seat> {
        let mut members = self.members();
        let crowded = members.crowded(origin, &self.limits);
        if crowded || members.all.len() >= self.limits.connections {
            members.make_room(origin.filter(|_| crowded))?;
        }
        let watch = Arc::new(Watch {
            ticks: Arc::clone(&self.ticks),
            active: AtomicU32::new(0),
            going_on: AtomicU32::new(0),
            idle_since: AtomicU32::new(self.ticks.load(Relaxed)),
            head_since: AtomicU32::new(0),
            stuck_since: AtomicU32::new(0),
            framed: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            task: OnceLock::new(),
        });
        members.next += 1;
        let id = members.next;
        members.all.insert(id, (Arc::clone(&watch), origin));
        if let Some(origin) = origin {
            *members.by_origin.entry(origin).or_default() += 1;
        }
        drop(members);
        self.arrived.notify_one();
        Some(Seat {
            census: Arc::clone(self),
            id,
            watch,
        })
    }

    /// Tells which task to end when the connection has to go.
    pub(crate) fn driven_by(watch: &Watch, task: AbortHandle) {
        // Set once, by the task that spawned the connection.
        let _ = watch.task.set(task);
    }

    /// Ends overdue connections, once a second while there are any.
    pub(crate) async fn reap(self: Arc<Self>) {
        loop {
            while self.members().all.is_empty() {
                self.arrived.notified().await;
                self.tick();
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.tick();
            for (watch, _) in self.members().all.values() {
                if watch.overdue(&self.limits) {
                    watch.end();
                }
            }
        }
    }

    fn tick(&self) {
        let seconds = u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX - 1);
        self.ticks.store(seconds.saturating_add(1), Relaxed);
    }

    /// Waits until there is no connection.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.members().all.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Ends all connections, whatever they are doing.
    pub(crate) fn cut(&self) {
        for (watch, _) in self.members().all.values() {
            watch.end();
        }
    }
}

#[cfg(test)]
mod tests;
