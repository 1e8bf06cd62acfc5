//! Secret engines.

pub mod cubbyhole;
pub mod kv;
pub mod totp;
pub mod transit;
