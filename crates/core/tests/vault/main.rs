//! The vault in process, over the memory store: the whole pipeline without a socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, helpers of tests too"
)]

mod audit;
mod batch;
mod ceremony;
mod clock;
mod coverage;
mod damage;
mod events;
mod fingerprints;
mod groups;
mod harness;
mod identity;
mod identity_tokens;
mod leaks;
mod lease_counts;
mod leases;
mod meddle;
mod migrate;
mod policies;
mod records;
mod replicas;
mod retired;
mod rotation;
mod seal;
mod sys;
mod tokens;
mod wrapping;
