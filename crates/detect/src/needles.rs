//! What is searched for: the forms of many values, each with the name of its secret.

use crate::forms::{self, Form, Shape};
use crate::label::Label;
use crate::weak::{self, Weakness};
use cofferdam_secret::{Buffer, Secret};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

/// Index of a secret in its [`Needles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretId(pub(crate) u32);

impl SecretId {
    /// Position in the order of [`Needles::add`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One secret and whether it can be searched for.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub label: Label,
    /// Why it is not searched for.
    pub weakness: Option<Weakness>,
    /// The newest version of the secret, where it is known.
    pub newest: Option<u64>,
    /// Who is to be told, as the store says.
    pub owner: Option<String>,
}

impl Entry {
    /// One that is searched for, and nothing more is known of it.
    #[must_use]
    pub const fn of(label: Label) -> Self {
        Self {
            label,
            weakness: None,
            newest: None,
            owner: None,
        }
    }
}

/// A byte string inside the arena.
#[derive(Clone, Copy)]
pub(crate) struct Needle {
    pub(crate) start: u32,
    pub(crate) length: u16,
    pub(crate) form: Form,
    pub(crate) secret: SecretId,
    /// Start of its case marks, where it has some.
    pub(crate) caseless: Option<u32>,
}

/// Values to look for. All bytes stand in one buffer that is wiped on drop.
#[derive(Default)]
pub struct Needles {
    whole: bool,
    entries: Vec<Entry>,
    arena: Buffer,
    caseless: Vec<u8>,
    needles: Vec<Needle>,
}

impl Needles {
    /// Nothing to look for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Needles::new`], for masking: nothing of a value may be left. A long form is covered from
    /// its beginning to its end by overlapping pieces, and so are all its lines.
    #[must_use]
    pub fn for_redaction() -> Self {
        Self {
            whole: true,
            ..Self::default()
        }
    }

    /// Adds every form of `value`. A value too weak to be searched for is kept by name only.
    ///
    /// # Errors
    /// [`Full`] when more than four GiB of forms are asked for.
    pub fn add(&mut self, label: Label, value: &Secret<Vec<u8>>) -> Result<SecretId, Full> {
        let id = SecretId(u32::try_from(self.entries.len()).map_err(|_| Full)?);
        let value = value.expose().trim_ascii();
        let weakness = weak::judge(value).err();
        if weakness.is_none() {
            let shapes = if self.whole {
                forms::pieces(value)
            } else {
                forms::shapes(value)
            };
            for shape in shapes {
                self.push(id, &shape)?;
            }
        }
        self.entries.push(Entry {
            weakness,
            ..Entry::of(label)
        });
        Ok(id)
    }

    /// Says of a secret which version is the newest, and who is to be told.
    pub fn describe(&mut self, secret: SecretId, newest: Option<u64>, owner: Option<String>) {
        if let Some(entry) = self.entries.get_mut(secret.index()) {
            entry.newest = newest;
            entry.owner = owner;
        }
    }

    /// Names without values: what is searched for is elsewhere.
    pub(crate) fn named(entries: Vec<Entry>) -> Self {
        Self {
            entries,
            ..Self::default()
        }
    }

    /// Adds a secret whose value is not known: it has a row and is never searched for.
    ///
    /// # Errors
    /// As [`Needles::add`].
    pub fn add_unreadable(&mut self, label: Label) -> Result<SecretId, Full> {
        let id = SecretId(u32::try_from(self.entries.len()).map_err(|_| Full)?);
        self.entries.push(Entry {
            weakness: Some(Weakness::Unreadable),
            ..Entry::of(label)
        });
        Ok(id)
    }

