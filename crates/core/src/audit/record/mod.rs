//! Audit records in Vault's format, field for field and in its order.
//!
//! A request leaves two lines: the [`Intent`] before it is carried out and the response before it
//! is answered. Both have the same `auth` and `request` parts, so these are formatted once.
//! `sample.jsonl` beside this file was written by a real OpenBao 2.7.2 server and is what the tests
//! compare with. What differs: no `client_id` (a licence counter), no running version, times always
//! have nine digits of fraction, and any text value is hashed, timestamps included.

mod line;
mod time;
mod token;

pub use super::redact::Unrecordable;
pub use token::{MountFragment, TokenFacts, TokenFragment};

use super::redact::{Fragment, Names, redact};
use super::{Pieces, Salt};
use line::Line;
use std::sync::Arc;

/// One finished line, without its closing brace: the chain link comes there.
pub struct Record {
    /// As most devices get it.
    text: Pieces,
    /// The same for devices that count the names of a list ([`Names::Counted`]), where it differs.
    counted: Option<Pieces>,
}

impl Record {
    /// Bytes of the line.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.text.len()
    }

    /// With the line that devices get which count the names of a list.
    #[must_use]
    pub fn or_counted(self, counted: Self) -> Self {
        Self {
            counted: Some(counted.text),
            ..self
        }
    }

    /// What a device gets that wants names like this.
    pub(super) fn text(&self, names: Names) -> &Pieces {
        match (names, &self.counted) {
            (Names::Counted, Some(counted)) => counted,
            _ => &self.text,
        }
    }
}

impl From<Pieces> for Record {
    fn from(text: Pieces) -> Self {
        Self {
            text,
            counted: None,
        }
    }
}

/// JSON for a `data` member.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// Values are hashed now.
    Json {
        /// One JSON object.
        json: &'a [u8],
        /// Top-level fields that stay readable (`audit_non_hmac_request_keys` and its sibling).
        plain: &'a [String],
        /// What is said of the names in a list.
        names: Names,
    },
    /// Values were hashed before.
    Ready(&'a Fragment),
}

/// Who asks, as far as it is known.
#[derive(Clone, Copy)]
pub enum Caller<'a> {
    /// Nobody: a login, or a route that asks for no token.
    Nobody,
    /// A token was presented that we do not know; only its hash is written.
    Stranger(&'a str),
    /// Known without a token: a local user by peer credentials.
    Local {
        /// As it is to be shown.
        display_name: &'a str,
        /// What they may do.
        policies: &'a [String],
    },
    /// A live token.
    Token(&'a TokenFragment),
}

/// What policy said.
#[derive(Clone, Copy)]
pub struct Verdict<'a> {
    /// Whether the request may be carried out.
    pub allowed: bool,
    /// Names of the policies that allow it.
    pub granting: &'a [&'a str],
}

/// A request header that is recorded.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    /// In lower case.
    pub name: &'a str,
    /// In the order they came.
    pub values: &'a [&'a str],
    /// Write the values' hashes only.
    pub hashed: bool,
}

/// What a record says of a request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: Caller<'a>,
    /// What policy said; `None` when it came to no decision.
    pub verdict: Option<Verdict<'a>>,
    /// Requests this token may still make, before this one; 0 for no limit.
    pub remaining_uses: u64,
    /// The request id the caller sees too.
    pub id: &'a str,
    /// `create`, `read`, `update`, `patch`, `delete`, `list`.
    pub operation: &'a str,
    /// The mount, once it is found.
    pub mount: Option<&'a MountFragment>,
    /// Whole path, with a trailing slash if one was written.
    pub path: &'a str,
    /// The body.
    pub data: Option<Payload<'a>>,
    /// Address of the peer.
    pub remote_address: &'a str,
    /// Its port; 0 for a local socket.
    pub remote_port: u16,
    /// Seconds of a wrapped answer's life; 0 when not wrapped.
    pub wrap_ttl: u64,
    /// Headers that are to be recorded.
    pub headers: &'a [Header<'a>],
}

/// A wrapped answer.
#[derive(Clone, Copy)]
pub struct Wrap<'a> {
    /// Seconds.
    pub ttl: u64,
    /// The wrapping token; only its hash is written.
    pub token: &'a str,
    /// Its accessor; only its hash is written.
    pub accessor: &'a str,
    /// RFC 3339.
    pub creation_time: &'a str,
    /// Path of the wrapped request.
    pub creation_path: &'a str,
    /// Accessor of a wrapped token; only its hash is written.
    pub wrapped_accessor: Option<&'a str>,
}

