//! The Docker engine: what it asks us (plugins) and what we ask it.

pub mod plugin;
pub mod sources;
