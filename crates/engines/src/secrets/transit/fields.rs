//! Fields of requests that Vault reads in its own way.

use cofferdam_secret::Secret;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A whole number, also below zero, also as text; nothing counts as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Int(pub(super) i64);

struct ReadInt;

impl<'de> Visitor<'de> for ReadInt {
    type Value = Int;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a whole number")
    }

    fn visit_unit<E: Error>(self) -> Result<Int, E> {
        Ok(Int(0))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Int, E> {
        // Beyond what anybody means: too large a version, whatever is asked.
        Ok(Int(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Int, E> {
        Ok(Int(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Int, E> {
        match text.trim() {
            "" => Ok(Int(0)),
            text => text
                .parse()
                .map(Int)
                .map_err(|_| E::invalid_value(Unexpected::Other("text"), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadInt)
    }
}

/// Text that may be a secret; `None` where it was not sent.
pub(super) type Sent = Option<Secret<String>>;

/// The text, empty where it was not sent.
pub(super) fn text(sent: &Sent) -> &str {
    sent.as_ref().map_or("", |text| text.expose())
}

/// A short word, or a number as its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word(pub(super) String);

struct ReadWord;

impl<'de> Visitor<'de> for ReadWord {
    type Value = Word;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a word or a number")
    }

    fn visit_unit<E: Error>(self) -> Result<Word, E> {
        Ok(Word::default())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
        Ok(Word(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadWord)
    }
}
