//! Swarm secrets over their whole life: what a secret's labels mean, and how services are moved
//! from one value to the next.
//!
//! `labels` says what a Docker secret stands for; the secret driver reads it for each task. `api`
//! is what is asked of the engine; `spec` changes the specification of a service and nothing else
//! in it; `rollout` brings one service through such a change and says how it ended. [`rotate`] and
//! [`adopt`] are made of these; `stored` is the side of the store.
//!
//! All state of a run is in the cluster, as labels of secrets and services: a run that was
//! interrupted is continued or taken back by another one, from any manager. A value is in no label
//! and in no error.

pub mod adopt;
mod api;
pub mod labels;
mod movement;
mod rollout;
pub mod rotate;
mod spec;
mod stored;

pub use api::{Object, Service, Swarm};
pub use movement::{Event, Options, Step};
pub use spec::Order;

use super::engine::EngineError;
use cofferdam_api::Error as ApiError;

/// Swarm takes 1 to 511,999 bytes (swarmkit `api/validation/secrets.go`).
pub const MAX_SIZE: usize = 500 * 1024 - 1;

/// Why a rotation or an adoption did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused or is away.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The server refused or is away.
    #[error(transparent)]
    Server(#[from] ApiError),
    /// Caller: this engine cannot be asked about the cluster.
    #[error("this Docker engine is no manager of a swarm")]
    NoManager,
    /// Caller: there is no such secret.
    #[error("no Swarm secret: {0}")]
    NoSecret(String),
    /// Caller: the labels of the secret cannot be understood.
    #[error("{name}: {source}")]
    Labels {
        /// The secret.
        name: String,
        /// What is wrong.
        source: labels::LabelError,
    },
    /// Caller: what the secret stands for has no versions.
    #[error("{0}")]
    NotRotatable(String),
    /// Caller: a plain secret needs its new value from somewhere.
    #[error("no new value for the Swarm secret {0}")]
    NoValue(String),
    /// Caller: there is no version to go from, or none to go to.
    #[error("{path} has no two versions to go from and to")]
    NothingBefore {
        /// Where the value is stored.
        path: String,
    },
    /// Caller: the value has no bytes, or more than Swarm takes.
    #[error("a Swarm secret has 1 to {MAX_SIZE} bytes, and this value has {0}")]
    Size(usize),
    /// Caller: an earlier run is not finished.
    #[error("a rotation of {0} is under way")]
    UnderWay(String),
    /// Caller: there is nothing to take back.
    #[error("no rotation of {0} is under way")]
    NotUnderWay(String),
    /// Somebody else wrote to the secret meanwhile.
    #[error("{path} was changed meanwhile: it is at version {found}, not {expected}")]
    Raced {
        /// Where.
        path: String,
        /// Version found.
        found: u64,
        /// Version expected.
        expected: u64,
    },
    /// A service cannot be moved at all.
    #[error("the service {service} {reason}")]
    Service {
        /// Its name.
        service: String,
        /// Why.
        reason: String,
    },
    /// The new value did not work; every task has the old one again.
    #[error("the service {service} did not come up with the new value: {reason}")]
    RolledBack {
        /// The service that failed.
        service: String,
        /// What Swarm says about it.
        reason: String,
        /// What became of the store, where something is left to say.
        left: Option<String>,
    },
    /// The new value did not work, and neither did the way back.
    #[error("the service {service} is on neither value as a whole: {reason}")]
    Stuck {
        /// The service.
        service: String,
        /// What Swarm says about it.
        reason: String,
    },
    /// No task of this node holds the value.
    #[error("no running task on this node has the value of {0}")]
    NoTask(String),
    /// A copy of the value could not be read.
    #[error("cannot read the value of {name} from the container {container}: {reason}")]
    Unreadable {
        /// The secret.
        name: String,
        /// The container.
        container: String,
        /// Why.
        reason: String,
    },
    /// Copies differ, so that none can be believed.
    #[error("the tasks on this node do not agree about the value of {0}")]
    Disagree(String),
    /// Caller: the store has something else in its place.
    #[error("{0} holds another value already")]
    Occupied(String),
    /// Caller: it is not what adopting is for.
    #[error("{0} is store-backed already")]
    Adopted(String),
}

impl Error {
    /// The exact next command, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoManager => "run this on a manager: docker node ls shows them".to_owned(),
            Self::NoSecret(_) => "see the names with: docker secret ls".to_owned(),
            Self::NoValue(name) => {
                format!("give it on stdin: cofferdam swarm rotate {name} -value-from -")
            }
            Self::NothingBefore { path } => {
                format!("give a new value with -value-from -, or: cofferdam kv put {path} value=-")
            }
            Self::UnderWay(name) => format!(
                "go on with: cofferdam swarm rotate {name}, or take it back with: cofferdam swarm rotate {name} -abort"
            ),
            Self::NotUnderWay(name) => format!("start one with: cofferdam swarm rotate {name}"),
            Self::Raced { path, .. } => format!("look at: cofferdam kv metadata get {path}"),
            Self::RolledBack { service, .. } => {
                format!("see why with: docker service ps --no-trunc {service}")
            }
            Self::Stuck { service, .. } => format!(
                "see why with: docker service ps --no-trunc {service}; then run the same command again, or with -abort"
            ),
            Self::NoTask(name) => format!(
                "run this on a node with a task of it, or give the value: cofferdam swarm adopt {name} -value-from -"
            ),
            Self::Unreadable { name, .. } | Self::Disagree(name) => {
                format!("give the value: cofferdam swarm adopt {name} -value-from -")
            }
            Self::Occupied(path) => {
                format!(
                    "choose another place with -to PREFIX, or look at: cofferdam kv metadata get {path}"
                )
            }
            Self::Labels { name, source } => source.hint(name),
            Self::Adopted(name) => format!("rotate it with: cofferdam swarm rotate {name}"),
            Self::Engine(_)
            | Self::Server(_)
            | Self::NotRotatable(_)
            | Self::Size(_)
            | Self::Service { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests;
