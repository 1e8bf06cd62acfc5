//! The JSON form. Strict, except that a comma may stand before a closing bracket, as in Vault.

use crate::cursor::{Cursor, is_space};
use crate::{Body, Entry, Error, Key, Kind, MAX_DEPTH, Number, Value};

/// Parses a document, whose root is an object.
pub(crate) fn parse(mut cursor: Cursor<'_>) -> Result<Body, Error> {
    cursor.take_while(is_space);
    let body = object(&mut cursor, 0)?;
    cursor.take_while(is_space);
    match cursor.peek() {
        None => Ok(body),
        Some(_) => Err(cursor.error("text after the closing brace")),
    }
}

fn value(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Error> {
    cursor.take_while(is_space);
    let position = cursor.position();
    if depth > MAX_DEPTH {
        return Err(cursor.error("nested too deeply"));
    }
    let kind = match cursor.peek() {
        Some('{') => Kind::Object(object(cursor, depth)?),
        Some('[') => Kind::List(list(cursor, depth)?),
        Some('"') => Kind::Text(string(cursor)?),
        Some('-' | '0'..='9') => Kind::Number(number(cursor)?),
        _ if cursor.take("true") => Kind::Bool(true),
        _ if cursor.take("false") => Kind::Bool(false),
        _ if cursor.take("null") => Kind::Null,
        _ => return Err(cursor.error("expected a JSON value")),
    };
    Ok(Value { kind, position })
}

fn object(cursor: &mut Cursor<'_>, depth: usize) -> Result<Body, Error> {
    let position = cursor.position();
    let mut entries = Vec::new();
    cursor.take("{");
    loop {
        cursor.take_while(is_space);
        if cursor.take("}") {
            return Ok(Body { entries, position });
        }
        let key = Key {
            position: cursor.position(),
            text: string(cursor)?,
        };
        cursor.take_while(is_space);
        if !cursor.take(":") {
            return Err(cursor.error("expected ':'"));
        }
        let value = value(cursor, depth + 1)?;
        entries.push(Entry {
            key,
            labels: Vec::new(),
            value,
            assigned: true,
        });
        cursor.take_while(is_space);
        if !cursor.take(",") && cursor.peek() != Some('}') {
            return Err(cursor.error("expected ',' or '}'"));
        }
    }
}

fn list(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Value>, Error> {
    let mut items = Vec::new();
    cursor.take("[");
    loop {
        cursor.take_while(is_space);
        if cursor.take("]") {
            return Ok(items);
        }
        items.push(value(cursor, depth + 1)?);
        cursor.take_while(is_space);
        if !cursor.take(",") && cursor.peek() != Some(']') {
            return Err(cursor.error("expected ',' or ']'"));
        }
    }
}

fn string(cursor: &mut Cursor<'_>) -> Result<String, Error> {
    let start = *cursor;
    if !cursor.take("\"") {
        return Err(cursor.error("expected a quoted string"));
    }
    let mut text = String::new();
    loop {
        let here = *cursor;
        match cursor.next() {
            Some('"') => return Ok(text),
            Some('\\') => text.push(escape(cursor, here)?),
            Some(c) if c >= ' ' => text.push(c),
            Some(_) => return Err(here.error("control character in a string")),
            None => return Err(start.error("string is not terminated")),
        }
    }
}

fn escape(cursor: &mut Cursor<'_>, start: Cursor<'_>) -> Result<char, Error> {
    match cursor.next() {
        Some(c @ ('"' | '\\' | '/')) => Ok(c),
        Some('b') => Ok('\u{8}'),
        Some('f') => Ok('\u{c}'),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('u') => unicode(cursor).ok_or_else(|| start.error("malformed unicode escape")),
        _ => Err(start.error("unknown escape")),
    }
}

/// Four hexadecimal digits, and four more behind the first half of a surrogate pair.
fn unicode(cursor: &mut Cursor<'_>) -> Option<char> {
    let first = unit(cursor)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if !cursor.take("\\u") {
        return None;
    }
    let second = unit(cursor)?
        .checked_sub(0xdc00)
        .filter(|low| *low < 0x400)?;
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + second)
}

fn unit(cursor: &mut Cursor<'_>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit * 16 + cursor.next()?.to_digit(16)?;
    }
    Some(unit)
}

fn number(cursor: &mut Cursor<'_>) -> Result<Number, Error> {
    let start = *cursor;
    let text = cursor.take_while(|c| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
    let illegal = || start.error("malformed number");
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leading_zero =
        digits.starts_with('0') && digits.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    if leading_zero || !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.ends_with('.') {
        return Err(illegal());
    }
    let float: f64 = text.parse().map_err(|_| illegal())?;
    if !float.is_finite() {
        return Err(start.error("number is out of range"));
    }
    Ok(Number {
        text: text.to_owned(),
        integer: text.parse().ok(),
        float,
    })
}
