//! The Docker engine's HTTP API over its local socket.
//!
//! Plain HTTP and the few fields that a caller names in a type of its own: a typed client drops what
//! it does not know, and a search for leaks must not. Every request takes a connection of its own,
//! so a stream that is not read to its end disturbs nobody. [`blocking`] is the same for a thread
//! that does nothing else.

pub mod blocking;

use bytes::Bytes;
use cofferdam_secret::Secret;
use http::Method;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// Where the engine listens when nothing else is said.
const SOCKET: &str = "/var/run/docker.sock";

/// Longest answer that is taken as a whole, in bytes.
const LONGEST: usize = 256 << 20;

/// Longest refusal that is read, in bytes.
const LONGEST_REFUSAL: usize = 16 << 10;

/// How long the engine may be silent. `docker save` writes the image to a temporary place first.
const SILENCE: Duration = Duration::from_secs(600);

/// Why the engine gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no engine on this machine.
    #[error("no Docker engine here: {} does not exist", socket.display())]
    Absent {
        /// Where it was looked for.
        socket: PathBuf,
    },
    /// The caller may not use the socket.
    #[error("permission denied: {}", socket.display())]
    Denied {
        /// The socket.
        socket: PathBuf,
    },
    /// `DOCKER_HOST` names something else than a socket of this machine.
    #[error("DOCKER_HOST is not a unix socket of this machine")]
    Remote,
    /// The engine does not answer.
    #[error("the Docker engine does not answer: {0}")]
    Silent(String),
    /// The engine refused.
    #[error("the Docker engine says {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its own words, cleaned.
        message: String,
    },
    /// More than an answer of this kind may have.
    #[error("the Docker engine's answer is too long")]
    TooLong,
    /// The answer is not of the shape that its API describes.
    #[error("the Docker engine's answer to {0} is not what its API describes")]
    Unexpected(String),
}

impl EngineError {
    /// Whether the engine said that there is no such thing.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// The engine behind one socket. Cheap to clone; nothing is kept open between requests.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The engine that `docker` would use on this machine: `DOCKER_HOST`, else the usual socket.
    ///
    /// # Errors
    /// [`EngineError::Remote`].
    pub fn local() -> Result<Self, EngineError> {
        let host = cofferdam_api::places::environment("DOCKER_HOST");
        let socket = match host.as_deref() {
            None => Path::new(SOCKET),
            Some(host) => Path::new(host.strip_prefix("unix://").ok_or(EngineError::Remote)?),
        };
        Ok(Self::at(socket))
    }

    /// The engine behind a socket.
    #[must_use]
    pub fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn ping(&self) -> Result<(), EngineError> {
        let answer = self.send(Method::GET, "/_ping", Bytes::new()).await?;
        collect(answer).await.map(drop)
    }

    /// `GET`; `target` is path and query, its parts [`encoded`].
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, EngineError> {
        let answer = self.send(Method::GET, target, Bytes::new()).await?;
        parse(target, &collect(answer).await?)
    }

