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
use bytes::Bytes;
use cgroup::ContainerId;
use cofferdam_api::Client;
use container::Container;
use door::Door;
use http::{Request, Response};
use http_body_util::Full;
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

/// The same for a caller that is refused, whatever it asks: its seat is another's.
const REFUSED_TIME: Duration = Duration::from_secs(2);

/// And for one of a container that has all the connections it may have.
const BUSY_TIME: Duration = Duration::from_millis(200);
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
        known,
        directory: directory.to_owned(),
        tokens: Tokens::new(client),
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
            Some(_) = connections.join_next() => {}
            _ = looks.tick() => if !replaced && !socket.is_in_place() {
                replaced = true;
                tracing::error!(socket = %socket.path().display(), "the socket for containers was replaced or removed: somebody may answer in our place; mount its directory read-only, and restart the plugin");
            },
        }
    }
    drop(socket);
    connections.shutdown().await;
    shared.tokens.close().await;
}

async fn connection(stream: UnixStream, caller: Result<Process, Refused>, shared: Arc<Shared>) {
    let (number, known) = match caller {
        Ok(caller) => (caller.number(), admit(caller, &shared).await),
        Err(why) => (0, Err(why)),
    };
    if let Err(why) = &known {
        tracing::debug!(process = number, reason = %why, "refused a connection");
    }
    // A container that has all of its connections may not keep the others' as well.
    if let Err(why @ Refused::Busy) = &known {
        let body = why.body();
        let answer = format!(
            "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        // What it asks is taken off first, so that it reads an answer and no broken connection.
        let _ = tokio::time::timeout(BUSY_TIME, stream.readable()).await;
        let _ = stream.try_read(&mut [0; 4096]);
        let _ = stream.try_write(answer.as_bytes());
        return;
    }
    let patience = match &known {
        Ok(_) => HEAD_TIME,
        Err(_) => REFUSED_TIME,
    };
    let service = service_fn(|request: Request<Incoming>| {
        let known = &known;
        async move {
            let answer: Response<Full<Bytes>> = match known {
                Ok((door, _)) => door.answer(request).await,
                Err(why) => door::refusal(why),
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .keep_alive(known.is_ok())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection of a container ended early");
    }
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
