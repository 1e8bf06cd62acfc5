//! Which values are searched for, who needs them, and which ones go when there is no room.

use cofferdam_detect::{Label, Needles};
use cofferdam_secret::Secret;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

/// Values, and their bytes together. A byte of a long value costs about thirty in the search, for all of
/// its forms are covered from end to end.
pub(super) const MOST: usize = if cfg!(test) { 1024 } else { 16_384 };
pub(super) const BYTES: usize = 16 << 20;
/// What all containers together may take of that by asking, and each of them. Deliveries always have
/// the rest.
pub(super) const ASKED: usize = MOST / 2;
const ASKED_BYTES: usize = BYTES / 4;
pub(super) const ASKED_EACH: usize = 256;
const ASKED_BYTES_EACH: usize = 2 << 20;

/// Who has a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::docker) enum Holder {
    /// A mounted volume, by name.
    Volume(String),
    /// A task of Swarm, by its identifier.
    Task(String),
    /// A container whose log is written, by its identifier: Swarm's secrets lie in memory beside it.
    Log(String),
    /// A container that asked by itself, by its identifier.
    Asked(String),
}

impl Holder {
    const fn asked(&self) -> bool {
        matches!(self, Self::Asked(_))
    }
}

/// There is no room for a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused;

struct Value {
    label: Label,
    value: Secret<Vec<u8>>,
    holders: BTreeSet<Holder>,
    learned: Instant,
}

impl Value {
    /// Whether nobody holds it but containers that asked.
    fn is_asked(&self) -> bool {
        !self.holders.is_empty() && self.holders.iter().all(Holder::asked)
    }
}

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    values: usize,
    bytes: usize,
}

impl Amount {
    fn of(value: &Secret<Vec<u8>>) -> Self {
        Self {
            values: 1,
            bytes: value.expose().len(),
        }
    }

    const fn add(&mut self, other: Self) {
        self.values += other.values;
        self.bytes += other.bytes;
    }

    const fn take(&mut self, other: Self) {
        self.values = self.values.saturating_sub(other.values);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }

    const fn fits(self, values: usize, bytes: usize) -> bool {
        self.values <= values && self.bytes <= bytes
    }

