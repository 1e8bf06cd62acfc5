//! The Docker engine: what it asks us (plugins) and what we ask it.

pub mod daemon;
mod deliveries;
pub mod engine;
pub mod guard;
mod known;
pub mod plugin;
pub mod run_command;
mod serving;
pub mod socket;
pub mod sources;
pub mod swarm;
pub mod workload;
