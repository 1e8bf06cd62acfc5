//! Auth methods.

pub mod approle;
