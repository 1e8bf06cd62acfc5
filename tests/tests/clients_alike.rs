//! Clients we did not write (hvac, node-vault, the vaultrs crate and the OpenBao command line) do the
//! same day's work on a real OpenBao and on ours, unchanged. What each was answered is recorded by a
//! relay and laid side by side, request by request and field by field.
//!
//! What differs on purpose is in [`INTENDED`], with the reason; a line there that meets no difference
//! fails, too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
#[allow(dead_code, reason = "the relay asks in the place of `ask`")]
mod openbao;

use flows::relay::{Exchange, Relay};
use flows::{Server, peers};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// A difference that is meant: a part of the request's path, a part of the field's JSON pointer (none
/// is the whole answer), and why.
const INTENDED: &[(&str, &str, &str)] = &[
    (
        "",
        "/errors/0",
        "our errors say what is expected, never quote input, and one is no list",
    ),
    (
        "/sys/policies/acl/default",
        "/data/policy",
        "our default policy is written by us",
    ),
    (
        "/sys/policies/acl/default",
        "/data/modified",
        "what is built in has no version until somebody writes it",
    ),
    (
        "/sys/policies/acl/default",
        "/data/version",
        "what is built in has no version until somebody writes it",
    ),
    ("/sys/policy/reader", "/status", "no warning, so no body"),
    (
        "/sys/policy/reader",
        "",
        "no warning that a parameter is in the path as well, so no body",
    ),
    (
        "/transit/",
        "/warnings",
        "no warning that a parameter is in the path as well",
    ),
    (
        "/sys/remount",
        "/warnings",
        "a move is done when it is answered",
    ),
    (
        "/auth/token/roles/ci",
        "/data/period",
        "shown under its old name and its new one",
    ),
    (
        "/sys/auth",
        "//options",
        "none is empty, however it was asked",
    ),
    (
        "/sys/wrapping/wrap",
        "/request_id",
        "every answer names its request",
    ),
    (
        "/sys/mounts",
        "/identity//config/passthrough_request_headers",
        "no header is passed to it",
    ),
    (
        "/sys/mounts",
        "/secret//description",
        "our development server says nothing of it",
    ),
    (
        "/sys/mounts",
        "/sys//config/passthrough_request_headers",
        "no header is passed to it",
    ),
    (
        "/sys/mounts",
        "/sys//seal_wrap",
        "all of ours lies behind one barrier",
    ),
    ("/sys/health", "/cluster_id", "no cluster has an id yet"),
    (
        "/sys/seal-status",
        "/cluster_id",
        "no cluster has an id yet",
    ),
    (
        "/sys/seal-status",
        "/build_date",
        "Vault's field, which OpenBao calls commit_date",
    ),
    (
        "/sys/seal-status",
        "/commit_date",
        "Vault's field is called build_date",
    ),
    (
        "/sys/health",
        "/performance_standby",
        "Vault's field: its typed clients want it",
    ),
    ("/sys/leader", "/active_time", "Vault's field"),
    ("/sys/leader", "/is_self", "Vault's field"),
    ("/sys/leader", "/leader_", "Vault's field"),
    ("/sys/leader", "/performance_standby", "Vault's field"),
    (
        "/auth/token/lookup-self",
        "/data/issue_time",
        "the development token is not issued",
    ),
];

/// One client's work on one server.
type Day = dyn Fn(&str) -> Vec<Command>;