    /// `POST` with a JSON body, for an answer.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        target: &str,
        body: &impl Serialize,
    ) -> Result<T, EngineError> {
        let answer = self.send(Method::POST, target, json(target, body)?).await?;
        parse(target, &collect(answer).await?)
    }

    /// `POST` of a JSON body that holds a value; it is wiped when it has been sent.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn post_secret<T: DeserializeOwned>(
        &self,
        target: &str,
        body: Secret<Vec<u8>>,
    ) -> Result<T, EngineError> {
        let body = Bytes::from_owner(Wiping(body));
        let answer = self.send(Method::POST, target, body).await?;
        parse(target, &collect(answer).await?)
    }

    /// `POST` where the status is the answer; `None` sends no body.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn order<B: Serialize>(
        &self,
        target: &str,
        body: Option<&B>,
    ) -> Result<(), EngineError> {
        let body = body.map_or(Ok(Bytes::new()), |body| json(target, body))?;
        collect(self.send(Method::POST, target, body).await?)
            .await
            .map(drop)
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn delete(&self, target: &str) -> Result<(), EngineError> {
        collect(self.send(Method::DELETE, target, Bytes::new()).await?)
            .await
            .map(drop)
    }

    /// The answer to a `GET` as a stream: events, archives, logs.
    ///
    /// # Errors
    /// [`EngineError`]; a status other than 2xx is one.
    pub async fn stream(&self, target: &str) -> Result<Incoming, EngineError> {
        self.send(Method::GET, target, Bytes::new()).await
    }

    /// The answer to a `POST` with a JSON body as a stream: what a command prints.
    ///
    /// # Errors
    /// [`EngineError`]; a status other than 2xx is one.
    pub async fn post_stream(
        &self,
        target: &str,
        body: &impl Serialize,
    ) -> Result<Incoming, EngineError> {
        self.send(Method::POST, target, json(target, body)?).await
    }

    /// Sends one request; the body of a success, or the refusal read.
    async fn send(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
    ) -> Result<Incoming, EngineError> {
        let answer = tokio::time::timeout(SILENCE, self.exchange(method, target, body)).await;
        let answer = answer.map_err(|_| EngineError::Silent("timed out".to_owned()))??;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        // Whatever could be read of the reason.
        let limited = Limited::new(answer.into_body(), LONGEST_REFUSAL);
        let text = limited
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        Err(EngineError::Refused {
            status: status.as_u16(),
            message: message(&text.unwrap_or_default()),
        })
    }

    async fn exchange(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
    ) -> Result<hyper::Response<Incoming>, EngineError> {
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|error| self.unreachable(&error))?;
        let silent = |error: hyper::Error| EngineError::Silent(error.to_string());
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(silent)?;
        // Ends by itself when the answer has been read or dropped.
        tokio::spawn(async move { connection.await.ok() });
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(target)
            .header(http::header::HOST, "docker");
        if !body.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body))
            .map_err(|_| EngineError::Silent("a name that no address can hold".to_owned()))?;
        sender.send_request(request).await.map_err(silent)
    }

    fn unreachable(&self, error: &io::Error) -> EngineError {
        let socket = self.socket.clone();
        match error.kind() {
            io::ErrorKind::NotFound => EngineError::Absent { socket },
            io::ErrorKind::PermissionDenied => EngineError::Denied { socket },
            kind => EngineError::Silent(kind.to_string()),
        }
    }
}

/// Wipes a body when hyper has sent it.
struct Wiping(Secret<Vec<u8>>);

impl AsRef<[u8]> for Wiping {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// The whole body, if it is not endless.
async fn collect(body: Incoming) -> Result<Bytes, EngineError> {
    match Limited::new(body, LONGEST).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(EngineError::TooLong),
        Err(_) => Err(EngineError::Silent("the answer broke off".to_owned())),
    }
}

fn json(target: &str, body: &impl Serialize) -> Result<Bytes, EngineError> {
    let bytes = serde_json::to_vec(body);
    Ok(bytes
        .map_err(|_| EngineError::Unexpected(route(target)))?
        .into())
}

fn parse<T: DeserializeOwned>(target: &str, answer: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(answer).map_err(|_| EngineError::Unexpected(route(target)))
}

/// The path of a target: queries may hold what a caller would not want to read in an error.
fn route(target: &str) -> String {
    target.split('?').next().unwrap_or_default().to_owned()
}

/// The engine's `{"message": …}`, or its plain text.
fn message(text: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        message: String,
    }
    let plain = || String::from_utf8_lossy(text).into_owned();
    let said = serde_json::from_slice(text).map_or_else(|_| plain(), |said: Said| said.message);
    cofferdam_detect::source::clean(said.trim())
}

/// A part of a path or a query value: percent-encoded except for what needs no encoding.
#[must_use]
pub fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
