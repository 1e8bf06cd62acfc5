//! Secrets for `docker build`: from the store into sealed memory files, before the build begins.
//!
//! [`dockerfile`] says which secrets a Dockerfile asks for, [`command`] understands the command
//! line that would build it and adds `--secret id=X,src=/proc/self/fd/N`. BuildKit itself takes a
//! missing or empty secret for no error (`facts/docker.md` 4.2); here it stops the build first.

pub mod command;
pub mod dockerfile;

pub use command::{BuildCommand, CommandError};

/// What the Docker client takes at most (`facts/docker.md` 4.1), in bytes.
pub const MAX_SIZE: usize = 500 * 1024;
