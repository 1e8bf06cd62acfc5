//! The vault, free of HTTP

pub mod path;
