//! How a client sends, whatever it sends: headers of the caller, attempts, and whether at all.

use crate::{Client, Request, transport};
use cofferdam_secret::Secret;
use http::header::{HeaderName, HeaderValue};
use std::fmt;
use std::time::Duration;

/// Headers that a client writes itself, or that frame a message: beside those that begin as Vault's do.
const OWN: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// How Vault's own headers begin.
const RESERVED: &str = "x-vault-";
/// Carries answers for multi-factor authentication. It is no header that callers name.
const MFA: HeaderName = HeaderName::from_static("x-vault-mfa");
/// Between two attempts, times the number of the attempt. Vault's clients wait as long.
const PAUSE: Duration = Duration::from_secs(1);

/// What goes along with every request of a client.
#[derive(Clone, Default)]
pub struct Manner {
    headers: Vec<(HeaderName, HeaderValue)>,
    retries: u32,
    rehearses: bool,
}

/// A header that does not go along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The client's own, or Vault's.
    #[error("a header that the client writes itself")]
    Own,
    /// HTTP has no such name or value.
    #[error("not a header of HTTP")]
    NotHttp,
}

impl Manner {
    /// Adds a header. Of one that comes twice the last value counts. The value may be a secret.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        let name = name.map_err(|_| HeaderError::NotHttp)?;
        if name.as_str().starts_with(RESERVED) || OWN.contains(&name.as_str()) {
            return Err(HeaderError::Own);
        }
        let value = hidden(value)?;
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        Ok(self)
    }

    /// Adds an answer for multi-factor authentication.
    ///
    /// # Errors
    /// [`HeaderError::NotHttp`].
    pub fn mfa(mut self, answer: &str) -> Result<Self, HeaderError> {
        self.headers.push((MFA, hidden(answer)?));
        Ok(self)
    }

    /// How often a request is sent again where nobody was there, or a server answered that it cannot
    /// answer now. Without this, never.
    #[must_use]
    pub const fn retrying(mut self, times: u32) -> Self {
        self.retries = times;
        self
    }

    /// Sends nothing: what would have been sent is [`Error::Rehearsed`](crate::Error::Rehearsed).
    #[must_use]
    pub const fn rehearsing(mut self) -> Self {
        self.rehearses = true;
        self
    }

    pub(crate) const fn in_earnest(mut self) -> Self {
        self.rehearses = false;
        self
    }

    pub(crate) const fn rehearses(&self) -> bool {
        self.rehearses
    }

    pub(crate) const fn retries(&self) -> u32 {
        self.retries
    }

    /// The headers of the caller.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

fn hidden(value: &str) -> Result<HeaderValue, HeaderError> {
    let value = Secret::new(value.as_bytes().to_vec());
    transport::sensitive(value).ok_or(HeaderError::NotHttp)
}

/// Whether the same request may have another answer soon, as Vault's clients reckon.
pub(crate) const fn is_passing(status: u16) -> bool {
    matches!(status, 412 | 429 | 500 | 502..=599)
}

/// How long to wait after an attempt.
pub(crate) fn pause(attempt: u32) -> Duration {
    PAUSE.saturating_mul(attempt)
}

/// A request that was not sent, and the client that would have sent it.
pub struct Rehearsal {
    /// What.
    pub request: Request,
    /// With whose token, and in which manner.
    pub client: Client,
}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Rehearsal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_names_the_headers_that_a_client_writes() {
        for name in [
            "X-Vault-Token",
            "x-vault-namespace",
            "X-VAULT-anything",
            "Host",
            "Content-Length",
            "transfer-encoding",
            " Connection ",
        ] {
            let refused = Manner::default().header(name, "x").err();
            assert_eq!(refused, Some(HeaderError::Own), "{name}");
        }
        for (name, value) in [("a b", "x"), ("", "x"), ("a", "x\r\nX-Vault-Token: y")] {
            let refused = Manner::default().header(name, value).err();
            assert_eq!(refused, Some(HeaderError::NotHttp), "{name}");
        }
    }

    #[test]
    fn the_last_value_of_a_header_counts_and_every_answer() {
        let manner = Manner::default().header("Foo", "a").unwrap();
        let manner = manner.header("foo", "b").unwrap();
        let manner = manner.mfa("one:1").unwrap().mfa("two:2").unwrap();
        let text: Vec<_> = manner
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(text, ["foo: b", "x-vault-mfa: one:1", "x-vault-mfa: two:2"]);
    }

    #[test]
    fn a_server_that_cannot_now_is_asked_again() {
        let again: Vec<u16> = (100..600).filter(|status| is_passing(*status)).collect();
        assert!(
            [412, 429, 500, 502, 503]
                .iter()
                .all(|status| again.contains(status))
        );
        assert!(
            ![200, 204, 307, 400, 403, 404, 501]
                .iter()
                .any(|status| again.contains(status))
        );
    }
}
