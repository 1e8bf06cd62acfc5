//! Numbers: decimal, octal (`0640`), hexadecimal (`0x1f`), floats; all may be negative.

use crate::cursor::Cursor;
use crate::{Error, Number};

/// Parses a number; the next character is a digit, a minus or a dot.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Number, Error> {
    let start = *cursor;
    let negative = cursor.take("-");
    let prefix = if cursor.rest().starts_with("0x") || cursor.rest().starts_with("0X") {
        16
    } else {
        10
    };
    if prefix == 16 {
        cursor.next();
        cursor.next();
        let digits = cursor.take_while(|c| c.is_ascii_hexdigit());
        return integer(start, cursor, negative, digits, 16);
    }
    let whole = cursor.take_while(|c| c.is_ascii_digit());
    if matches!(cursor.peek(), Some('.' | 'e' | 'E')) {
        return float(start, cursor, whole);
    }
    match whole.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => integer(start, cursor, negative, digits, 8),
        _ => integer(start, cursor, negative, whole, 10),
    }
}

fn integer(
    start: Cursor<'_>,
    end: &Cursor<'_>,
    negative: bool,
    digits: &str,
    base: u32,
) -> Result<Number, Error> {
    let problem = match base {
        8 => "malformed octal number",
        16 => "malformed hexadecimal number",
        _ => "malformed number",
    };
    // i128 holds any 64-bit value with either sign; longer digits do not fit anyway.
    let magnitude = i128::from_str_radix(digits, base).map_err(|_| start.error(problem))?;
    let value = if negative { -magnitude } else { magnitude };
    let integer = i64::try_from(value).map_err(|_| start.error("number is out of range"))?;
    #[allow(
        clippy::cast_precision_loss,
        reason = "the nearest float is what is promised"
    )]
    Ok(Number {
        text: text_between(start, end),
        integer: Some(integer),
        float: integer as f64,
    })
}

fn float(start: Cursor<'_>, cursor: &mut Cursor<'_>, whole: &str) -> Result<Number, Error> {
    let mut digits = !whole.is_empty();
    if cursor.take(".") {
        digits |= !cursor.take_while(|c| c.is_ascii_digit()).is_empty();
    }
    if cursor.take("e") || cursor.take("E") {
        let _ = cursor.take("-") || cursor.take("+");
        digits &= !cursor.take_while(|c| c.is_ascii_digit()).is_empty();
    }
    let text = text_between(start, cursor);
    match text.parse::<f64>() {
        Ok(float) if digits && float.is_finite() => Ok(Number {
            text,
            integer: None,
            float,
        }),
        _ => Err(start.error("malformed number")),
    }
}

fn text_between(start: Cursor<'_>, end: &Cursor<'_>) -> String {
    let length = start.rest().len() - end.rest().len();
    start.rest().get(..length).unwrap_or_default().to_owned()
}