/// Does the work on both servers and returns what differs without a reason.
fn differences(day: &Day, used: &RefCell<BTreeSet<usize>>) -> Vec<String> {
    let (server, bao) = (Server::dev("root"), openbao::Bao::start());
    let ours = Relay::to(server.address().strip_prefix("http://").unwrap());
    // OpenBao sets a mount of KV up after it has answered.
    let address = bao.address().to_owned();
    let theirs = Relay::pausing(bao.address(), move |seen| {
        if seen.path == "/v1/sys/mounts/team" {
            openbao::settled(&address, "team");
        }
    });
    for relay in [&theirs, &ours] {
        for mut command in day(&relay.url()) {
            let output = command.output().expect("the client can be started");
            assert!(
                output.status.success(),
                "{command:?}: {}{}\nlast: {:#?}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
                relay.seen().last(),
            );
        }
    }
    let (ours, theirs) = (ours.seen(), theirs.seen());
    let asked = |seen: &[Exchange]| -> Vec<String> {
        let name = |one: &Exchange| format!("{} {}", one.method, anonymous(&one.path));
        seen.iter().map(name).collect()
    };
    let (our_asked, their_asked) = (asked(&ours), asked(&theirs));
    let parted = our_asked
        .iter()
        .zip(&their_asked)
        .position(|(our, their)| our != their);
    let parted = parted.unwrap_or(our_asked.len().min(their_asked.len()));
    assert_eq!(
        our_asked.get(parted),
        their_asked.get(parted),
        "the client asked otherwise after {:#?}",
        ours.get(parted.saturating_sub(1))
    );
    assert!(ours.len() > 20, "a day has work");
    let mut found = Vec::new();
    for (our, their) in ours.iter().zip(&theirs) {
        if our.path.ends_with("/accessors?list=true") || our.path.ends_with("/accessors") {
            // Random names alone: as many of them is all that can be alike.
            let count = |one: &Exchange| one.answer["data"]["keys"].as_array().map(Vec::len);
            assert_eq!(count(our), count(their), "{}", our.path);
            continue;
        }
        let mut fields = Vec::new();
        apart(
            "/status",
            &json!(our.status),
            &json!(their.status),
            &mut fields,
        );
        apart(
            "",
            &plain("", &our.answer),
            &plain("", &their.answer),
            &mut fields,
        );
        for (field, our_value, their_value) in fields {
            let reason = INTENDED.iter().position(|(path, part, _)| {
                let named = match part.is_empty() {
                    true => field.is_empty(),
                    false => field.contains(part),
                };
                our.path.contains(path) && named
            });
            match reason {
                Some(line) => {
                    used.borrow_mut().insert(line);
                }
                None => found.push(format!(
                    "{} {} {field}\n  ours   {our_value}\n  theirs {their_value}",
                    our.method, our.path
                )),
            }
        }
    }
    found
}

/// Every field that is in one alone, or of another value.
fn apart(at: &str, ours: &Value, theirs: &Value, found: &mut Vec<(String, String, String)>) {
    match (ours, theirs) {
        (Value::Object(our), Value::Object(their)) => {
            let names: BTreeSet<&String> = our.keys().chain(their.keys()).collect();
            let absent = Value::String("(absent)".to_owned());
            for name in names {
                let (our, their) = (our.get(name), their.get(name));
                let at = format!("{at}/{name}");
                apart(&at, our.unwrap_or(&absent), their.unwrap_or(&absent), found);
            }
        }
        (Value::Array(our), Value::Array(their)) if our.len() == their.len() => {
            for (index, (our, their)) in our.iter().zip(their).enumerate() {
                apart(&format!("{at}/{index}"), our, their, found);
            }
        }
        _ if ours == theirs => {}
        _ => found.push((at.to_owned(), ours.to_string(), theirs.to_string())),
    }
}

/// Fields whose value each server makes at random, whatever its form.
const RANDOM: &[&str] = &[
    "accessor",
    "ciphertext",
    "client_token",
    "creation_path",
    "hmac",
    "id",
    "nonce",
    "random_bytes",
    "request_id",
    "role_id",
    "secret_id",
    "secret_id_accessor",
    "signature",
    "token",
    "uuid",
    "wrapped_accessor",
    "cluster_id",
    "cluster_name",
    "version",
    "build_date",
    "lease_id",
    "public_key",
    "running_plugin_version",
    "running_sha256",
];

/// Seconds that are left of something: a slow machine has fewer.
const SECONDS: &[&str] = &["ttl", "lease_duration"];

