//! The vault in process with every engine and auth method that there is: what holds for all routes
//! together, walked from the tables that serve them, so that a new one cannot be forgotten.
//!
//! `docs/proofs.md` says which lines of the threat model's checklist these tests prove.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, helpers of tests too"
)]

mod clocks;
mod history;
mod house;
mod names;
mod policies;
mod scan;
#[path = "../../src/same_as_openbao/exchange/signer.rs"]
#[allow(dead_code, reason = "shared with the comparison of engines")]
mod signer;
mod strangers;
mod tenants;
