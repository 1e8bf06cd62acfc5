//! The Docker engine's HTTP API over its local socket: raw answers and streams.
//!
//! Typed clients drop the fields they do not know; a search for leaks must not. So this is plain
//! HTTP with a blocking face, made for one thread that does nothing else.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// Where the engine listens when nothing else is said.
const SOCKET: &str = "/var/run/docker.sock";

/// Longest answer that is taken as a whole.
const LONGEST: u64 = 256 << 20;

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
}

/// A connection maker with a runtime of its own.
pub struct Engine {
    runtime: Runtime,
    socket: PathBuf,
}

impl Engine {
    /// The engine that `docker` would use on this machine, if it answers.
    ///
    /// # Errors
    /// [`EngineError`] when there is none, or it may not be used.
    pub fn local() -> Result<Self, EngineError> {
        let host = cofferdam_api::places::environment("DOCKER_HOST");
        let socket = match host.as_deref() {
            None => PathBuf::from(SOCKET),
            Some(host) => PathBuf::from(host.strip_prefix("unix://").ok_or(EngineError::Remote)?),
        };
        Self::at(&socket)
    }

    /// The engine behind a socket, if it answers.
    ///
    /// # Errors
    /// As [`Engine::local`].
    pub fn at(socket: &Path) -> Result<Self, EngineError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| EngineError::Silent(error.kind().to_string()))?;
        let engine = Self {
            runtime,
            socket: socket.to_owned(),
        };
        engine.get("/_ping")?;
        Ok(engine)
    }

    /// The whole answer to one request; `target` is path and query.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn get(&self, target: &str) -> Result<Vec<u8>, EngineError> {
        let mut answer = Vec::new();
        let mut body = self.stream(target)?.take(LONGEST + 1);
        body.read_to_end(&mut answer)
            .map_err(|error| EngineError::Silent(error.kind().to_string()))?;
        if answer.len() as u64 > LONGEST {
            return Err(EngineError::TooLong);
        }
        Ok(answer)
    }

    /// The answer as a stream.
    ///
    /// # Errors
    /// [`EngineError`]; a status other than 2xx is one.
    pub fn stream(&self, target: &str) -> Result<Body<'_>, EngineError> {
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(SILENCE, self.request(target)).await });
        let answer = answer.map_err(|_| EngineError::Silent("timed out".to_owned()))??;
        let status = answer.status();
        let mut body = Body {
            engine: self,
            incoming: answer.into_body(),
            chunk: Bytes::new(),
        };
        if status.is_success() {
            return Ok(body);
        }
        let mut text = Vec::new();
        // Whatever could be read of the reason.
        let _ = (&mut body).take(16 << 10).read_to_end(&mut text);
        Err(EngineError::Refused {
            status: status.as_u16(),
            message: message(&text),
        })
    }

    async fn request(&self, target: &str) -> Result<hyper::Response<Incoming>, EngineError> {
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|error| self.unreachable(&error))?;
        let silent = |error: hyper::Error| EngineError::Silent(error.to_string());
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(silent)?;
        // Ends by itself when the answer has been read or dropped.
        tokio::spawn(async move { connection.await.ok() });
        let request = hyper::Request::get(target)
            .header(http::header::HOST, "docker")
            .body(Empty::<Bytes>::new())
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

/// A body that is read as it comes.
pub struct Body<'e> {
    engine: &'e Engine,
    incoming: Incoming,
    chunk: Bytes,
}

impl Read for Body<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let frame = self
                .engine
                .runtime
                .block_on(async { tokio::time::timeout(SILENCE, self.incoming.frame()).await });
            match frame {
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(None) => return Ok(0),
                Ok(Some(Err(_))) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Some(Ok(frame))) => self.chunk = frame.into_data().unwrap_or_default(),
            }
        }
        let count = self.chunk.len().min(out.len());
        let now = self.chunk.split_to(count);
        if let Some(room) = out.get_mut(..count) {
            room.copy_from_slice(&now);
        }
        Ok(count)
    }
}

/// A query value: percent-encoded except for what needs no encoding.
pub(super) fn encoded(text: &str) -> String {
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
