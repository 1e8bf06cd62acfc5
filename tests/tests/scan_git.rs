//! `cofferdam scan git` on repositories of a real git.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

#[path = "scan_git/damage.rs"]
mod damage;
#[path = "scan_git/everything.rs"]
mod everything;
#[path = "scan_git/hostile.rs"]
mod hostile;
#[path = "scan_git/range.rs"]
mod range;
#[path = "scan_git/staged.rs"]
mod staged;

use cofferdam_detect::pattern::specimen;

/// A token that is a finding wherever it stands.
fn token(number: u64) -> String {
    specimen("ghp_{base62:36}", number)
}

/// A line with a token.
fn line(number: u64) -> String {
    format!("TOKEN={}\n", token(number))
}
