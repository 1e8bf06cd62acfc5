//! Asking either server: again where it is busy, in words where it refuses, and not at all where
//! nothing more will come.
//!
//! The other server is a stranger. None of its sentences is repeated: it knows its token, and what it
//! says would stand in somebody's log. A redirect is never followed.

use super::names;
use crate::cli::Failure;
use cofferdam_api::{Client, Error, Method, Refusal, Request, Response, Tree};
use std::cell::Cell;
use std::time::Duration;

/// Why one thing was not copied.
pub(super) enum Trouble {
    /// Nothing more can be copied either.
    Stop(Failure),
    /// This thing cannot; the reason.
    Item(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Stop(failure)
    }
}

impl Trouble {
    pub(super) fn item(why: impl Into<String>) -> Self {
        Self::Item(why.into())
    }
}

/// Times that a busy server is asked again.
const AGAIN: u32 = 6;
/// The first wait; each one is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Answers that are none, after which there is no Vault API at the other end.
const BROKEN: u32 = 20;

/// One of the two servers.
pub(super) struct Peer {
    client: Client,
    /// Before every path.
    prefix: String,
    source: bool,
    broken: Cell<u32>,
}

/// What a list said: names that are some, and those that are none with the reason.
#[derive(Default)]
pub(super) struct Names {
    pub(super) good: Vec<String>,
    pub(super) bad: Vec<(String, &'static str)>,
}

impl Peer {
    pub(super) const fn new(client: Client, prefix: String, source: bool) -> Self {
        Self {
            client,
            prefix,
            source,
            broken: Cell::new(0),
        }
    }

    /// Reads a path; `None` where nothing is.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Response>, Trouble> {
        self.ask(Request::get, path).await
    }

    /// The `data` of a path.
    pub(super) async fn data(&self, path: &str) -> Result<Option<Tree>, Trouble> {
        Ok(self.read(path).await?.and_then(|answer| answer.tree()))
    }

    /// The names below a path; folders end with a slash.
    pub(super) async fn names(&self, path: &str) -> Result<Names, Trouble> {
        let answer = self
            .ask(|path| Request::new(Method::List, path), path)
            .await?;
        let mut found = Names::default();
        let mut keys = answer.map(|answer| answer.keys()).unwrap_or_default();
        keys.sort();
        keys.dedup();
        for key in keys {
            match names::checked(key.strip_suffix('/').unwrap_or(&key)) {
                Ok(_) => found.good.push(key),
                Err(why) => found.bad.push((names::shown(&key), why)),
            }
        }
        Ok(found)
    }

    /// Writes a path.
    pub(super) async fn write(&self, path: &str, body: &Tree) -> Result<Option<Response>, Trouble> {
        self.ask(|path| Request::post(path, body), path).await
    }

    /// Sends a request of the caller's.
    pub(super) async fn ask(
        &self,
        request: impl Fn(String) -> Request,
        path: &str,
    ) -> Result<Option<Response>, Trouble> {
        let mut wait = FIRST_WAIT;
        for _ in 0..AGAIN {
            match self
                .client
                .send(request(format!("{}{path}", self.prefix)))
                .await
            {
                Ok(answer) => {
                    self.broken.set(0);
                    return Ok(Some(answer));
                }
                Err(Error::NotFound(refusal)) if !unsupported(&refusal) => return Ok(None),
                Err(error) if busy(&error) => {}
                Err(error) => return Err(self.trouble(error, path)),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(Trouble::item(format!(
            "{} was too busy, again and again",
            self.name()
        )))
    }

    const fn name(&self) -> &'static str {
        if self.source {
            "the other server"
        } else {
            "this server"
        }
    }

    fn trouble(&self, error: Error, path: &str) -> Trouble {
        let name = self.name();
        match error {
            Error::Denied(_) if self.source => {
                Trouble::item("the other server's token may not read it (403)")
            }
            Error::Denied(_) if path == "sys/mounts" || self.client.token().is_none() => {
                Trouble::Stop(
                    Failure::server(format!("permission denied here: {path}"))
                        .hint("run as the owner of the local server, or set COFFERDAM_TOKEN"),
                )
            }
            Error::Denied(_) => Trouble::item(format!("denied here: {path}")),
            Error::Protocol { ref reason, .. } => {
                self.broken.set(self.broken.get() + 1);
                if self.broken.get() >= BROKEN {
                    return Trouble::Stop(Failure::from(error));
                }
                Trouble::item(format!("{name} gave no usable answer: {reason}"))
            }
            Error::Api(refusal) if (300..400).contains(&refusal.status) => Trouble::Stop(
                Failure::server(format!(
                    "{name} sends us elsewhere ({}), where we do not follow",
                    refusal.status
                ))
                .hint("name the address of its active node"),
            ),
            Error::Api(refusal) | Error::NotFound(refusal) if self.source => {
                Trouble::item(format!("the other server refused ({})", refusal.status))
            }
            Error::Api(refusal) | Error::NotFound(refusal) => {
                let said = crate::cli::terminal::clean(&refusal.errors.join("; "));
                Trouble::item(format!("this server refused ({}): {said}", refusal.status))
            }
            Error::Request(why) => Trouble::item(why),
            other if self.source => Trouble::Stop(source_failure(&other)),
            other => Trouble::Stop(Failure::from(other)),
        }
    }
}

/// What people read of the other server; our own has its words elsewhere.
fn source_failure(error: &Error) -> Failure {
    match error {
        Error::Sealed(_) => Failure::server("the other server is sealed")
            .hint("unseal it, and run the same command again"),
        Error::Uninitialized(_) => {
            Failure::server("the other server holds nothing: it is not initialized")
        }
        Error::Unreachable { address, reason } => {
            Failure::server(format!("no server to copy from at {address} ({reason})"))
                .hint("check the address; what was copied stays, and the same command goes on")
        }
        Error::Tls { reason, .. } if reason.contains("another name") => {
            Failure::server(error.to_string()).hint(
                "give the address that is in its certificate, or set VAULT_TLS_SERVER_NAME to a name in it",
            )
        }
        Error::Tls { .. } => Failure::server(error.to_string())
            .hint("name the CA of the other server with -source-ca-cert=FILE"),
        _ => Failure::server(error.to_string())
            .hint("what was copied stays, and the same command goes on"),
    }
}

fn unsupported(refusal: &Refusal) -> bool {
    refusal
        .errors
        .iter()
        .any(|error| error.contains("unsupported"))
}

fn busy(error: &Error) -> bool {
    matches!(error, Error::Api(refusal) if matches!(refusal.status, 429 | 502 | 503 | 504))
}
