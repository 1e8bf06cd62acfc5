//! The tree: what both grammars are read into.

use crate::Position;
use std::fmt;

/// The inside of a file or of braces: entries in the order in which they were written.
#[derive(Clone, PartialEq)]
pub struct Body {
    pub(crate) entries: Vec<Entry>,
    pub(crate) position: Position,
}

/// One `key = value`, or one block: `key "label" { … }`.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The name of the attribute or block.
    pub key: Key,
    /// What stands between the name and the value.
    pub labels: Vec<Key>,
    /// Of a block: an object.
    pub value: Value,
    /// Written with `=` or `:`; a block is not.
    pub assigned: bool,
}

/// A key or label, bare or quoted.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Without quotes, escapes decoded.
    pub text: String,
    /// Where it begins.
    pub position: Position,
}

/// A value and where it begins.
#[derive(Clone, PartialEq)]
pub struct Value {
    /// The value itself.
    pub kind: Kind,
    /// Where it begins.
    pub position: Position,
}

/// What a value is.
#[derive(Clone, PartialEq)]
pub enum Kind {
    /// JSON only.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a float.
    Number(Number),
    /// A quoted text or a heredoc, escapes decoded.
    Text(String),
    /// `[ … ]`
    List(Vec<Value>),
    /// `{ … }`
    Object(Body),
}

/// A number as it was written. `0640` is octal and `0x1f` hexadecimal.
#[derive(Clone, PartialEq)]
pub struct Number {
    pub(crate) text: String,
    pub(crate) integer: Option<i64>,
    pub(crate) float: f64,
}

impl Number {
    /// As written: `0640` stays `0640`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The integer, if it was written without fraction and exponent.
    pub fn integer(&self) -> Option<i64> {
        self.integer
    }

    /// The nearest float.
    pub fn float(&self) -> f64 {
        self.float
    }
}

impl Kind {
    /// What it is, for messages: "a string", "a list" and so on.
    pub fn noun(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Object(_) => "an object",
        }
    }
}

// Configuration may hold credentials: shapes and keys are printed, values are not.

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::List(items) => items.fmt(f),
            Kind::Object(body) => body.fmt(f),
            scalar => f.write_str(scalar.noun()),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.entries.iter().map(|entry| (&entry.key, &entry.value)))
            .finish()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.text, self.position)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}", self.key, self.value)
    }
}
