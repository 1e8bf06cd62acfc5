//! SCAN: the names below a path, of all levels, as OpenBao lists them.
//!
//! An answer has the path of every secret below the one that was asked about, relative to it, and no
//! directories; where there are none it is an empty object, and no 404 as LIST has. What OpenBao does
//! not do:
//!
//! - Names are in the order of their whole paths, so `after` and `limit` take a part, as they do of a
//!   list. OpenBao's order is that of a stack of directories, and it looks at neither.
//! - The store is read a page at a time, and an answer has bounds: what has more is refused with a word
//!   how to have it in parts. OpenBao gathers everything first.
//!
//! The pages are of different moments. A secret that is there all the time is in the answer, once; one
//! that comes or goes meanwhile may be.

use super::data::number;
use super::metadata::Shown;
use super::{Kv, storage};
use cofferdam_core::engine::{Pending, View};
use cofferdam_core::json::Data;
use cofferdam_core::{Call, Fault, Outcome, Query, Response};
use cofferdam_secret::Buffer;
use serde::Serialize;

/// Names read at once. The store reads what they name along, and that may be large.
const PAGE: usize = 256;
/// Records read at once.
const RECORDS: usize = 64;

/// What one answer has at most.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) names: usize,
    pub(super) bytes: usize,
}

/// Of names: a hash of each stands in the audit record, 80 bytes and more, and a record that is
/// longer than 64 MiB cannot be verified.
const OF_NAMES: Bounds = Bounds {
    names: 250_000,
    bytes: 16 << 20,
};

/// Of names with metadata: each of its texts, however short, has a hash of its own.
const OF_RECORDS: Bounds = Bounds {
    names: 250_000,
    bytes: 4 << 20,
};

/// `metadata/PATH`.
pub(super) fn metadata<'a>(_: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let below = below(call.capture("path"));
        names(call.view, &below, call.query).await
    })
}

/// `detailed-metadata/PATH`.
pub(super) fn detailed<'a>(_: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let below = below(call.capture("path"));
        records_within(call.view, &below, call.query, OF_RECORDS).await
    })
}

fn below(path: &str) -> String {
    let mut below = storage::record_key(path);
    if !path.is_empty() {
        below.push('/');
    }
    below
}

/// Names below a key of the store, which ends in a slash.
pub(super) async fn names(view: &View, below: &str, query: &Query) -> Result<Outcome, Fault> {
    names_within(view, below, query, OF_NAMES).await
}

pub(super) async fn names_within(
    view: &View,
    below: &str,
    query: &Query,
    bounds: Bounds,
) -> Result<Outcome, Fault> {
    let mut part = Part::of(query, below)?;
    let mut answer = Answer::of_names(bounds);
    while let Some(most) = part.next(PAGE) {
        let page = view.keys(below, part.after.as_deref(), most).await?;
        for key in &page.names {
            answer.add(key.strip_prefix(below).unwrap_or_default())?;
        }
        part.read(page.names.len(), page.names.last(), page.more);
        // Whoever waits is let in between two pages, and a caller who is gone is noticed.
        tokio::task::yield_now().await;
    }
    answer.finish()
}

pub(super) async fn records_within(
    view: &View,
    below: &str,
    query: &Query,
    bounds: Bounds,
) -> Result<Outcome, Fault> {
    let mut part = Part::of(query, below)?;
    let mut answer = Answer::of_records(bounds);
    while let Some(most) = part.next(RECORDS) {
        let page = view.range(below, part.after.as_deref(), most).await?;
        for entry in &page.entries {
            let name = entry.key.strip_prefix(below).unwrap_or_default();
            let stored = storage::record(entry)?;
            answer.tell(name, &Shown::from(&stored.meta))?;
            answer.add(name)?;
        }
        let last = page.entries.last().map(|entry| &entry.key);
        part.read(page.entries.len(), last, page.more);
        tokio::task::yield_now().await;
    }
    answer.finish()
}

/// What is still to be read.
struct Part {
    /// The key of the store that it lies behind.
    after: Option<String>,
    left: usize,
}

impl Part {
    fn of(query: &Query, below: &str) -> Result<Self, Fault> {
        let after = query.get("after").filter(|name| !name.is_empty());
        let limit = usize::try_from(number(query, "limit")?).ok();
        Ok(Self {
            after: after.map(|name| format!("{below}{name}")),
            left: limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX),
        })
    }

    /// How much to read next, if anything.
    fn next(&self, page: usize) -> Option<usize> {
        (self.left > 0).then(|| self.left.min(page))
    }

    /// So much was read, up to this key.
    fn read(&mut self, count: usize, last: Option<&String>, more: bool) {
        self.left = match last {
            Some(_) if more => self.left.saturating_sub(count),
            _ => 0,
        };
        self.after = last.cloned();
    }
}

/// An answer as it grows: written as it is sent, so that it is in memory once.
struct Answer {
    /// `key_info`, where it is asked for.
    infos: Option<Buffer>,
    keys: Buffer,
    count: usize,
    bounds: Bounds,
}

impl Answer {
    fn of_names(bounds: Bounds) -> Self {
        let mut keys = Buffer::default();
        keys.push(b"{\"keys\":[");
        Self {
            infos: None,
            keys,
            count: 0,
            bounds,
        }
    }

    fn of_records(bounds: Bounds) -> Self {
        let mut infos = Buffer::default();
        infos.push(b"{\"key_info\":{");
        Self {
            infos: Some(infos),
            keys: Buffer::default(),
            count: 0,
            bounds,
        }
    }

    /// What is known of the name that comes next.
    fn tell(&mut self, name: &str, info: &impl Serialize) -> Result<(), Fault> {
        if let Some(infos) = &mut self.infos {
            separate(infos, self.count);
            written(infos, name)?;
            infos.push(b":");
            written(infos, info)?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str) -> Result<(), Fault> {
        separate(&mut self.keys, self.count);
        written(&mut self.keys, name)?;
        self.count += 1;
        let bytes = self.keys.len() + self.infos.as_ref().map_or(0, Buffer::len);
        // One is answered whatever it is, so that whoever asks for parts gets on.
        let fits = self.count == 1 || bytes <= self.bounds.bytes;
        match fits && self.count <= self.bounds.names {
            true => Ok(()),
            false => Err(self.too_much()),
        }
    }

    fn too_much(&self) -> Fault {
        let what = match self.infos {
            Some(_) => "names and their metadata",
            None => "names",
        };
        Fault::invalid(format!(
            "one answer has no room for all {what} below this path: ask for parts with limit and after, \
             or scan a path below it"
        ))
    }

    fn finish(self) -> Result<Outcome, Fault> {
        if self.count == 0 {
            return Outcome::data(&serde_json::Map::new());
        }
        let mut whole = match self.infos {
            None => self.keys,
            Some(mut infos) => {
                infos.push(b"},\"keys\":[");
                infos.push(self.keys.as_slice());
                infos
            }
        };
        whole.push(b"]}");
        let data = Data::from_raw(whole.finish());
        Ok(Outcome::Data(Response::of(data)))
    }
}

fn separate(list: &mut Buffer, before: usize) {
    if before > 0 {
        list.push(b",");
    }
}

fn written(out: &mut Buffer, value: &(impl Serialize + ?Sized)) -> Result<(), Fault> {
    serde_json::to_writer(out, value).map_err(Fault::internal)
}
