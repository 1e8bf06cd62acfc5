//! Containers that ask for themselves: a socket on which the caller is its own credential.
//!
//! Its directory is mounted into containers. Who connects is found out from the kernel and the engine
//! ([`attest`]), told to the server, which decides by the roles of the auth method `docker`, and
//! what the container asks then goes on with the container's own token ([`tokens`], `door`). A
//! container holds nothing that could be copied out of it, and ends with its token.
//!
//! What this room promises:
//!
//! * a request goes on with the token of the container that sent it, or not at all: never with this
//!   daemon's own rights, which on the local socket are the admin's (`Client::relay`).
//! * what a caller says of itself decides nothing.
//! * a refusal says why, and is no answer of the server.
//!
//! See `docs/adr/0015-container-identity.md` for what it does not protect from.

mod attest;
pub mod cgroup;
mod container;
mod door;
mod peer;
mod refused;
mod socket;
mod tokens;
mod values;

use super::deliveries::{Book, Holder};
use super::engine::Engine;
use super::known::Known;
use cgroup::ContainerId;
use cofferdam_api::Client;
use container::Container;
use door::Door;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use peer::Process;
use refused::Refused;
use socket::Socket;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokens::Tokens;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// Connections in all, and of one container.
const CONNECTIONS: usize = 1024;
const CONNECTIONS_EACH: usize = 32;
/// How long a head may take, and a connection be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// Connections of callers that are refused: they have seats of their own, and where these are taken an
/// answer at once.
const REFUSED: usize = 128;
/// How long the head of one may take.
const REFUSED_TIME: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 2 });
/// Bytes of a head, and headers in it.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 64;
/// How often it is looked whether the socket is still in its place.
const LOOK: Duration = Duration::from_secs(2);

/// Why the socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Caller: another daemon serves it.
    #[error("another plugin already answers at {}", .0.display())]
    Taken(PathBuf),
    /// The system refused, or the place is not safe.
    #[error("cannot listen at {}: {source}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// A served socket.
