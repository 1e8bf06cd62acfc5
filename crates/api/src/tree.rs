//! JSON that may hold secrets: wiped on drop, no `Debug`, numbers as they were written.
//!
//! Two differences from `serde_json::Value` matter here. Strings are [`Secret`]. Numbers keep
//! their text, because a value that looks like a number must come back as it went in
//! (`1.0` is not `1`, and 30 digits are 30 digits).

use cofferdam_secret::{Buffer, Secret};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Write as _;

/// Deepest nesting that is read. The server's own budget is smaller.
const MAX_DEPTH: usize = 64;

/// One JSON value.
pub enum Tree {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(Secret<String>),
    /// A string.
    Text(Secret<String>),
    /// An array.
    List(Vec<Tree>),
    /// An object: in byte order of its keys where it was parsed (as Vault prints data), in order of
    /// insertion where it was built.
    Map(Vec<(String, Tree)>),
}

/// Text that is no JSON, or too deep. Says nothing about the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON, or nested deeper than {MAX_DEPTH}")]
pub struct NotJson;

impl Tree {
    /// A string.
    pub fn text(value: impl Into<String>) -> Self {
        Self::Text(Secret::new(value.into()))
    }

    /// An empty object to [`Tree::insert`] into.
    #[must_use]
    pub const fn map() -> Self {
        Self::Map(Vec::new())
    }

    /// Sets a key of an object; does nothing on anything else.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Self>) -> &mut Self {
        if let Self::Map(entries) = self {
            let (key, value) = (key.into(), value.into());
            match entries.iter_mut().find(|(name, _)| *name == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key, value)),
            }
        }
        self
    }

    /// The same as [`Tree::insert`], by value.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Self>) -> Self {
        self.insert(key, value);
        self
    }

    /// Parses JSON text.
    ///
    /// # Errors
    /// [`NotJson`].
    pub fn parse(text: &[u8]) -> Result<Self, NotJson> {
        let raw: &RawValue = serde_json::from_slice(text).map_err(|_| NotJson)?;
        Self::from_raw(raw, 0)
    }

    fn from_raw(raw: &RawValue, depth: usize) -> Result<Self, NotJson> {
        if depth > MAX_DEPTH {
            return Err(NotJson);
        }
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'n') => Ok(Self::Null),
            Some(b't') => Ok(Self::Bool(true)),
            Some(b'f') => Ok(Self::Bool(false)),
            Some(b'"') => serde_json::from_str(text)
                .map(Self::Text)
                .map_err(|_| NotJson),
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| NotJson)?;
                let items = items
                    .into_iter()
                    .map(|item| Self::from_raw(item, depth + 1));
                items.collect::<Result<_, _>>().map(Self::List)
            }
            Some(b'{') => {
                let Entries(mut entries) = serde_json::from_str(text).map_err(|_| NotJson)?;
                // Of two members with one name the last counts, as everywhere.
                entries.reverse();
                entries.sort_by(|left, right| left.0.cmp(&right.0));
                entries.dedup_by(|later, first| later.0 == first.0);
                let entries = entries
                    .into_iter()
                    .map(|(key, value)| Ok((key, Self::from_raw(value, depth + 1)?)));
                entries.collect::<Result<_, NotJson>>().map(Self::Map)
            }
            Some(_) => Ok(Self::Number(Secret::new(text.to_owned()))),
            None => Err(NotJson),
        }
    }

    /// A member of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => {
                let mut entries = entries.iter();
                entries
                    .find(|(name, _)| name == key)
                    .map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The entries of an object; nothing for anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let entries = match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        };
        entries
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The same object with these keys first, in this order, and the others after them. Vault
    /// prints some answers in an order of its own.
    #[must_use]
    pub fn arranged(mut self, first: &[&str]) -> Self {
        if let Self::Map(entries) = &mut self {
            let place = |name: &str| first.iter().position(|key| *key == name);
            entries.sort_by_key(|(name, _)| place(name).unwrap_or(first.len()));
        }
        self
    }

    /// The items of an array; nothing for anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Takes a member out of an object.
    pub fn take(&mut self, key: &str) -> Option<Self> {
        match self {
            Self::Map(entries) => {
                let place = entries.iter().position(|(name, _)| name == key)?;
                Some(entries.remove(place).1)
            }
            _ => None,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.expose()),
            _ => None,
        }
    }

    /// A boolean.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A whole number.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(text) => text.expose().parse().ok(),
            _ => None,
        }
    }

    /// Whether it is an object or array without members, or null.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// As [`Tree::into_value`], in a copy.
    #[must_use]
    pub fn value(&self) -> Secret<Vec<u8>> {
        match self {
            Self::Text(text) => text.duplicate().into_bytes(),
            other => other.to_json(),
        }
    }

    /// The value as the content of a file: the text of a string, else its JSON.
    #[must_use]
    pub fn into_value(self) -> Secret<Vec<u8>> {
        match self {
            Self::Text(text) => text.into_bytes(),
            other => other.to_json(),
        }
    }

    /// Compact JSON.
    #[must_use]
    pub fn to_json(&self) -> Secret<Vec<u8>> {
        let mut out = Buffer::with_capacity(256);
        self.write_compact(&mut out);
        out.finish()
    }

    fn write_compact(&self, out: &mut Buffer) {
        match self {
            Self::Null => out.push(b"null"),
            Self::Bool(true) => out.push(b"true"),
            Self::Bool(false) => out.push(b"false"),
            Self::Number(text) => out.push(text.expose().as_bytes()),
            Self::Text(text) => write_quoted(text.expose(), out),
            Self::List(items) => {
                out.push(b"[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b",");
                    }
                    item.write_compact(out);
                }
                out.push(b"]");
            }
            Self::Map(entries) => {
                out.push(b"{");
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(b",");
                    }
                    write_quoted(key, out);
                    out.push(b":");
                    value.write_compact(out);
                }
                out.push(b"}");
            }
        }
    }
}

