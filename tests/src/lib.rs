//! Harness for whole-binary flows: real processes, real sockets, real clients.
//!
//! Everything of a flow lives in a temporary directory and ends with the value that stands for it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness fails by panicking: that is how tests fail"
)]

pub mod bao;
pub mod build;
pub mod canary;
pub mod compose;
pub mod docker;
pub mod engine;
pub mod git;
pub mod gpg;
pub mod moto;
pub mod peers;
pub mod ports;
pub mod providers;
pub mod relay;
pub mod server;
mod stand_in;
pub mod swarm;

pub use server::{Server, binary};
