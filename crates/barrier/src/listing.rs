//! One level of names, without decrypting anything.

use crate::Error;
use cofferdam_store::{Key, Span, Store};

/// Names one level under a prefix, in byte order: `a` is a value, `b/` has values below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// At most as many as asked for.
    pub names: Vec<String>,
    /// There are more names after the last one.
    pub more: bool,
}

/// Entries read at once at first. Below a directory all but the first are in vain, so not too many.
const STEP: usize = 64;
/// And where one name followed another so far.
const LONG_STEP: usize = 1024;

/// Lists `prefix`, continuing after the name `after`.
///
/// Cost: proportional to the names found, not to the values below them. A sub-tree is left with one
/// seek to the first key behind it.
pub(crate) async fn list(
    store: &dyn Store,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Names, Error> {
    let mut found = Names::default();
    let whole = Span::prefix(prefix.as_bytes());
    let mut span = whole.clone();
    if let Some(after) = after {
        span.start = behind(prefix, after);
    }
    let mut step = STEP;
    // A start beyond the end is an empty span.
    while whole.contains(&span.start) {
        let page = store.range(&span, None, step).await?;
        let Some(last) = page.entries.last() else {
            break;
        };
        let mut next = successor(last.key.as_bytes());
        let before = found.names.len();
        for entry in &page.entries {
            if entry.key < span.start {
                continue; // still inside the sub-tree just named
            }
            let Some(name) = name(prefix, entry.key.as_bytes()) else {
                continue; // not text: nothing of ours
            };
            if found.names.len() == limit {
                found.more = true;
                return Ok(found);
            }
            span.start = behind(prefix, name);
            found.names.push(name.to_owned());
        }
        let all_named = found.names.len() - before == page.entries.len();
        step = if all_named { LONG_STEP } else { STEP };
        if page.more {
            next = next.max(span.start.clone());
            span.start = next;
        } else {
            break;
        }
    }
    Ok(found)
}

/// The first segment of what follows `prefix`, with its slash if it has one.
fn name<'key>(prefix: &str, key: &'key [u8]) -> Option<&'key str> {
    let rest = std::str::from_utf8(key.get(prefix.len()..)?).ok()?;
    rest.split_inclusive('/').next()
}

/// The first key that is neither `name` nor, for a directory, below it.
fn behind(prefix: &str, name: &str) -> Key {
    let full = format!("{prefix}{name}");
    match Span::prefix(full.as_bytes()).end {
        Some(end) if name.ends_with('/') => end,
        _ => successor(full.as_bytes()),
    }
}

fn successor(key: &[u8]) -> Key {
    Key::new([key, &[0]].concat())
}
