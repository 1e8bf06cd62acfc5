//! The `filter` of a subscription: comparisons of an event's fields, combined.
//!
//! A part of the language that Vault takes there (go-bexpr): `==`, `!=`, `contains`, `in`, their
//! negations, `and`, `or`, `not` and parentheses. What is not served is an error, never ignored: a
//! filter that was read half would let through what its author left out.

use std::iter::Peekable;
use std::str::CharIndices;

/// Longest expression.
const LONGEST: usize = 4096;
/// Deepest nesting.
const DEEPEST: u32 = 32;

/// An expression; an empty one holds for everything.
#[derive(Debug, Default)]
pub struct Filter(Option<Expression>);

/// Why an expression cannot be used. It repeats none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter: {problem} at character {at}")]
pub struct FilterError {
    problem: &'static str,
    at: usize,
}

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    EventType,
    Operation,
    DataPath,
    MountPath,
    Plugin,
    Namespace,
}

const FIELDS: [(&str, Field); 6] = [
    ("event_type", Field::EventType),
    ("operation", Field::Operation),
    ("data_path", Field::DataPath),
    ("source_plugin_mount", Field::MountPath),
    ("plugin", Field::Plugin),
    ("namespace", Field::Namespace),
];

#[derive(Debug)]
enum Expression {
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Equals(Field, String),
    Contains(Field, String),
}

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > LONGEST {
            return Err(FilterError {
                problem: "the expression is too long",
                at: LONGEST,
            });
        }
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        let mut parser = Parser {
            tokens: tokens(text)?.into_iter().peekable(),
            end: text.len(),
            depth: 0,
        };
        let whole = parser.any()?;
        match parser.tokens.next() {
            None => Ok(Self(Some(whole))),
            Some((at, _)) => Err(FilterError {
                problem: "expected and, or, or the end",
                at,
            }),
        }
    }

    pub(super) fn holds<'a>(&self, field: impl Fn(Field) -> &'a str) -> bool {
        self.0
            .as_ref()
            .is_none_or(|expression| expression.holds(&field))
    }
}

impl Expression {
    fn holds<'a>(&self, field: &impl Fn(Field) -> &'a str) -> bool {
        match self {
            Self::Not(inner) => !inner.holds(field),
            Self::All(parts) => parts.iter().all(|part| part.holds(field)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(field)),
            Self::Equals(name, text) => field(*name) == text,
            Self::Contains(name, text) => field(*name).contains(text.as_str()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Equal,
    Unequal,
    /// Without quotes: a keyword, a field or a value.
    Word(String),
    /// In quotes: a value and nothing else.
    Quoted(String),
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut all = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '=' | '!' => {
                if rest.next_if(|(_, next)| *next == '=').is_none() {
                    let problem = "expected == or !=";
                    return Err(FilterError { problem, at });
                }
                if c == '=' {
                    Token::Equal
                } else {
                    Token::Unequal
                }
            }
            '"' | '`' => Token::Quoted(quoted(c, at, &mut rest)?),
            c => {
                let mut word = String::from(c);
                while let Some((_, next)) = rest.next_if(|(_, next)| {
                    !next.is_whitespace() && !matches!(next, '(' | ')' | '=' | '!' | '"' | '`')
                }) {
                    word.push(next);
                }
                Token::Word(word)
            }
        };
        all.push((at, token));
    }
    Ok(all)
}

fn quoted(
    quote: char,
    at: usize,
    rest: &mut Peekable<CharIndices<'_>>,
) -> Result<String, FilterError> {
    let mut text = String::new();
    while let Some((place, c)) = rest.next() {
        match c {
            c if c == quote => return Ok(text),
            '\\' if quote == '"' => match rest.next() {
                Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                _ => {
                    let problem = "an escape other than \\\" and \\\\";
                    return Err(FilterError { problem, at: place });
                }
            },
            c => text.push(c),
        }
    }
    let problem = "a quote that does not end";
    Err(FilterError { problem, at })
}

struct Parser {
    tokens: Peekable<std::vec::IntoIter<(usize, Token)>>,
    end: usize,
    depth: u32,
}

impl Parser {
    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all()?];
        while self.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.single()?];
        while self.keyword("and") {
            parts.push(self.single()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn single(&mut self) -> Result<Expression, FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("the expression is nested too deeply"));
        }
        let found = if self.keyword("not") {
            Expression::Not(Box::new(self.single()?))
        } else if self.takes(&Token::Open) {
            let inner = self.any()?;
            if !self.takes(&Token::Close) {
                return Err(self.error("expected )"));
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(found)
    }

    /// `FIELD == VALUE`, `FIELD contains VALUE` or `VALUE in FIELD`, and their negations.
    fn comparison(&mut self) -> Result<Expression, FilterError> {
        let place = self.place();
        let left = self.tokens.next();
        let field = match &left {
            Some((_, Token::Word(word))) => field(word),
            _ => None,
        };
        let equal = self.takes(&Token::Equal);
        if equal || self.takes(&Token::Unequal) {
            let name = field.ok_or_else(|| unknown(place))?;
            let compared = Expression::Equals(name, self.value()?);
            return Ok(negated(compared, !equal));
        }
        let not = self.keyword("not");
        if self.keyword("contains") {
            let name = field.ok_or_else(|| unknown(place))?;
            return Ok(negated(Expression::Contains(name, self.value()?), not));
        }
        if self.keyword("in") {
            let (Some((_, Token::Word(text) | Token::Quoted(text))), place) = (left, self.place())
            else {
                return Err(self.error("expected a value before in"));
            };
            let Some((_, Token::Word(word))) = self.tokens.next() else {
                return Err(unknown(place));
            };
            let name = self::field(&word).ok_or_else(|| unknown(place))?;
            return Ok(negated(Expression::Contains(name, text), not));
        }
        Err(self.error("expected ==, !=, contains or in"))
    }

    fn value(&mut self) -> Result<String, FilterError> {
        match self.tokens.next() {
            Some((_, Token::Word(text) | Token::Quoted(text))) => Ok(text),
            Some((at, _)) => Err(FilterError {
                problem: "expected a value",
                at,
            }),
            None => Err(self.error("expected a value")),
        }
    }

    fn keyword(&mut self, wanted: &str) -> bool {
        self.tokens
            .next_if(|(_, token)| matches!(token, Token::Word(word) if word == wanted))
            .is_some()
    }

    fn takes(&mut self, wanted: &Token) -> bool {
        self.tokens.next_if(|(_, token)| token == wanted).is_some()
    }

    fn place(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |(at, _)| *at)
    }

    fn error(&mut self, problem: &'static str) -> FilterError {
        FilterError {
            problem,
            at: self.place(),
        }
    }
}

fn field(word: &str) -> Option<Field> {
    FIELDS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, field)| *field)
}

const fn unknown(at: usize) -> FilterError {
    FilterError {
        problem: "expected one of the fields event_type, operation, data_path, source_plugin_mount, plugin, namespace",
        at,
    }
}

fn negated(expression: Expression, not: bool) -> Expression {
    if not {
        Expression::Not(Box::new(expression))
    } else {
        expression
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}
