//! The record of what was asked and what was answered.
//!
//! A record is made in the caller's task ([`record`]): Vault's format, every value replaced by its
//! keyed hash ([`Salt`]). The [`Broker`] hands it to every enabled [`device`]; each has a thread of
//! its own that binds records into a hash chain ([`chain`]) and writes whatever arrived during its
//! last write as one batch. A record is accepted when one device has written it; nothing may be
//! answered before ([`Receipt`]). [`verify`] reads a log and names the lines that were touched.
//!
//! This room knows nothing of routes, tokens or engines: it takes finished texts and JSON bytes.
//! Decisions and limits: `docs/adr/0006-audit-chain.md`.

pub mod broker;
pub mod chain;
pub mod device;
mod fragments;
mod pieces;
pub mod record;
mod redact;
mod salt;
pub mod verify;

pub use broker::{Broker, Limits, Receipt, Refused};
pub use chain::{ChainKey, Head};
pub(crate) use fragments::Fragments;
pub use pieces::Pieces;
pub use record::{Intent, MountFragment, Payload, Record, TokenFragment};
pub use redact::{Fragment, Names};
pub use salt::{HashText, Salt};
