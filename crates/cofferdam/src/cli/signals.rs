//! What tells a command to end: an interrupt of the terminal, or whoever started it.

use super::Failure;
use tokio::signal::unix::{SignalKind, signal};

/// Completes when this process is told to end, which from here on no longer ends it by itself.
pub(super) fn told_to_end() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::local(format!("cannot listen for signals: {error}")))
    };
    let (mut terminate, mut interrupt) = (
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
