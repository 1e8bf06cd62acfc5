//! The Docker engine: what it asks us (plugins) and what we ask it.

pub mod engine;
pub mod plugin;
pub mod run_command;
pub mod sources;
pub mod workload;