    /// Takes over what `older` has and this has not: a value that was replaced or deleted in the
    /// store is still held by programs that got it.
    ///
    /// # Errors
    /// As [`Needles::add`].
    pub fn keep(&mut self, older: &Self) -> Result<(), Full> {
        let state = RandomState::new();
        let mut known: HashMap<&Label, HashSet<u64>> = HashMap::new();
        for needle in &self.needles {
            if let Some(label) = self.label(needle.secret) {
                let print = state.hash_one(self.bytes(needle));
                known.entry(label).or_default().insert(print);
            }
        }
        let missing = |needle: &&Needle| {
            let label = older.label(needle.secret);
            let prints = label.and_then(|label| known.get(label));
            let print = state.hash_one(older.bytes(needle));
            prints.is_none_or(|prints| !prints.contains(&print))
        };
        let missing: Vec<Needle> = older.needles.iter().filter(missing).copied().collect();
        let mut ids: HashMap<SecretId, SecretId> = HashMap::new();
        for needle in missing {
            let id = match ids.get(&needle.secret) {
                Some(id) => *id,
                None => {
                    let entry = older.entries.get(needle.secret.index()).ok_or(Full)?;
                    let id = SecretId(u32::try_from(self.entries.len()).map_err(|_| Full)?);
                    self.entries.push(entry.clone());
                    ids.insert(needle.secret, id);
                    id
                }
            };
            let marks = older.marks(&needle).unwrap_or_default();
            self.store(id, needle.form, older.bytes(&needle), marks)?;
        }
        Ok(())
    }

    fn push(&mut self, secret: SecretId, shape: &Shape) -> Result<(), Full> {
        self.store(secret, shape.form, shape.bytes.expose(), &shape.caseless)
    }

    fn store(
        &mut self,
        secret: SecretId,
        form: Form,
        bytes: &[u8],
        marks: &[u8],
    ) -> Result<(), Full> {
        let start = u32::try_from(self.arena.len()).map_err(|_| Full)?;
        let caseless = if marks.is_empty() {
            None
        } else {
            Some(u32::try_from(self.caseless.len()).map_err(|_| Full)?)
        };
        self.arena.push(bytes);
        self.caseless.extend_from_slice(marks);
        self.needles.push(Needle {
            start,
            length: u16::try_from(bytes.len()).map_err(|_| Full)?,
            form,
            secret,
            caseless,
        });
        Ok(())
    }

    /// All secrets, the weak ones too, in the order they were added.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Name of a secret.
    #[must_use]
    pub fn label(&self, secret: SecretId) -> Option<&Label> {
        self.entries.get(secret.index()).map(|entry| &entry.label)
    }

    /// How many byte strings are searched for.
    #[must_use]
    pub const fn shapes(&self) -> usize {
        self.needles.len()
    }

    pub(crate) fn all(&self) -> &[Needle] {
        &self.needles
    }

    pub(crate) fn bytes(&self, needle: &Needle) -> &[u8] {
        let start = needle.start as usize;
        let end = start + usize::from(needle.length);
        self.arena.as_slice().get(start..end).unwrap_or_default()
    }

    fn marks(&self, needle: &Needle) -> Option<&[u8]> {
        let start = needle.caseless? as usize;
        self.caseless.get(start..start + usize::from(needle.length))
    }

    /// Whether `text` begins with this needle, with free case where it is free.
    pub(crate) fn begins(&self, needle: &Needle, text: &[u8]) -> bool {
        let text = text.get(..usize::from(needle.length));
        text.is_some_and(|text| self.agrees(needle, text))
    }

    /// Whether this needle is longer than `text` and begins with it.
    pub(crate) fn goes_on(&self, needle: &Needle, text: &[u8]) -> bool {
        text.len() < usize::from(needle.length) && self.agrees(needle, text)
    }

    /// Compares `text`, which is not longer, with the needle's first bytes.
    fn agrees(&self, needle: &Needle, text: &[u8]) -> bool {
        let bytes = self.bytes(needle).get(..text.len()).unwrap_or_default();
        match self.marks(needle) {
            None => text == bytes,
            Some(marks) => std::iter::zip(text, marks)
                .map(|(byte, mark)| byte | mark)
                .eq(bytes.iter().copied()),
        }
    }
}

/// More forms than the engine can address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many values to search for at once: more than 4 GiB of forms")]
pub struct Full;
