//! Whatever strangers send, and however much of it: nothing changes, and everybody else is served.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::Server;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// One request of a stranger, on a connection that stays; its status.
fn send(stream: &mut TcpStream, method: &str, path: &str, body: &str) -> u16 {
    let request = format!(
        "{method} /v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut taken = [0; 8192];
    loop {
        let length = stream.read(&mut taken).expect("an answer");
        assert!(length > 0, "{method} {path}: the connection ended");
        answer.extend_from_slice(&taken[..length]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            return head.split(' ').nth(1).unwrap().parse().unwrap();
        }
    }
}

/// What answers without a token, and what strangers may say to it.
const OPEN: &[(&str, &str, &str)] = &[
    ("GET", "sys/health", ""),
    ("GET", "sys/seal-status", ""),
    ("GET", "sys/leader", ""),
    ("GET", "sys/init", ""),
    (
        "POST",
        "sys/init",
        r#"{"secret_shares":5,"secret_threshold":3}"#,
    ),
    ("POST", "sys/unseal", r#"{"key":"AAAA"}"#),
    ("POST", "sys/unseal", r#"{"reset":true}"#),
    ("GET", "identity/oidc/.well-known/openid-configuration", ""),
    ("GET", "identity/oidc/.well-known/keys", ""),
    ("POST", "sys/wrapping/unwrap", r#"{"token":"hvs.nothing"}"#),
    ("POST", "sys/wrapping/lookup", r#"{"token":"hvs.nothing"}"#),
    ("POST", "sys/wrapping/rewrap", r#"{"token":"hvs.nothing"}"#),
    (
        "POST",
        "auth/approle/login",
        r#"{"role_id":"web","secret_id":"wrong"}"#,
    ),
    (
        "POST",
        "auth/userpass/login/nobody",
        r#"{"password":"wrong"}"#,
    ),
    // And what wants one.
    ("POST", "sys/seal", "{}"),
    ("POST", "sys/generate-root/attempt", "{}"),
    (
        "POST",
        "sys/rekey/init",
        r#"{"secret_shares":5,"secret_threshold":3}"#,
    ),
    ("DELETE", "sys/rekey/init", ""),
    (
        "POST",
        "sys/decode-token",
        r#"{"encoded_token":"Bxg","otp":"ef"}"#,
    ),
    ("POST", "sys/loggers", r#"{"level":"trace"}"#),
    ("GET", "identity/oidc/token/r", ""),
    ("POST", "identity/oidc/introspect", r#"{"token":"a.b.c"}"#),
    ("POST", "identity/oidc/key/k/rotate", "{}"),
    ("POST", "auth/token/create", "{}"),
    ("DELETE", "sys/mounts/secret", ""),
];

/// Every operation that the server itself says is open to anybody (`x-vault-unauthenticated` of its
/// OpenAPI document, which is made from the tables that serve): a new one is in the flood by itself.
fn open_operations(document: &Value) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if item["x-vault-unauthenticated"] != json!(true) {
            continue;
        }
        let parts = path.trim_matches('/').split('/');
        let parts = parts.map(|part| {
            if part.starts_with('{') {
                "nobody"
            } else {
                part
            }
        });
        let path = parts.collect::<Vec<_>>().join("/");
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            if !["GET", "POST", "PATCH", "DELETE"].contains(&method.as_str()) {
                continue;
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let mut schema = schema.clone();
            if let Some(name) = schema["$ref"].as_str() {
                let pointer = name.trim_start_matches('#');
                schema = document.pointer(pointer).cloned().unwrap();
            }
            let fields = schema["properties"].as_object();
            let names = fields.map(|fields| fields.keys().cloned().collect::<Vec<_>>());
            let body: serde_json::Map<_, _> = names
                .unwrap_or_default()
                .into_iter()
                .map(|name| (name, json!("x")))
                .collect();
            let body = if method == "GET" {
                String::new()
            } else {
                Value::Object(body).to_string()
            };
            all.push((method, path.clone(), body));
        }
    }
    all
}

#[test]
fn a_flood_of_strangers_changes_nothing() {
    let server = Server::dev("root");
    let ask = |method: &str, path: &str, body: Value| {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, answer) = server.curl("root", method, path, &text);
        assert!(status < 300, "{method} {path}: {status} {answer}");
        serde_json::from_str::<Value>(&answer).unwrap_or_default()
    };
    ask("POST", "sys/auth/approle", json!({"type": "approle"}));
    ask("POST", "sys/auth/userpass", json!({"type": "userpass"}));
    for kind in ["jwt", "oidc", "kubernetes", "cert", "aws", "docker"] {
        ask("POST", &format!("sys/auth/{kind}"), json!({"type": kind}));
    }
    ask("POST", "auth/approle/role/web", json!({"role_id": "web"}));
    ask("POST", "secret/data/kept", json!({"data": {"k": "v"}}));
    ask("POST", "identity/oidc/key/k", json!({"algorithm": "EdDSA"}));
    ask("POST", "identity/oidc/role/r", json!({"key": "k"}));
    let state = || {
        let all = [
            ("GET", "identity/oidc/.well-known/keys"),
            ("GET", "sys/mounts"),
            ("GET", "sys/auth"),
            ("LIST", "sys/policies/acl"),
            ("LIST", "auth/token/accessors"),
            ("GET", "sys/internal/counters/tokens"),
            ("GET", "auth/approle/role/web"),
            ("GET", "secret/data/kept"),
            ("GET", "sys/key-status"),
            ("GET", "sys/seal-status"),
            ("GET", "sys/rekey/init"),
            ("GET", "sys/generate-root/attempt"),
            ("GET", "sys/loggers"),
        ];
        all.map(|(method, path)| {
            let mut answer = ask(method, path, Value::Null);
            answer["request_id"] = Value::Null;
            // A guess at a name that nobody has costs as much as one at a name that somebody has: one
            // encryption of an entry that is always the same.
            if path == "sys/key-status" {
                answer["encryptions"] = Value::Null;
                answer["data"]["encryptions"] = Value::Null;
            }
            answer
        })
    };
    let document = ask("GET", "sys/internal/specs/openapi", Value::Null);
    let open = open_operations(&document);
    assert!(open.len() > 20, "{open:?}");
    for (method, path, _) in OPEN.iter().take_while(|(_, path, _)| *path != "sys/seal") {
        let known = open.iter().any(|(m, p, _)| m == method && p == path);
        assert!(known, "{method} {path} is not said to be open: {open:?}");
    }
    let before = state();
    let address = server.address().strip_prefix("http://").unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let open = &open;
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_secs(60)))
                    .unwrap();
                for round in 0..15 {
                    let at = (number * 7 + round) % OPEN.len();
                    for (method, path, body) in OPEN[at..].iter().chain(&OPEN[..at]) {
                        let status = send(&mut stream, method, path, body);
                        let reads = *method == "GET" && status == 200;
                        // An open vault tells an attempt to unseal that it is open.
                        let told = *path == "sys/unseal" && status == 200;
                        assert!(
                            reads || told || (400..500).contains(&status),
                            "{method} {path}: {status}"
                        );
                    }
                    for (method, path, body) in open.iter().filter(|_| round % 5 == 0) {
                        let status = send(&mut stream, method, path, body);
                        // 204 would be something done.
                        assert!(status < 500 && status != 204, "{method} {path}: {status}");
                    }
                }
            });
        }
        // Meanwhile others are served.
        for _ in 0..20 {
            ask("GET", "secret/data/kept", Value::Null);
        }
    });
    let after = state();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
}
