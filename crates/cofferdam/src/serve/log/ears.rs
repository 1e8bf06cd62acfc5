//! Those who listen to the log over the network (`sys/monitor`), each at a level of its own.
//!
//! While nobody does, nothing is made for them. A line is made once for all who want its form, and
//! handed over without waiting ([`cofferdam_core::monitor::Queue`]); what passes is judged as for the
//! log itself, so libraries never speak below "warn" here either.

use super::levels::{self, State};
use super::lines;
use cofferdam_core::host::{Level, NoSeat};
use cofferdam_core::monitor::{Listener, Queue};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// Listeners at one time: each costs a quarter of a MiB where it does not read.
const MOST: usize = 16;

type Handle = reload::Handle<Targets, Registry>;

/// The listeners, and what makes lines for them.
pub(crate) struct Ears {
    all: RwLock<Vec<Ear>>,
    /// Of the lines as text, and as JSON.
    filters: OnceLock<[Handle; 2]>,
    /// Held by whoever sets them: else what was found out first might be set last, and the newest
    /// listener hears nothing.
    tuning: Mutex<()>,
    /// The log itself is JSON: then everybody gets that, as from OpenBao.
    json: bool,
}

struct Ear {
    level: Level,
    json: bool,
    queue: Arc<Queue>,
}

impl Ears {
    pub(super) fn new(json: bool) -> Arc<Self> {
        Arc::new(Self {
            all: RwLock::default(),
            filters: OnceLock::new(),
            tuning: Mutex::default(),
            json,
        })
    }

    /// What the log's subscriber needs for them.
    pub(super) fn layers(self: &Arc<Self>) -> [Box<dyn Layer<Registry> + Send + Sync>; 2] {
        let nothing = || reload::Layer::new(Targets::new().with_default(LevelFilter::OFF));
        let ((text, of_text), (json, of_json)) = (nothing(), nothing());
        // Layers are made once, where the log begins.
        let _ = self.filters.set([of_text, of_json]);
        let layer = |json| {
            let pens = Pens(Arc::clone(self), json);
            fmt::layer().with_ansi(false).with_writer(pens)
        };
        [
            layer(false).with_filter(text).boxed(),
            layer(true).json().with_filter(json).boxed(),
        ]
    }

    /// See [`cofferdam_core::host::Host::listen`].
    pub(crate) fn listen(self: &Arc<Self>, level: Level, json: bool) -> Result<Listener, NoSeat> {
        let json = json || self.json;
        let queue = Arc::<Queue>::default();
        {
            let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST {
                return Err(NoSeat);
            }
            all.push(Ear {
                level,
                json,
                queue: Arc::clone(&queue),
            });
        }
        self.tune();
        let seat = Seat {
            ears: Arc::downgrade(self),
            queue: Arc::clone(&queue),
        };
        let word = if json { word_as_json } else { word_as_text };
        Ok(Listener::new(queue, word, Box::new(seat)))
    }

    /// As much is made as somebody wants.
    fn tune(&self) {
        let _turn = self.tuning.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = |json| {
            let levels = all.iter().filter(|ear| ear.json == json);
            let most = levels.map(|ear| ear.level).max();
            most.map_or_else(
                || Targets::new().with_default(LevelFilter::OFF),
                |level| levels::targets(&State::of(level)),
            )
        };
        let wanted = [wanted(false), wanted(true)];
        drop(all);
        for (filter, wanted) in self.filters.get().into_iter().flatten().zip(wanted) {
            // The subscriber is gone only where a test had installed another one.
            let _ = filter.reload(wanted);
        }
    }
}

fn word_as_text(text: &str) -> Vec<u8> {
    lines::word(text, false).into_bytes()
}

fn word_as_json(text: &str) -> Vec<u8> {
    lines::word(text, true).into_bytes()
}

/// A place among the listeners.
struct Seat {
    ears: Weak<Ears>,
    queue: Arc<Queue>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(ears) = self.ears.upgrade() else {
            return;
        };
        let mut all = ears.all.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|ear| !Arc::ptr_eq(&ear.queue, &self.queue));
        drop(all);
        ears.tune();
    }
}

/// Makes lines of one form.
struct Pens(Arc<Ears>, bool);

/// One line being made.
pub(super) struct Pen<'a> {
    ears: &'a Ears,
    json: bool,
    level: tracing::Level,
}

impl<'a> MakeWriter<'a> for Pens {
    type Writer = Pen<'a>;

