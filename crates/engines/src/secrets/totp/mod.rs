//! TOTP (RFC 6238): codes that a person's phone would show, made and checked here.
//!
//! Follows OpenBao's totp API: shapes, status, texts and the form of its URLs. Where the two differ
//! from what is here: a code that was accepted is spent on every replica, by a compare-and-swap, and
//! only such a code is (OpenBao remembers every code that was tried, in one process); sizes have upper
//! bounds; what is the caller's mistake is a 400; error texts do not quote input.
//!
//! Storage, relative to the mount: `key/NAME` is a key; `used/NAME` holds the codes that were accepted
//! of late, with the time until which each would be valid. It outlives its key: a key that is made
//! anew with the same secret does not take an old code.

mod code;
mod keys;
mod picture;
mod record;
mod url;

#[cfg(test)]
mod tests;

use crate::contest::Contests;
use cofferdam_core::engine::{Route, Routed};

pub use url::{BadUrl, Parameters};

/// The engine's name in mount tables.
pub const KIND: &str = "totp";

/// The engine.
#[derive(Default)]
pub struct Totp {
    contests: Contests,
}

impl Routed for Totp {
    const ROUTES: &'static [Route<Self>] = &[keys::LIST, keys::ONE, code::ROUTE];
}
