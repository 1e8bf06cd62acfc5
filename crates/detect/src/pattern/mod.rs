//! Finds what looks like a secret, without knowing any.
//!
//! Rules are data (`rules/*.toml` of this crate): a *token* has a form that its provider published, an
//! *assigned* value is known by the name it is given, a *named* value has nothing but a telling name.
//! One pass over the bytes looks for the literals of all rules ([`literals`]); only where one stands is
//! anything more done, and that on a bounded piece of text, with automata that need linear time.
//!
//! Promises:
//! * no value leaves this room: a [`Finding`] holds a masked preview and a keyed digest;
//! * the same bytes give the same findings in whatever pieces they arrive;
//! * a rule that would need backtracking is refused, and says where it stands.
//!
//! Each rule names the page that documents its form. No rule set, test file or corpus of another
//! scanner was read for them.

mod again;
mod assignment;
mod base64;
mod cipher;
mod digest;
mod finding;
mod gitleaks;
mod judge;
mod kubernetes;
mod literals;
mod plausible;
mod rule;
mod scan;
mod specimen;
mod stream;
mod words;

pub use digest::{Digest, DigestKey};
pub use finding::{Commit, Finding, Foreign, STORED, Severity};
pub use gitleaks::{IgnoreList, Imported, Refused};
pub use judge::{Judgement, Spot};
pub use rule::{RuleInfo, Scanner};
pub use specimen::specimen;

pub(crate) use again::{Piece, Seen};
pub(crate) use finding::{Names, Shape};
pub(crate) use stream::Windows;

#[cfg(test)]
mod tests;
