//! An answer: Vault's envelope taken apart.

use crate::tree::Tree;
use cofferdam_secret::Secret;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// The answer to one request; wiped on drop, and its `Debug` shows the status only.
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The server's name for this request; empty where there is no envelope.
    pub request_id: String,
    /// Lease of a dynamic secret; empty where there is none.
    pub lease_id: String,
    /// Lease in seconds.
    pub lease_duration: i64,
    /// Whether the lease can be renewed.
    pub renewable: bool,
    /// Which engine answered, where the server says so.
    pub mount_type: String,
    /// What a login or a token command returned.
    pub auth: Option<Auth>,
    /// Where the answer was put instead of being sent.
    pub wrap_info: Option<WrapInfo>,
    /// The server's warnings.
    pub warnings: Vec<String>,
    /// The server's error sentences, where it was no success.
    pub errors: Vec<String>,
    data: Option<Secret<String>>,
    body: Secret<Vec<u8>>,
}

/// The `auth` part of an answer.
#[derive(Deserialize)]
pub struct Auth {
    /// The token.
    #[serde(default = "nothing")]
    pub client_token: Secret<String>,
    /// The token's handle, no secret.
    #[serde(default)]
    pub accessor: String,
    /// All policies in effect.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    /// Those that the token itself has.
    #[serde(default)]
    pub token_policies: Option<Vec<String>>,
    /// Those that come from the identity.
    #[serde(default)]
    pub identity_policies: Option<Vec<String>>,
    /// What the auth method says about the caller.
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Remaining time in seconds; 0 never ends.
    #[serde(default)]
    pub lease_duration: u64,
    /// Whether it can be renewed.
    #[serde(default)]
    pub renewable: bool,
    /// The identity behind it.
    #[serde(default)]
    pub entity_id: String,
    /// `service` or `batch`.
    #[serde(default)]
    pub token_type: String,
    /// Whether it outlives its parent.
    #[serde(default)]
    pub orphan: bool,
    /// How often it can be used; 0 has no end.
    #[serde(default)]
    pub num_uses: u64,
}

/// The `wrap_info` part of an answer.
#[derive(Deserialize)]
pub struct WrapInfo {
    /// The wrapping token, good for one unwrap.
    pub token: Secret<String>,
    /// Its handle.
    #[serde(default)]
    pub accessor: String,
    /// Lifetime in seconds.
    #[serde(default)]
    pub ttl: u64,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub creation_time: String,
    /// Which path was wrapped.
    #[serde(default)]
    pub creation_path: String,
    /// Accessor of the token inside, where there is one.
    #[serde(default)]
    pub wrapped_accessor: String,
}

const fn nothing() -> Secret<String> {
    Secret::new(String::new())
}

/// What the envelope may hold; every part may be missing or null.
#[derive(Deserialize, Default)]
struct Envelope<'a> {
    request_id: Option<String>,
    lease_id: Option<String>,
    lease_duration: Option<i64>,
    renewable: Option<bool>,
    mount_type: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    auth: Option<Auth>,
    wrap_info: Option<WrapInfo>,
    warnings: Option<Vec<String>>,
    errors: Option<Vec<String>>,
}

/// What an envelope has, and no bare object.
const PARTS: &[&str] = &[
    "request_id",
    "lease_id",
    "lease_duration",
    "renewable",
    "mount_type",
    "data",
    "auth",
    "wrap_info",
    "warnings",
    "errors",
];

/// The body, where it is an object that no part of an envelope is in.
fn bare(body: &[u8]) -> Option<Secret<String>> {
    let members: BTreeMap<String, IgnoredAny> = serde_json::from_slice(body).ok()?;
    let is_bare = !members.is_empty() && !PARTS.iter().any(|part| members.contains_key(*part));
    let text = std::str::from_utf8(body).ok().filter(|_| is_bare)?;
    Some(Secret::new(text.to_owned()))
}

