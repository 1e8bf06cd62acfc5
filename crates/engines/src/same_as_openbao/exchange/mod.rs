//! Scripts of requests, and their comparison on two servers: status, data, logins, errors and
//! warnings, field by field.
//!
//! Each deliberate difference is written at its step with the reason, and a step that says it
//! differs and does not fails as well. Knows neither our engines nor our server: the tests of both
//! use it (`tests/tests/same_as_openbao.rs` by path).

pub(crate) mod approle;
pub(crate) mod cubbyhole;
#[allow(dead_code, reason = "for whole servers only")]
pub(crate) mod identity;
pub(crate) mod jwt;
pub(crate) mod kubernetes;
pub(crate) mod kv;
pub(crate) mod kv1;
pub(crate) mod server;
pub(crate) mod signer;
#[allow(dead_code, reason = "for whole servers only")]
pub(crate) mod sys;
#[allow(dead_code, reason = "for whole servers only")]
pub(crate) mod tokens;
pub(crate) mod totp;
pub(crate) mod transit;
pub(crate) mod userpass;
#[allow(dead_code, reason = "for whole servers only")]
pub(crate) mod warnings;

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One request.
pub(crate) struct Step {
    /// GET, POST, PATCH, DELETE, LIST or SCAN.
    pub(crate) method: &'static str,
    /// Below the mount.
    pub(crate) path: String,
    pub(crate) body: Value,
    differs: Differs,
    keeps: &'static [&'static str],
    random: Random,
    /// A whole server adds a warning about parameters, which no engine alone gives.
    warned: bool,
    /// OpenBao gives the names of this list in another order each time.
    unordered: bool,
}

/// Whether, and how, an answer is random.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Random {
    Not,
    Form,
    /// Not even of one length.
    Loose,
}

/// In what, and why.
#[derive(Clone, Copy)]
enum Differs {
    Not,
    /// Only the texts of errors and warnings.
    Text,
    /// More than the texts.
    All,
}

fn step(method: &'static str, path: impl Into<String>, body: Value) -> Step {
    Step {
        method,
        path: path.into(),
        body,
        differs: Differs::Not,
        keeps: &[],
        random: Random::Not,
        warned: false,
        unordered: false,
    }
}

fn get(path: impl Into<String>) -> Step {
    step("GET", path, Value::Null)
}

fn put(path: impl Into<String>, body: Value) -> Step {
    step("POST", path, body)
}

fn patch(path: impl Into<String>, body: Value) -> Step {
    step("PATCH", path, body)
}

fn delete(path: impl Into<String>) -> Step {
    step("DELETE", path, Value::Null)
}

fn list(path: impl Into<String>) -> Step {
    step("LIST", path, Value::Null)
}

/// Only KV answers it: the scripts of other engines have none.
#[allow(dead_code, reason = "not every test has all scripts")]
fn scan(path: impl Into<String>) -> Step {
    step("SCAN", path, Value::Null)
}

/// Why names of all levels may come otherwise.
#[allow(dead_code, reason = "not every test has all scripts")]
const IN_ORDER: &str = "in the order of whole paths, so that after and limit mean something";
#[allow(dead_code, reason = "not every test has all scripts")]
const IN_PARTS: &str = "after and limit take a part: theirs looks at neither";

impl Step {
    /// The whole path, when the engine is at `mount`.
    pub(crate) fn below(&self, mount: &str) -> String {
        let slash = if self.path.is_empty() { "" } else { "/" };
        format!("{mount}{slash}{}", self.path)
    }

    /// With what was kept in the path.
    fn aimed(&self, kept: &BTreeMap<String, Value>) -> Self {
        let segment = |segment| match segment {
            segment if !str::starts_with(segment, '$') => segment.to_owned(),
            name => match filled(&json!(name), kept) {
                Value::String(text) => text,
                other => panic!("{name} is {other}"),
            },
        };
        let path: Vec<_> = self.path.split('/').map(segment).collect();
        step(self.method, path.join("/"), Value::Null)
    }

    /// Our text is another; why.
    fn says(mut self, _why: &'static str) -> Self {
        self.differs = Differs::Text;
        self
    }

    /// A whole server warns of parameters.
    fn warned(mut self) -> Self {
        self.warned = true;
        self
    }

    /// OpenBao gives the names in another order each time (ids made at random, a Go map); ours are sorted.
    #[allow(dead_code, reason = "for whole servers only")]
    fn unordered(mut self) -> Self {
        self.unordered = true;
        self
    }

    /// Our answer is another; why.
    fn differs(mut self, _why: &'static str) -> Self {
        self.differs = Differs::All;
        self
    }

    /// The answer holds what each server makes at random: compared by form and length.
    fn random(mut self) -> Self {
        self.random = Random::Form;
        self
    }

    /// As [`Step::random`], of varying length.
    fn loose(mut self) -> Self {
        self.random = Random::Loose;
        self
    }

    /// Later bodies, and segments of later paths, may name these fields of the answer as `$FIELD`, or
    /// as `$NAME` where the field is given as `FIELD=NAME`.
    fn keeps(mut self, fields: &'static [&'static str]) -> Self {
        self.keeps = fields;
        self
    }
}

/// Why a text may differ: ours never repeats what was sent.
const NO_QUOTES: &str = "our errors name the field and what is expected, and never quote input";

/// An answer as far as it is compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) data: Value,
    /// Of a login: metadata and use count.
    pub(crate) login: Option<Value>,
    /// Seconds after which to read again.
    pub(crate) lease: i64,
    /// Errors and warnings.
    pub(crate) texts: Vec<String>,
    /// As it came, for `keeps`.
    pub(crate) raw: Value,
}

