//! The wire contract of Vault's HTTP API and a typed client for it.
//!
//! Start with [`Endpoint::resolve`] and [`Client::new`]; [`Client::fetch`] turns a [`Reference`]
//! into the value of one secret. Promises of this room:
//!
//! * tokens, bodies and answers are wiped when dropped and have no `Debug`. What hyper and rustls
//!   keep in their own socket buffers meanwhile is out of reach.
//! * an error says who is at fault and names addresses, paths and status codes, never content
//!   that was sent or received, apart from the server's own error sentences.
//! * answers are bounded in size, depth and time; nothing is retried behind the caller's back, only as
//!   often as its [`Manner`] says.
//!
//! [`Web`] is for servers of others, and shares nothing with the client but the handling of bytes.
//! It knows nothing of terminals, files with secrets or the server's inside.

mod client;
mod endpoint;
mod error;
pub mod events;
mod kv;
mod manner;
pub mod monitor;
pub mod places;
mod reference;
mod request;
mod response;
mod secrets_engine;
mod transport;
mod tree;
mod trust;
mod web;

pub use client::{Client, Relayed};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Error, Refusal};
pub use events::{Event, Events};
pub use kv::{Fetched, KvMount, KvVersion};
pub use manner::{HeaderError, Manner, Rehearsal};
pub use monitor::Log;
pub use reference::{Reference, ReferenceError};
pub use request::{Method, Request};
pub use response::{Auth, Response, WrapInfo};
pub use tree::Tree;
pub use trust::Trust;
pub use web::{Web, WebAnswer, WebError, WebRequest};
