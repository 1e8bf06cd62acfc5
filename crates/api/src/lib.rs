//! The wire contract and its typed client