impl Seen {
    /// From an answer over HTTP.
    pub(crate) fn http(status: u16, body: &Value) -> Self {
        let texts = ["errors", "warnings"]
            .into_iter()
            .filter_map(|name| body[name].as_array())
            .flatten();
        let login = body["auth"]
            .as_object()
            .map(|auth| json!({"metadata": auth["metadata"], "num_uses": auth["num_uses"]}));
        let texts = texts
            .map(|text| unwrapped(text.as_str().unwrap()))
            .collect();
        let lease = body["lease_duration"].as_i64().unwrap_or_default();
        let raw = [&body["auth"], &body["data"]]
            .into_iter()
            .find(|part| part.is_object());
        Self {
            lease,
            raw: raw.cloned().unwrap_or_default(),
            ..Self::new(status, body["data"].clone(), login, texts)
        }
    }

    pub(crate) fn new(status: u16, data: Value, login: Option<Value>, texts: Vec<String>) -> Self {
        Self {
            status,
            data: plain(data.clone()),
            login,
            lease: 0,
            texts,
            raw: data,
        }
    }

    fn same_but_texts(&self, other: &Self) -> bool {
        let all = |seen: &Self| (seen.status, seen.lease, seen.login.clone());
        all(self) == all(other) && self.data == other.data
    }
}

/// Times and random names made equal.
fn plain(value: Value) -> Value {
    match value {
        Value::String(text)
            if text.starts_with("20") && text.ends_with('Z') && text.get(10..11) == Some("T") =>
        {
            json!("a time")
        }
        Value::String(text) if text.len() == 36 && text.matches('-').count() == 4 => {
            json!("a random name")
        }
        // The second something was made.
        Value::Number(number)
            if number
                .as_u64()
                .is_some_and(|number| (1_600_000_000..4_000_000_000).contains(&number)) =>
        {
            json!("a time")
        }
        Value::Array(list) => list.into_iter().map(plain).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(name, value)| (name, plain(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

/// What is random replaced by its form: headers of ciphertexts and PEM, and lengths.
fn formed(value: Value, how: Random) -> Value {
    match value {
        Value::String(text) if text.starts_with("vault:v") => {
            let header: String = text.split_inclusive(':').take(2).collect();
            let length = match how {
                Random::Loose => 0,
                _ => text.len() - header.len(),
            };
            json!(format!("{header}{length} characters"))
        }
        Value::String(text) if text.starts_with("-----BEGIN") => {
            json!(text.lines().next())
        }
        Value::String(text)
            if how == Random::Loose
                && text.len() >= 6
                && text.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            json!(format!("{} digits", text.len()))
        }
        Value::String(text) if text.len() >= 16 && !text.contains(' ') => match how {
            Random::Loose => json!("characters"),
            _ => json!(format!("{} characters", text.len())),
        },
        Value::Array(list) => list.into_iter().map(|value| formed(value, how)).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(name, value)| match name.as_str() {
                // Seconds that are left, when each was asked.
                "ttl" if how == Random::Loose => (name, json!("a span")),
                _ => (name, formed(value, how)),
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

/// Go's wrapping of a single error, and the name of the tool, taken away.
fn unwrapped(text: &str) -> String {
    let bare = text
        .strip_prefix("1 error occurred:\n\t* ")
        .map(str::trim_end);
    // Vault wraps these even when there is one; so do we.
    let text = bare
        .filter(|bare| !bare.starts_with("custom_metadata"))
        .unwrap_or(text);
    text.replace("OpenBao CLI", "Vault CLI")
        .replace("'bao kv", "'vault kv")
}

/// Replaces `$NAME` strings by what was kept.
fn filled(body: &Value, kept: &BTreeMap<String, Value>) -> Value {
    match body {
        Value::String(text) => text
            .strip_prefix('$')
            .and_then(|name| kept.get(name))
            .unwrap_or(body)
            .clone(),
        Value::Array(list) => list.iter().map(|value| filled(value, kept)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, kept)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Runs a script on both and compares; ours is a whole server, or an engine by itself.
pub(crate) fn compare(
    whole: bool,
    script: Vec<Step>,
    ours: impl Fn(&Step, &Value) -> Seen,
    theirs: impl Fn(&Step, &Value) -> Seen,
) {
    let (mut our_kept, mut their_kept) = (BTreeMap::new(), BTreeMap::new());
    let mut complaints = Vec::new();
    for step in script {
        let mut our = ours(&step.aimed(&our_kept), &filled(&step.body, &our_kept));
        let mut their = theirs(&step.aimed(&their_kept), &filled(&step.body, &their_kept));
        if step.warned && !whole {
            let told = their.texts.len();
            their.texts.retain(|text| !text.starts_with("Endpoint "));
            assert!(
                their.texts.len() < told,
                "no warning of OpenBao's: {}",
                step.path
            );
        }
        for field in step.keeps {
            let (field, name) = field.split_once('=').unwrap_or((field, field));
            our_kept.insert(name.to_owned(), our.raw[field].clone());
            their_kept.insert(name.to_owned(), their.raw[field].clone());
        }
        if step.unordered {
            let names = their.data["keys"].as_array_mut().expect("names");
            names.sort_by_key(Value::to_string);
        }
        if step.random != Random::Not {
            our.data = formed(our.data, step.random);
            their.data = formed(their.data, step.random);
        }
        let fine = match step.differs {
            Differs::Not => our.same_but_texts(&their) && our.texts == their.texts,
            Differs::Text => our.same_but_texts(&their) && our.texts != their.texts,
            Differs::All => !our.same_but_texts(&their),
        };
        if !fine {
            complaints.push(format!(
                "{} {} {}\n  ours   {our:?}\n  theirs {their:?}",
                step.method, step.path, step.body
            ));
        }
    }
    assert!(
        complaints.is_empty(),
        "{} steps are not as expected:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
