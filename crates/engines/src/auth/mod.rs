//! Auth methods.

pub mod approle;
mod cidr;
pub mod docker;
mod role;
mod token;
pub mod userpass;
