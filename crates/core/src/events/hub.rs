//! One watch of the store for all subscribers, and none while there are none.

use super::{Event, Touched};
use crate::fault::Fault;
use crate::vault::Services;
use cofferdam_barrier::{KeyEvent, KeyWatch};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

/// Streams of one vault. Each costs a task and a connection that is never idle.
const MOST: usize = 1024;
/// Streams of one caller: a host daemon needs one.
const MOST_OF_ONE: usize = 32;
/// Events that wait for the slowest subscriber. One that falls further behind is ended.
const WAITING: usize = 1024;
/// Where tokens lie in the barrier, by their hash.
const TOKENS: &str = "token/id/";

/// What subscribers wait for.
#[derive(Clone)]
pub(super) enum Signal {
    /// Something happened.
    Event(Arc<Event>),
    /// The stored entry of this caller's token changed.
    Caller(Arc<str>),
}

/// The subscribers, and the task that serves them.
#[derive(Default)]
pub(crate) struct Hub(Mutex<State>);

#[derive(Default)]
struct State {
    /// Streams by caller.
    callers: HashMap<Arc<str>, usize>,
    streams: usize,
    running: Option<Running>,
    /// Tells one task from its successor.
    started: u64,
}

struct Running {
    number: u64,
    sender: broadcast::Sender<Signal>,
    task: AbortHandle,
}

/// A place among the subscribers; left on drop.
pub(super) struct Seat {
    hub: Arc<Hub>,
    caller: Arc<str>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        state.streams = state.streams.saturating_sub(1);
        if let Some(count) = state.callers.get_mut(&self.caller) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.callers.remove(&self.caller);
            }
        }
        if state.streams == 0
            && let Some(running) = state.running.take()
        {
            running.task.abort();
        }
    }
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change that matters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every signal from now on, for a caller of this name.
    ///
    /// # Errors
    /// [`crate::Kind::TooMany`]; or the store's failure.
    pub(super) async fn join(
        self: &Arc<Self>,
        services: &Arc<Services>,
        caller: Arc<str>,
    ) -> Result<(broadcast::Receiver<Signal>, Seat), Fault> {
        let seat = self.take_seat(caller)?;
        if let Some(running) = &self.state().running {
            return Ok((running.sender.subscribe(), seat));
        }
        // From here on nothing is missed: the watch begins before anybody is told that it does.
        let barrier = services.barrier();
        let from = barrier.read_barrier().await?;
        let watch = barrier.watch(from).await?;
        let mut state = self.state();
        if let Some(running) = &state.running {
            return Ok((running.sender.subscribe(), seat));
        }
        let (sender, receiver) = broadcast::channel(WAITING);
        state.started += 1;
        let number = state.started;
        let follower = Follower {
            hub: Arc::downgrade(self),
            services: Arc::downgrade(services),
            sender: sender.clone(),
        };
        let task = tokio::spawn(follower.run(watch, services.stopping(), number)).abort_handle();
        state.running = Some(Running {
            number,
            sender,
            task,
        });
        drop(state);
        Ok((receiver, seat))
    }

    fn take_seat(self: &Arc<Self>, caller: Arc<str>) -> Result<Seat, Fault> {
        let mut state = self.state();
        let own = state.callers.get(&caller).copied().unwrap_or_default();
        if state.streams >= MOST || own >= MOST_OF_ONE {
            return Err(Fault::too_many(
                "too many streams of events are open; close one",
            ));
        }
        state.streams += 1;
        state.callers.insert(Arc::clone(&caller), own + 1);
        drop(state);
        Ok(Seat {
            hub: Arc::clone(self),
            caller,
        })
    }

    fn known(&self, caller: &str) -> Option<Arc<str>> {
        let state = self.state();
        state
            .callers
            .get_key_value(caller)
            .map(|(name, _)| Arc::clone(name))
    }
}

/// The task.
struct Follower {
    hub: Weak<Hub>,
    services: Weak<Services>,
    sender: broadcast::Sender<Signal>,
}

impl Follower {
    async fn run(self, watch: KeyWatch, mut stop: watch::Receiver<bool>, number: u64) {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            ended = self.follow(watch) => if let Err(fault) = ended {
                tracing::warn!(
                    reason = fault.internal_text(),
                    "the stream of events broke; subscribers begin again"
                );
            }
        }
        // Subscribers see the channel close. The next one starts another task.
        if let Some(hub) = self.hub.upgrade() {
            let mut state = hub.state();
            if state
                .running
                .as_ref()
                .is_some_and(|running| running.number == number)
            {
                state.running = None;
            }
        }
    }

    async fn follow(&self, mut watch: KeyWatch) -> Result<(), Fault> {
        loop {
            let event = watch.next().await?;
            let (Some(hub), Some(services)) = (self.hub.upgrade(), self.services.upgrade()) else {
                return Ok(());
            };
            for hash in event.keys.iter().filter_map(|key| key.strip_prefix(TOKENS)) {
                if let Some(caller) = hub.known(hash) {
                    let _ = self.sender.send(Signal::Caller(caller));
                }
            }
            for told in translate(&services, &event).await? {
                // Fails only when nobody listens any more.
                let _ = self.sender.send(Signal::Event(Arc::new(told)));
            }
        }
    }
}

/// What the engines make of a transaction.
async fn translate(services: &Services, event: &KeyEvent) -> Result<Vec<Event>, Fault> {
    let barrier = services.barrier();
    let mut by_mount: BTreeMap<&str, Vec<Touched<'_>>> = BTreeMap::new();
    for (number, key) in event.keys.iter().enumerate() {
        let Some((uuid, key)) = key
            .strip_prefix("mount/")
            .and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        by_mount.entry(uuid).or_default().push(Touched {
            key,
            number,
            event,
            barrier,
        });
    }
    let mut all = Vec::new();
    if by_mount.is_empty() {
        return Ok(all);
    }
    let tables = services.registry.fresh().await?;
    let now = services.clock.now();
    for (uuid, touched) in by_mount {
        let mount = tables.mounts().iter().find(|mount| mount.uuid == uuid);
        let point = mount.and_then(|mount| tables.point(&mount.path));
        // A mount that is gone by now has nobody left who may read it.
        let Some((point, engine)) = point.and_then(|point| Some((point, point.engine.as_ref()?)))
        else {
            continue;
        };
        for happened in engine.events(&touched).await? {
            let source = "cofferdam";
            all.extend(Event::new(
                source,
                &point.mount,
                event.revision,
                all.len(),
                now,
                &happened,
            ));
        }
    }
    Ok(all)
}
