//! What is searched for: the forms of many values, each with the name of its secret.

use crate::forms::{self, Form, Shape};
use crate::label::Label;
use crate::weak::{self, Weakness};
use cofferdam_secret::{Buffer, Secret};

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

    /// Adds every form of `value`. A value too weak to be searched for is kept by name only.
    ///
    /// # Errors
    /// [`Full`] when more than four GiB of forms are asked for.
    pub fn add(&mut self, label: Label, value: &Secret<Vec<u8>>) -> Result<SecretId, Full> {
        let id = SecretId(u32::try_from(self.entries.len()).map_err(|_| Full)?);
        let value = value.expose().trim_ascii();
        let weakness = weak::judge(value).err();
        if weakness.is_none() {
            for shape in forms::shapes(value) {
                self.push(id, &shape)?;
            }
        }
        self.entries.push(Entry { label, weakness });
        Ok(id)
    }

    /// Adds a secret whose value is not known: it has a row and is never searched for.
    ///
    /// # Errors
    /// As [`Needles::add`].
    pub fn add_unreadable(&mut self, label: Label) -> Result<SecretId, Full> {
        let id = SecretId(u32::try_from(self.entries.len()).map_err(|_| Full)?);
        let weakness = Some(Weakness::Unreadable);
        self.entries.push(Entry { label, weakness });
        Ok(id)
    }

    fn push(&mut self, secret: SecretId, shape: &Shape) -> Result<(), Full> {
        let start = u32::try_from(self.arena.len()).map_err(|_| Full)?;
        let caseless = if shape.caseless.is_empty() {
            None
        } else {
            Some(u32::try_from(self.caseless.len()).map_err(|_| Full)?)
        };
        self.arena.push(shape.bytes.expose());
        self.caseless.extend_from_slice(&shape.caseless);
        self.needles.push(Needle {
            start,
            length: u16::try_from(shape.bytes.len()).map_err(|_| Full)?,
            form: shape.form,
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
        let bytes = self.bytes(needle);
        let Some(text) = text.get(..bytes.len()) else {
            return false;
        };
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
