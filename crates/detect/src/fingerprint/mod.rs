//! Exact search without values: what a store hands out instead of them.
//!
//! A store makes one [`Print`] of each version of each value, under a key ([`PrintKey`]) that only
//! those get who may search. A scanner puts prints together to a [`Prints`], and a
//! [`crate::Matcher`] made of it finds the values in all their forms, at the speed at which it finds
//! patterns. Nothing in it says what a value is.
//!
//! A print has two stages, as the search by value has (`docs/adr/0018-fingerprints.md`):
//! * **windows**: [`WINDOW`] bytes of the value, in each form, as hashes of their samples. They say
//!   where to look.
//! * **digests**: HMAC-SHA-256 over form, length and all bytes of each form, cut to 16 bytes. They say
//!   what was found.
//!
//! Promises, each with a test:
//! * without the key nothing of a print can be compared with a guess: prints are kept and sent
//!   encrypted, and are pseudorandom beside;
//! * with the key the first stage gives away one window of [`WINDOW`] bytes, which of [`PLACES`]
//!   places it has, and how long each form is; nothing of the other bytes. For a value with several
//!   lines each line that is searched for alone has a window of its own;
//! * so a value gets a print only when it is hard to guess *without its window*: [`LEAST_BITS`] for
//!   a search on this host, [`PACK_BITS`] for a pack that leaves it. Others are named, never dropped
//!   in silence.

mod estimate;
mod filter;
mod key;
mod look;
mod pack;
mod print;
mod prints;
mod runs;
mod turns;
mod window;

pub use estimate::bits;
pub use key::PrintKey;
pub use pack::{Opened, Order, Pack, PackError, Signer, Verdict as PackVerdict, Wanted};
pub use print::{Malformed, Print};
pub use prints::{Named, Prints};
pub use window::{PLACES, WINDOW};

pub(crate) use prints::Keyed;

/// Least information outside of its window, in bits, of a value that is searched for on this host.
pub const LEAST_BITS: u32 = 40;

/// The same for a pack: whoever has it and its key may guess for as long as they like.
pub const PACK_BITS: u32 = 80;

#[cfg(test)]
mod tests;
