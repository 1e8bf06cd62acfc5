//! The JSON object an engine answers with.

use cofferdam_secret::{Buffer, Secret};
use serde::Serialize;
use std::sync::Arc;
use thiserror::Error;

/// A value that has no JSON form (a map whose keys are not text). Our mistake, never the caller's.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an answer could not be written as JSON")]
pub struct Unserializable;

/// A response's `data` object as JSON bytes, wiped on drop unless it is [shared](Data::shared).
pub struct Data(Content);

enum Content {
    Own(Secret<Vec<u8>>),
    Shared(Arc<[u8]>),
}

impl Data {
    /// Writes `value` into a buffer that leaves no copy behind.
    ///
    /// # Errors
    /// [`Unserializable`] when the value has no JSON form.
    pub fn of(value: &impl Serialize) -> Result<Self, Unserializable> {
        let mut out = Buffer::with_capacity(256);
        serde_json::to_writer(&mut out, value).map_err(|_| Unserializable)?;
        Ok(Self(Content::Own(out.finish())))
    }

    /// Takes a finished JSON object. The audit record reads it again and refuses the answer if it
    /// is not well-formed.
    #[must_use]
    pub const fn from_raw(object: Secret<Vec<u8>>) -> Self {
        Self(Content::Own(object))
    }

    /// A finished JSON object without any value in it (a long list of names), which is answered
    /// again and again: neither copied for an answer nor wiped after it.
    #[must_use]
    pub const fn shared(object: Arc<[u8]>) -> Self {
        Self(Content::Shared(object))
    }

    /// Starts an object that is written field by field.
    #[must_use]
    pub fn object() -> Object {
        Object::new()
    }

    /// The JSON bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Content::Own(object) => object.expose(),
            Content::Shared(object) => object,
        }
    }

    /// The value of one member, undecoded.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<super::Raw<'_>> {
        let text = std::str::from_utf8(self.as_bytes()).ok()?;
        super::Raw::new(text).field(name)
    }

    /// The JSON bytes, for the reply.
    #[must_use]
    pub fn into_bytes(self) -> Secret<Vec<u8>> {
        match self.0 {
            Content::Own(object) => object,
            Content::Shared(object) => Secret::new(object.to_vec()),
        }
    }
}

/// Writes a JSON object field by field; the one way to put a secret into an answer, since a
/// `Secret` has no `Serialize`.
pub struct Object {
    out: Buffer,
}

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Object {
    /// An object without fields.
    #[must_use]
    pub fn new() -> Self {
        Self {
            out: Buffer::with_capacity(256),
        }
    }

    fn name(&mut self, name: &str) {
        self.out.push(if self.out.is_empty() { b"{" } else { b"," });
        quote_into(&mut self.out, name);
        self.out.push(b":");
    }

    /// Adds a field with any serializable value.
    ///
    /// # Errors
    /// [`Unserializable`] when the value has no JSON form.
    pub fn value(mut self, name: &str, value: &impl Serialize) -> Result<Self, Unserializable> {
        self.name(name);
        serde_json::to_writer(&mut self.out, value).map_err(|_| Unserializable)?;
        Ok(self)
    }

    /// Adds a field whose value is JSON already.
    #[must_use]
    pub fn raw(mut self, name: &str, json: &[u8]) -> Self {
        self.name(name);
        self.out.push(json);
        self
    }

    /// Adds a text field.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.name(name);
        quote_into(&mut self.out, text);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, name: &str, number: impl Into<i64>) -> Self {
        self.name(name);
        self.out.push(number.into().to_string().as_bytes());
        self
    }

    /// Adds `true` or `false`.
    #[must_use]
    pub fn flag(mut self, name: &str, flag: bool) -> Self {
        self.name(name);
        self.out.push(if flag { b"true" } else { b"false" });
        self
    }

    /// The finished object.
    #[must_use]
    pub fn finish(mut self) -> Data {
        self.out
            .push(if self.out.is_empty() { b"{}" } else { b"}" });
        Data(Content::Own(self.out.finish()))
    }
}

/// Texts as a JSON list.
pub(crate) fn texts(texts: &[Secret<String>]) -> Secret<Vec<u8>> {
    let mut out = Buffer::with_capacity(128);
    out.push(b"[");
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b",");
        }
        quote_into(&mut out, text.expose());
    }
    out.push(b"]");
    out.finish()
}

/// Writes `text` as a JSON string. Beside what RFC 8259 demands it escapes DEL, the C1 controls
/// and U+2028/2029, which some readers of lines take for a line end or a terminal command.
pub fn quote_into(out: &mut Buffer, text: &str) {
    quote(text, |bytes| out.push(bytes));
}

/// As [`quote_into`], into memory that is not wiped: for text that is no secret.
pub(crate) fn quote_to(out: &mut Vec<u8>, text: &str) {
    quote(text, |bytes| out.extend_from_slice(bytes));
}

fn quote(text: &str, mut push: impl FnMut(&[u8])) {
    push(b"\"");
    let ordinary = |b: &u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
    if text.as_bytes().iter().all(ordinary) {
        push(text.as_bytes());
    } else {
        quote_unusual(text, &mut push);
    }
    push(b"\"");
}

fn quote_unusual(text: &str, push: &mut impl FnMut(&[u8])) {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if !needs_escape(c) {
            continue;
        }
        push(text.get(plain..at).unwrap_or_default().as_bytes());
        plain = at + c.len_utf8();
        match c {
            '"' => push(b"\\\""),
            '\\' => push(b"\\\\"),
            '\n' => push(b"\\n"),
            '\r' => push(b"\\r"),
            '\t' => push(b"\\t"),
            // Everything else that needs it is in the basic plane: four digits are enough.
            other => push(format!("\\u{:04x}", u32::from(other)).as_bytes()),
        }
    }
    push(text.get(plain..).unwrap_or_default().as_bytes());
}

const fn needs_escape(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}' | '"' | '\\' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
    )
}
