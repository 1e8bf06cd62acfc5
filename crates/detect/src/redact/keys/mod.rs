//! Masks by the names of keys, in JSON and in logfmt: `"password":"…"`, `api_key=…`, for values that
//! nobody stored.
//!
//! One pass, byte by byte, no memory of more than a key. What is no value of such a key passes as it
//! is, and so do the quotes around one, so that JSON stays JSON. `true`, `false` and `null` are no
//! secrets. Objects are looked into; in an array behind such a key every text and number is masked.
//! Terminal sequences between a key and its value, as coloured logs have them, are passed over.
//!
//! Not seen: JSON inside a JSON string, YAML, a key that is split by an escape.

mod names;

pub use names::is_secret;

use super::Style;
use crate::label::Label;

/// Longest key that is one.
const LONGEST: usize = 128;

/// A text on its way.
pub struct KeyStream {
    style: Style,
    state: State,
    /// The key that was read last, as far as it is one.
    word: Vec<u8>,
    /// A bare value as long as it may be `true`, `false` or `null`.
    bare: Vec<u8>,
    escape: Escape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Outside of everything; a word may become the key of logfmt.
    Text,
    /// In a string of JSON that may become a key.
    String { escaped: bool },
    /// Behind such a string.
    AfterString,
    /// Behind the colon or the equals sign of a secret key.
    Before(Syntax),
    /// In a quoted value that is left out.
    Quoted {
        quote: u8,
        escaped: bool,
        syntax: Syntax,
    },
    /// In a value without quotes, of JSON.
    Number(Syntax),
    /// In one of logfmt, which is left out.
    Bare,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Json,
    /// In an array behind a secret key, so deep.
    Array(u32),
    Logfmt,
}

/// Where in a terminal sequence the text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    Sequence,
}

impl KeyStream {
    /// Masks with `style`, where the key stands for the name.
    #[must_use]
    pub const fn new(style: Style) -> Self {
        Self {
            style,
            state: State::Text,
            word: Vec::new(),
            bare: Vec::new(),
            escape: Escape::None,
        }
    }