pub struct Workload {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// Serves the socket in `directory` until [`Workload::close`]; `client` is the server, with the
/// right to attest, `engine` the one of this machine, `book` where it is written down who read what,
/// and `known` what is not to be seen in logs.
///
/// # Errors
/// [`Error`].
pub(super) async fn open(
    directory: &Path,
    client: Client,
    engine: Engine,
    book: Book,
    known: Arc<Known>,
) -> Result<Workload, Error> {
    let socket = Socket::bind(directory).await?;
    tracing::info!(socket = %socket.path().display(), "containers may ask for themselves");
    let shared = Arc::new(Shared {
        engine,
        book,
        tokens: Tokens::new(client, Arc::clone(&known)),
        known,
        directory: directory.to_owned(),
        seats: Mutex::default(),
    });
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(serve(socket, shared, stopped));
    Ok(Workload { stop, serving })
}

impl Workload {
    /// Stops, and revokes the containers' tokens: they get new ones from the next daemon.
    pub async fn close(self) {
        let _ = self.stop.send(());
        let _ = self.serving.await;
    }
}

/// What connections share.
struct Shared {
    engine: Engine,
    book: Book,
    known: Arc<Known>,
    directory: PathBuf,
    tokens: Arc<Tokens>,
    /// Connections of each container that has some.
    seats: Mutex<HashMap<ContainerId, usize>>,
}

/// A connection that counts against its container; given back on drop.
struct Place {
    shared: Arc<Shared>,
    id: ContainerId,
}

impl Place {
    fn take(shared: &Arc<Shared>, id: &ContainerId) -> Result<Self, Refused> {
        let mut seats = shared.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let count = seats.entry(id.clone()).or_default();
        if *count >= CONNECTIONS_EACH {
            return Err(Refused::Busy);
        }
        *count += 1;
        drop(seats);
        Ok(Self {
            shared: Arc::clone(shared),
            id: id.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut seats = self
            .shared
            .seats
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = seats.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                seats.remove(&self.id);
            }
        }
    }
}

async fn serve(socket: Socket, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut refused = JoinSet::new();
    let mut looks = tokio::time::interval(LOOK);
    let mut replaced = false;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = socket.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                // Held at once: every moment is one in which the process could end.
                Ok((stream, _)) => {
                    let caller = Process::behind(&stream);
                    connections.spawn(connection(stream, caller, Arc::clone(&shared)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection of a container");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            // Whoever is refused gives its seat back at once: it is for those who are not.
            Some(ended) = connections.join_next() => if let Ok(Err(turned_away)) = ended {
                turned_away.answer_in(&mut refused);
            },
            Some(_) = refused.join_next() => {}
            _ = looks.tick() => if !replaced && !socket.is_in_place() {
                replaced = true;
                tracing::error!(socket = %socket.path().display(), "the socket for containers was replaced or removed: somebody may answer in our place; mount its directory read-only, and restart the plugin");
            },
        }
    }
    drop(socket);
    connections.shutdown().await;
    refused.shutdown().await;
    shared.tokens.close().await;
}

/// A caller that is refused.
struct TurnedAway {
    stream: UnixStream,
    why: Refused,
}

impl TurnedAway {
    /// Waits for its question among the others, so that it reads an answer and no broken connection; where
    /// they are too many, it is told without having asked.
    fn answer_in(self, others: &mut JoinSet<()>) {
        if others.len() < REFUSED {
            others.spawn(self.answer());
            return;
        }
        let (status, body) = (self.why.status(), self.why.body());
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = self.stream.try_read(&mut [0; 4096]);
        let _ = self.stream.try_write(answer.as_bytes());
    }

    async fn answer(self) {
        let why = &self.why;
        let service =
            service_fn(
                |_: Request<Incoming>| async move { Ok::<_, Infallible>(door::refusal(why)) },
            );
        let served = http(REFUSED_TIME)
            .keep_alive(false)
            .serve_connection(TokioIo::new(self.stream), service);
        // Also when it reads its answer too slowly.
        if let Ok(Err(error)) = tokio::time::timeout(REFUSED_TIME * 2, served).await {
            tracing::debug!(%error, "a refused connection ended early");
        }
    }
}

fn http(patience: Duration) -> hyper::server::conn::http1::Builder {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD);
    http
}

/// Serves a connection to its end, or gives it back when its caller is refused.
async fn connection(
    stream: UnixStream,
    caller: Result<Process, Refused>,
    shared: Arc<Shared>,
) -> Result<(), TurnedAway> {
    let (number, known) = match caller {
        Ok(caller) => (caller.number(), admit(caller, &shared).await),
        Err(why) => (0, Err(why)),
    };
    let (door, _place) = match known {
        Ok(known) => known,
        Err(why) => {
            tracing::debug!(process = number, reason = %why, "refused a connection");
            return Err(TurnedAway { stream, why });
        }
    };
    let door = &door;
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(door.answer(request).await)
    });
    let served = http(HEAD_TIME).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection of a container ended early");
    }
    Ok(())
}

/// Which container the caller is in, and its way to the server.
async fn admit(caller: Process, shared: &Arc<Shared>) -> Result<(Door, Place), Refused> {
    let id = attest::claimed(&caller)?;
    let place = Place::take(shared, &id)?;
    let attested = attest::attest(&caller, &id, &shared.engine, &shared.directory).await?;
    let holder = holder(&attested.container);
    let run = shared.tokens.seat(attested);
    let door = Door {
        holder,
        book: shared.book.clone(),
        known: Arc::clone(&shared.known),
        caller,
        run,
        tokens: Arc::clone(&shared.tokens),
    };
    Ok((door, place))
}

/// The container, for the record of what it reads.
fn holder(container: &Container) -> Holder {
    let mut attributes = vec![
        ("container", container.container.clone()),
        ("via", "socket".to_owned()),
    ];
    for (name, value) in [
        ("project", &container.compose_project),
        ("service", &container.compose_service),
        ("service", &container.swarm_service),
    ] {
        if !value.is_empty() {
            attributes.push((name, value.clone()));
        }
    }
    Holder::Known {
        key: container.container.clone(),
        name: container.name.clone(),
        sha256: container
            .image_id
            .strip_prefix("sha256:")
            .map(str::to_owned),
        attributes,
    }
}

#[cfg(test)]
mod tests;