impl Response {
    /// Takes an answer apart; an empty body is an empty envelope. An object that is no envelope
    /// (seal status, health, what OpenID Connect prescribes) is the data, as for Vault's clients.
    ///
    /// # Errors
    /// Where it is no JSON: without its content.
    pub(crate) fn parse(status: u16, body: Secret<Vec<u8>>) -> Result<Self, &'static str> {
        let envelope: Envelope<'_> = if body.expose().iter().all(u8::is_ascii_whitespace) {
            Envelope::default()
        } else {
            serde_json::from_slice(body.expose())
                .map_err(|_| "the body is not the JSON it should be")?
        };
        let data = envelope
            .data
            .filter(|raw| raw.get() != "null")
            .map(|raw| Secret::new(raw.get().to_owned()))
            .or_else(|| bare(body.expose()));
        Ok(Self {
            status,
            request_id: envelope.request_id.unwrap_or_default(),
            lease_id: envelope.lease_id.unwrap_or_default(),
            lease_duration: envelope.lease_duration.unwrap_or_default(),
            renewable: envelope.renewable.unwrap_or_default(),
            mount_type: envelope.mount_type.unwrap_or_default(),
            auth: envelope.auth,
            wrap_info: envelope.wrap_info,
            warnings: envelope.warnings.unwrap_or_default(),
            errors: envelope.errors.unwrap_or_default(),
            data,
            body,
        })
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The `data` part as JSON text.
    #[must_use]
    pub const fn raw_data(&self) -> Option<&Secret<String>> {
        self.data.as_ref()
    }

    /// The `data` part; `None` where it is missing or null.
    #[must_use]
    pub fn tree(&self) -> Option<Tree> {
        let data = self.data.as_ref()?;
        Tree::parse(data.expose().as_bytes()).ok()
    }

    /// The whole body, for answers without an envelope; `None` where it is empty.
    #[must_use]
    pub fn body_tree(&self) -> Option<Tree> {
        Tree::parse(self.body.expose()).ok()
    }

    /// Forgets the `data` part.
    pub fn drop_data(&mut self) {
        self.data = None;
    }

    /// The `data` part in a shape of the caller; `None` where it is missing or another shape.
    #[must_use]
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.data.as_ref()?.expose()).ok()
    }

    /// The whole body in a shape of the caller.
    #[must_use]
    pub fn body<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body.expose()).ok()
    }

    /// One field of `data`, as the content of a file would be.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Secret<Vec<u8>>> {
        self.tree()?.take(name).map(Tree::into_value)
    }

    /// The names in the answer to a list.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let Some(data) = self.tree() else {
            return Vec::new();
        };
        let keys = data.get("keys").map(Tree::items).unwrap_or_default();
        keys.iter()
            .filter_map(Tree::as_text)
            .map(str::to_owned)
            .collect()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Response")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(status: u16, body: &str) -> Result<Response, &'static str> {
        Response::parse(status, Secret::new(body.as_bytes().to_vec()))
    }

    #[test]
    fn every_part_of_the_envelope_may_be_missing_or_null() {
        for body in [
            "",
            "\n",
            "{}",
            r#"{"data":null,"auth":null,"warnings":null,"lease_id":null}"#,
        ] {
            let response = parse(200, body).unwrap();
            assert!(
                response.tree().is_none() && response.auth.is_none(),
                "{body}"
            );
        }
    }

    #[test]
    fn an_object_that_is_no_envelope_is_the_data() {
        let response = parse(200, r#"{"active":true,"\u0061":1}"#).unwrap();
        assert_eq!(response.field("active").unwrap().expose(), b"true");
        assert_eq!(response.field("a").unwrap().expose(), b"1");
        for body in [
            r#"{"errors":[]}"#,
            r#"{"data":null,"active":true}"#,
            r#"{"auth":null,"active":true}"#,
            "[1]",
        ] {
            let data = parse(200, body).ok().and_then(|response| response.tree());
            assert!(data.is_none(), "{body}");
        }
    }

    #[test]
    fn a_body_that_is_no_json_is_an_error_without_its_content() {
        let error = parse(200, "<html>hunter2</html>").unwrap_err();
        assert!(!error.contains("hunter2"));
    }

    #[test]
    fn debug_shows_no_content() {
        let response = parse(200, r#"{"data":{"password":"hunter2"}}"#).unwrap();
        assert_eq!(format!("{response:?}"), "Response { status: 200, .. }");
        assert_eq!(response.field("password").unwrap().expose(), b"hunter2");
    }
}