/// Writes a JSON string. serde_json streams the escapes, so no second copy is made.
pub(crate) fn write_quoted(text: &str, out: &mut Buffer) {
    if serde_json::to_writer(&mut *out, text).is_err() {
        // A buffer in memory takes everything; an empty string keeps the document valid.
        let _ = out.write_all(b"\"\"");
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Secret<String>> for Tree {
    fn from(text: Secret<String>) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Tree {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Tree {
    fn from(value: u64) -> Self {
        Self::Number(Secret::new(value.to_string()))
    }
}

impl From<i64> for Tree {
    fn from(value: i64) -> Self {
        Self::Number(Secret::new(value.to_string()))
    }
}

impl<T: Into<Self>> From<Vec<T>> for Tree {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Self>> From<Option<T>> for Tree {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Members of an object, unparsed. The keys are names, not secrets.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compact(text: &str) -> String {
        let json = Tree::parse(text.as_bytes()).unwrap().to_json();
        String::from_utf8(json.expose().clone()).unwrap()
    }

    #[test]
    fn numbers_come_back_as_they_were_written() {
        let text = r#"{"a":1.0,"b":123456789012345678901234567890,"c":-0,"d":1e400}"#;
        assert_eq!(compact(text), text);
    }

    #[test]
    fn keys_are_sorted_and_text_is_escaped() {
        assert_eq!(
            compact(r#" { "b" : [ 1 , null ] , "a" : "\u0041\"\n" } "#),
            r#"{"a":"A\"\n","b":[1,null]}"#
        );
    }

    #[test]
    fn broken_or_bottomless_json_is_refused() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        for text in ["", "{", "{\"a\":}", "nul", "[1,]", "1 2", deep.as_str()] {
            assert!(Tree::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives(text in ".*") {
            let json = Tree::text(text.clone()).to_json();
            let back = Tree::parse(json.expose()).unwrap();
            prop_assert_eq!(back.as_text().unwrap(), text);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Tree::parse(&bytes);
        }
    }
}
