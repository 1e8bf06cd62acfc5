//! Signals to a server: TERM and INT stop it, HUP makes it read its files again.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that arrived and were not looked at yet are kept.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Stop,
    Reload,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next order.
    pub(super) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.hangup.recv() => Order::Reload,
        }
    }

    /// Waits for the next order to stop, while nothing else is in order.
    pub(super) async fn stop(&mut self) {
        while self.next().await != Order::Stop {
            tracing::warn!("SIGHUP has no effect while the server starts or stops");
        }
    }
}
