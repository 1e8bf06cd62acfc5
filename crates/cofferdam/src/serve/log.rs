//! Our own log: words for operators, never values.
//!
//! Only our own rooms may speak below "warn": at debug and trace level HTTP and TLS libraries print
//! headers and frames, which hold tokens and secrets. A panic is logged by its place alone, because
//! its message may hold what it stumbled over.

use crate::cli::Failure;
use crate::config::Log;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Begins to log. A second call changes nothing.
pub(crate) fn begin(log: &Log) -> Result<(), Failure> {
    let level = log
        .level
        .as_deref()
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target("cofferdam", level);
    match &log.file {
        Some(path) => install(log.json, targets, Mutex::new(open(path)?)),
        None => install(log.json, targets, std::io::stderr),
    }
    quiet_panics();
    Ok(())
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

fn install<W>(json: bool, targets: Targets, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_ansi(false).with_writer(writer);
    let layer = if json {
        layer.json().boxed()
    } else {
        layer.boxed()
    };
    // Fails where a test has installed one before: then that one is used.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init();
}

fn open(path: &Path) -> Result<File, Failure> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path);
    file.map_err(|error| {
        Failure::local(format!(
            "cannot write the log file {}: {error}",
            path.display()
        ))
    })
}
