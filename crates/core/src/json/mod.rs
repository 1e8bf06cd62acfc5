//! JSON from strangers and JSON with secrets in it.
//!
//! What comes from the network is looked at once, as bytes, by [`check`] before anything else
//! touches it: strict RFC 8259, within a [`Budget`], no name twice in one object. Only then it is a
//! [`Body`], from which an engine reads typed fields ([`Body::parse`]) or undecoded values
//! ([`Body::raw`]). What goes out is [`Data`]. Both hold their bytes as a secret, and an error
//! ([`FieldError`], [`Refusal`]) names fields and positions, never content.
//!
//! This room knows nothing of HTTP, paths or audit. Start reading in `tokens.rs`: the checker, the
//! reader and the audit transform are all loops over its tokens.

mod body;
mod check;
mod data;
mod error;
pub mod field;
mod raw;
mod read;
mod tokens;

pub use body::Body;
pub use check::{Budget, check};
pub(crate) use data::quote_to;
pub(crate) use data::texts;
pub use data::{Data, Object, Unserializable, quote_into};
pub use error::{FieldError, Problem, Reason, Refusal};
pub(crate) use raw::RAW;
pub use raw::{Fields, OwnedRaw, Raw};
pub(crate) use read::DEPTH;
pub use tokens::{Text, Token, Tokens};

#[cfg(test)]
mod tests;
