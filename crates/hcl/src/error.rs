//! Where something is, and what is wrong there.

use std::borrow::Cow;
use std::fmt;

/// A place in the text: line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Text that cannot be read, or is not what the reader expects. Holds nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {problem}", position.line, position.column)]
pub struct Error {
    position: Position,
    problem: Cow<'static, str>,
}

impl Error {
    /// For a reader of the tree that has an objection. Do not put values into `problem`.
    pub fn new(position: Position, problem: impl Into<Cow<'static, str>>) -> Error {
        Error {
            position,
            problem: problem.into(),
        }
    }

    /// Where it is.
    pub fn position(&self) -> Position {
        self.position
    }

    /// What it is, without the place.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}
