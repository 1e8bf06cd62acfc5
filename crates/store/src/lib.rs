//! The store contract: what every backend promises, and nothing about what the bytes mean.
//!
//! A store holds ciphertext under plain keys. It never sees a key of any cipher, and it knows no
//! engines, tokens or policies. The contract is in [`contract`]; every backend runs the suite in
//! `conformance`. Start reading at [`Store`].

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod contract;
pub mod embedded;
mod feed;
pub mod leadership;
pub mod memory;
pub mod metered;
mod transaction;

pub use contract::{
    Change, Commit, Compare, Entry, Error, Event, Key, Page, Revision, Span, Store, Transaction,
    Watch, Write,
};
pub use embedded::Embedded;
pub use feed::History;
pub use leadership::Leadership;
pub use memory::Memory;
pub use transaction::{MAX_KEY, MAX_TRANSACTION};
