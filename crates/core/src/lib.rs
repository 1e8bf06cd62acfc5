//! The vault, free of HTTP
