//! Whether a found value lives: what its provider is asked, and what the answer says.
//!
//! The questions are data (`rules/verify.toml`). This room makes requests and reads answers; it has no
//! network. Whoever sends them follows no redirect and sends a value nowhere but to the host that stands
//! in the rule: nothing of what is scanned has a part in where a value goes.
//!
//! Values are kept for this ([`Kept`]) only where somebody asked for it, and leave with a request.

mod aws;
mod kept;

pub use aws::{Caller, caller_identity};
pub use kept::Kept;

use cofferdam_secret::{Buffer, Secret};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// Where a value stands in a header.
const PLACE: &str = "{value}";

/// One way to ask.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Question {
    /// Whom.
    pub provider: String,
    rules: Vec<String>,
    /// Where the question is documented.
    pub source: String,
    url: String,
    post: Option<String>,
    headers: Vec<String>,
    live: Vec<u16>,
    dead: Vec<u16>,
    needs: Option<String>,
    dead_words: Vec<String>,
    only: Vec<String>,
    not: Vec<String>,
    elsewhere: Option<String>,
    cannot: Option<String>,
    signed: bool,
    server: bool,
}

/// How a question is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A request with the value ([`Question::request`]).
    Request,
    /// A request signed with a pair of values ([`caller_identity`]).
    Signed,
    /// A look-up at the caller's own server.
    Server,
    /// Not at all.
    Never,
}

/// A request, ready to be sent over TLS. Wiped when dropped.
pub struct Outgoing {
    /// Name of the host.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// `POST` instead of `GET`, with this body.
    pub post: Option<String>,
    /// Headers; their values may be secret.
    pub headers: Vec<(String, Secret<Vec<u8>>)>,
}

/// What is known of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its provider takes it.
    Live,
    /// Its provider does not take it any more.
    Dead,
    /// Not known, and why.
    Unknown(String),
}

/// What is said about a finding whose provider was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What came out.
    pub life: Life,
    /// Who was asked: a host, or nobody.
    pub by: Option<String>,
}

impl Life {
    /// One word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Dead => "dead",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Why nothing is known.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Unknown(reason) => Some(reason),
            _ => None,
        }
    }
}

impl Verdict {
    /// Nobody was asked.
    #[must_use]
    pub fn not_asked(reason: impl Into<String>) -> Self {
        Self {
            life: Life::Unknown(reason.into()),
            by: None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.life, &self.by) {
            (Life::Live, Some(by)) => write!(out, "live: {by} takes it"),
            (Life::Dead, Some(by)) => write!(out, "dead: {by} does not take it"),
            (Life::Unknown(reason), Some(by)) => write!(out, "unknown: {by}: {reason}"),
            (Life::Unknown(reason), None) => write!(out, "unknown: {reason}"),
            (life, None) => out.write_str(life.word()),
        }
    }
}

/// The question for findings of a rule, if there is one.
#[must_use]
pub fn question(rule: &str) -> Option<&'static Question> {
    static BY_RULE: LazyLock<HashMap<&'static str, &'static Question>> = LazyLock::new(|| {
        let rules = |one: &'static Question| one.rules.iter().map(move |rule| (rule.as_str(), one));
        ALL.iter().flat_map(rules).collect()
    });
    BY_RULE.get(rule).copied()
}

static ALL: LazyLock<Vec<Question>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        ask: Vec<Question>,
    }
    // A test reads it; a binary with one that does not parse asks nobody.
    let file = toml::from_str::<File>(include_str!("../../rules/verify.toml"));
    debug_assert!(file.is_ok(), "the questions do not parse");
    file.map(|file| file.ask).unwrap_or_default()
});

impl Question {
    /// How it is put.
    #[must_use]
    pub const fn way(&self) -> Way {
        if self.cannot.is_some() {
            Way::Never
        } else if self.server {
            Way::Server
        } else if self.signed {
            Way::Signed
        } else {
            Way::Request
        }
    }

    /// The host that is asked.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.url.strip_prefix("https://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    /// Why a value is not asked about.
    #[must_use]
    pub fn objection(&self, value: &Secret<Vec<u8>>) -> Option<String> {
        if let Some(reason) = &self.cannot {
            return Some(reason.clone());
        }
        let value = value.expose();
        let begins = |list: &[String]| list.iter().any(|start| value.starts_with(start.as_bytes()));
        if (!self.only.is_empty() && !begins(&self.only)) || begins(&self.not) {
            return Some("no question is documented for this kind of it".to_owned());
        }
        // Visible ASCII: nothing that ends a header, and nothing that two programs read differently.
        let carried = value.iter().all(u8::is_ascii_graphic);
        (!carried || value.is_empty()).then(|| "it has characters that no token has".to_owned())
    }

    /// The request that asks about a value; none where [`Question::objection`] has something.
    #[must_use]
    pub fn request(&self, value: &Secret<Vec<u8>>) -> Option<Outgoing> {
        if self.way() != Way::Request || self.objection(value).is_some() {
            return None;
        }
        let rest = self.url.strip_prefix("https://")?;
        let (host, path) = rest.split_once('/')?;
        let header = |line: &String| {
            let (name, text) = line.split_once(": ")?;
            let mut out = Buffer::with_capacity(text.len() + value.expose().len());
            match text.split_once(PLACE) {
                Some((before, after)) => {
                    out.push(before.as_bytes());
                    out.push(value.expose());
                    out.push(after.as_bytes());
                }
                None => out.push(text.as_bytes()),
            }
            Some((name.to_owned(), out.finish()))
        };
        Some(Outgoing {
            host: host.to_owned(),
            target: format!("/{path}"),
            post: self.post.clone(),
            headers: self.headers.iter().map(header).collect::<Option<_>>()?,
        })
    }

    /// What an answer says.
    #[must_use]
    pub fn judge(&self, status: u16, body: &[u8]) -> Life {
        if self.signed {
            return aws::judge(status, body);
        }
        if self.live.contains(&status) {
            let Some(field) = &self.needs else {
                return Life::Live;
            };
            return self.judge_document(field, body);
        }
        match (self.dead.contains(&status), &self.elsewhere) {
            (true, None) => Life::Dead,
            (true, Some(reason)) => Life::Unknown(format!("does not know it; {reason}")),
            (false, _) => Life::Unknown(of_status(status)),
        }
    }

    /// For providers whose status says nothing.
    fn judge_document(&self, field: &str, body: &[u8]) -> Life {
        let Ok(document) = serde_json::from_slice::<serde_json::Value>(body) else {
            return Life::Unknown("its answer is not JSON".to_owned());
        };
        match document.get(field).and_then(serde_json::Value::as_bool) {
            Some(true) => Life::Live,
            Some(false) => {
                let error = document.get("error").and_then(serde_json::Value::as_str);
                let dead =
                    error.is_some_and(|error| self.dead_words.iter().any(|word| word == error));
                match dead {
                    true => Life::Dead,
                    // The text is a stranger's and is not repeated.
                    false => Life::Unknown("it refuses for another reason".to_owned()),
                }
            }
            None => Life::Unknown("its answer says nothing of it".to_owned()),
        }
    }
}

/// What a status says that neither means live nor dead.
#[must_use]
pub fn of_status(status: u16) -> String {
    match status {
        300..=399 => format!("it answers with a redirect ({status}), which is not followed"),
        401 | 403 => format!("it refuses without saying why ({status})"),
        429 => "it is asked too often (429); try again later".to_owned(),
        500..=599 => format!("it is out of order ({status})"),
        _ => format!("it answers with status {status}"),
    }
}

#[cfg(test)]
mod tests;
