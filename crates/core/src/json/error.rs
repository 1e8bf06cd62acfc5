//! Why JSON was refused, in words that never contain the JSON.

use std::fmt;

/// Why a body is not JSON that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Larger than the budget allows.
    TooLarge,
    /// Objects and arrays nested too deeply.
    TooDeep,
    /// Too many names of fields in all objects together.
    TooManyKeys,
    /// Too many text values.
    TooManyStrings,
    /// Too many values of any kind.
    TooManyValues,
    /// One name of a field is too long.
    KeyTooLong,
    /// One text value is too long.
    StringTooLong,
    /// A number has too many digits.
    NumberTooLong,
    /// A number no double can hold.
    NumberOutOfRange,
    /// Two fields of one object have the same name (after decoding escapes).
    DuplicateKey,
    /// A `\uD800`–`\uDFFF` escape without its other half.
    LoneSurrogate,
    /// A byte order mark in front.
    ByteOrderMark,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// Something after the end of the value.
    TrailingBytes,
    /// Valid so far, but it ends in the middle.
    Truncated,
    /// The outermost value is not an object.
    NotAnObject,
    /// Anything else RFC 8259 does not allow.
    Syntax,
}

impl Reason {
    /// Whether the body is well-formed as far as we looked, but too big in some measure.
    #[must_use]
    pub const fn is_over_budget(self) -> bool {
        matches!(
            self,
            Self::TooLarge
                | Self::TooDeep
                | Self::TooManyKeys
                | Self::TooManyStrings
                | Self::TooManyValues
                | Self::KeyTooLong
                | Self::StringTooLong
                | Self::NumberTooLong
        )
    }

    const fn text(self) -> &'static str {
        match self {
            Self::TooLarge => "larger than allowed",
            Self::TooDeep => "nested more deeply than allowed",
            Self::TooManyKeys => "more fields than allowed",
            Self::TooManyStrings => "more strings than allowed",
            Self::TooManyValues => "more values than allowed",
            Self::KeyTooLong => "a field name is longer than allowed",
            Self::StringTooLong => "a string is longer than allowed",
            Self::NumberTooLong => "a number is longer than allowed",
            Self::NumberOutOfRange => "a number is out of range",
            Self::DuplicateKey => "an object has the same field twice",
            Self::LoneSurrogate => "an escape is half of a surrogate pair",
            Self::ByteOrderMark => "starts with a byte order mark",
            Self::NotUtf8 => "not UTF-8",
            Self::TrailingBytes => "something follows the end of the object",
            Self::Truncated => "ends too early",
            Self::NotAnObject => "not an object",
            Self::Syntax => "not valid JSON",
        }
    }
}

/// A refused body: the reason and where it showed, never what stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Byte position at which it showed.
    pub at: usize,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "request body: {} (byte {})",
            self.reason.text(),
            self.at
        )
    }
}

impl std::error::Error for Refusal {}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Another kind of value is expected; the text says which, in the words of a person.
    Expected(String),
    /// The field must be there.
    Missing,
    /// The field is not known.
    Unknown,
    /// The value has the right kind, but cannot be used.
    Invalid,
}

/// A field that cannot be read: its path and what is expected there, never what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    path: String,
    problem: Problem,
}

impl FieldError {
    /// An error about the field at `path`, for engines that check further.
    #[must_use]
    pub fn new(path: impl Into<String>, problem: Problem) -> Self {
        Self {
            path: path.into(),
            problem,
        }
    }

    /// An error without a place: the reader adds it.
    pub(super) const fn unusable() -> Self {
        Self {
            path: String::new(),
            problem: Problem::Invalid,
        }
    }

    /// Path of the field, such as `options.cas`; empty for the whole body.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong there.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The same problem, below `path`.
    pub(super) fn within(mut self, path: &str) -> Self {
        self.path = match (path.is_empty(), self.path.is_empty()) {
            (true, _) => self.path,
            (false, true) => path.to_owned(),
            (false, false) => format!("{path}.{}", self.path),
        };
        self
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "request body"
        } else {
            &self.path
        };
        match &self.problem {
            Problem::Expected(what) => write!(out, "{path}: expected {what}"),
            Problem::Missing => write!(out, "{path}: missing"),
            Problem::Unknown => write!(out, "{path}: unknown field"),
            Problem::Invalid => write!(out, "{path}: not a usable value"),
        }
    }
}

impl std::error::Error for FieldError {}

/// Serde hands its complaints in through here. Its `custom` messages and `Unexpected` values quote
/// the input (CVE-2025-4166), so both are dropped; what a visitor *expects* is text of the type.
impl serde::de::Error for FieldError {
    fn custom<T: fmt::Display>(_may_quote_input: T) -> Self {
        Self::new("", Problem::Invalid)
    }

    fn invalid_type(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new("", Problem::Expected(in_plain_words(&expected.to_string())))
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new("", Problem::Expected(in_plain_words(&expected.to_string())))
    }

    fn invalid_length(_: usize, expected: &dyn serde::de::Expected) -> Self {
        Self::new("", Problem::Expected(in_plain_words(&expected.to_string())))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(
            "",
            Problem::Expected(format!("one of: {}", expected.join(", "))),
        )
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::new("", Problem::Unknown)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(field, Problem::Missing)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(field, Problem::Invalid)
    }
}

/// Serde's names of Rust types in words for people.
fn in_plain_words(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        "unit" => "null".into(),
        text if text.starts_with("struct ") => "an object".into(),
        text if text.starts_with("tuple ") => "a list".into(),
        text if text.starts_with("enum ") => "one of the known words".into(),
        text => text.into(),
    }
}
