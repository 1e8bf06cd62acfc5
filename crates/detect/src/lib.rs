//! Finds secret values in plain places.
//!
//! One engine (design decision D9): [`forms`] lists the ways in which a value can be written down,
//! [`Needles`] collects them for many secrets, [`Matcher`] finds them in a stream of bytes in linear
//! time, [`source`] reads files, directories, archives, image streams and JSON documents, and
//! [`report`] turns what was found, and what could not be looked at, into the leak matrix. Values that
//! nobody stored are found by what they look like ([`pattern`]), in the same pass, and [`findings`]
//! shows them.
//!
//! Promises:
//! * no value leaves this crate: a [`Hit`] is a name, a form and an offset, and a location that
//!   contains a value is masked before it is kept. The one exception is asked for by name: a request of
//!   [`verify`] holds the value whose provider is asked;
//! * what was not read is a result of its own and never counted as clean;
//! * nothing is executed and nothing is unpacked to disk, whatever an archive asks for.
//!
//! This crate knows nothing of Docker, of the server or of terminals.

mod canary;
pub mod findings;
pub mod fingerprint;
pub mod forms;
mod label;
mod matcher;
mod needles;
pub mod pattern;
pub mod redact;
pub mod report;
pub mod source;
pub mod verify;
mod weak;

pub use canary::Canaries;
pub use forms::Form;
pub use label::Label;
pub use matcher::{Hit, Matcher, Stream};
pub use needles::{Entry, Full, Needles, SecretId};
pub use weak::Weakness;
