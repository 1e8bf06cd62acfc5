//! Signals to a server: TERM and INT stop it, HUP is answered with a sentence.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that arrived and were not looked at yet are kept.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next order to stop.
    pub(super) async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => tracing::warn!("SIGHUP has no effect: restart the server to apply a changed configuration"),
            }
        }
    }
}