/// What a record says of an answer.
#[derive(Clone, Copy, Default)]
pub struct Response<'a> {
    /// The token this request made.
    pub auth: Option<&'a TokenFacts<'a>>,
    /// The lease this request made.
    pub lease_id: Option<&'a str>,
    /// The answer's data.
    pub data: Option<Payload<'a>>,
    /// Shown as they are.
    pub warnings: &'a [String],
    /// A wrapped answer.
    pub wrap: Option<Wrap<'a>>,
    /// Why it was refused or failed; shown as it is, so it must hold no input.
    pub error: Option<&'a str>,
}

/// The parts both lines of a request share.
pub struct Intent {
    /// `"auth":{…},"request":{…}`
    shared: Vec<u8>,
    /// Length of the first of them.
    auth: usize,
    /// The mount, again, for the response part.
    mount: Vec<u8>,
    /// A response may replace `auth` by the token it made.
    anonymous: bool,
}

/// Data that is not copied into a line, and where in it it belongs.
struct Long {
    at: usize,
    data: Arc<[u8]>,
}

impl Intent {
    /// Hashes and formats.
    ///
    /// # Errors
    /// [`Unrecordable`]; the request must not be carried out then.
    pub fn new(salt: &Salt, request: &Request<'_>) -> Result<Self, Unrecordable> {
        let mut line = Line::with_capacity(1536);
        auth_part(salt, request, &mut line)?;
        let auth = line.0.len();
        request_part(salt, request, &mut line)?;
        Ok(Self {
            shared: line.0,
            auth,
            mount: request
                .mount
                .map(|mount| mount.0.clone())
                .unwrap_or_default(),
            anonymous: matches!(request.caller, Caller::Nobody),
        })
    }

    /// The line before the request is carried out, or refused with `error`.
    #[must_use]
    pub fn request(&self, nanos: u64, error: Option<&str>) -> Record {
        let mut line = start(nanos, b"request", self.shared.len() + 256);
        line.raw(b",");
        line.raw(&self.shared);
        line.text("error", error.unwrap_or_default());
        Pieces::from(line.0).into()
    }

    /// The line before the answer.
    ///
    /// # Errors
    /// [`Unrecordable`]; the caller must not see the answer then.
    pub fn response(
        &self,
        salt: &Salt,
        nanos: u64,
        response: &Response<'_>,
    ) -> Result<Record, Unrecordable> {
        let mut line = start(nanos, b"response", self.shared.len() + 1280);
        match response.auth.filter(|_| self.anonymous) {
            Some(issued) => {
                line.open("auth");
                issued.issued(salt, &mut line);
                line.close();
                line.raw(self.shared.get(self.auth..).unwrap_or_default());
            }
            None => {
                line.raw(b",");
                line.raw(&self.shared);
            }
        }
        let long = self.response_part(salt, response, &mut line)?;
        line.text("error", response.error.unwrap_or_default());
        let mut pieces = Pieces::from(line.0);
        if let Some(Long { at, data }) = long {
            pieces.share(at, data);
        }
        Ok(pieces.into())
    }

    /// Writes the `response` member, but for data that is long and ready: what is to be put where.
    fn response_part(
        &self,
        salt: &Salt,
        response: &Response<'_>,
        line: &mut Line,
    ) -> Result<Option<Long>, Unrecordable> {
        let before = line.0.len();
        line.open("response");
        let opened = line.0.len();
        if let Some(issued) = response.auth {
            line.open("auth");
            issued.issued(salt, line);
            line.close();
        }
        members(line, &self.mount);
        if let Some(id) = response.lease_id {
            line.open("secret");
            line.text("lease_id", id);
            line.close();
        }
        let long = match response.data {
            Some(Payload::Ready(fragment)) => fragment.long(salt),
            _ => None,
        };
        let long = match long {
            Some(data) => {
                line.name("data");
                let at = line.0.len();
                Some(Long { at, data })
            }
            None => {
                data_member(salt, response.data, line)?;
                None
            }
        };
        line.words("warnings", response.warnings);
        if let Some(wrap) = &response.wrap {
            wrap_part(salt, wrap, line);
        }
        if line.0.len() == opened {
            line.0.truncate(before);
        } else {
            line.close();
        }
        Ok(long)
    }
}

fn start(nanos: u64, kind: &[u8], capacity: usize) -> Line {
    let mut line = Line::with_capacity(capacity);
    line.raw(b"{");
    line.ascii("time", &time::rfc3339(nanos));
    line.ascii("type", kind);
    line
}

