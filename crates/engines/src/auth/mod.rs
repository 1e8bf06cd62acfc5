//! Auth methods.

pub mod approle;
pub mod aws;
pub mod cert;
mod cidr;
pub mod docker;
mod glob;
pub mod jose;
pub mod jwt;
pub mod kubernetes;
mod old_names;
mod role;
mod roles;
mod token;
pub mod userpass;
