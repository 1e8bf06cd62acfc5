//! Auth methods.

pub mod approle;
mod cidr;
pub mod docker;
pub mod jose;
pub mod jwt;
mod old_names;
mod role;
mod token;
pub mod userpass;
