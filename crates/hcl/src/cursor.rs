//! A walk over the characters that knows its line and column.

use crate::{Error, Position};

/// Where the parsers stand. Cheap to copy, which is how they look ahead.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a str,
    position: Position,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Cursor<'a> {
        Cursor {
            rest: text,
            position: Position { line: 1, column: 1 },
        }
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// What is left to read.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(crate) fn error(&self, problem: &'static str) -> Error {
        Error::new(self.position, problem)
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes the next character.
    pub(crate) fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        if c == '\n' {
            self.position.line += 1;
            self.position.column = 1;
        } else {
            self.position.column += 1;
        }
        Some(c)
    }

    /// Takes `text` if it comes next.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            text.chars().for_each(|_| {
                self.next();
            });
        }
        found
    }

    /// Takes characters as long as they are wanted, and gives them.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let before = self.rest;
        while self.peek().is_some_and(&wanted) {
            self.next();
        }
        before
            .get(..before.len() - self.rest.len())
            .unwrap_or_default()
    }

    /// Takes one line without its `\n`, and tells whether there was one.
    pub(crate) fn take_line(&mut self) -> (&'a str, bool) {
        let line = self.take_while(|c| c != '\n');
        (line, self.next().is_some())
    }
}

/// White space of both grammars.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}
