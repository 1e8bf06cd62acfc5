//! The vault, free of HTTP: requests come in by [`Vault::handle`] and leave as a [`Reply`].
//!
//! It knows no sockets, no status codes and no terminal, and nothing of what engines store. Start
//! reading at `pipeline`, which is the life of a request, and at [`engine`], which is what secret
//! engines and auth methods implement.

pub mod audit;
pub mod clock;
mod devices;
pub mod engine;
pub mod events;
mod fault;
pub mod fields;
pub mod fingerprint;
pub mod host;
pub mod identity;
pub mod json;
pub mod lockout;
mod metrics;
pub mod monitor;
pub mod mount;
mod operation;
mod outcome;
pub mod path;
mod pipeline;
pub mod policy;
mod record;
mod registry;
mod reply;
mod request;
pub mod settings;
mod system;
#[cfg(test)]
mod testing;
pub mod token;
mod under_way;
mod vault;

pub use fault::{Fault, Kind};
pub use operation::{Operation, Verb};
pub use outcome::{Alias, Login, Outcome, Response};
pub use registry::Offer;
pub use reply::{Answer, Reply, Standing};
pub use request::{Arrival, Call, Caller, Captures, Chain, Open, Peer, Query};
pub use vault::{Info, Parts, SealChoice, Vault};
