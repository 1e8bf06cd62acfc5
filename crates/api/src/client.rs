//! The client: an endpoint, a token and the verbs of the API.

use crate::error::Refusal;
use crate::manner::{self, Manner, Rehearsal};
use crate::request::TokenChoice;
use crate::transport::{Body, Transport, sensitive, wiping};
use crate::{Endpoint, Error, Method, Request, Response, Tree, Trust};
use bytes::Bytes;
use cofferdam_secret::Secret;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http_body_util::Full;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Vault's clients wait this long (`VAULT_CLIENT_TIMEOUT`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Talks to one server. Clones share connections and token; `Debug` shows the address only.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    token: Option<Arc<Secret<String>>>,
    wrap_ttl: Option<String>,
    manner: Arc<Manner>,
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Trust`] when a certificate or key file cannot be used.
    pub fn new(
        endpoint: Endpoint,
        trust: Trust,
        token: Option<Secret<String>>,
    ) -> Result<Self, Error> {
        Self::with_timeout(endpoint, trust, token, DEFAULT_TIMEOUT)
    }

    /// The same with an own limit on the time from connecting to the last byte of the answer.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_timeout(
        endpoint: Endpoint,
        trust: Trust,
        token: Option<Secret<String>>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        Ok(Self {
            transport: Arc::new(Transport::new(endpoint, trust, timeout)?),
            token: token.map(Arc::new),
            wrap_ttl: None,
            manner: Arc::default(),
        })
    }

    /// The same client asking for wrapped answers of this lifetime.
    #[must_use]
    pub fn with_wrap_ttl(mut self, ttl: impl Into<String>) -> Self {
        self.wrap_ttl = Some(ttl.into());
        self
    }

    /// The same client asking for plain answers.
    #[must_use]
    pub fn without_wrapping(mut self) -> Self {
        self.wrap_ttl = None;
        self
    }

    /// The lifetime of wrapped answers, where this client asks for them.
    #[must_use]
    pub fn wrap_ttl(&self) -> Option<&str> {
        self.wrap_ttl.as_deref()
    }

    /// The same connections with another token, or none.
    #[must_use]
    pub fn with_token(mut self, token: Option<Secret<String>>) -> Self {
        self.token = token.map(Arc::new);
        self
    }

    /// The same client sending in this manner.
    #[must_use]
    pub fn with_manner(mut self, manner: Manner) -> Self {
        self.manner = Arc::new(manner);
        self
    }

    /// The same client, which sends: for questions of its own while the caller's are rehearsed.
    #[must_use]
    pub fn in_earnest(mut self) -> Self {
        if self.manner.rehearses() {
            self.manner = Arc::new(Manner::clone(&self.manner).in_earnest());
        }
        self
    }

    /// How it sends.
    #[must_use]
    pub fn manner(&self) -> &Manner {
        &self.manner
    }

    /// The server's address.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.transport.endpoint
    }

    /// The token that goes along, if any.
    #[must_use]
    pub fn token(&self) -> Option<&Secret<String>> {
        self.token.as_deref()
    }

    /// Sends a request; an answer that is no success is an error.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let (method, path) = (request.method, request.path.clone());
        let response = self.send_any(request).await?;
        if response.is_success() {
            return Ok(response);
        }
        Err(refused(method, path, response))
    }

    /// Sends a request whose answer goes on: the client's limit on time is for its beginning. An
    /// answer that is no success is read whole and is an error.
    pub(crate) async fn open(&self, request: Request) -> Result<Body, Error> {
        let (method, path) = (request.method, request.path.clone());
        let (status, body) = self.transport.open(self.http(request)?).await?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let response = self.answer(status, body.whole().await?)?;
        Err(refused(method, path, response))
    }

    /// Sends a request and takes any status for an answer (`sys/health` speaks in statuses).
    ///
    /// # Errors
    /// Where there was no answer of a Vault API.
    pub async fn send_any(&self, request: Request) -> Result<Response, Error> {
        let (status, body) = self.exchange(request).await?;
        self.answer(status, body)
    }

    /// What a server said, whatever it was.
    fn answer(&self, status: u16, body: Secret<Vec<u8>>) -> Result<Response, Error> {
        Response::parse(status, body).map_err(|reason| {
            if status == 400 && !matches!(self.transport.endpoint, Endpoint::Https { .. }) {
                self.transport.protocol("it wants https:// here")
            } else {
                self.transport
                    .protocol(&format!("status {status}, but {reason}"))
            }
        })
    }

    /// Sends a request and takes the body of a success as it is, whatever it is.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn send_raw(&self, request: Request) -> Result<Secret<Vec<u8>>, Error> {
        let (method, path) = (request.method, request.path.clone());
        let (status, body) = self.exchange(request).await?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let response = self.answer(status, body)?;
        Err(refused(method, path, response))
    }

    /// Sends a request, and again as often as the manner says: where nobody was there, or a server
    /// answered that it cannot answer now. What broke off on the way may have had its effect.
    async fn exchange(&self, request: Request) -> Result<(u16, Secret<Vec<u8>>), Error> {
        for attempt in 1..=self.manner.retries() {
            let request = self.http(request.duplicate())?;
            match self.transport.exchange(request).await {
                Ok((status, _)) if manner::is_passing(status) => {}
                Err(Error::Unreachable { .. }) => {}
                other => return other,
            }
            tokio::time::sleep(manner::pause(attempt)).await;
        }
        self.transport.exchange(self.http(request)?).await
    }

    /// Reads a path.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn read(&self, path: &str) -> Result<Response, Error> {
        self.send(Request::get(path)).await
    }

    /// Lists the names below a path.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn list(&self, path: &str) -> Result<Response, Error> {
        self.send(Request::new(Method::List, path)).await
    }

    /// Writes a path.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn write(&self, path: &str, body: &Tree) -> Result<Response, Error> {
        self.send(Request::put(path, body)).await
    }

    /// Patches a path with a JSON merge patch.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn patch(&self, path: &str, body: &Tree) -> Result<Response, Error> {
        self.send(Request::new(Method::Patch, path).tree(body))
            .await
    }

    /// Deletes a path.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn delete(&self, path: &str) -> Result<Response, Error> {
        self.send(Request::new(Method::Delete, path)).await
    }

    /// Sends somebody else's request as it stands, with a token that is theirs: never with the
    /// client's own, and never with none, which on the local socket would be the admin's. Gives the
    /// status and the body, which wipes itself.
    ///
    /// # Errors
    /// Where there was no answer.
    pub async fn relay(&self, relayed: Relayed<'_>) -> Result<(u16, Bytes), Error> {
        if relayed.token.is_empty() {
            return Err(Error::Request("a request of somebody else without a token"));
        }
        let endpoint = &self.transport.endpoint;
        let mut builder = http::Request::builder()
            .method(relayed.method.clone())
            .uri(format!("{}{}", endpoint.base(), relayed.target))
            .header(HOST, endpoint.authority())
            .header("X-Vault-Request", "true")
            .header("X-Vault-Token", token_header(relayed.token)?);
        for (name, value) in relayed.headers {
            builder = builder.header(name, value);
        }
        let body = wiping(relayed.body.duplicate());
        let request = builder.body(Full::new(body)).map_err(|_| {
            Error::Request("the path or a header has characters that HTTP cannot carry")
        })?;
        let (status, body) = self.transport.exchange(request).await?;
        Ok((status, wiping(body)))
    }

    fn http(&self, request: Request) -> Result<http::Request<Full<Bytes>>, Error> {
        if self.manner.rehearses() {
            let client = self.clone();
            return Err(Error::Rehearsed(Box::new(Rehearsal { request, client })));
        }
        let endpoint = &self.transport.endpoint;
        let target = format!("{}{}", endpoint.base(), request.target());
        let mut builder = http::Request::builder()
            .method(request.method.http())
            .uri(target)
            .header(HOST, endpoint.authority())
            // Vault refuses browsers' cross-site requests by the lack of this header.
            .header("X-Vault-Request", "true");
        for (name, value) in self.manner.headers() {
            builder = builder.header(name, value);
        }
        if let Some(ttl) = request.wrap_ttl.as_ref().or(self.wrap_ttl.as_ref()) {
            builder = builder.header("X-Vault-Wrap-TTL", ttl);
        }
        let token = match &request.token {
            TokenChoice::Client => self.token.as_deref(),
            TokenChoice::Nobody => None,
            TokenChoice::Other(token) => Some(token),
        };
        if let Some(token) = token {
            builder = builder.header("X-Vault-Token", token_header(token)?);
        }
        if request.body.is_some() {
            let kind = match request.method {
                Method::Patch => "application/merge-patch+json",
                _ => "application/json",
            };
            builder = builder.header(CONTENT_TYPE, kind);
        }
        let body = request.body.map_or_else(Bytes::new, wiping);
        builder.body(Full::new(body)).map_err(|_| {
            Error::Request("the path or a header has characters that HTTP cannot carry")
        })
    }
}

/// A request that is passed on for somebody else.
pub struct Relayed<'a> {
    /// Whatever they said.
    pub method: &'a http::Method,
    /// Path and query as they wrote it, from `/v1/` on.
    pub target: &'a str,
    /// Theirs.
    pub token: &'a Secret<String>,
    /// Those that mean something to the server; none that names a caller.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// Whatever they sent.
    pub body: &'a Secret<Vec<u8>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client")
            .field("endpoint", &self.transport.endpoint)
            .finish_non_exhaustive()
    }
}

fn refused(method: Method, path: String, response: Response) -> Error {
    Error::refused(Refusal {
        method,
        path,
        status: response.status,
        errors: response.errors.clone(),
        warnings: response.warnings.clone(),
        response: Box::new(response),
    })
}

fn token_header(token: &Secret<String>) -> Result<HeaderValue, Error> {
    sensitive(token.duplicate().into_bytes())
        .ok_or(Error::Request("the token has characters that no token has"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the local socket a request without a token is the admin's.
    #[tokio::test]
    async fn a_request_of_somebody_else_is_never_sent_without_a_token() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let own = Some(Secret::new("hvs.ours".to_owned()));
        let client = Client::new(Endpoint::Socket(path), Trust::default(), own).unwrap();
        for none in ["", "hvs.\n", "hvs.\u{0}"] {
            let relayed = Relayed {
                method: &http::Method::GET,
                target: "/v1/secret/data/a",
                token: &Secret::new(none.to_owned()),
                headers: &[],
                body: &Secret::new(Vec::new()),
            };
            assert!(matches!(
                client.relay(relayed).await,
                Err(Error::Request(_))
            ));
        }
        let nobody = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
        assert!(nobody.is_err(), "nothing was sent");
    }
}
