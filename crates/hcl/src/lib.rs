//! HCL version 1 and its JSON form, as Vault reads them, into one small value tree.
//!
//! For policies and for server and agent configuration. Nothing is interpolated: `${…}` is text.
//! Duplicate and unknown keys stay visible ([`Body::duplicates`], [`Body::unknown`]), because a
//! policy must refuse what a configuration only warns about. Comments are not kept.
//!
//! Parsing takes linear time, and size and depth are bounded, so that text from an API caller can
//! be parsed as it comes. Errors have a line and a column, and never hold any of the text: a
//! configuration file may contain credentials. For the same reason nothing here prints values.
//!
//! The grammar is that of <https://github.com/hashicorp/hcl> at version 1, plus two things it
//! refuses: a byte order mark, and `=` between labels and a block (`path "a" = {`).
//!
//! ```
//! let body = cofferdam_hcl::parse("listener \"tcp\" { address = \"127.0.0.1:8200\" }")?;
//! for listener in body.labelled("listener")? {
//!     assert_eq!(listener.label(), Some("tcp"));
//!     let address = listener.body.attribute("address").map(|value| value.string()).transpose()?;
//!     assert_eq!(address, Some("127.0.0.1:8200"));
//! }
//! # Ok::<(), cofferdam_hcl::Error>(())
//! ```

mod access;
mod cursor;
mod duration;
mod error;
mod json;
mod native;
mod value;

pub use access::Block;
pub use duration::parse_duration;
pub use error::{Error, Position};
pub use value::{Body, Entry, Key, Kind, Number, Value};

use cursor::Cursor;

/// The longest text that is looked at, in bytes. Vault's own limit for a policy is lower.
pub const MAX_BYTES: usize = 1 << 20;
/// How deep objects and lists may nest; the parsers recurse.
const MAX_DEPTH: usize = 64;

/// Parses text in either form. As in Vault, what begins with `{` is JSON.
pub fn parse(text: &str) -> Result<Body, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let cursor = Cursor::new(text);
    if text.len() > MAX_BYTES {
        return Err(cursor.error("the text is larger than 1 MiB"));
    }
    if text.trim_start_matches(cursor::is_space).starts_with('{') {
        json::parse(cursor)
    } else {
        native::parse(cursor)
    }
}

#[cfg(test)]
mod tests;
