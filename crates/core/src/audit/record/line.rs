//! A JSON object under construction in a record line.

use crate::json::quote_to;

/// Writes fields in order. What is empty is left out, as Vault does.
#[derive(Default)]
pub(super) struct Line(pub(super) Vec<u8>);

impl Line {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// JSON that is finished already.
    pub(super) fn raw(&mut self, json: &[u8]) {
        self.0.extend_from_slice(json);
    }

    /// A comma where one is due, the name and the colon.
    pub(super) fn name(&mut self, name: &str) {
        if !matches!(self.0.last(), None | Some(b'{')) {
            self.0.push(b',');
        }
        quote_to(&mut self.0, name);
        self.0.push(b':');
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.name(name);
            quote_to(&mut self.0, text);
        }
    }

    /// A text that needs no escapes, such as a hash.
    pub(super) fn ascii(&mut self, name: &str, text: &[u8]) {
        self.name(name);
        self.0.push(b'"');
        self.raw(text);
        self.0.push(b'"');
    }

    pub(super) fn number(&mut self, name: &str, number: u64) {
        if number > 0 {
            self.name(name);
            self.raw(number.to_string().as_bytes());
        }
    }

    pub(super) fn flag(&mut self, name: &str, on: bool) {
        self.name(name);
        self.raw(if on { b"true" } else { b"false" });
    }

    pub(super) fn words<T: AsRef<str>>(&mut self, name: &str, words: &[T]) {
        if words.is_empty() {
            return;
        }
        self.name(name);
        let mut separator = b'[';
        for word in words {
            self.0.push(separator);
            separator = b',';
            quote_to(&mut self.0, word.as_ref());
        }
        self.0.push(b']');
    }

    pub(super) fn pairs<'a>(
        &mut self,
        name: &str,
        pairs: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) {
        let mut separator = b'{';
        for (key, value) in pairs {
            if separator == b'{' {
                self.name(name);
            }
            self.0.push(separator);
            separator = b',';
            quote_to(&mut self.0, key);
            self.0.push(b':');
            quote_to(&mut self.0, value);
        }
        if separator == b',' {
            self.0.push(b'}');
        }
    }

    /// A member that is itself an object.
    pub(super) fn open(&mut self, name: &str) {
        self.name(name);
        self.0.push(b'{');
    }

    pub(super) fn close(&mut self) {
        self.0.push(b'}');
    }
}
