//! Loggers by names that operators know, and the levels they have now.

use cofferdam_core::host::{Level, NoLogger};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Registry, reload};

/// Names, and the rooms they stand for; a longer room wins over a shorter one.
const LOGGERS: &[(&str, &str)] = &[
    ("audit", "cofferdam_core::audit"),
    ("auth", "cofferdam_engines::auth"),
    ("barrier", "cofferdam_barrier"),
    ("cofferdam", "cofferdam"),
    ("core", "cofferdam_core"),
    ("docker", "cofferdam_platform"),
    ("http", "cofferdam_server"),
    ("policy", "cofferdam_core::policy"),
    ("secrets", "cofferdam_engines::secrets"),
    ("storage", "cofferdam_store"),
    ("system", "cofferdam_core::system"),
    ("token", "cofferdam_core::token"),
];

/// What was configured, and what was changed since.
#[derive(Clone)]
pub(super) struct State {
    configured: Level,
    each: BTreeMap<&'static str, Level>,
}

impl State {
    pub(super) const fn of(configured: Level) -> Self {
        Self {
            configured,
            each: BTreeMap::new(),
        }
    }

    fn of_logger(&self, name: &str) -> Level {
        self.each.get(name).copied().unwrap_or(self.configured)
    }
}

pub(super) const fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

/// What passes.
pub(super) fn targets(state: &State) -> Targets {
    let others = LevelFilter::WARN.min(filter(state.configured));
    let ours = Targets::new()
        .with_default(others)
        .with_target("cofferdam", filter(state.configured));
    LOGGERS.iter().fold(ours, |targets, (name, room)| {
        // The binary's own name begins that of every room: it stands for itself alone.
        let room = if *room == "cofferdam" {
            "cofferdam::"
        } else {
            room
        };
        targets.with_target(room, filter(state.of_logger(name)))
    })
}

/// The levels of this process.
pub(crate) struct Levels {
    state: Mutex<State>,
    handle: reload::Handle<Targets, Registry>,
}

impl Levels {
    pub(super) const fn new(configured: Level, handle: reload::Handle<Targets, Registry>) -> Self {
        Self {
            state: Mutex::new(State::of(configured)),
            handle,
        }
    }

    /// Every logger with its level.
    pub(crate) fn all(&self) -> BTreeMap<&'static str, Level> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let named = LOGGERS
            .iter()
            .map(|(name, _)| (*name, state.of_logger(name)));
        named.collect()
    }

    /// See [`cofferdam_core::host::Host::set_level`].
    pub(crate) fn set(&self, logger: Option<&str>, level: Option<Level>) -> Result<(), NoLogger> {
        let named = |logger: &str| LOGGERS.iter().find(|(name, _)| *name == logger);
        let chosen: Vec<&'static str> = match logger {
            Some(logger) => vec![named(logger).ok_or(NoLogger)?.0],
            None => LOGGERS.iter().map(|(name, _)| *name).collect(),
        };
        self.change(|state| {
            for name in chosen {
                match level {
                    Some(level) => state.each.insert(name, level),
                    None => state.each.remove(name),
                };
            }
        });
        Ok(())
    }

    /// A configuration that was read again: what was changed by hand ends.
    pub(crate) fn configure(&self, level: Level) {
        self.change(|state| *state = State::of(level));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        // The subscriber is gone only where a test had installed another one.
        let _ = self.handle.reload(targets(&state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level as T;

    fn levels() -> Levels {
        let (_, handle) = reload::Layer::new(targets(&State::of(Level::Info)));
        Levels::new(Level::Info, handle)
    }

    #[test]
    fn a_level_is_of_its_logger_alone_and_goes_back() {
        let levels = levels();
        levels.set(Some("audit"), Some(Level::Trace)).unwrap();
        assert_eq!(levels.all()["audit"], Level::Trace);
        assert_eq!(levels.all()["core"], Level::Info);
        let now = targets(&levels.state.lock().unwrap());
        assert!(now.would_enable("cofferdam_core::audit::broker", &T::TRACE));
        assert!(!now.would_enable("cofferdam_core::registry", &T::DEBUG));
        levels.set(None, Some(Level::Error)).unwrap();
        assert!(levels.all().values().all(|level| *level == Level::Error));
        levels.set(None, None).unwrap();
        assert!(levels.all().values().all(|level| *level == Level::Info));
        assert_eq!(levels.set(Some("nope"), None), Err(NoLogger));
    }

    #[test]
    fn what_is_configured_anew_ends_what_was_changed() {
        let levels = levels();
        levels.set(Some("http"), Some(Level::Trace)).unwrap();
        levels.configure(Level::Warn);
        assert!(levels.all().values().all(|level| *level == Level::Warn));
    }

    #[test]
    fn libraries_never_speak_below_warn() {
        let loud = targets(&State::of(Level::Trace));
        for room in ["hyper::proto", "rustls", "h2::codec"] {
            assert!(!loud.would_enable(room, &T::INFO), "{room}");
            assert!(loud.would_enable(room, &T::WARN), "{room}");
        }
        assert!(loud.would_enable("cofferdam::serve", &T::TRACE));
    }
}
