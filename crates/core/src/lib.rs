//! The vault, free of HTTP

pub mod json;
pub mod path;
