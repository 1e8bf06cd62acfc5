//! The same JSON with every text value replaced by its hash.

use super::{Pieces, Salt};
use crate::json::{self, Token, Tokens, quote_to};
use cofferdam_secret::Secret;
use std::borrow::Cow;
use std::sync::Arc;
use thiserror::Error;

/// A record that cannot be written truthfully. The request must be refused: our mistake.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unrecordable {
    /// Data that is not one JSON value.
    #[error("data for the audit record is not JSON (byte {at})")]
    NotJson {
        /// Byte position at which it showed.
        at: usize,
    },
    /// Text hashed under another salt.
    #[error("a prepared audit fragment belongs to another salt")]
    StaleFragment,
}

/// JSON for the `data` of a record, redacted already: kept with a cached secret version so that
/// reading it again costs no hashing. Worthless once the salt changes.
#[derive(Clone)]
pub struct Fragment {
    salt: u64,
    json: Arc<[u8]>,
}

impl Fragment {
    /// Redacts `json`; the values of the top-level fields named in `plain` stay readable.
    ///
    /// # Errors
    /// [`Unrecordable::NotJson`].
    pub fn redact(salt: &Salt, json: &[u8], plain: &[String]) -> Result<Self, Unrecordable> {
        let mut out = Vec::with_capacity(json.len().saturating_mul(2));
        redact(salt, json, plain, Names::Hashed, &mut out)?;
        Ok(Self {
            salt: salt.id(),
            json: out.into(),
        })
    }

    /// The redacted JSON.
    ///
    /// # Errors
    /// [`Unrecordable::StaleFragment`] when it was made under another salt.
    pub fn json(&self, salt: &Salt) -> Result<&[u8], Unrecordable> {
        if self.salt == salt.id() {
            Ok(&self.json)
        } else {
            Err(Unrecordable::StaleFragment)
        }
    }

    /// The redacted JSON to be shared, where it is long.
    pub(super) fn long(&self, salt: &Salt) -> Option<Arc<[u8]>> {
        let json = self.json(salt).ok()?;
        (json.len() >= Pieces::LONG).then(|| Arc::clone(&self.json))
    }
}

/// What a record says of the names in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// The hash of each.
    #[default]
    Hashed,
    /// How many there are: what `elide_list_responses` of an audit device asks for.
    Counted,
}

/// Where a list has names, and what is known of them.
const LISTS: [&str; 2] = ["keys", "key_info"];

/// Writes `json` to `out`, token by token: names, numbers, switches and structure as they are,
/// text as its hash. All text that stays is quoted anew, so that no line break, terminal escape or
/// Unicode line separator survives (LOG-5).
pub(super) fn redact(
    salt: &Salt,
    json: &[u8],
    plain: &[String],
    names: Names,
    out: &mut Vec<u8>,
) -> Result<(), Unrecordable> {
    let text = std::str::from_utf8(json).map_err(|error| Unrecordable::NotJson {
        at: error.valid_up_to(),
    })?;
    let mut tokens = Tokens::new(text, json::DEPTH);
    // Inside a top-level field that is to stay readable.
    let mut readable = false;
    // Before the value of a field that is to be counted.
    let mut counted = false;
    while let Some(token) = next(&mut tokens)? {
        if std::mem::take(&mut counted)
            && let Some(number) = count(&mut tokens, token)?
        {
            out.extend_from_slice(number.to_string().as_bytes());
            continue;
        }
        match token {
            Token::ObjectEnd => out.push(b'}'),
            Token::ArrayEnd => out.push(b']'),
            _ => begin(token, out),
        }
        match token {
            Token::Key(name) => {
                if tokens.depth() == 1 {
                    readable = !plain.is_empty() && plain.iter().any(|key| name.is(key));
                    counted = names == Names::Counted && LISTS.iter().any(|list| name.is(list));
                }
                quote_to(out, &name.decoded());
                out.push(b':');
            }
            Token::String(value) => match value.decoded() {
                Cow::Borrowed(value) => string(salt, value, readable, out),
                Cow::Owned(value) => string(salt, Secret::new(value).expose(), readable, out),
            },
            Token::Number(number) => out.extend_from_slice(number.as_bytes()),
            Token::Bool(true) => out.extend_from_slice(b"true"),
            Token::Bool(false) => out.extend_from_slice(b"false"),
            Token::Null => out.extend_from_slice(b"null"),
            Token::ObjectStart | Token::ArrayStart | Token::ObjectEnd | Token::ArrayEnd => {}
        }
    }
    Ok(())
}

/// Reads over an array or object of which `first` was the first token, and counts what is in it. Of
/// anything else nothing is read.
fn count<'a>(tokens: &mut Tokens<'a>, first: Token<'a>) -> Result<Option<u64>, Unrecordable> {
    if !matches!(first, Token::ArrayStart | Token::ObjectStart) {
        return Ok(None);
    }
    let mut number = 0;
    while let Some(token) = next(tokens)? {
        match token {
            Token::ArrayEnd | Token::ObjectEnd => break,
            // Its value counts.
            Token::Key(_) => {}
            value => {
                number += 1;
                tokens.skip(value).map_err(not_json)?;
            }
        }
    }
    Ok(Some(number))
}

fn not_json(refusal: json::Refusal) -> Unrecordable {
    Unrecordable::NotJson { at: refusal.at }
}

fn next<'a>(tokens: &mut Tokens<'a>) -> Result<Option<Token<'a>>, Unrecordable> {
    tokens.next().map_err(not_json)
}

/// A comma where one is due, and the opening bracket of a container.
fn begin(token: Token<'_>, out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{' | b'[' | b':')) {
        out.push(b',');
    }
    match token {
        Token::ObjectStart => out.push(b'{'),
        Token::ArrayStart => out.push(b'['),
        _ => {}
    }
}

fn string(salt: &Salt, value: &str, readable: bool, out: &mut Vec<u8>) {
    if readable {
        quote_to(out, value);
    } else {
        out.push(b'"');
        out.extend_from_slice(salt.hash_value(value.as_bytes()).as_bytes());
        out.push(b'"');
    }
}
