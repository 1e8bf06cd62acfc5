//! What the vault asks of the process it lives in: its log, its configuration, its machine. The
//! binary puts in who answers, since this crate knows no terminal, no file of settings and no `/proc`.

use crate::monitor::Listener;
use serde_json::Value;
use std::collections::BTreeMap;

/// How much a logger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Defects and failures.
    Error,
    /// And what may become one.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// And how.
    Trace,
}

impl Level {
    /// As Vault names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// By one of Vault's names, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" | "notice" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" | "err" => Self::Error,
            _ => return None,
        })
    }
}

/// One figure of the process, for `sys/metrics`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// In Prometheus' form.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// `name="value"`, with commas between; may be empty.
    pub labels: &'static str,
    /// What it does over time.
    pub sort: Sort,
    /// Now.
    pub value: f64,
}

/// What a figure does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Grows until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Sort {
    /// Prometheus' word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// There is no logger of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoLogger;

/// As many listen to the log as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSeat;

/// The process. Nothing it answers holds a secret.
pub trait Host: Send + Sync + 'static {
    /// Loggers and how much each says now.
    fn loggers(&self) -> BTreeMap<&'static str, Level>;

    /// Changes one logger, or all of them. `None`: back to what is configured. At once, and until the
    /// process ends.
    ///
    /// # Errors
    /// [`NoLogger`] for a name that none has.
    fn set_level(&self, logger: Option<&str>, level: Option<Level>) -> Result<(), NoLogger>;

    /// Listens to the log from now on, at a level of the listener's own, as JSON or as the log is.
    ///
    /// # Errors
    /// [`NoSeat`] where others listen already.
    fn listen(&self, level: Level, json: bool) -> Result<Listener, NoSeat>;

    /// The settings the server runs with, without anything secret.
    fn configuration(&self) -> Value;

    /// Figures of the process and its store. Figures of one name stand together.
    fn figures(&self) -> Vec<Figure>;

    /// Figures of the machine: processors, memory, disks. May take its time.
    fn machine(&self) -> Value;
}

/// A process of which nothing is known, for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Host for Nowhere {
    fn loggers(&self) -> BTreeMap<&'static str, Level> {
        BTreeMap::new()
    }

    fn set_level(&self, logger: Option<&str>, _: Option<Level>) -> Result<(), NoLogger> {
        logger.map_or(Ok(()), |_| Err(NoLogger))
    }

    fn listen(&self, _: Level, _: bool) -> Result<Listener, NoSeat> {
        Err(NoSeat)
    }

    fn configuration(&self) -> Value {
        Value::Object(serde_json::Map::new())
    }

    fn figures(&self) -> Vec<Figure> {
        Vec::new()
    }

    fn machine(&self) -> Value {
        Value::Object(serde_json::Map::new())
    }
}
