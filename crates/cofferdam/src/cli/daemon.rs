//! What the daemons beside the server have in common: their log, their end, and a socket that may be
//! systemd's.

use super::Failure;
use super::signals::told_to_end;
use crate::config::Log;
use crate::serve::log;
use crate::systemd::{Inherited, notify};
use cofferdam_api::places::environment;
use cofferdam_platform::docker::socket::Listen;
use std::path::PathBuf;

/// One line an event; `COFFERDAM_LOG` is a level, info by default.
pub(super) fn start_log(file: Option<PathBuf>) -> Result<(), Failure> {
    let log = log::begin(&Log {
        level: environment("COFFERDAM_LOG"),
        file,
        ..Log::default()
    });
    log.map(|_| ())
}

/// Completes when the daemon is told to end, and tells systemd so. Meanwhile it keeps systemd's
/// watchdog content.
pub(super) fn shutdown() -> Result<impl Future<Output = ()>, Failure> {
    let told = told_to_end()?;
    Ok(async move {
        tokio::select! {
            () = told => {}
            () = notify::keep_alive() => {}
        }
        notify::stopping();
    })
}

/// A plugin's socket: the one that systemd holds, else one of our own.
pub(super) fn listen(path: PathBuf) -> Result<Listen, Failure> {
    let mut inherited = Inherited::take(&environment)?;
    let listen = match inherited.unix(&path) {
        Some(listener) => Listen::Inherited(listener),
        None => Listen::At(path),
    };
    inherited.finish()?;
    Ok(listen)
}
