//! What is stored of a secret beside its data, and the rules of numbering and deletion.

use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use cofferdam_secret::{Buffer, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Versions kept where neither the secret nor the mount says.
const DEFAULT_MAX_VERSIONS: u64 = 10;

/// The first byte of a stored record: its form.
const FORM: u8 = 2;
/// The form before: the same without [`Metadata::last`].
const FORM_WITHOUT_LAST: u8 = 1;

/// One secret: settings, and its versions.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Metadata {
    /// Names the data of its versions in storage.
    pub(super) incarnation: u64,
    pub(super) created: Time,
    pub(super) updated: Time,
    /// Number of the newest version; 0 before the first.
    pub(super) current: u64,
    /// Number of the oldest version kept; 0 until one had to go, as in Vault.
    pub(super) oldest: u64,
    /// Counts changes of the settings.
    pub(super) revision: u64,
    /// 0: the mount's.
    pub(super) max_versions: u32,
    pub(super) cas_required: bool,
    pub(super) metadata_cas_required: bool,
    /// Seconds; 0: the mount's.
    pub(super) delete_version_after: u64,
    pub(super) custom: BTreeMap<String, String>,
    /// Those kept, without gaps, the last one being `current`.
    versions: Vec<Version>,
    /// What the transaction that put this record did, for events: what a replica sees of another's
    /// transaction is the record alone.
    pub(super) last: Last,
}

/// What was done to a secret, by the names of Vault's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Last {
    /// Put there by a program that did not say.
    #[default]
    Unknown,
    DataWrite,
    DataPatch,
    DataDelete,
    Delete,
    Undelete,
    Destroy,
    MetadataWrite,
    MetadataPatch,
}

/// One version.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) created: Time,
    /// When it is, or was, deleted.
    pub(super) deleted: Option<Time>,
    pub(super) destroyed: bool,
}

impl Version {
    /// Whether its data can be read.
    pub(super) fn alive(&self, now: Time) -> bool {
        !self.destroyed && self.deleted.is_none_or(|end| end > now)
    }
}

impl Metadata {
    /// A secret without versions.
    ///
    /// # Errors
    /// Without entropy.
    pub(super) fn new(now: Time) -> Result<Self, Fault> {
        let random = cofferdam_secret::random::<8>().map_err(Fault::internal)?;
        Ok(Self {
            incarnation: u64::from_be_bytes(*random.expose()),
            created: now,
            updated: now,
            current: 0,
            oldest: 0,
            revision: 0,
            max_versions: 0,
            cas_required: false,
            metadata_cas_required: false,
            delete_version_after: 0,
            custom: BTreeMap::new(),
            versions: Vec::new(),
            last: Last::Unknown,
        })
    }

    /// The version with this number, if it is kept.
    pub(super) fn version(&self, number: u64) -> Option<&Version> {
        self.versions.get(self.index(number)?)
    }

    /// The version with this number, to change it.
    pub(super) fn version_mut(&mut self, number: u64) -> Option<&mut Version> {
        let index = self.index(number)?;
        self.versions.get_mut(index)
    }

    /// Versions with their numbers, oldest first.
    pub(super) fn versions(&self) -> impl Iterator<Item = (u64, &Version)> {
        (self.first()..).zip(&self.versions)
    }

    /// Number of the oldest version kept; one more than `current` when there is none.
    pub(super) fn first(&self) -> u64 {
        self.current + 1 - self.versions.len() as u64
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first())?).ok()
    }

    /// Adds a version and drops those beyond the limit.
    ///
    /// The limit is the greater of the secret's and the mount's, as in Vault. Returns the numbers of
    /// the dropped ones, whose data is to be deleted.
    pub(super) fn append(
        &mut self,
        version: Version,
        mount_max: u32,
    ) -> Option<RangeInclusive<u64>> {
        self.current += 1;
        self.updated = version.created;
        self.versions.push(version);
        let max = match u64::from(self.max_versions.max(mount_max)) {
            0 => DEFAULT_MAX_VERSIONS,
            max => max,
        };
        if self.current - self.oldest < max {
            return None;
        }
        let (first, last) = (self.first(), self.current - max);
        self.oldest = last + 1;
        let dropped = usize::try_from((last + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        self.versions.drain(..dropped.min(self.versions.len()));
        (dropped > 0).then_some(first..=last)
    }

    /// Adds versions as another server had them, the first of which has the number `first`, and
    /// drops those below `oldest`. Returns the numbers of the dropped ones that were here before.
    pub(super) fn continued(
        &mut self,
        first: u64,
        versions: impl Iterator<Item = Version>,
        oldest: u64,
    ) -> Option<RangeInclusive<u64>> {
        let before = (self.first(), self.current);
        if self.versions.is_empty() {
            self.current = first.saturating_sub(1);
        }
        for version in versions {
            self.current += 1;
            self.updated = version.created;
            self.versions.push(version);
        }
        self.oldest = self.oldest.max(oldest);
        let dropped =
            usize::try_from(self.oldest.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.versions.drain(..dropped.min(self.versions.len()));
        let last = before.1.min(self.oldest.saturating_sub(1));
        (before.0 <= last).then_some(before.0..=last)
    }

    /// The stored form.
    ///
    /// # Errors
    /// When it does not serialize: a defect.
    pub(super) fn encode(&self) -> Result<Secret<Vec<u8>>, Fault> {
        let mut out = Buffer::with_capacity(64 + 24 * self.versions.len());
        out.push(&[FORM]);
        Ok(postcard::to_io(self, out)
            .map_err(Fault::internal)?
            .finish())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When it is not one: the store was changed under us, or by a newer program.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let found: Self = match bytes.split_first() {
            Some((&FORM, body)) => postcard::from_bytes(body).map_err(unreadable)?,
            // The field is the last one, and the first of its values is written as a zero.
            Some((&FORM_WITHOUT_LAST, body)) => {
                postcard::from_bytes(&[body, &[0]].concat()).map_err(unreadable)?
            }
            _ => return Err(unreadable("form")),
        };
        // `first` counts back from `current`.
        if found.versions.len() as u64 > found.current {
            return Err(unreadable("more versions than were ever made"));
        }
        Ok(found)
    }
}

fn unreadable(why: impl std::fmt::Display) -> Fault {
    Fault::internal(format!("a kv metadata record cannot be read: {why}"))
}

/// When a version made now is to be deleted: after the shorter of the two spans that are set.
///
/// `mount` is `None` when the mount turned deletion off; zero means not set.
pub(super) fn deletion(now: Time, mount: Option<u64>, secret: u64) -> Option<Time> {
    let spans = [mount?, secret];
    let shortest = spans.into_iter().filter(|seconds| *seconds > 0).min()?;
    Some(now.after(Duration::from_secs(shortest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_form_before_is_read() {
        let mut meta = Metadata::new(Time::from_nanos(1)).unwrap();
        let version = Version {
            created: Time::from_nanos(2),
            deleted: None,
            destroyed: false,
        };
        meta.append(version, 0);
        meta.last = Last::Destroy;
        let now = meta.encode().unwrap();
        let found = Metadata::decode(now.expose()).unwrap();
        assert_eq!((found.current, found.last), (1, Last::Destroy));
        let mut before = now.expose().clone();
        before[0] = FORM_WITHOUT_LAST;
        before.pop();
        let found = Metadata::decode(&before).unwrap();
        assert_eq!((found.current, found.last), (1, Last::Unknown));
        for broken in [&[][..], &[9, 9], &before[..before.len() - 1], &[FORM]] {
            assert!(Metadata::decode(broken).is_err());
        }
    }
}
