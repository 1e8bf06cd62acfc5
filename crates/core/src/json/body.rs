//! The JSON object a client sent.

use super::check::{Budget, check};
use super::error::{FieldError, Refusal};
use super::raw::Raw;
use super::read;
use crate::fields::{self, asked::Asked};
use cofferdam_secret::Secret;
use serde::de::DeserializeOwned;

/// A checked JSON object, held as a secret. There is no way to make one that was not checked.
pub struct Body {
    text: Secret<String>,
    asked: Asked,
}

impl Body {
    /// `{}`: what a request without a body has.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Secret::new(String::from("{}")))
    }

    fn of(text: Secret<String>) -> Self {
        Self {
            text,
            asked: Asked::default(),
        }
    }

    /// What was read of it.
    pub(crate) const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Checks `bytes` against `budget`. No bytes, only white space, and `null`
    /// (what `bao write -f` sends) count as an empty object.
    ///
    /// # Errors
    /// As [`check`]; the bytes are wiped.
    pub fn checked(bytes: Secret<Vec<u8>>, budget: &Budget) -> Result<Self, Refusal> {
        let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        if bytes.len() <= budget.bytes
            && (bytes.expose().iter().all(is_space) || bytes.expose().trim_ascii() == b"null")
        {
            return Ok(Self::empty());
        }
        check(bytes.expose(), budget)?;
        // `check` has already refused what is not UTF-8.
        Ok(bytes.into_text().map_or_else(Self::empty, Self::of))
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_raw().fields().next().is_none()
    }

    /// Reads the fields `T` names; others are ignored, as Vault does.
    ///
    /// Strings are handed to `T` without an intermediate copy unless they have escapes, and then
    /// the decoded text itself is handed over.
    ///
    /// # Errors
    /// [`FieldError`]: which field, and what is expected there.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, FieldError> {
        self.asked.note_all(fields::names::<T>);
        read::parse(self.text.expose())
    }

    /// The value of one field, not decoded.
    #[must_use]
    pub fn raw(&self, field: &str) -> Option<Raw<'_>> {
        self.asked.note(field);
        self.as_raw().field(field)
    }

    /// The whole object, not decoded.
    #[must_use]
    pub fn as_raw(&self) -> Raw<'_> {
        Raw::new(self.text.expose().trim_matches([' ', '\t', '\n', '\r']))
    }

    /// The object as JSON bytes, as the client sent them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.expose().as_bytes()
    }
}
