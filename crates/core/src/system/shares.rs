//! Who has made how many of what is kept in bounds: records of one kind, reports of leaks.
//!
//! Whoever may make one could make so many that those of others had to go, and the trace of a leaked
//! version with them. So room is made by whoever has the most. Those who have less than an equal
//! share lose nothing to the number of others.
//!
//! An author is the display name that stands in a record, within the entity of the token, both as
//! hashes: they become part of a key. Whoever makes child tokens chooses their names, but not whose they
//! are: so it is the largest entity that makes room, and of it the largest name. A token without an
//! entity stands for itself by its name, as who made it wanted it told from others: that all that came
//! of one token were one author would let one build host push out another's.

use crate::fault::Fault;
use cofferdam_barrier::View;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names read at once.
const PAGE: usize = 1000;
/// After so many new ones they are counted again: other replicas write too.
const RECOUNT: u64 = 1000;

/// How many each author has.
#[derive(Default)]
pub(super) struct Shares {
    authors: BTreeMap<String, u64>,
    /// Made since they were counted.
    since: u64,
}

impl Shares {
    /// Counts what is stored.
    async fn count(view: &View, kind: &str) -> Result<Self, Fault> {
        let mut authors = BTreeMap::new();
        let mut after = None::<String>;
        loop {
            let page = view.list(&by_author(kind), after.as_deref(), PAGE).await?;
            for name in &page.names {
                let author = name.trim_end_matches('/').to_owned();
                let records = count_of(view, &of_author(kind, &author)).await?;
                authors.insert(author, records);
            }
            after = page.names.into_iter().next_back();
            if !page.more {
                return Ok(Self { authors, since: 0 });
            }
        }
    }

    fn total(&self) -> u64 {
        self.authors.values().sum()
    }

    /// Whoever has the most of the house that has the most; at a tie `preferred`.
    fn largest(&self, preferred: &str) -> Option<String> {
        let mut houses = BTreeMap::<&str, u64>::new();
        for (author, records) in &self.authors {
            *houses.entry(house(author)).or_default() += records;
        }
        let largest = most(houses.into_iter(), house(preferred))?;
        let authors = self
            .authors
            .iter()
            .map(|(name, most)| (name.as_str(), *most));
        let own = authors.filter(|(author, _)| house(author) == largest);
        most(own, preferred).map(str::to_owned)
    }

    pub(super) fn made(&mut self, author: &str) {
        self.since += 1;
        *self.authors.entry(author.to_owned()).or_default() += 1;
    }

    pub(super) fn lost(&mut self, author: &str) {
        if let Some(records) = self.authors.get_mut(author) {
            *records = records.saturating_sub(1);
        }
    }

    /// Nothing is left of this author; the others are counted again with the next record.
    pub(super) fn forget(&mut self, author: &str) {
        self.authors.remove(author);
        self.since = RECOUNT;
    }
}

/// What this process knows of them, by kind.
#[derive(Default)]
pub(super) struct Known(Mutex<BTreeMap<&'static str, Shares>>);

impl Known {
    /// Counts one more of this author; from time to time, and at first, what is stored is counted.
    pub(super) async fn made(
        &self,
        view: &View,
        kind: &'static str,
        author: &str,
    ) -> Result<(), Fault> {
        if self.with(kind, |shares| shares.made(author)).is_none() {
            let counted = Shares::count(view, kind).await?;
            self.lock().insert(kind, counted);
        }
        Ok(())
    }

    /// `None` where it is time to count.
    pub(super) fn with<T>(&self, kind: &str, what: impl FnOnce(&mut Shares) -> T) -> Option<T> {
        let mut all = self.lock();
        let found = all.get_mut(kind).filter(|shares| shares.since < RECOUNT);
        found.map(what)
    }

    /// Whose oldest has to go, where there are more than `most`.
    pub(super) fn over(&self, kind: &str, most: u64, author: &str) -> Option<String> {
        let over = |shares: &mut Shares| match shares.total() > most {
            true => shares.largest(author),
            false => None,
        };
        self.with(kind, over).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Shares>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn count_of(view: &View, prefix: &str) -> Result<u64, Fault> {
    let (mut count, mut after) = (0, None::<String>);
    loop {
        let page = view.list(prefix, after.as_deref(), PAGE).await?;
        count += page.names.len() as u64;
        after = page.names.into_iter().next_back();
        if !page.more {
            return Ok(count);
        }
    }
}

/// The name with the most; at a tie `preferred`, else the first.
fn most<'n>(all: impl Iterator<Item = (&'n str, u64)>, preferred: &str) -> Option<&'n str> {
    let ranked = all.filter(|(_, records)| *records > 0);
    let most = ranked
        .max_by_key(|(name, records)| (*records, *name == preferred, std::cmp::Reverse(*name)));
    most.map(|(name, _)| name)
}

/// Who made something, by the display name and the entity of the token (empty: there is none).
pub(super) fn author(by: &str, entity: &str) -> String {
    let hash = |text: &str| {
        let mut hash = hex::encode(Sha256::digest(text));
        hash.truncate(32);
        hash
    };
    match entity {
        "" => hash(by),
        entity => format!("{}-{}", hash(entity), hash(by)),
    }
}

/// The entity of an author; without one it is the author.
fn house(author: &str) -> &str {
    author.split_once('-').map_or(author, |(entity, _)| entity)
}

fn by_author(kind: &str) -> String {
    format!("by-author/{kind}/")
}

/// Where the moments of one author's records stand.
pub(super) fn of_author(kind: &str, author: &str) -> String {
    format!("{}{author}/", by_author(kind))
}
