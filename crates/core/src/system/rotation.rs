//! `sys/key-status`, `sys/rotate` and `sys/rotate/config`: the key that encrypts, and when it changes.
//!
//! It changes when somebody asks, when it has encrypted enough, and when it is old enough: the last
//! two by itself, as `sys/rotate/config` says. Switched off, the bound of NIST SP 800-38D still
//! holds: no setting lets nonces repeat.
//!
//! Every replica looks once a minute; of those that find the key too old, one rotates. Since when a
//! key is there is noted beside it: by whoever rotated, or, where the bound was met in the middle of
//! a write, by the first replica that looks.

use super::System;
use crate::engine::{Access, Route};
use crate::fault::Fault;
use crate::json::field::{Count, Flag, Ttl, duration_text};
use crate::operation::Verb::{Read, Write};
use crate::outcome::Outcome;
use crate::record::{decode, encode};
use crate::request::Call;
use crate::vault::Services;
use cofferdam_barrier::{Commit, Limits, Revision, Term, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Bounds of what may be set: below, rotation would be all the server does; above, 96-bit nonces are
/// no longer unique enough (0.9 of NIST's 2^32).
const OPERATIONS: std::ops::RangeInclusive<u64> = 1_000_000..=3_865_470_566;
/// The shortest time between two rotations.
const SHORTEST: Duration = Duration::from_hours(24);

/// Attempts to change the settings beside other writers.
const ROUNDS: u32 = 32;

const CONFIG: &str = "config";
const INSTALLED: &str = "installed";

pub(super) const STATUS: Route<System> =
    Route::new("key-status", &[(Read, |e, _| Box::pin(status(e)))]).lifted();
pub(super) const SETTINGS: Route<System> = config("rotate/config");
pub(super) const KEYRING_SETTINGS: Route<System> = config("rotate/keyring/config");
pub(super) const KEYRING: Route<System> = now("rotate/keyring");
/// Vault's name for the same.
pub(super) const ROTATE: Route<System> = now("rotate");

const fn config(path: &'static str) -> Route<System> {
    Route::new(
        path,
        &[
            (Read, |e, _| Box::pin(read(e))),
            (Write, |e, c| Box::pin(write(e, c))),
        ],
    )
    .takes::<Wanted>()
    .access(Access::Sudo)
}

const fn now(path: &'static str) -> Route<System> {
    Route::new(path, &[(Write, |e, c| Box::pin(rotate(e, c)))])
        .takes_nothing()
        .access(Access::Sudo)
}

/// When the key changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Config {
    enabled: bool,
    /// In seconds; zero: however old it is.
    interval: u64,
    max_operations: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: 0,
            max_operations: Limits::default().bound,
        }
    }
}

impl Config {
    async fn load(view: &View) -> Result<Self, Fault> {
        Ok(Self::stored(view).await?.0)
    }

    /// What is stored, and the revision that a change of it compares with.
    async fn stored(view: &View) -> Result<(Self, Option<Revision>), Fault> {
        let Some(found) = view.get(CONFIG).await? else {
            return Ok((Self::default(), None));
        };
        Ok((decode(&found.value)?, Some(found.revision)))
    }

    /// The same, with what is `wanted` of it.
    fn with(mut self, wanted: &Wanted) -> Result<Self, Fault> {
        if let Some(Flag(enabled)) = wanted.enabled {
            self.enabled = enabled;
        }
        if let Some(Ttl(interval)) = wanted.interval {
            if !interval.is_zero() && interval < SHORTEST {
                return Err(Fault::invalid(
                    "interval must be greater or equal to 24h0m0s",
                ));
            }
            self.interval = interval.as_secs();
        }
        if let Some(Count(count)) = wanted.max_operations {
            if !OPERATIONS.contains(&count) {
                return Err(Fault::invalid(
                    "max_operations must be in the range [1000000,3865470566]",
                ));
            }
            self.max_operations = count;
        }
        Ok(self)
    }

    const fn bound(self) -> u64 {
        match self.enabled {
            true => self.max_operations,
            false => *OPERATIONS.end(),
        }
    }
}

/// Since when a key encrypts.
#[derive(Serialize, Deserialize)]
struct Installed {
    term: u32,
    at: crate::clock::Time,
}

async fn status(engine: &System) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape {
        encryptions: u64,
        install_time: String,
        term: u32,
    }
    let services = engine.services()?;
    let installed = installed(&services).await?;
    Outcome::data(&Shape {
        encryptions: services.barrier().encryptions().await?,
        install_time: installed.at.rfc3339(),
        term: installed.term,
    })
}

async fn rotate(engine: &System, _call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let term = services.barrier().rotate().await?;
    note(&services, term).await?;
    Ok(Outcome::Done)
}

async fn read(engine: &System) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape {
        enabled: bool,
        /// Zero as a number, and else as text: as clients know it.
        interval: Value,
        max_operations: u64,
    }
    let config = Config::load(&view(&*engine.services()?)).await?;
    Outcome::data(&Shape {
        enabled: config.enabled,
        interval: match config.interval {
            0 => 0.into(),
            seconds => duration_text(Duration::from_secs(seconds)).into(),
        },
        max_operations: config.max_operations,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    enabled: Option<Flag>,
    interval: Option<Ttl>,
    max_operations: Option<Count>,
}

async fn write(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let services = engine.services()?;
    let view = view(&services);
    // What another writer said of another field meanwhile stays said.
    for _ in 0..ROUNDS {
        let (config, revision) = Config::stored(&view).await?;
        let config = config.with(&wanted)?;
        let batch = view.batch().expect(CONFIG, revision);
        let batch = batch.put(CONFIG, encode(&config)?);
        if matches!(view.commit(batch).await?, Commit::Done(_)) {
            services.barrier().set_bound(config.bound());
            return Ok(Outcome::Done);
        }
    }
    Err(Fault::unavailable(
        "the settings have too many writers; try again",
        "lost every race",
    ))
}

/// What every replica does from time to time, and when it opens.
pub(crate) async fn keep(services: &Services) -> Result<(), Fault> {
    let config = Config::load(&view(services)).await?;
    services.barrier().set_bound(config.bound());
    let installed = installed(services).await?;
    let age = services.clock.now().since(installed.at).as_secs();
    if config.enabled && config.interval > 0 && age >= config.interval {
        let from = Term(installed.term);
        if let Some(term) = services.barrier().rotate_from(from).await? {
            note(services, term).await?;
        }
    }
    Ok(())
}

/// Since when the active key encrypts; noted now, where nobody has.
async fn installed(services: &Services) -> Result<Installed, Fault> {
    let view = view(services);
    let stored_one = view.get(INSTALLED).await?;
    let term = services.barrier().term()?.0;
    if let Some(found) = &stored_one {
        let installed: Installed = decode(&found.value)?;
        // One that is noted in the future would put off the next rotation: the clock was put back.
        if installed.term >= term && installed.at <= services.clock.now() {
            return Ok(installed);
        }
    }
    let now = Installed {
        term,
        at: services.clock.now(),
    };
    let revision = stored_one.map(|found| found.revision);
    let batch = view.batch().expect(INSTALLED, revision);
    let batch = batch.put(INSTALLED, encode(&now)?);
    // Where another replica was faster, its note says nearly the same.
    view.commit(batch).await?.ignore();
    Ok(now)
}

/// Somebody has just rotated.
async fn note(services: &Services, term: Term) -> Result<(), Fault> {
    tracing::info!(term = term.0, "the barrier encrypts with a new key");
    installed(services).await.map(drop)
}

fn view(services: &Services) -> View {
    services.barrier().view("rotation/")
}
