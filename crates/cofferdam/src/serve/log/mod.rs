//! Our own log: words for operators, never values.
//!
//! Only our own rooms may speak below "warn": at debug and trace level HTTP and TLS libraries print
//! headers and frames, which hold tokens and secrets. A panic is logged by its place alone, because
//! its message may hold what it stumbled over.
//!
//! Nobody waits for the log: lines go to a thread that writes them ([`lines`]), and what it cannot
//! get rid of is counted and dropped. How much is said can change while the server runs ([`levels`]),
//! and others can listen ([`ears`]).

mod ears;
mod levels;
mod lines;

pub(crate) use ears::Ears;
pub(crate) use levels::Levels;

use crate::cli::Failure;
use crate::config::Log;
use cofferdam_core::host::Level;
use lines::{Lines, Sink};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

/// How long the end of the process waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// The log of this process.
struct Begun {
    lines: Lines,
    voice: Voice,
}

/// How much the log says, and who listens.
#[derive(Clone)]
pub(crate) struct Voice {
    pub(crate) levels: Arc<Levels>,
    pub(crate) ears: Arc<Ears>,
}

static BEGUN: OnceLock<Begun> = OnceLock::new();

/// Begins to log. A second call changes nothing, and gives what the first gave.
pub(crate) fn begin(log: &Log) -> Result<Voice, Failure> {
    if let Some(begun) = BEGUN.get() {
        return Ok(begun.voice.clone());
    }
    let sink = match &log.file {
        Some(path) => Sink::file(path)?,
        None => Sink::Stderr,
    };
    let lines = Lines::begin(sink, log.json)
        .map_err(|error| Failure::local(format!("cannot begin to log: {error}")))?;
    let (filter, handle) = reload::Layer::new(levels::targets(&levels::State::of(level(log))));
    let levels = Arc::new(Levels::new(level(log), handle));
    let layer = fmt::layer().with_ansi(false).with_writer(lines.clone());
    let layer = if log.json {
        layer.json().boxed()
    } else {
        layer.boxed()
    };
    let ears = Ears::new(log.json);
    let mut layers = vec![layer.with_filter(filter).boxed()];
    layers.extend(ears.layers());
    // Fails where a test has installed one before: then that one is used.
    let _ = tracing_subscriber::registry().with(layers).try_init();
    quiet_panics();
    let voice = Voice { levels, ears };
    let begun = BEGUN.get_or_init(|| Begun { lines, voice });
    Ok(begun.voice.clone())
}

/// The configured level.
pub(crate) fn level(log: &Log) -> Level {
    log.level
        .as_deref()
        .and_then(Level::parse)
        .unwrap_or(Level::Info)
}

/// Opens the log's file anew, by its name: after a rotation it is another one.
pub(crate) fn reopen() {
    if let Some(begun) = BEGUN.get() {
        begun.lines.reopen();
    }
}

/// Waits a moment for what was said to be written: the process is about to end.
pub(crate) fn finish() {
    if let Some(begun) = BEGUN.get() {
        begun.lines.flush(PATIENCE);
    }
}

/// A panic is logged by its place: its message may hold what it stumbled over.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(|place| format!("{}:{}", place.file(), place.line()))
            .unwrap_or_default();
        tracing::error!("a defect of ours ended one piece of work: {place}");
    }));
}
