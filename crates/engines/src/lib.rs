//! Secret engines and auth methods
