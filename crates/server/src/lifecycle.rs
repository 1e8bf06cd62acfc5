//! Life of a server: bind, serve, drain.
//!
//! Listeners are bound before anything is said to be ready; draining stops accepting, lets requests
//! finish until a deadline, and always waits for changes that began.

use crate::door::Door;
use crate::http::Shared;
use crate::listen::{self, Gate, Listen, ListenError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Changes at work, which outlive their connections.
#[derive(Default)]
pub(crate) struct Changes {
    count: AtomicUsize,
    done: Notify,
}

/// One change at work.
pub(crate) struct Underway(Arc<Changes>);

impl Changes {
    pub(crate) fn begin(self: &Arc<Self>) -> Underway {
        self.count.fetch_add(1, Ordering::SeqCst);
        Underway(Arc::clone(self))
    }

    async fn finished(&self) {
        loop {
            let done = self.done.notified();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            done.await;
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.done.notify_waiters();
        }
    }
}

/// Listeners that are bound and not yet served.
pub struct Bound {
    gates: Vec<Gate>,
}

/// Binds all listeners, or none.
///
/// # Errors
/// Which listener could not be bound, and why.
pub async fn bind(listeners: Vec<Listen>) -> Result<Bound, ListenError> {
    let mut gates = Vec::with_capacity(listeners.len());
    for listener in listeners {
        gates.push(Gate::bind(listener).await?);
    }
    Ok(Bound { gates })
}

impl Bound {
    /// Where it listens, as addresses for clients (`https://…`, `http://…`, `unix://…`).
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.gates.iter().map(Gate::address).collect()
    }

    /// Serves `door` on all listeners, in tasks of the current runtime.
    pub fn serve<D: Door>(self, door: &Arc<D>) -> Running {
        let (stop, stopping) = watch::channel(false);
        let changes = Arc::new(Changes::default());
        let gates = self.gates.into_iter().map(|gate| {
            let shared = Shared::new(
                Arc::clone(door),
                gate.limits().clone(),
                gate.forwarded(),
                Arc::clone(&changes),
                stopping.clone(),
            );
            let (open, closed) = (gate.open(), stopping.clone());
            let task = tokio::spawn(listen::serve(gate, Arc::new(shared), closed));
            (open, task)
        });
        Running {
            gates: gates.collect(),
            stop,
            changes,
        }
    }
}

/// What came of draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request that was at work got its answer.
    Whole,
    /// The deadline passed; connections were cut, changes were finished as far as they would.
    Cut,
}

/// A server at work.
pub struct Running {
    gates: Vec<(Arc<listen::Census>, JoinHandle<()>)>,
    stop: watch::Sender<bool>,
    changes: Arc<Changes>,
}

impl Running {
    /// Connections open now, over all listeners.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.gates.iter().map(|(census, _)| census.len()).sum()
    }

    /// Stops accepting, lets requests finish for `deadline`, then cuts what is left. Changes that
    /// began get the same time again.
    pub async fn drain(self, deadline: Duration) -> Drained {
        // No receiver left means that every listener has ended already.
        let _ = self.stop.send(true);
        let quiet = async {
            for (census, task) in &self.gates {
                census.empty().await;
                task.abort();
            }
        };
        let whole = tokio::time::timeout(deadline, quiet).await.is_ok();
        for (census, task) in &self.gates {
            census.cut();
            task.abort();
        }
        let finished = tokio::time::timeout(deadline, self.changes.finished())
            .await
            .is_ok();
        if whole && finished {
            Drained::Whole
        } else {
            Drained::Cut
        }
    }
}
