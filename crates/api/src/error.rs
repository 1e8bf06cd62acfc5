//! What can go wrong, sorted by who is at fault.

use crate::{EndpointError, Method, ReferenceError, Rehearsal, Response};
use std::fmt;

/// An answer of the server that was no success.
///
/// `errors` and `warnings` are the server's own sentences: foreign text, to be cleaned of
/// terminal escapes before it is shown.
#[derive(Debug)]
pub struct Refusal {
    /// What was asked.
    pub method: Method,
    /// Path below `/v1/`, without query.
    pub path: String,
    /// HTTP status.
    pub status: u16,
    /// The server's error sentences; may be empty.
    pub errors: Vec<String>,
    /// The server's warnings; may be empty.
    pub warnings: Vec<String>,
    /// The answer, for the few that carry data with a status that is no success
    /// (a deleted version in KV v2 answers 404 with its metadata).
    pub response: Box<Response>,
}

/// A request that had no success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Caller: the address cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Caller: the reference cannot be read, or points at nothing single.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Caller: the request cannot be written as HTTP.
    #[error("cannot be sent as a request: {0}")]
    Request(&'static str),
    /// Configuration: a certificate or key file, or the choice between them.
    #[error("{what}: {path}")]
    Trust {
        /// What is wrong with the file.
        what: String,
        /// The file.
        path: String,
    },
    /// Dependency: nobody answers.
    #[error("no server at {address}")]
    Unreachable {
        /// The server's address.
        address: String,
        /// The operating system's reason.
        reason: String,
    },
    /// Dependency: a socket lies where another user could have put it.
    #[error("another user could have made this socket: {address}")]
    UntrustedSocket {
        /// The socket.
        address: String,
    },
    /// Dependency: TLS failed, mostly a certificate that is not trusted.
    #[error("no trusted TLS connection to {address}: {reason}")]
    Tls {
        /// The server's address.
        address: String,
        /// The TLS library's reason.
        reason: String,
    },
    /// Dependency: no answer in time.
    #[error("no answer from {address} within {seconds} s")]
    Timeout {
        /// The server's address.
        address: String,
        /// How long we waited.
        seconds: u64,
    },
    /// Dependency: something answered, but not as Vault's API does.
    #[error("not an answer of a Vault API at {address}: {reason}")]
    Protocol {
        /// The server's address.
        address: String,
        /// What was wrong, without the content.
        reason: String,
    },
    /// Nobody: the client only says what it would send.
    #[error("nothing was sent")]
    Rehearsed(Box<Rehearsal>),
    /// State: the server is sealed.
    #[error("the server is sealed")]
    Sealed(Refusal),
    /// State: the server has never been initialised.
    #[error("the server is not initialized")]
    Uninitialized(Refusal),
    /// Caller: permission denied, or no token.
    #[error("permission denied: {0}")]
    Denied(Refusal),
    /// Caller: nothing there.
    #[error("nothing at {}", .0.path)]
    NotFound(Refusal),
    /// Caller or server, as the status says.
    #[error("{0}")]
    Api(Refusal),
}

impl Error {
    /// Sorts an answer that was no success.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        let says = |word: &str| {
            let mut errors = refusal.errors.iter();
            errors.any(|error| error.to_ascii_lowercase().contains(word))
        };
        match refusal.status {
            403 | 401 => Self::Denied(refusal),
            404 => Self::NotFound(refusal),
            503 if says("sealed") => Self::Sealed(refusal),
            501 | 503 if says("not initialized") || says("not been initialized") => {
                Self::Uninitialized(refusal)
            }
            _ => Self::Api(refusal),
        }
    }

    /// The answer behind this error, where there was one.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Sealed(refusal)
            | Self::Uninitialized(refusal)
            | Self::Denied(refusal)
            | Self::NotFound(refusal)
            | Self::Api(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether the request reached a server that then refused it.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        self.refusal().is_some()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.status == 403 || self.errors.is_empty() {
            write!(out, "{} {} ({})", self.method, self.path, self.status)
        } else {
            write!(out, "{}", self.errors.join("; "))
        }
    }
}
