//! The workload side: secrets fetched over the API become files in memory, next to a process that
//! is supervised.
//!
//! [`plan`] says which secrets under which names, [`fetch`] borrows them from the store, [`sink`]
//! puts them where only the reader sees them, [`supervise`] runs the reader, whose [`output`] passes the redactor; [`shim`] turns files back into variables, inside a container. This room knows the
//! server only through `cofferdam_api` and knows nothing of Docker.
//!
//! It promises (`security.md`, DELIV): a value is byte for byte what the store holds; it is never
//! written to a filesystem that is not in memory; no moment exists in which somebody else could
//! read it; whatever was put is removed at the end.

pub mod fetch;
mod name;
pub mod output;
pub mod plan;
pub mod shim;
pub mod sink;
pub mod supervise;

pub use name::{FileName, NameError};