    const fn and(self, other: Self) -> Self {
        Self {
            values: self.values + other.values,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// A search that is ready.
pub(super) struct Prepared {
    pub(super) needles: Needles,
    /// What came to it and cannot be searched for, and why.
    pub(super) unmasked: Vec<(Label, String)>,
}

/// All values, in the order in which they came.
#[derive(Default)]
pub(super) struct Values {
    all: BTreeMap<u64, Value>,
    numbers: HashMap<u64, u64>,
    next: u64,
    total: Amount,
    /// What nobody holds but containers that asked, in all and by container.
    asked: Amount,
    asked_each: HashMap<Holder, Amount>,
    /// Numbers that the search has not got yet.
    pending: BTreeSet<u64>,
    /// The search has some that are forgotten.
    stale: bool,
    hasher: RandomState,
}

impl Values {
    /// Keeps a value for `holder`.
    pub(super) fn add(
        &mut self,
        holder: &Holder,
        label: &Label,
        value: &Secret<Vec<u8>>,
    ) -> Result<(), Refused> {
        let size = Amount::of(value);
        let print = self.hasher.hash_one((label, value.expose()));
        if let Some(number) = self.numbers.get(&print).copied() {
            self.share(number, holder, size);
            return Ok(());
        }
        if holder.asked() && !(self.has_share(holder, size) && self.asked_fits(size)) {
            return Err(Refused);
        }
        if !self.total.and(size).fits(MOST, BYTES) {
            self.make_room(size);
        }
        if !self.total.and(size).fits(MOST, BYTES) {
            return Err(Refused);
        }
        let number = self.next;
        self.next += 1;
        self.total.add(size);
        self.numbers.insert(print, number);
        self.pending.insert(number);
        let value = Value {
            label: label.clone(),
            value: value.duplicate(),
            holders: BTreeSet::new(),
            learned: Instant::now(),
        };
        self.all.insert(number, value);
        self.share(number, holder, size);
        Ok(())
    }

    /// One more who has a value. A container that has its share already is not written down: the value is
    /// masked, whoever it is kept for.
    fn share(&mut self, number: u64, holder: &Holder, size: Amount) {
        let may = !holder.asked() || self.has_share(holder, size);
        let Some(value) = self.all.get_mut(&number).filter(|_| may) else {
            return;
        };
        let was = value.is_asked();
        if !value.holders.insert(holder.clone()) {
            return;
        }
        let is = value.is_asked();
        if holder.asked() {
            self.asked_each.entry(holder.clone()).or_default().add(size);
        }
        self.count_asked(was, is, size);
    }

    fn has_share(&self, holder: &Holder, size: Amount) -> bool {
        let own = self.asked_each.get(holder).copied().unwrap_or_default();
        own.and(size).fits(ASKED_EACH, ASKED_BYTES_EACH)
    }

    const fn asked_fits(&self, size: Amount) -> bool {
        self.asked.and(size).fits(ASKED, ASKED_BYTES)
    }

    const fn count_asked(&mut self, was: bool, is: bool, size: Amount) {
        match (was, is) {
            (true, false) => self.asked.take(size),
            (false, true) => self.asked.add(size),
            _ => {}
        }
    }

    /// Nobody of these has anything any more.
    pub(super) fn release(&mut self, gone: impl Fn(&Holder) -> bool) {
        self.release_older(Duration::ZERO, gone);
    }

    /// The same for values that were learned so long ago.
    pub(super) fn release_older(&mut self, age: Duration, gone: impl Fn(&Holder) -> bool) {
        let now = Instant::now();
        for number in self.numbers_of(|value| now.duration_since(value.learned) >= age) {
            self.part(number, &gone);
        }
    }

    fn part(&mut self, number: u64, gone: &impl Fn(&Holder) -> bool) {
        let Some(value) = self.all.get_mut(&number) else {
            return;
        };
        let (size, was) = (Amount::of(&value.value), value.is_asked());
        let parted: Vec<Holder> = value
            .holders
            .extract_if(.., |holder| gone(holder))
            .collect();
        let is = value.is_asked();
        self.count_asked(was, is, size);
        for holder in parted {
            if let Some(own) = self.asked_each.get_mut(&holder) {
                own.take(size);
                if own.values == 0 {
                    self.asked_each.remove(&holder);
                }
            }
        }
    }

    /// Whether there is little room left.
    pub(super) const fn is_tight(&self) -> bool {
        !self.total.fits(MOST / 4 * 3, BYTES / 4 * 3)
    }

    /// Forgets what nobody has, the oldest first, some more than is needed, so that the search is not
    /// made anew for each value; then, one by one, what was replaced.
    fn make_room(&mut self, size: Amount) {
        let unused: Vec<u64> = self.numbers_of(|value| value.holders.is_empty());
        for number in unused {
            if self.total.and(size).fits(MOST / 8 * 7, BYTES / 8 * 7) {
                return;
            }
            self.forget(number);
        }
        if self.total.and(size).fits(MOST, BYTES) {
            return;
        }
        let mut newest: HashMap<(&str, &str), u64> = HashMap::new();
        for (number, value) in &self.all {
            newest.insert((&value.label.path, &value.label.field), *number);
        }
        let newest: BTreeSet<u64> = newest.into_values().collect();
        let all = self.all.keys().copied();
        let replaced: Vec<u64> = all.filter(|number| !newest.contains(number)).collect();
        for number in replaced {
            if self.total.and(size).fits(MOST, BYTES) {
                return;
            }
            self.forget(number);
        }
    }

    fn numbers_of(&self, which: impl Fn(&Value) -> bool) -> Vec<u64> {
        let found = self.all.iter().filter(|(_, value)| which(value));
        found.map(|(number, _)| *number).collect()
    }

    fn forget(&mut self, number: u64) {
        self.part(number, &|_| true);
        let Some(value) = self.all.remove(&number) else {
            return;
        };
        self.total.take(Amount::of(&value.value));
        let print = self.hasher.hash_one((&value.label, value.value.expose()));
        self.numbers.remove(&print);
        // One that the search never had leaves nothing in it.
        self.stale |= !self.pending.remove(&number);
        tracing::debug!(secret = %value.label, "a value is not masked in logs any more");
    }

    /// The search for all of them, if it is not the one that is `there`.
    pub(super) fn prepare(&mut self, there: &Needles) -> Option<Prepared> {
        if self.pending.is_empty() && !self.stale {
            return None;
        }
        let new = std::mem::take(&mut self.pending);
        let mut prepared = Prepared {
            needles: Needles::for_redaction(),
            unmasked: Vec::new(),
        };
        // What was searched for is taken over as it is, where nothing of it has to go.
        let whole = std::mem::take(&mut self.stale) || prepared.needles.keep(there).is_err();
        if whole {
            prepared.needles = Needles::for_redaction();
        }
        for (number, value) in &self.all {
            let is_new = new.contains(number);
            if !(whole || is_new) {
                continue;
            }
            let reason = match prepared.needles.add(value.label.clone(), &value.value) {
                Ok(id) => {
                    let entry = prepared.needles.entries().get(id.index());
                    let weakness = entry.and_then(|entry| entry.weakness);
                    // That it is too weak was said when it came.
                    weakness.filter(|_| is_new).map(|reason| reason.to_string())
                }
                Err(full) => Some(full.to_string()),
            };
            if let Some(reason) = reason {
                prepared.unmasked.push((value.label.clone(), reason));
            }
        }
        Some(prepared)
    }

    #[cfg(test)]
    pub(super) fn amounts(&self) -> (usize, usize) {
        (self.total.values, self.total.bytes)
    }

    #[cfg(test)]
    pub(super) fn is_consistent(&self) -> bool {
        let mut total = Amount::default();
        let mut asked = Amount::default();
        let mut each: HashMap<Holder, Amount> = HashMap::new();
        for value in self.all.values() {
            let size = Amount::of(&value.value);
            total.add(size);
            if value.is_asked() {
                asked.add(size);
            }
            for holder in value.holders.iter().filter(|holder| holder.asked()) {
                each.entry(holder.clone()).or_default().add(size);
            }
        }
        (total, asked) == (self.total, self.asked)
            && each == self.asked_each
            && self.numbers.len() == self.all.len()
    }
}
