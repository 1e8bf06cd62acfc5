//! The vault, free of HTTP

pub mod audit;
pub mod json;
pub mod operation;
pub mod path;
pub mod policy;
