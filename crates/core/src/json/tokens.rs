//! RFC 8259, one token at a time, without recursion and without copying.

use super::error::{Reason, Refusal};
use std::borrow::Cow;

/// One step through a JSON text.
#[derive(Clone, Copy)]
pub enum Token<'a> {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// The name of a field; its value is the next token.
    Key(Text<'a>),
    /// A text value.
    String(Text<'a>),
    /// A number, as it was written.
    Number(&'a str),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

/// A string as it stands between its quotes.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// The text between the quotes, escapes as they were written.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.raw
    }

    /// The text it stands for. Owned only when there were escapes; the caller wipes it then if it
    /// is a secret.
    #[must_use]
    pub fn decoded(&self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        // Decoding never grows the text, so that the string is never moved.
        let mut out = String::with_capacity(self.raw.len());
        decode(self.raw, &mut out);
        Cow::Owned(out)
    }

    /// Whether it stands for `other`, without decoding into memory when there are no escapes.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        if self.escaped {
            self.decoded() == other
        } else {
            self.raw == other
        }
    }
}

/// Decodes escapes that [`Tokens`] has already found to be valid.
fn decode(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(slash) = rest.find('\\') {
        let (plain, escape) = rest.split_at(slash);
        out.push_str(plain);
        let mut chars = escape.chars();
        chars.next();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let (decoded, length) = decode_unicode(escape);
                out.push(decoded);
                rest = escape.get(length..).unwrap_or_default();
                continue;
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

/// The character of a `\uXXXX` or surrogate pair escape, and the length of the escape.
fn decode_unicode(escape: &str) -> (char, usize) {
    let unit = |from: usize| {
        escape
            .get(from + 2..from + 6)
            .and_then(|digits| u16::from_str_radix(digits, 16).ok())
    };
    let Some(first) = unit(0) else {
        return (char::REPLACEMENT_CHARACTER, 6);
    };
    if !(0xD800..0xE000).contains(&first) {
        return (
            char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER),
            6,
        );
    }
    let pair = [first, unit(6).unwrap_or_default()];
    let decoded = char::decode_utf16(pair).next().and_then(Result::ok);
    (decoded.unwrap_or(char::REPLACEMENT_CHARACTER), 12)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

#[derive(Clone, Copy)]
enum Expect {
    Value,
    FirstKey,
    FirstElement,
    CommaOrEnd,
    Nothing,
}

/// Reads a JSON text token by token and refuses what RFC 8259 does not allow.
///
/// Memory: one byte for each open object or array, at most `depth` of them.
#[derive(Clone)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    open: Vec<Container>,
    expect: Expect,
}

impl<'a> Tokens<'a> {
    /// Starts at the beginning of `text`, which may nest `depth` levels.
    #[must_use]
    pub const fn new(text: &'a str, depth: usize) -> Self {
        Self {
            text,
            at: 0,
            depth,
            open: Vec::new(),
            expect: Expect::Value,
        }
    }

    /// Byte position after the last token.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// How many objects and arrays are open.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.open.len()
    }

    /// The next token, or `None` after a complete value with nothing but white space behind it.
    ///
    /// # Errors
    /// [`Refusal`] with the position. The reader must not be used afterwards.
    #[expect(
        clippy::should_implement_trait,
        reason = "a fallible pull reader, not an iterator"
    )]
    pub fn next(&mut self) -> Result<Option<Token<'a>>, Refusal> {
        self.skip_space();
        match self.expect {
            Expect::Value => self.value().map(Some),
            Expect::FirstKey if self.peek() == Some(b'}') => self.close(Token::ObjectEnd),
            Expect::FirstKey => self.key().map(Some),
            Expect::FirstElement if self.peek() == Some(b']') => self.close(Token::ArrayEnd),
            Expect::FirstElement => self.value().map(Some),
            Expect::CommaOrEnd => self.comma_or_end(),
            Expect::Nothing if self.at == self.text.len() => Ok(None),
            Expect::Nothing => Err(self.refuse(Reason::TrailingBytes)),
        }
    }

    /// Reads over the rest of a value of which `first` was the first token.
    ///
    /// # Errors
    /// As [`Tokens::next`].
    pub fn skip(&mut self, first: Token<'a>) -> Result<(), Refusal> {
        if !matches!(first, Token::ObjectStart | Token::ArrayStart) {
            return Ok(());
        }
        let outside = self.open.len().saturating_sub(1);
        while self.open.len() > outside {
            if self.next()?.is_none() {
                return Err(self.refuse(Reason::Truncated));
            }
        }
        Ok(())
    }

    /// A refusal at the present position.
    #[must_use]
    pub const fn refuse(&self, reason: Reason) -> Refusal {
        Refusal {
            reason,
            at: self.at,
        }
    }

    /// The text from `start` to the present position.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Moves to the first byte of the next value and says where it is. Only before a value.
    pub(super) fn value_start(&mut self) -> usize {
        self.skip_space();
        if matches!(self.expect, Expect::CommaOrEnd) && self.peek() == Some(b',') {
            self.at += 1;
            self.skip_space();
            self.expect = Expect::Value;
        }
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The refusal for an unexpected byte, or for the end of the text.
    fn unexpected(&self) -> Refusal {
        self.refuse(if self.at >= self.text.len() {
            Reason::Truncated
        } else {
            Reason::Syntax
        })
    }

    fn comma_or_end(&mut self) -> Result<Option<Token<'a>>, Refusal> {
        match (self.peek(), self.open.last()) {
            (Some(b','), Some(Container::Object)) => {
                self.at += 1;
                self.skip_space();
                self.key().map(Some)
            }
            (Some(b','), Some(Container::Array)) => {
                self.at += 1;
                self.skip_space();
                self.value().map(Some)
            }
            (Some(b'}'), Some(Container::Object)) => self.close(Token::ObjectEnd),
            (Some(b']'), Some(Container::Array)) => self.close(Token::ArrayEnd),
            _ => Err(self.unexpected()),
        }
    }

    fn close(&mut self, token: Token<'a>) -> Result<Option<Token<'a>>, Refusal> {
        self.at += 1;
        self.open.pop();
        self.after_value();
        Ok(Some(token))
    }

    const fn after_value(&mut self) {
        self.expect = if self.open.is_empty() {
            Expect::Nothing
        } else {
            Expect::CommaOrEnd
        };
    }

    fn open(&mut self, container: Container) -> Result<(), Refusal> {
        if self.open.len() >= self.depth {
            return Err(self.refuse(Reason::TooDeep));
        }
        self.at += 1;
        self.open.push(container);
        self.expect = match container {
            Container::Object => Expect::FirstKey,
            Container::Array => Expect::FirstElement,
        };
        Ok(())
    }

    fn key(&mut self) -> Result<Token<'a>, Refusal> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected());
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Token::Key(key))
    }

    fn value(&mut self) -> Result<Token<'a>, Refusal> {
        let token = match self.peek() {
            Some(b'{') => return self.open(Container::Object).map(|()| Token::ObjectStart),
            Some(b'[') => return self.open(Container::Array).map(|()| Token::ArrayStart),
            Some(b'"') => Token::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Token::Number(self.number()?),
            Some(b't') => self.word("true", Token::Bool(true))?,
            Some(b'f') => self.word("false", Token::Bool(false))?,
            Some(b'n') => self.word("null", Token::Null)?,
            _ => return Err(self.unexpected()),
        };
        self.after_value();
        Ok(token)
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, Refusal> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(token);
        }
        let reason = if word.starts_with(rest) {
            Reason::Truncated
        } else {
            Reason::Syntax
        };
        Err(self.refuse(reason))
    }

    fn digits(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.unexpected());
        }
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str, Refusal> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.since(start))
    }

    fn string(&mut self) -> Result<Text<'a>, Refusal> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let raw = self.since(start);
                    self.at += 1;
                    return Ok(Text { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                Some(_) => return Err(self.refuse(Reason::Syntax)),
                None => return Err(self.refuse(Reason::Truncated)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Refusal> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => match self.unit()? {
                0xD800..=0xDBFF => self.low_surrogate(),
                0xDC00..=0xDFFF => Err(self.refuse(Reason::LoneSurrogate)),
                _ => Ok(()),
            },
            _ => Err(self.unexpected()),
        }
    }

    fn low_surrogate(&mut self) -> Result<(), Refusal> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(b"\\u") {
            return Err(self.refuse(Reason::LoneSurrogate));
        }
        self.at += 1;
        match self.unit()? {
            0xDC00..=0xDFFF => Ok(()),
            _ => Err(self.refuse(Reason::LoneSurrogate)),
        }
    }

    /// Reads `uXXXX`.
    fn unit(&mut self) -> Result<u16, Refusal> {
        self.at += 1;
        let mut unit = 0_u16;
        for _ in 0..4 {
            let digit = match self.peek() {
                Some(digit @ b'0'..=b'9') => digit - b'0',
                Some(digit @ b'a'..=b'f') => digit - b'a' + 10,
                Some(digit @ b'A'..=b'F') => digit - b'A' + 10,
                _ => return Err(self.unexpected()),
            };
            unit = (unit << 4) | u16::from(digit);
            self.at += 1;
        }
        Ok(unit)
    }
}
