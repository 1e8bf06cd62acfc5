//! Service tokens: made, looked up, renewed, counted and revoked with their children.

mod entry;

pub use entry::{Entry, Issued, Purpose};