/// An answer without what no two servers say alike: times, and what is random.
fn plain(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => value.clone(),
        Value::String(text) if RANDOM.contains(&name) => {
            let header: String = text.split_inclusive(':').take(2).collect();
            let header = if header.starts_with("vault:v") {
                header
            } else {
                String::new()
            };
            json!(format!("{header}(random)"))
        }
        Value::String(text) => json!(anonymous(text)),
        Value::Number(number) => match number.as_u64() {
            Some(at) if (1_600_000_000..4_000_000_000).contains(&at) => json!("(a time)"),
            Some(left) if SECONDS.contains(&name) => json!(left.next_multiple_of(10)),
            _ => value.clone(),
        },
        Value::Array(list) => list.iter().map(|value| plain(name, value)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (anonymous(name), plain(name, value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// A text without times, random names and accessors of mounts.
fn anonymous(text: &str) -> String {
    let day = text.get(10..11) == Some("T") && text.starts_with("20");
    if day && (text.ends_with('Z') || text.contains('+')) {
        return "(a time)".to_owned();
    }
    if text.len() == 36 && text.matches('-').count() == 4 {
        return "(random)".to_owned();
    }
    let accessor = text.rsplit_once('_').filter(|(kind, end)| {
        let hex = end.len() == 8 && end.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex && !kind.is_empty()
    });
    match accessor {
        Some((kind, _)) => format!("{kind}_(random)"),
        None => text.to_owned(),
    }
}

fn here(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(file)
}

fn hvac(address: &str) -> Vec<Command> {
    let mut command = Command::new(peers::python());
    command.arg(here("alike.py")).arg(address);
    vec![command]
}

fn node(address: &str) -> Vec<Command> {
    let mut command = Command::new("node");
    command
        .arg(here("node/alike.js"))
        .arg(address)
        .env("NODE_PATH", peers::node_modules());
    vec![command]
}

fn vaultrs(address: &str) -> Vec<Command> {
    let mut command = Command::new(peers::vaultrs());
    command.arg(address);
    vec![command]
}

/// What people type, one command a line. Values of one command that the next needs are not: that is
/// what the libraries' scripts are for.
const TYPED: &str = "
status
secrets enable -path=team -version=2 kv
secrets list
secrets tune -description=ours -default-lease-ttl=1h team
kv put team/app/db password=hunter2 user=app
kv put -cas=1 team/app/db password=hunter3
kv patch team/app/db user=other
kv get team/app/db
kv get -version=1 -field=password team/app/db
kv list team/app
kv scan team
scan team/detailed-metadata
kv metadata put -custom-metadata=owner=me -max-versions=4 team/app/db
kv metadata get team/app/db
kv delete -versions=2 team/app/db
kv undelete -versions=2 team/app/db
kv destroy -versions=1 team/app/db
kv rollback -version=2 team/app/db
kv metadata delete team/app/db
policy list
policy read default
token lookup
token create -policy=default -ttl=1h -display-name=deploy
token capabilities sys/mounts
auth enable userpass
auth list
auth tune -description=people userpass
write auth/userpass/users/ada password=lovelace policies=default
read auth/userpass/users/ada
list auth/userpass/users
login -method=userpass -no-store username=ada password=lovelace
auth disable userpass
secrets enable transit
write -f transit/keys/key
read transit/keys/key
write transit/encrypt/key plaintext=c29tZSB0ZXh0
write -f transit/keys/key/rotate
list transit/keys
secrets disable team
read sys/health
";

fn bao(address: &str) -> Vec<Command> {
    let home = std::env::temp_dir();
    let of = |line: &str| {
        let mut command = Command::new(peers::bao());
        command
            .args(line.split(' '))
            .env("BAO_ADDR", address)
            .env("BAO_TOKEN", "root")
            .env("HOME", &home);
        command
    };
    TYPED
        .lines()
        .filter(|line| !line.is_empty())
        .map(of)
        .collect()
}

#[test]
fn every_client_is_answered_by_ours_as_by_openbao() {
    let used = RefCell::new(BTreeSet::new());
    let days: [(&str, &Day); 4] = [
        ("hvac", &hvac),
        ("node-vault", &node),
        ("vaultrs", &vaultrs),
        ("bao", &bao),
    ];
    let mut all = Vec::new();
    for (name, day) in days {
        let found = differences(day, &used);
        all.extend(found.into_iter().map(|one| format!("{name}: {one}")));
    }
    assert!(
        all.is_empty(),
        "{} differences without a reason:\n{}",
        all.len(),
        all.join("\n")
    );
    for (line, (path, field, why)) in INTENDED.iter().enumerate() {
        assert!(
            used.borrow().contains(&line),
            "no difference is left at {path} {field} ({why}): take the line out"
        );
    }
}
