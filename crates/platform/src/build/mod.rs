//! Secrets for image builds: from the store into sealed memory files, before the build begins; and
//! a look at what was built, before anybody else gets it.
//!
//! [`dockerfile`] says which secrets a Dockerfile asks for, [`command`] understands the command line
//! that would build it and adds `--secret id=X,src=/proc/self/fd/N`, [`many`] takes a Compose or
//! bake file apart into such commands, [`versions`] makes the cache depend on versions, [`ssh`] is an
//! agent whose keys are never files, [`storage`] keeps what podman and buildah copy off the disk,
//! [`statement`] says afterwards what was lent to what. BuildKit itself takes a missing or empty secret
//! for no error (`facts/docker.md` 4.2); here it stops the build first.

pub mod command;
pub mod dockerfile;
pub mod many;
pub mod ssh;
pub mod statement;
pub mod storage;
pub mod versions;

pub use command::{Additions, BuildCommand, Builder, Command, CommandError};

/// What the Docker client takes at most (`facts/docker.md` 4.1), in bytes.
pub const MAX_SIZE: usize = 500 * 1024;