    fn make_writer(&'a self) -> Pen<'a> {
        Pen {
            ears: &self.0,
            json: self.1,
            level: tracing::Level::ERROR,
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Pen<'a> {
        Pen {
            level: *about.level(),
            ..self.make_writer()
        }
    }
}

impl Write for Pen<'_> {
    /// The formatter writes a whole line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let all = self.ears.all.read().unwrap_or_else(PoisonError::into_inner);
        for ear in all.iter().filter(|ear| ear.json == self.json) {
            if self.level <= levels::filter(ear.level) {
                ear.queue.push(line);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    /// Whether lines of this form are made of what our server says at this level.
    fn makes(ears: &Ears, json: bool, level: tracing::Level) -> bool {
        let filters = ears.filters.get().unwrap();
        let made = |targets: &Targets| targets.would_enable("cofferdam::serve", &level);
        filters[usize::from(json)].with_current(made).unwrap()
    }

    #[test]
    fn so_many_and_no_more_and_a_seat_is_free_again() {
        let ears = Ears::new(false);
        let mut all: Vec<_> = (0..MOST)
            .map(|number| ears.listen(Level::Info, number % 2 == 0).ok().unwrap())
            .collect();
        assert!(ears.listen(Level::Info, false).is_err());
        all.pop();
        assert!(ears.listen(Level::Info, false).is_ok());
        assert_eq!(ears.all.read().unwrap().len(), MOST - 1);
        drop(all);
        assert!(ears.all.read().unwrap().is_empty());
    }

    #[test]
    fn what_is_made_follows_who_listens() {
        let ears = Ears::new(false);
        let subscriber = tracing_subscriber::registry().with(Vec::from(ears.layers()));
        // `enabled!` would not do: with filters of several layers it changes what the next event does.
        tracing::subscriber::with_default(subscriber, || {
            let made = |json, level| makes(&ears, json, level);
            assert!(!made(false, tracing::Level::ERROR) && !made(true, tracing::Level::ERROR));
            let loud = ears.listen(Level::Trace, false).ok().unwrap();
            let quiet = ears.listen(Level::Warn, true).ok().unwrap();
            assert!(made(false, tracing::Level::TRACE) && !made(true, tracing::Level::INFO));
            tracing::warn!(target: "cofferdam::serve", "one");
            tracing::info!(target: "cofferdam::serve", "two");
            // Libraries know headers and frames.
            tracing::info!(target: "hyper::proto", "three");
            assert_eq!(format!("{loud:?}"), "Listener(2 lines wait)");
            assert_eq!(format!("{quiet:?}"), "Listener(1 lines wait)");
            let calm = ears.listen(Level::Error, false).ok().unwrap();
            tracing::warn!(target: "cofferdam::serve", "four");
            assert_eq!(format!("{calm:?}"), "Listener(0 lines wait)");
            assert_eq!(format!("{loud:?}"), "Listener(3 lines wait)");
            drop(loud);
            assert!(made(false, tracing::Level::ERROR) && !made(false, tracing::Level::WARN));
            drop((quiet, calm));
            assert!(!made(false, tracing::Level::ERROR) && !made(true, tracing::Level::ERROR));
        });
    }

    /// The filter is that of whoever listens, in whatever order they come and go.
    #[test]
    fn who_comes_while_another_goes_is_heard() {
        let ears = Ears::new(false);
        let subscriber = tracing_subscriber::registry().with(Vec::from(ears.layers()));
        tracing::subscriber::with_default(subscriber, || {
            for round in 0..3000 {
                let goes = ears.listen(Level::Error, false).ok().unwrap();
                let (ears, both) = (&ears, &std::sync::Barrier::new(2));
                let stays = std::thread::scope(|scope| {
                    scope.spawn(move || {
                        both.wait();
                        drop(goes);
                    });
                    both.wait();
                    ears.listen(Level::Trace, false).ok().unwrap()
                });
                assert!(makes(ears, false, tracing::Level::TRACE), "{round}");
                drop(stays);
                assert!(!makes(ears, false, tracing::Level::ERROR), "{round}");
            }
        });
    }

    #[test]
    fn where_the_log_is_json_everybody_gets_that() {
        let ears = Ears::new(true);
        let listener = ears.listen(Level::Info, false).ok().unwrap();
        assert!(ears.all.read().unwrap().iter().all(|ear| ear.json));
        drop(listener);
    }
}