    /// Takes the next piece; `out` gets what leaves.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &byte in piece {
            if self.is_sequence(byte) {
                out.push(byte);
            } else {
                self.step(byte, out);
            }
        }
    }

    /// Ends the text.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let State::Number(_) = self.state {
            self.end_number(out);
        }
        self.state = State::Text;
        self.word.clear();
        self.escape = Escape::None;
    }

    /// Sequences inside a value that is left out go with it: they may be a part of it.
    fn is_sequence(&mut self, byte: u8) -> bool {
        if matches!(
            self.state,
            State::Quoted { .. } | State::Bare | State::Number(_)
        ) {
            self.escape = Escape::None;
            return false;
        }
        let (next, is) = match (self.escape, byte) {
            (_, 0x1b) => (Escape::Begun, true),
            (Escape::Begun, b'[') => (Escape::Sequence, true),
            (Escape::Sequence, 0x20..=0x3f) => (Escape::Sequence, true),
            (Escape::Sequence, 0x40..=0x7e) => (Escape::None, true),
            _ => (Escape::None, false),
        };
        self.escape = next;
        is
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Text => self.text(byte, out),
            State::String { escaped } => {
                out.push(byte);
                self.state = match byte {
                    _ if escaped => State::String { escaped: false },
                    b'\\' => {
                        self.spoil();
                        State::String { escaped: true }
                    }
                    b'"' => State::AfterString,
                    // JSON has none in a string, and a lone quote must not swallow what follows.
                    b'\n' => {
                        self.word.clear();
                        State::Text
                    }
                    _ => {
                        self.add(byte);
                        State::String { escaped: false }
                    }
                };
            }
            State::AfterString => match byte {
                b' ' | b'\t' | b'\r' | b'\n' => out.push(byte),
                b':' => {
                    out.push(byte);
                    self.state = if self.is_secret_key() {
                        State::Before(Syntax::Json)
                    } else {
                        State::Text
                    };
                }
                _ => {
                    self.word.clear();
                    self.state = State::Text;
                    self.text(byte, out);
                }
            },
            State::Before(syntax) => self.before(syntax, byte, out),
            State::Quoted {
                quote,
                escaped,
                syntax,
            } => self.quoted(quote, escaped, syntax, byte, out),
            State::Number(syntax) => {
                if byte.is_ascii_alphanumeric() || b"+-.".contains(&byte) {
                    if self.bare.len() <= LONGEST {
                        self.bare.push(byte);
                    }
                } else {
                    self.end_number(out);
                    self.after_value(syntax);
                    self.step(byte, out);
                }
            }
            State::Bare => {
                if byte.is_ascii_whitespace() || b",;&)]}\"'".contains(&byte) {
                    self.state = State::Text;
                    self.word.clear();
                    self.text(byte, out);
                }
            }
        }
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.push(byte);
        match byte {
            b'"' => {
                self.word.clear();
                self.state = State::String { escaped: false };
            }
            b'=' if self.is_secret_key() => self.state = State::Before(Syntax::Logfmt),
            byte if byte.is_ascii_alphanumeric() || b"_-.".contains(&byte) => self.add(byte),
            _ => self.word.clear(),
        }
    }

    fn before(&mut self, syntax: Syntax, byte: u8, out: &mut Vec<u8>) {
        match (syntax, byte) {
            (Syntax::Json | Syntax::Array(_), b' ' | b'\t' | b'\r' | b'\n') => out.push(byte),
            (Syntax::Array(_), b',') => out.push(byte),
            (_, b'"') | (Syntax::Logfmt, b'\'') => {
                out.push(byte);
                self.name(out);
                self.state = State::Quoted {
                    quote: byte,
                    escaped: false,
                    syntax,
                };
            }
            (Syntax::Json, b'[') => {
                out.push(byte);
                self.state = State::Before(Syntax::Array(1));
            }
            (Syntax::Array(depth), b'[') => {
                out.push(byte);
                self.state = State::Before(Syntax::Array(depth + 1));
            }
            (Syntax::Array(depth), b']') if depth > 1 => {
                out.push(byte);
                self.state = State::Before(Syntax::Array(depth - 1));
            }
            // A value is a word or a number here; what is neither ends it.
            (Syntax::Json | Syntax::Array(_), byte)
                if byte.is_ascii_alphanumeric() || byte == b'-' =>
            {
                self.bare.clear();
                self.bare.push(byte);
                self.state = State::Number(syntax);
            }
            // Two equals signs compare, and an empty value is none.
            (Syntax::Logfmt, byte)
                if byte != b'=' && byte.is_ascii_graphic() && !b",;&)]}".contains(&byte) =>
            {
                self.name(out);
                self.state = State::Bare;
            }
            (Syntax::Logfmt, byte) if !byte.is_ascii() => {
                self.name(out);
                self.state = State::Bare;
            }
            _ => {
                self.word.clear();
                self.state = State::Text;
                self.text(byte, out);
            }
        }
    }

    fn quoted(&mut self, quote: u8, escaped: bool, syntax: Syntax, byte: u8, out: &mut Vec<u8>) {
        let escaped = match byte {
            // Neither has one in a value, and a lone quote must not swallow the rest of a log.
            b'\n' => {
                self.word.clear();
                self.state = State::Text;
                out.push(byte);
                return;
            }
            _ if escaped => false,
            b'\\' => true,
            byte if byte == quote => {
                out.push(byte);
                self.after_value(syntax);
                return;
            }
            _ => false,
        };
        self.state = State::Quoted {
            quote,
            escaped,
            syntax,
        };
    }

    fn after_value(&mut self, syntax: Syntax) {
        self.state = match syntax {
            Syntax::Array(_) => State::Before(syntax),
            Syntax::Json | Syntax::Logfmt => {
                self.word.clear();
                State::Text
            }
        };
    }

    fn end_number(&mut self, out: &mut Vec<u8>) {
        if matches!(self.bare.as_slice(), b"true" | b"false" | b"null") {
            out.extend_from_slice(&self.bare);
        } else {
            out.push(b'"');
            self.name(out);
            out.push(b'"');
        }
        zeroize::Zeroize::zeroize(&mut self.bare);
    }

    fn name(&self, out: &mut Vec<u8>) {
        let key = String::from_utf8_lossy(&self.word).into_owned();
        let name = self.style.name(&Label::new(key, None, "value"));
        out.extend_from_slice(name.as_bytes());
    }

    fn add(&mut self, byte: u8) {
        if self.word.len() <= LONGEST {
            self.word.push(byte);
        }
    }

    /// What was read is no key.
    fn spoil(&mut self) {
        self.word.resize(LONGEST + 1, b'?');
    }

    fn is_secret_key(&self) -> bool {
        let key = (self.word.len() <= LONGEST).then_some(self.word.as_slice());
        key.and_then(|key| std::str::from_utf8(key).ok())
            .is_some_and(is_secret)
    }
}

#[cfg(test)]
mod tests;
