//! The look at a body before anything else sees it: strict, bounded, one pass.

use super::error::{Reason, Refusal};
use super::tokens::{Token, Tokens};
use std::hash::{DefaultHasher, Hasher as _};

/// What one body may cost. The defaults are Vault's where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of the whole body. 32 MiB, as `max_request_size`.
    pub bytes: usize,
    /// Objects and arrays inside each other. 64; Vault allows 300, real requests use five.
    pub depth: usize,
    /// Names of fields in all objects together. 10 000.
    pub keys: usize,
    /// Text values. 20 000.
    pub strings: usize,
    /// Values of any kind. 50 000.
    pub values: usize,
    /// Bytes of one field name. 1 KiB.
    pub key_bytes: usize,
    /// Bytes of one text value. 8 MiB: transit sends whole files as one base64 string.
    pub string_bytes: usize,
    /// Characters of one number. 128: a double has at most 17 digits that count.
    pub number_bytes: usize,
    /// Numbers may leave the range of a double: key material in the backups of other servers does.
    pub large_numbers: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            depth: 64,
            keys: 10_000,
            strings: 20_000,
            values: 50_000,
            key_bytes: 1 << 10,
            string_bytes: 8 << 20,
            number_bytes: 128,
            large_numbers: false,
        }
    }
}

/// Checks that `bytes` are one JSON object, strictly after RFC 8259 and within `budget`.
///
/// One pass without recursion. Memory beside the body: nine bytes for each name in objects that
/// are open at the same time, so at most about `9 * budget.keys`.
///
/// # Errors
/// [`Refusal`] with the first reason found and its byte position.
pub fn check(bytes: &[u8], budget: &Budget) -> Result<(), Refusal> {
    let refuse = |reason, at| Err(Refusal { reason, at });
    if bytes.len() > budget.bytes {
        return refuse(Reason::TooLarge, budget.bytes);
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return refuse(Reason::ByteOrderMark, 0);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return refuse(Reason::NotUtf8, error.valid_up_to()),
    };
    let start = text.trim_start_matches([' ', '\t', '\n', '\r']);
    if !start.is_empty() && !start.starts_with('{') {
        return refuse(Reason::NotAnObject, text.len() - start.len());
    }
    let mut tokens = Tokens::new(text, budget.depth);
    let mut count = Count::default();
    while let Some(token) = tokens.next()? {
        count
            .token(token, budget)
            .map_err(|reason| tokens.refuse(reason))?;
    }
    Ok(())
}

/// What was used of the budget so far.
#[derive(Default)]
struct Count {
    keys: usize,
    strings: usize,
    values: usize,
    /// Hashes of the names in all open objects, innermost last.
    names: Vec<u64>,
    /// Where the names of each open object begin; `None` for an array.
    open: Vec<Option<usize>>,
}

impl Count {
    fn token(&mut self, token: Token<'_>, budget: &Budget) -> Result<(), Reason> {
        match token {
            Token::Key(name) => {
                use_one(&mut self.keys, budget.keys, Reason::TooManyKeys)?;
                if name.raw().len() > budget.key_bytes {
                    return Err(Reason::KeyTooLong);
                }
                self.names.push(hash(&name.decoded()));
                return Ok(());
            }
            Token::ObjectEnd => return self.close_object(),
            Token::ArrayEnd => {
                self.open.pop();
                return Ok(());
            }
            Token::ObjectStart => self.open.push(Some(self.names.len())),
            Token::ArrayStart => self.open.push(None),
            Token::String(text) => {
                use_one(&mut self.strings, budget.strings, Reason::TooManyStrings)?;
                if text.raw().len() > budget.string_bytes {
                    return Err(Reason::StringTooLong);
                }
            }
            Token::Number(number) => check_number(number, budget)?,
            Token::Bool(_) | Token::Null => {}
        }
        use_one(&mut self.values, budget.values, Reason::TooManyValues)
    }

    /// Looks for a name that came twice. Sorting hashes at the end costs a small object nothing
    /// and a large one `n log n`. Two names with one 64-bit hash would refuse an honest body, with
    /// a chance below one in a billion for the largest one allowed.
    fn close_object(&mut self) -> Result<(), Reason> {
        let Some(Some(first)) = self.open.pop() else {
            return Err(Reason::Syntax);
        };
        let names = self.names.get_mut(first..).unwrap_or_default();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Reason::DuplicateKey);
        }
        self.names.truncate(first);
        Ok(())
    }
}

const fn use_one(used: &mut usize, allowed: usize, reason: Reason) -> Result<(), Reason> {
    *used += 1;
    if *used > allowed { Err(reason) } else { Ok(()) }
}

fn hash(name: &str) -> u64 {
    // The keys are fixed on purpose: who makes names collide gets only their own body refused.
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    hasher.finish()
}

fn check_number(number: &str, budget: &Budget) -> Result<(), Reason> {
    if number.len() > budget.number_bytes {
        return Err(Reason::NumberTooLong);
    }
    // Without an exponent a number within the default length cannot leave a double's range.
    let may_overflow = number.len() > 300 || number.contains(['e', 'E']);
    if may_overflow && !budget.large_numbers && !number.parse::<f64>().is_ok_and(f64::is_finite) {
        return Err(Reason::NumberOutOfRange);
    }
    Ok(())
}
