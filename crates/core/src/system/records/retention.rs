//! How many records are kept, and for how long: `sys/config/records/KIND`.
//!
//! There is no clearing in the background: every new record takes away some of the oldest that are
//! too many or too old, so that the work is spread and any replica does it. What is removed goes
//! whole, with its entries in the index. Whoever may change this may hide where a leaked version
//! went: it is `sudo`, and in the audit log like everything else.

use super::{PAGE, Record, index, kind, parsed, place, stored, view};
use crate::clock::Time;
use crate::fault::Fault;
use crate::json::field::{Count, Ttl};
use crate::outcome::Outcome;
use crate::request::Call;
use crate::system::System;
use cofferdam_barrier::{Batch, View};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most records of one kind, where nobody has said otherwise.
const COUNT: u64 = 100_000;
/// How long a delivery is kept then. An image may run for years after its build; a container that
/// was started a quarter of a year ago has been restarted, and is on record again.
const DELIVERIES: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Old records that one new one takes away at most.
const AT_ONCE: usize = 10;
/// After so many new ones they are counted again: other replicas write too.
const RECOUNT: u64 = 1000;

/// How long records of one kind are kept; zero is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Keep {
    max_count: u64,
    /// In seconds.
    max_age: u64,
}

impl Keep {
    const fn of(kind: &str) -> Self {
        let deliveries = matches!(kind.as_bytes(), b"delivery");
        Self {
            max_count: COUNT,
            max_age: if deliveries { DELIVERIES.as_secs() } else { 0 },
        }
    }

    async fn load(view: &View, kind: &str) -> Result<Self, Fault> {
        match view.get(&config(kind)).await? {
            Some(found) => parsed(found.value.expose()),
            None => Ok(Self::of(kind)),
        }
    }
}

/// What this process knows of the number of records, by kind.
#[derive(Default)]
pub(crate) struct Counts(Mutex<BTreeMap<&'static str, Counted>>);

#[derive(Clone, Copy)]
struct Counted {
    records: u64,
    since: u64,
}

impl Counts {
    fn get(&self, kind: &str) -> Option<Counted> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = counts.get(kind).copied();
        found.filter(|counted| counted.since < RECOUNT)
    }

    fn set(&self, kind: &'static str, counted: Counted) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.insert(kind, counted);
    }
}

pub(in crate::system) async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let kind = kind(&call)?;
    Outcome::data(&Keep::load(&view(engine)?, kind).await?)
}

pub(in crate::system) async fn write(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Wanted {
        max_count: Option<Count>,
        max_age: Option<Ttl>,
    }
    let kind = kind(&call)?;
    let wanted: Wanted = call.body.parse()?;
    let view = view(engine)?;
    let mut keep = Keep::load(&view, kind).await?;
    if let Some(Count(count)) = wanted.max_count {
        keep.max_count = count;
    }
    if let Some(age) = wanted.max_age {
        keep.max_age = age.seconds();
    }
    // Without a condition there is no conflict.
    let _ = view
        .commit(Batch::new().put(config(kind), stored(&keep)?))
        .await?;
    Ok(Outcome::Done)
}

/// What a new record writes beside itself, so that the oldest can be found.
pub(super) fn enter(batch: Batch, kind: &str, now: Time, id: &str) -> Result<Batch, Fault> {
    Ok(batch.put(
        format!("{}{:020}-{id}", by_time(kind), now.nanos()),
        stored(&())?,
    ))
}

/// The key of an entry of the index; `number` tells the secrets of one record apart.
pub(super) fn mention(record: &Record, nanos: u64, number: usize, path: &str) -> String {
    let Record { kind, id, .. } = record;
    format!("{}{nanos:020}-{kind}-{id}-{number}", index(path))
}

/// Takes away some of what is too old or too many; a new record has just been made.
pub(super) async fn sweep(
    engine: &System,
    view: &View,
    kind: &'static str,
    now: Time,
) -> Result<(), Fault> {
    let keep = Keep::load(view, kind).await?;
    let counted = match engine.counts.get(kind) {
        Some(known) => Counted {
            records: known.records + 1,
            since: known.since + 1,
        },
        None => Counted {
            records: count(view, kind).await?,
            since: 0,
        },
    };
    let surplus = match keep.max_count {
        0 => 0,
        most => counted.records.saturating_sub(most),
    };
    let oldest = view.list(&by_time(kind), None, AT_ONCE).await?.names;
    let mut removed = 0;
    for name in &oldest {
        let Some((nanos, id)) = name.split_once('-') else {
            continue;
        };
        let Ok(nanos) = nanos.parse::<u64>() else {
            continue;
        };
        let age = now.since(Time::from_nanos(nanos)).as_secs();
        if removed < surplus || (keep.max_age > 0 && age > keep.max_age) {
            remove(view, kind, name, nanos, id).await?;
            removed += 1;
        }
    }
    let records = counted.records.saturating_sub(removed);
    let since = counted.since;
    engine.counts.set(kind, Counted { records, since });
    Ok(())
}

async fn remove(view: &View, kind: &str, name: &str, nanos: u64, id: &str) -> Result<(), Fault> {
    let key = place(kind, id);
    let mut batch = Batch::new().delete(format!("{}{name}", by_time(kind)));
    if let Some(found) = view.get(&key).await? {
        let record: Record = parsed(found.value.expose())?;
        for (number, given) in record.secrets.iter().enumerate() {
            batch = batch.delete(mention(&record, nanos, number, &given.path));
        }
        batch = batch.delete(key);
    }
    // Two replicas may remove the same one: it is gone either way.
    let _ = view.commit(batch).await?;
    Ok(())
}

async fn count(view: &View, kind: &str) -> Result<u64, Fault> {
    let (mut count, mut after) = (0, None::<String>);
    loop {
        let page = view.list(&by_time(kind), after.as_deref(), PAGE).await?;
        count += page.names.len() as u64;
        after = page.names.into_iter().next_back();
        if !page.more {
            return Ok(count);
        }
    }
}

fn by_time(kind: &str) -> String {
    format!("by-time/{kind}/")
}

fn config(kind: &str) -> String {
    format!("config/{kind}")
}
