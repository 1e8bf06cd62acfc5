//! JSON values that stay undecoded: what a client stores comes back byte for byte.

use super::error::{FieldError, Refusal};
use super::read;
use super::tokens::{Text, Token, Tokens};
use cofferdam_secret::{Buffer, Secret};
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A checked JSON value inside a larger text, not decoded.
#[derive(Clone, Copy)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The value as JSON text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The value as JSON bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// Its fields in the order they were written; none when it is not an object.
    #[must_use]
    pub fn fields(self) -> Fields<'a> {
        let mut tokens = Tokens::new(self.0, read::DEPTH);
        let is_object = matches!(tokens.next(), Ok(Some(Token::ObjectStart)));
        Fields {
            tokens: is_object.then_some(tokens),
        }
    }

    /// The value of the field `name`.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Self> {
        self.fields()
            .find_map(|(key, value)| key.is(name).then_some(value))
    }

    /// Reads it as `T`.
    ///
    /// # Errors
    /// [`FieldError`] with the path below this value.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, FieldError> {
        read::parse(self.0)
    }

    /// A copy that is wiped on drop.
    #[must_use]
    pub fn to_owned(self) -> OwnedRaw {
        let mut copy = Buffer::with_capacity(self.0.len());
        copy.push(self.as_bytes());
        OwnedRaw(
            copy.finish()
                .into_text()
                .unwrap_or_else(|| String::new().into()),
        )
    }
}

/// The fields of one object: name and undecoded value.
pub struct Fields<'a> {
    tokens: Option<Tokens<'a>>,
}

impl<'a> Fields<'a> {
    fn step(tokens: &mut Tokens<'a>) -> Result<Option<(Text<'a>, Raw<'a>)>, Refusal> {
        let Some(Token::Key(name)) = tokens.next()? else {
            return Ok(None);
        };
        let start = tokens.value_start();
        if let Some(first) = tokens.next()? {
            tokens.skip(first)?;
        }
        Ok(Some((name, Raw(tokens.since(start)))))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Text<'a>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        // The text was checked when it came in: an error here can only mean the end.
        let found = Self::step(self.tokens.as_mut()?).ok().flatten();
        if found.is_none() {
            self.tokens = None;
        }
        found
    }
}

/// A JSON value kept as its text, wiped on drop. As a field of a request type it takes whatever the
/// client sent, byte for byte.
pub struct OwnedRaw(Secret<String>);

impl OwnedRaw {
    /// The value, for reading.
    #[must_use]
    pub fn as_raw(&self) -> Raw<'_> {
        Raw(self.0.expose())
    }

    /// Its bytes.
    #[must_use]
    pub fn into_bytes(self) -> Secret<Vec<u8>> {
        self.0.into_bytes()
    }
}

/// By this name [`OwnedRaw`] asks our reader for the undecoded text.
pub(crate) const RAW: &str = "$cofferdam::raw";

impl<'de> Deserialize<'de> for OwnedRaw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(RAW, TakeRaw)
    }
}

struct TakeRaw;

impl<'de> Visitor<'de> for TakeRaw {
    type Value = OwnedRaw;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }

    /// From our own reader.
    fn visit_borrowed_bytes<E: serde::de::Error>(self, text: &'de [u8]) -> Result<OwnedRaw, E> {
        let text = std::str::from_utf8(text).map_err(E::custom)?;
        Ok(Raw(text).to_owned())
    }

    /// From serde_json, which hands over its own raw value.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<OwnedRaw, D::Error> {
        let text: Box<str> = Box::<serde_json::value::RawValue>::deserialize(from)?.into();
        Ok(OwnedRaw(Secret::new(text.into_string())))
    }
}
