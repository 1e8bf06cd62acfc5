//! One request, before it knows its server.

use crate::{Error, Tree};
use cofferdam_secret::{Buffer, Secret};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use std::fmt;

/// What Go's `url.URL` leaves alone in a path, so that both clients ask for the same bytes.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// In a query only what is never special.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Vault's operations as HTTP writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// `GET` with `list=true`, which passes through proxies that know no `LIST`.
    List,
    /// `GET` with `scan=true`: names of all levels, as OpenBao's clients ask for them.
    Scan,
    /// Create or update.
    Post,
    /// Create or update, as Vault's clients send it.
    Put,
    /// JSON merge patch.
    Patch,
    /// Delete.
    Delete,
}

impl Method {
    pub(crate) const fn http(self) -> http::Method {
        match self {
            Self::Get | Self::List | Self::Scan => http::Method::GET,
            Self::Post => http::Method::POST,
            Self::Put => http::Method::PUT,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Get => "read",
            Self::List => "list",
            Self::Scan => "scan",
            Self::Post | Self::Put => "write",
            Self::Patch => "patch",
            Self::Delete => "delete",
        })
    }
}

/// A request below `/v1/`. Its body is wiped when it is dropped.
pub struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Option<Secret<Vec<u8>>>,
    pub(crate) token: TokenChoice,
    pub(crate) wrap_ttl: Option<String>,
}

/// Which token goes along.
pub(crate) enum TokenChoice {
    /// The client's, if it has one.
    Client,
    /// None: login paths.
    Nobody,
    /// Another one: a wrapping token.
    Other(Secret<String>),
}

impl Request {
    /// A request without query and body. `path` is unescaped and has no `/v1/`.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let path: String = path.into();
        Self {
            method,
            path: path.trim_start_matches('/').to_owned(),
            query: Vec::new(),
            body: None,
            token: TokenChoice::Client,
            wrap_ttl: None,
        }
    }

    /// `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    /// `PUT` with a JSON body.
    pub fn put(path: impl Into<String>, body: &Tree) -> Self {
        Self::new(Method::Put, path).tree(body)
    }

    /// `POST` with a JSON body.
    pub fn post(path: impl Into<String>, body: &Tree) -> Self {
        Self::new(Method::Post, path).tree(body)
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets the body from a tree.
    #[must_use]
    pub fn tree(mut self, body: &Tree) -> Self {
        self.body = Some(body.to_json());
        self
    }

    /// Sets the body from a shape of the caller.
    ///
    /// # Errors
    /// [`Error::Request`] when the shape cannot be JSON (a map whose keys are no strings).
    pub fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let mut out = Buffer::with_capacity(256);
        serde_json::to_writer(&mut out, body)
            .map_err(|_| Error::Request("a body that is no JSON"))?;
        self.body = Some(out.finish());
        Ok(self)
    }

    /// Sets the body as bytes that are JSON already.
    #[must_use]
    pub fn raw(mut self, body: Secret<Vec<u8>>) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends no token, even if the client has one.
    #[must_use]
    pub fn without_token(mut self) -> Self {
        self.token = TokenChoice::Nobody;
        self
    }

    /// Sends another token than the client's.
    #[must_use]
    pub fn with_token(mut self, token: Secret<String>) -> Self {
        self.token = TokenChoice::Other(token);
        self
    }

    /// Asks for a response-wrapping token of this lifetime (`60s`, `1h`) instead of the answer.
    #[must_use]
    pub fn wrapped(mut self, ttl: impl Into<String>) -> Self {
        self.wrap_ttl = Some(ttl.into());
        self
    }

    /// The same once more, for another attempt.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            method: self.method,
            path: self.path.clone(),
            query: self.query.clone(),
            body: self.body.as_ref().map(Secret::duplicate),
            token: match &self.token {
                TokenChoice::Client => TokenChoice::Client,
                TokenChoice::Nobody => TokenChoice::Nobody,
                TokenChoice::Other(token) => TokenChoice::Other(token.duplicate()),
            },
            wrap_ttl: self.wrap_ttl.clone(),
        }
    }

    /// What is asked.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Path below `/v1/`, unescaped.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Body, if there is one.
    #[must_use]
    pub const fn body(&self) -> Option<&Secret<Vec<u8>>> {
        self.body.as_ref()
    }

    /// Path and query as they stand in the request line, below the endpoint's base.
    #[must_use]
    pub fn target(&self) -> String {
        let mut target = format!("/v1/{}", utf8_percent_encode(&self.path, PATH));
        let names = match self.method {
            Method::List => Some(("list", "true")),
            Method::Scan => Some(("scan", "true")),
            _ => None,
        };
        let own = self
            .query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (index, (name, value)) in names.into_iter().chain(own).enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.extend(utf8_percent_encode(name, QUERY));
            target.push('=');
            target.extend(utf8_percent_encode(value, QUERY));
        }
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_escaped_once() {
        let request =
            Request::new(Method::List, "/secret/metadata/a b/ü%41?x#y/").query("after", "a&b=c");
        assert_eq!(
            request.target(),
            "/v1/secret/metadata/a%20b/%C3%BC%2541%3Fx%23y/?list=true&after=a%26b%3Dc"
        );
        let request = Request::new(Method::Scan, "secret/metadata");
        assert_eq!(request.target(), "/v1/secret/metadata?scan=true");
    }
}
