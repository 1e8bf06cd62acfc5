//! HCL's own grammar: `key = value`, `key "label" { … }`, lists, objects.
//!
//! As in the original, line ends mean nothing: entries need no separator, and a comma between
//! them is allowed.

mod heredoc;
mod number;
mod string;

use crate::cursor::{Cursor, is_space};
use crate::{Body, Entry, Error, Key, Kind, MAX_DEPTH, Value};

/// Parses a whole text.
pub(crate) fn parse(mut cursor: Cursor<'_>) -> Result<Body, Error> {
    let position = cursor.position();
    let mut entries = Vec::new();
    loop {
        skip_blank(&mut cursor)?;
        if cursor.peek().is_none() {
            return Ok(Body { entries, position });
        }
        entries.push(entry(&mut cursor, 0)?);
    }
}

/// The entries of an object, from its opening brace to its closing one.
fn object(cursor: &mut Cursor<'_>, depth: usize) -> Result<Body, Error> {
    let start = *cursor;
    let mut entries = Vec::new();
    cursor.take("{");
    loop {
        skip_blank(cursor)?;
        match cursor.peek() {
            Some('}') => {
                cursor.next();
                return Ok(Body {
                    entries,
                    position: start.position(),
                });
            }
            Some(_) => entries.push(entry(cursor, depth)?),
            None => return Err(start.error("brace is not closed")),
        }
    }
}

fn entry(cursor: &mut Cursor<'_>, depth: usize) -> Result<Entry, Error> {
    let key = key(cursor)?.ok_or_else(|| cursor.error("expected a key"))?;
    let mut labels = Vec::new();
    let assigned = loop {
        skip_blank(cursor)?;
        match cursor.peek() {
            Some('{') => break false,
            Some('=') => {
                cursor.next();
                break true;
            }
            _ => match self::key(cursor)? {
                Some(label) => labels.push(label),
                None => return Err(cursor.error("expected '=' or '{' after a key")),
            },
        }
    };
    let value = value(cursor, depth + 1)?;
    if !labels.is_empty() && !matches!(value.kind, Kind::Object(_)) {
        return Err(Error::new(value.position, "expected '{' after a label"));
    }
    // A labelled block stays a block, also with `=` before its brace.
    let assigned = assigned && labels.is_empty();
    skip_blank(cursor)?;
    cursor.take(",");
    Ok(Entry {
        key,
        labels,
        value,
        assigned,
    })
}

/// A bare or quoted key, if one comes next.
fn key(cursor: &mut Cursor<'_>) -> Result<Option<Key>, Error> {
    let position = cursor.position();
    let text = match cursor.peek() {
        Some('"') => string::parse(cursor)?,
        Some(c) if is_letter(c) => cursor
            .take_while(|c| is_letter(c) || c.is_numeric() || c == '-' || c == '.')
            .to_owned(),
        _ => return Ok(None),
    };
    Ok(Some(Key { text, position }))
}

fn value(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Error> {
    skip_blank(cursor)?;
    let position = cursor.position();
    if depth > MAX_DEPTH {
        return Err(cursor.error("nested too deeply"));
    }
    let kind = match cursor.peek() {
        Some('{') => Kind::Object(object(cursor, depth)?),
        Some('[') => Kind::List(list(cursor, depth)?),
        Some('"') => Kind::Text(string::parse(cursor)?),
        Some('<') => Kind::Text(heredoc::parse(cursor)?),
        Some('-' | '.' | '0'..='9') => Kind::Number(number::parse(cursor)?),
        Some(c) if is_letter(c) => Kind::Bool(boolean(cursor)?),
        _ => return Err(cursor.error("expected a value")),
    };
    Ok(Value { kind, position })
}

fn boolean(cursor: &mut Cursor<'_>) -> Result<bool, Error> {
    let start = *cursor;
    match key(cursor)?.as_ref().map(|key| key.text.as_str()) {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => Err(start.error("expected a value; a string needs double quotes")),
    }
}

fn list(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Value>, Error> {
    let start = *cursor;
    let mut items = Vec::new();
    let mut separated = true;
    cursor.take("[");
    loop {
        skip_blank(cursor)?;
        match cursor.peek() {
            Some(']') => {
                cursor.next();
                return Ok(items);
            }
            // The original takes any number of commas, also before the first element.
            Some(',') => {
                cursor.next();
                separated = true;
            }
            Some(_) if !separated => return Err(cursor.error("expected ',' or ']'")),
            Some(_) => {
                items.push(value(cursor, depth + 1)?);
                separated = false;
            }
            None => return Err(start.error("bracket is not closed")),
        }
    }
}

/// Skips white space and comments.
fn skip_blank(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    loop {
        cursor.take_while(is_space);
        let start = *cursor;
        if cursor.take("#") || cursor.take("//") {
            cursor.take_line();
        } else if cursor.take("/*") {
            while !cursor.take("*/") {
                cursor
                    .next()
                    .ok_or_else(|| start.error("comment is not terminated"))?;
            }
        } else if cursor.peek() == Some('\0') {
            return Err(cursor.error("null character"));
        } else {
            return Ok(());
        }
    }
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}
