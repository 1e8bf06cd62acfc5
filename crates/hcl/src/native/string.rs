//! Quoted strings.
//!
//! `${…}` is kept as it is, quotes, backslashes and line ends in it included: the original leaves
//! it to an interpolation that Vault does not have.

use crate::Error;
use crate::cursor::Cursor;

/// Parses from the opening quote to the closing one.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<String, Error> {
    let start = *cursor;
    let mut text = String::new();
    cursor.take("\"");
    loop {
        let here = *cursor;
        match cursor.next() {
            Some('"') => return Ok(text),
            Some('$') if cursor.peek() == Some('{') => {
                text.push('$');
                interpolation(cursor, &mut text)
                    .ok_or_else(|| start.error("string is not terminated"))?;
            }
            Some('\\') => text.push(escape(cursor).ok_or_else(|| here.error("unknown escape"))?),
            Some('\n') | None => return Err(start.error("string is not terminated")),
            Some('\0') => return Err(here.error("null character")),
            Some(c) => text.push(c),
        }
    }
}

/// Copies from `{` to the brace that closes it.
fn interpolation(cursor: &mut Cursor<'_>, text: &mut String) -> Option<()> {
    let mut braces = 0_usize;
    loop {
        let c = cursor.next()?;
        text.push(c);
        match c {
            '{' => braces += 1,
            '}' if braces == 1 => return Some(()),
            '}' => braces -= 1,
            '\0' => return None,
            _ => {}
        }
    }
}

/// The character behind a backslash. Escapes of single bytes are taken for ASCII only.
fn escape(cursor: &mut Cursor<'_>) -> Option<char> {
    match cursor.next()? {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        c @ ('\\' | '"') => Some(c),
        'x' => ascii(digits(cursor, 16, 2, 0)?),
        'u' => char::from_u32(digits(cursor, 16, 4, 0)?),
        'U' => char::from_u32(digits(cursor, 16, 8, 0)?),
        c => ascii(digits(cursor, 8, 2, c.to_digit(8)?)?),
    }
}

fn ascii(code: u32) -> Option<char> {
    char::from_u32(code).filter(char::is_ascii)
}

fn digits(cursor: &mut Cursor<'_>, base: u32, count: usize, first: u32) -> Option<u32> {
    let mut value = first;
    for _ in 0..count {
        value = value
            .checked_mul(base)?
            .checked_add(cursor.next()?.to_digit(base)?)?;
    }
    Some(value)
}
