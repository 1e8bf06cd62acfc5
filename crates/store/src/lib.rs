//! The store contract: what every backend promises, and nothing about what the bytes mean.
//!
//! A store holds ciphertext under plain keys. It never sees a key of any cipher, and it knows no
//! engines, tokens or policies. The contract is in [`contract`]; every backend runs
//! [`conformance`]. Start reading at [`Store`].

pub mod contract;

pub use contract::{
    Change, Commit, Compare, Entry, Error, Event, Key, Page, Revision, Span, Store, Transaction,
    Watch, Write,
};
