//! Lists and maps of short texts.

use crate::json::{Budget, check, read};
use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// A list of words: `["a", "b"]` or `"a, b"`. Blanks around a word and empty words are dropped;
/// order and repetition are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

/// Names with values: an object, a list of `"name=value"`, one such text with commas between, or an
/// object inside a text (how `vault write … metadata='{"team":"web"}'` sends it).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(pub BTreeMap<String, String>);

/// A value of a list or map: text, or a number or switch as its text.
struct Word(String);

struct ReadWord;

impl<'de> Visitor<'de> for ReadWord {
    type Value = Word;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
        Ok(Word(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Word, E> {
        Ok(Word(text))
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Word, E> {
        Ok(Word(on.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadWord)
    }
}

impl Words {
    /// Each once, in order.
    #[must_use]
    pub fn each_once(&self) -> Vec<String> {
        let mut all = self.0.clone();
        all.sort();
        all.dedup();
        all
    }

    /// Splits a text at commas.
    #[must_use]
    pub fn split(text: &str) -> Self {
        let words = text.split(',').map(str::trim);
        Self(
            words
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    fn push(&mut self, word: &str) {
        let word = word.trim();
        if !word.is_empty() {
            self.0.push(word.to_owned());
        }
    }
}

struct ReadWords;

impl<'de> Visitor<'de> for ReadWords {
    type Value = Words;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of words, or one text with commas between them")
    }

    fn visit_unit<E: Error>(self) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Words, E> {
        Ok(Words::split(text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Words, E> {
        Ok(Words(vec![number.to_string()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
        let mut words = Words::default();
        while let Some(Word(word)) = list.next_element()? {
            words.push(&word);
        }
        Ok(words)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadWords)
    }
}

struct ReadPairs;

impl ReadPairs {
    fn add<E: Error>(pairs: &mut Pairs, text: &str) -> Result<(), E> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| E::invalid_value(Unexpected::Other("text"), &"name=value"))?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        pairs.0.insert(name, value);
        Ok(())
    }
}

impl<'de> Visitor<'de> for ReadPairs {
    type Value = Pairs;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of texts, or a list of name=value")
    }

    fn visit_unit<E: Error>(self) -> Result<Pairs, E> {
        Ok(Pairs::default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Pairs, E> {
        if text.trim_start().starts_with('{') {
            let inner = check(text.as_bytes(), &Budget::default()).map_err(E::custom);
            return inner.and_then(|()| read::parse(text).map_err(E::custom));
        }
        let mut pairs = Pairs::default();
        for part in Words::split(text).0 {
            Self::add(&mut pairs, &part)?;
        }
        Ok(pairs)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pairs, A::Error> {
        let mut pairs = Pairs::default();
        while let Some(Word(text)) = list.next_element()? {
            Self::add(&mut pairs, &text)?;
        }
        Ok(pairs)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Pairs::default();
        while let Some((name, Word(value))) = map.next_entry::<String, Word>()? {
            pairs.0.insert(name, value);
        }
        Ok(pairs)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadPairs)
    }
}
