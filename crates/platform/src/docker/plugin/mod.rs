//! The plugin daemon: Swarm's secret driver, a volume driver and a log driver behind one socket.
//!
//! dockerd finds the socket by its name in `/run/docker/plugins` and speaks JSON over HTTP/1.1
//! (`facts/docker.md` sections 1, 2 and 5). Start reading at [`serve`]; `wire` is the transport,
//! `secret`, `volume` and `logs` are the three drivers; what the first two hand out, the third masks
//! ([`known`]). The value comes from the server over the client of
//! the configuration, each time it is asked for: no stored value is cached, so a server that is down
//! means an error and never an old value. What is mounted is renewed when the server says that it has
//! changed: [`follow`], and [`tell`] for those who want to know. Who was given what is written down beside it
//! (`deliveries`).
//!
//! What goes wrong is told to dockerd in one line, which names references and never a value, and
//! logged with the service, task and secret it was for, because dockerd itself logs such a line
//! only in debug mode.

mod follow;
mod issue;
mod logs;
mod secret;
mod tell;
mod volume;
mod wire;

pub use logs::count_entries;

use super::deliveries::Book;
use super::socket::{self, Listen, Socket};
use crate::docker::engine::Engine;
use crate::docker::known::Known;
use cofferdam_agent::fetch::{self, Lent};
use cofferdam_agent::plan::{Loan, PlanError};
use cofferdam_api::Client;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What the daemon needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where dockerd looks; the file's name is the plugin's name.
    pub listen: Listen,
    /// Directory for the volumes' options and counts; it holds no value.
    pub data: PathBuf,
    /// Directory below which the volumes are mounted.
    pub runtime: PathBuf,
    /// The server, with the right to read.
    pub client: Client,
    /// The engine whose containers use the volumes.
    pub engine: Engine,
}

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket.
    #[error(transparent)]
    Socket(#[from] socket::Error),
    /// Caller: another daemon mounts its volumes there.
    #[error("another plugin already uses {}", .0.display())]
    Shared(PathBuf),
    /// Us or the disk: a record of a volume cannot be read.
    #[error("not the record of a volume: {}", .0.display())]
    Record(PathBuf),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The delivery directory is not usable.
    #[error(transparent)]
    Sink(#[from] cofferdam_agent::sink::Error),
    /// The socket for containers cannot be served.
    #[error(transparent)]
    Workload(#[from] super::workload::Error),
}

impl Error {
    fn system(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::System {
            action,
            path: path.into(),
            source: source.into(),
        }
    }
}

/// Serves dockerd until `shutdown` completes; calls under way are finished.
///
/// Mounted volumes stay mounted: their containers are still running, and the next daemon takes
/// them over.
///
/// # Errors
/// [`Error`].
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    Socket::require_free(&config.listen).await?;
    let (book, writer) = Book::open(config.client.clone(), config.engine.clone());
    let known = Known::new();
    let volumes = volume::Volumes::open(
        &config.data,
        &config.runtime,
        config.client.clone(),
        book.clone(),
        Arc::clone(&known),
    )?;
    let place = config.runtime.join("workload");
    let workload = super::workload::open(
        &place,
        config.client.clone(),
        config.engine.clone(),
        book.clone(),
        Arc::clone(&known),
    )
    .await?;
    let plugin = Arc::new(Plugin {
        client: config.client,
        book,
        volumes,
        issued: issue::Recent::default(),
        // After the volumes: their values are known before a line is read.
        logs: logs::Logs::open(&config.data, Arc::clone(&known), config.engine.clone())?,
        known,
    });
    // Bound last: whoever can connect is served.
    let place = config.listen.to_string();
    let socket = Socket::open(config.listen).await?;
    tracing::info!(socket = %place, "the Docker plugin listens");
    let follower = tokio::spawn(follow::follow(Arc::clone(&plugin), config.engine));
    wire::serve(&socket, plugin, shutdown).await;
    follower.abort();
    workload.close().await;
    writer.close().await;
    tracing::info!("the Docker plugin stops");
    Ok(())
}

/// All drivers.
struct Plugin {
    client: Client,
    book: Book,
    volumes: volume::Volumes,
    issued: issue::Recent,
    logs: Arc<logs::Logs>,
    known: Arc<Known>,
}

/// Why a call failed, as dockerd is told. Never holds a value.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// The words dockerd itself looks for.
    #[error("no such volume")]
    NoSuchVolume,
    /// dockerd or the user asked for something that cannot be.
    #[error("{0}")]
    Request(String),
    /// See there.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// See there.
    #[error("{}", one_line(.0))]
    Fetch(#[from] fetch::Error),
    /// The server took too long.
    #[error("no answer from the secret server within {0} ms")]
    Late(u128),
    /// See there.
    #[error(transparent)]
    Sink(#[from] cofferdam_agent::sink::Error),
    /// See there.
    #[error(transparent)]
    Daemon(#[from] Error),
    /// See there.
    #[error(transparent)]
    Engine(#[from] crate::docker::engine::EngineError),
}

/// dockerd prints errors on one line.
fn one_line(error: &fetch::Error) -> String {
    let text = error.to_string().replace('\n', "; ");
    match error.hint() {
        Some(hint) => format!("{text} (next: {hint})"),
        None => text,
    }
}

/// Fetches within a deadline of our own: dockerd waits for us without one, and meanwhile the
/// node's other assignments wait too.
async fn borrow(
    client: &Client,
    loans: &[Loan],
    limit: usize,
    deadline: Duration,
) -> Result<Vec<Lent>, Fault> {
    match tokio::time::timeout(deadline, fetch::fetch(client, loans, limit)).await {
        Ok(lent) => Ok(lent?),
        Err(_) => Err(Fault::Late(deadline.as_millis())),
    }
}

#[cfg(test)]
mod tests;
