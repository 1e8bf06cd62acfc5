//! Field types that take what Vault's clients send: numbers as text, lists with commas, durations
//! in three notations. Each says what it accepts; `null` and the empty string mean "not set".

mod moment;
mod scalar;
mod set;
mod span;

pub use moment::{Moment, Whole};
pub use scalar::{Count, Flag, Text};
pub use set::{Pairs, Words};
pub use span::{SignedTtl, Ttl, duration_text};