/// Finished members, with a comma in front where one is due.
fn members(line: &mut Line, members: &[u8]) {
    if members.is_empty() {
        return;
    }
    if !matches!(line.0.last(), None | Some(b'{')) {
        line.raw(b",");
    }
    line.raw(members);
}

fn auth_part(salt: &Salt, request: &Request<'_>, line: &mut Line) -> Result<(), Unrecordable> {
    line.open("auth");
    match request.caller {
        Caller::Token(token) if token.salt != salt.id() => return Err(Unrecordable::StaleFragment),
        Caller::Token(token) => {
            members(line, &token.head);
            verdict_part(request.verdict, line);
            members(line, &token.metadata);
            line.number("remaining_uses", request.remaining_uses);
            members(line, &token.tail);
        }
        Caller::Local {
            display_name,
            policies,
        } => {
            line.text("display_name", display_name);
            line.words("policies", policies);
            verdict_part(request.verdict, line);
            line.text("token_type", "default");
        }
        Caller::Nobody | Caller::Stranger(_) => {
            verdict_part(request.verdict, line);
            line.text("token_type", "default");
        }
    }
    line.close();
    Ok(())
}

fn verdict_part(verdict: Option<Verdict<'_>>, line: &mut Line) {
    let Some(verdict) = verdict else { return };
    line.open("policy_results");
    line.flag("allowed", verdict.allowed);
    if !verdict.granting.is_empty() {
        line.name("granting_policies");
        let mut separator = b'[';
        for name in verdict.granting {
            line.0.push(separator);
            separator = b',';
            line.raw(b"{");
            line.text("name", name);
            line.raw(b",\"namespace_id\":\"root\",\"type\":\"acl\"}");
        }
        line.raw(b"]");
    }
    line.close();
}

fn request_part(salt: &Salt, request: &Request<'_>, line: &mut Line) -> Result<(), Unrecordable> {
    line.open("request");
    line.text("id", request.id);
    line.text("operation", request.operation);
    if let Some(mount) = request.mount {
        members(line, &mount.0);
    }
    match request.caller {
        Caller::Token(token) => members(line, &token.presented),
        Caller::Stranger(token) => {
            line.ascii("client_token", salt.hash_value(token.as_bytes()).as_bytes());
        }
        Caller::Nobody | Caller::Local { .. } => {}
    }
    line.open("namespace");
    line.text("id", "root");
    line.close();
    line.text("path", request.path);
    data_member(salt, request.data, line)?;
    line.text("remote_address", request.remote_address);
    line.number("remote_port", request.remote_port.into());
    line.number("wrap_ttl", request.wrap_ttl);
    headers_part(salt, request.headers, line);
    line.close();
    Ok(())
}

fn data_member(
    salt: &Salt,
    data: Option<Payload<'_>>,
    line: &mut Line,
) -> Result<(), Unrecordable> {
    let Some(data) = data else { return Ok(()) };
    let before = line.0.len();
    line.name("data");
    let opened = line.0.len();
    match data {
        Payload::Json { json, plain, names } => redact(salt, json, plain, names, &mut line.0)?,
        Payload::Ready(fragment) => line.raw(fragment.json(salt)?),
    }
    if line.0.get(opened..) == Some(b"{}") {
        line.0.truncate(before);
    }
    Ok(())
}

fn headers_part(salt: &Salt, headers: &[Header<'_>], line: &mut Line) {
    if headers.is_empty() {
        return;
    }
    line.open("headers");
    for header in headers {
        if header.hashed {
            let hashes: Vec<_> = header
                .values
                .iter()
                .map(|value| salt.hash_value(value.as_bytes()))
                .collect();
            let texts: Vec<_> = hashes.iter().map(super::HashText::as_str).collect();
            line.words(header.name, &texts);
        } else {
            line.words(header.name, header.values);
        }
    }
    line.close();
}

fn wrap_part(salt: &Salt, wrap: &Wrap<'_>, line: &mut Line) {
    let hash = |value: &str| salt.hash_value(value.as_bytes());
    line.open("wrap_info");
    line.number("ttl", wrap.ttl);
    line.ascii("token", hash(wrap.token).as_bytes());
    line.ascii("accessor", hash(wrap.accessor).as_bytes());
    line.text("creation_time", wrap.creation_time);
    line.text("creation_path", wrap.creation_path);
    if let Some(accessor) = wrap.wrapped_accessor {
        line.ascii("wrapped_accessor", hash(accessor).as_bytes());
    }
    line.close();
}

#[cfg(test)]
mod tests;
