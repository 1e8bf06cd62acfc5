//! Docker Compose: files as they stand, with their secrets from the store.
//!
//! Compose 1.29 starts a container without its `external: true` secrets, Compose v2 refuses them,
//! and both turn a `file:` into a bind mount of a single file, whose owner and mode are those of
//! the host and which cannot change while the container runs. So nothing of that is used: for each
//! service a volume of our driver is mounted at `/run/secrets`, by one more file that is handed to
//! Compose behind the others ([`overlay`]). It holds references and never a value.
//!
//! [`command`] understands the command line, [`load`] reads the files ([`yaml`], [`interpolate`]:
//! bounded, by our own reading, without a network and without asking Compose, whose `config` would
//! print values), [`plan`] decides what each service gets and where, [`lint`] names what a file
//! does in the open, [`provider`] is the other way in: Compose asks us.
//!
//! Sources: the Compose specification (github.com/compose-spec/compose-spec), `docs/extension.md`
//! and `pkg/compose` of docker/compose, and Compose 1.29 as Debian has it.

pub mod command;
mod interpolate;
pub mod lint;
mod load;
mod model;
pub mod overlay;
pub mod plan;
pub mod provider;
mod yaml;

pub use interpolate::{InterpolationError, interpolate};
pub use load::{Environment, load, read};
pub use model::{Fault, Project};
pub use yaml::YamlError;

/// Who reads the files: they differ in what they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `docker-compose` 1.x.
    V1,
    /// `docker compose`, and `docker-compose` from 2 on.
    V2,
    /// `docker stack deploy`.
    Stack,
}

/// Whether a text can be read as Compose would read it, within bounds.
pub(crate) fn check_yaml(text: &str) -> Result<(), YamlError> {
    yaml::read(text).map(drop)
}
