//! How many records are kept, and for how long: `sys/config/records/KIND`.
//!
//! There is no clearing in the background: every new record takes away some of the oldest that are
//! too many or too old, so that the work is spread and any replica does it. What is removed goes
//! whole, with its entries in the index. Whoever may change this may hide where a leaked version
//! went: it is `sudo`, and in the audit log like everything else.
//!
//! Where there are too many, whoever has made the most gives the oldest of his own
//! (`crates/core/src/system/shares.rs`): nobody pushes out the records of others by making many.

use super::{Record, index, kind, place, view};
use crate::clock::Time;
use crate::fault::Fault;
use crate::json::field::{Count, Ttl};
use crate::outcome::Outcome;
use crate::record::{self, Sound, decode, encode};
use crate::request::Call;
use crate::system::System;
use crate::system::shares::of_author;
use cofferdam_barrier::{Batch, Commit, View};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most records of one kind, where nobody has said otherwise.
const COUNT: u64 = 100_000;
/// How long a delivery is kept then. An image may run for years after its build; a container that
/// was started a quarter of a year ago has been restarted, and is on record again.
const DELIVERIES: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Old records that one new one takes away at most.
const AT_ONCE: usize = 10;
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
            Some(found) => decode(&found.value),
            None => Ok(Self::of(kind)),
        }
    }
}

pub(in crate::system) async fn read(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let kind = kind(&call)?;
    Outcome::data(&Keep::load(&view(engine)?, kind).await?)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::system) struct Wanted {
    max_count: Option<Count>,
    max_age: Option<Ttl>,
}

pub(in crate::system) async fn write(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
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
        .commit(Batch::new().put(config(kind), encode(&keep)?))
        .await?;
    Ok(Outcome::Done)
}

/// What a new record writes beside itself, so that the oldest can be found: of all, and of its author.
pub(super) fn enter(batch: Batch, record: &Record, now: Time) -> Result<Batch, Fault> {
    let name = moment(now.nanos(), &record.id);
    let of_author = of_author(&record.kind, &record.author());
    Ok(batch
        .put(format!("{}{name}", by_time(&record.kind)), encode(&())?)
        .put(format!("{of_author}{name}"), encode(&())?))
}

/// The key of an entry of the index; `number` tells the secrets of one record apart.
pub(super) fn mention(record: &Record, nanos: u64, number: usize, path: &str) -> String {
    let Record { kind, id, .. } = record;
    format!("{}{nanos:020}-{kind}-{id}-{number}", index(path))
}

/// Takes away some of what is too old or too many; `author` has just made a new record.
pub(super) async fn sweep(
    engine: &System,
    view: &View,
    kind: &'static str,
    author: &str,
    now: Time,
) -> Result<(), Fault> {
    let keep = Keep::load(view, kind).await?;
    let shares = &engine.shares;
    shares.made(view, kind, author).await?;
    let mut room = AT_ONCE;
    for name in view.list(&by_time(kind), None, room).await?.names {
        let Some((nanos, id)) = parts(&name) else {
            continue;
        };
        let age = now.since(Time::from_nanos(nanos)).as_secs();
        if keep.max_age == 0 || age <= keep.max_age {
            break;
        }
        if let Some(by) = remove(view, kind, nanos, id, None).await? {
            shares.with(kind, |shares| shares.lost(&by));
        }
        room -= 1;
    }
    while keep.max_count > 0 && room > 0 {
        room -= 1;
        let Some(largest) = shares.over(kind, keep.max_count, author) else {
            break;
        };
        let oldest = view.list(&of_author(kind, &largest), None, 1).await?.names;
        match oldest.first().and_then(|name| parts(name)) {
            Some((nanos, id)) => {
                remove(view, kind, nanos, id, Some(&largest)).await?;
                shares.with(kind, |shares| shares.lost(&largest));
            }
            // Other replicas took them.
            None => {
                shares.with(kind, |shares| shares.forget(&largest));
            }
        }
    }
    Ok(())
}

/// Removes a record, and tells whose it was; `None` where it was gone already. One that cannot be read
/// is of no use to anybody and keeps no other: it goes with what is known of it.
async fn remove(
    view: &View,
    kind: &str,
    nanos: u64,
    id: &str,
    known: Option<&str>,
) -> Result<Option<String>, Fault> {
    let key = place(kind, id);
    let name = moment(nanos, id);
    let mut batch = Batch::new().delete(format!("{}{name}", by_time(kind)));
    let found = record::sound::<Record>(view, &key).await?;
    let mut by = None;
    if let Some(Sound {
        record, revision, ..
    }) = found
    {
        for (number, given) in record.secrets.iter().enumerate() {
            batch = batch.delete(mention(&record, nanos, number, &given.path));
        }
        let author = record.author();
        batch = batch
            .expect_at(&key, revision)
            .delete(format!("{}{name}", of_author(kind, &author)))
            .delete(key);
        by = Some(author);
    } else {
        batch = batch.delete(key);
        if let Some(author) = known {
            batch = batch.delete(format!("{}{name}", of_author(kind, author)));
        }
    }
    // Two replicas may remove the same one: it is gone either way.
    Ok(match view.commit(batch).await? {
        Commit::Done(_) => by,
        Commit::Conflict => None,
    })
}

/// Sorts as time.
fn moment(nanos: u64, id: &str) -> String {
    format!("{nanos:020}-{id}")
}

fn parts(name: &str) -> Option<(u64, &str)> {
    let (nanos, id) = name.split_once('-')?;
    Some((nanos.parse().ok()?, id))
}

fn by_time(kind: &str) -> String {
    format!("by-time/{kind}/")
}

fn config(kind: &str) -> String {
    format!("config/{kind}")
}
