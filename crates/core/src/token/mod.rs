//! Tokens: made, looked up, renewed, counted and revoked with their children; and batch tokens, which
//! are made and looked up only.
//!
//! [`Entry`] is what is stored of a token (never the token), [`Store`] where it lives, `batch` those that live
//! nowhere, [`Cache`] what
//! is kept of it in memory, [`lifetime`]
//! the rules of TTLs, [`Tokens`] the `auth/token` mount.

mod batch;
mod cache;
mod counted;
mod entry;
mod leases;
pub mod lifetime;
mod mount;
pub(crate) mod retired;
mod store;

pub(crate) use cache::Cache;
pub use counted::Counted;
pub(crate) use counted::exceeded;
pub use entry::{Entry, Issued, Kind, Purpose, Standing};
pub use mount::Tokens;
pub(crate) use store::LENGTH;
pub use store::{NewToken, SERVICE_PREFIX, Spent, Store};

/// The policy of wrapping tokens.
pub const WRAPPING_POLICY: &str = include_str!("wrapping_policy.hcl");
