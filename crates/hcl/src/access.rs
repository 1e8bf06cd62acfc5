//! Reading the tree: attributes, blocks, and values of the type a reader wants.
//!
//! Conversions are those of Vault's configuration: `"true"` will do for a boolean, `"10"` for a
//! number, a bare number for a string, and one string where a list of strings is wanted.

use crate::{Body, Entry, Error, Key, Kind, Position, Value, parse_duration};
use std::collections::HashSet;
use std::time::Duration;

/// One block, or one object of a list that stands where a block may.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// What stands between the name and the braces.
    pub labels: Vec<&'a Key>,
    /// Between the braces.
    pub body: &'a Body,
    /// Where it begins.
    pub position: Position,
}

impl<'a> Block<'a> {
    /// The first label, if there is one.
    pub fn label(&self) -> Option<&'a str> {
        self.labels.first().map(|key| key.text.as_str())
    }
}

impl Body {
    /// All entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where it begins.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value assigned to this key. Of several, the last: so does Vault.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        let mut found = self.named(name).filter(|entry| entry.labels.is_empty());
        found.next_back().map(|entry| &entry.value)
    }

    /// The blocks of this name with the labels as they are written.
    ///
    /// `name = { … }`, and `name = [{ … }, { … }]` as JSON has it, count as blocks.
    pub fn blocks(&self, name: &str) -> Result<Vec<Block<'_>>, Error> {
        let mut blocks = Vec::new();
        for entry in self.named(name) {
            let labels: Vec<&Key> = entry.labels.iter().collect();
            for (body, position) in entry.value.objects()? {
                let position = if entry.assigned {
                    position
                } else {
                    entry.key.position
                };
                blocks.push(Block {
                    labels: labels.clone(),
                    body,
                    position,
                });
            }
        }
        Ok(blocks)
    }

    /// The blocks of a name that takes one label, whichever way they are written.
    ///
    /// `listener "tcp" { … }`, `"listener": {"tcp": { … }}` and `"listener": [{"tcp": { … }}]` are
    /// the same. As in Vault, an object counts as a list of labels if it holds only objects (or
    /// lists of them); another object gives a block without label.
    pub fn labelled(&self, name: &str) -> Result<Vec<Block<'_>>, Error> {
        let mut blocks = Vec::new();
        for block in self.blocks(name)? {
            let holds_labels =
                !block.body.is_empty() && block.body.entries.iter().all(Entry::is_block);
            if !block.labels.is_empty() || !holds_labels {
                blocks.push(block);
                continue;
            }
            for entry in &block.body.entries {
                let labels: Vec<&Key> = std::iter::once(&entry.key).chain(&entry.labels).collect();
                for (body, _) in entry.value.objects()? {
                    blocks.push(Block {
                        labels: labels.clone(),
                        body,
                        position: entry.key.position,
                    });
                }
            }
        }
        Ok(blocks)
    }

    /// Keys that are none of these, to warn about or to refuse.
    pub fn unknown<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = &'a Key> {
        self.entries
            .iter()
            .map(|entry| &entry.key)
            .filter(|key| !known.contains(&key.text.as_str()))
    }

    /// Keys that are assigned a second time. Blocks may repeat, so they are not among them.
    pub fn duplicates(&self) -> impl Iterator<Item = &Key> {
        let mut seen = HashSet::new();
        let assigned = self.entries.iter().filter(|entry| entry.assigned);
        assigned
            .map(|entry| &entry.key)
            .filter(move |key| !seen.insert(&key.text))
    }

    fn named(&self, name: &str) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.key.text == name)
    }
}

impl Entry {
    fn is_block(&self) -> bool {
        match &self.value.kind {
            Kind::Object(_) => true,
            Kind::List(items) => {
                !items.is_empty()
                    && items
                        .iter()
                        .all(|item| matches!(item.kind, Kind::Object(_)))
            }
            _ => false,
        }
    }
}

impl Value {
    fn expected<T>(&self, wanted: &'static str) -> Result<T, Error> {
        Err(Error::new(
            self.position,
            format!("expected {wanted}, found {}", self.kind.noun()),
        ))
    }

    /// A string; a number as it was written.
    pub fn string(&self) -> Result<&str, Error> {
        match &self.kind {
            Kind::Text(text) => Ok(text),
            Kind::Number(number) => Ok(number.as_str()),
            _ => self.expected("a string"),
        }
    }

    /// A boolean; also `"true"`, `"false"`, `1`, `0` and the other words Go takes for one.
    pub fn boolean(&self) -> Result<bool, Error> {
        let text = match &self.kind {
            Kind::Bool(value) => return Ok(*value),
            Kind::Text(text) => text.as_str(),
            Kind::Number(number) => number.as_str(),
            _ => return self.expected("a boolean"),
        };
        match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => self.expected("a boolean"),
        }
    }

    /// An integer, also as a decimal string.
    pub fn integer(&self) -> Result<i64, Error> {
        let integer = match &self.kind {
            Kind::Number(number) => number.integer(),
            Kind::Text(text) => text.parse().ok(),
            _ => None,
        };
        integer.map_or_else(|| self.expected("an integer"), Ok)
    }

    /// A duration: a number of seconds, or a text such as `90`, `"15m"`, `"1h30m"`, `"7d"`.
    pub fn duration(&self) -> Result<Duration, Error> {
        let duration = match &self.kind {
            Kind::Number(number) => parse_duration(number.as_str()),
            Kind::Text(text) => parse_duration(text),
            _ => None,
        };
        duration.map_or_else(|| self.expected("a duration"), Ok)
    }

    /// A list; anything else is the only element of one.
    pub fn list(&self) -> &[Value] {
        match &self.kind {
            Kind::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// A list of strings, or one string.
    pub fn strings(&self) -> Result<Vec<&str>, Error> {
        self.list().iter().map(Value::string).collect()
    }

    /// An object.
    pub fn object(&self) -> Result<&Body, Error> {
        match &self.kind {
            Kind::Object(body) => Ok(body),
            _ => self.expected("an object"),
        }
    }

    /// An object, or all objects of a list, each with its place.
    fn objects(&self) -> Result<Vec<(&Body, Position)>, Error> {
        self.list()
            .iter()
            .map(|value| Ok((value.object()?, value.position)))
            .collect()
    }
}
