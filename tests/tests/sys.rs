//! `sys/` through a whole server: what a change of it does, beside what it answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::Server;
use serde_json::{Value, json};

/// Sends JSON as this token; status and answer.
fn ask(server: &Server, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let text = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let (status, answer) = server.curl(token, method, path, &text);
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

fn get(server: &Server, path: &str) -> Value {
    let (status, answer) = ask(server, "root", "GET", path, &Value::Null);
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

fn put(server: &Server, path: &str, body: &Value) {
    let (status, answer) = ask(server, "root", "POST", path, body);
    assert!(status == 204 || status == 200, "{path}: {status} {answer}");
}

#[test]
fn a_log_level_acts_at_once_and_goes_back() {
    let server = Server::dev("root");
    // A refusal is noted at "debug" in the room of the pipeline.
    let refused = || {
        let (status, _) = ask(&server, "nobody", "GET", "sys/mounts", &Value::Null);
        assert_eq!(status, 403);
        // The log has a thread of its own: what is said later is written later.
        put(&server, "sys/loggers/system", &json!({"level": "info"}));
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let said = || server.said().matches("a log level was changed").count();
        let before = said();
        put(&server, "sys/loggers/system", &json!({"level": "info"}));
        while said() == before {
            assert!(std::time::Instant::now() < end, "{}", server.said());
            std::thread::yield_now();
        }
        server.said().matches("request refused").count()
    };
    assert_eq!(refused(), 0);
    put(&server, "sys/loggers/core", &json!({"level": "debug"}));
    assert_eq!(
        get(&server, "sys/loggers/core")["data"],
        json!({"core": "debug"})
    );
    let loud = refused();
    assert!(loud > 0);
    let (status, _) = ask(&server, "root", "DELETE", "sys/loggers/core", &Value::Null);
    assert_eq!(status, 204);
    assert_eq!(
        get(&server, "sys/loggers/core")["data"],
        json!({"core": "info"})
    );
    assert_eq!(refused(), loud);
}

#[test]
fn the_server_tells_of_itself() {
    let server = Server::configured(
        "storage \"inmem\" {}\nlistener \"tcp\" {\n  address = \"127.0.0.1:0\"\n  tls_disable = true\n}\ndefault_lease_ttl = \"2h\"\nlog_level = \"warn\"",
    );
    let (status, made) = ask(
        &server,
        "",
        "POST",
        "sys/init",
        &json!({"secret_shares": 1, "secret_threshold": 1}),
    );
    assert_eq!(status, 200, "{made}");
    put(&server, "sys/unseal", &json!({"key": made["keys"][0]}));
    let root = made["root_token"].as_str().unwrap();
    let get = |path: &str| {
        let (status, answer) = ask(&server, root, "GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    };
    let settings = get("sys/config/state/sanitized")["data"].clone();
    assert_eq!(settings["default_lease_ttl"], 7200);
    assert_eq!(settings["log_level"], "warn");
    assert_eq!(settings["storage"], json!({"type": "inmem"}));
    assert_eq!(settings["listeners"][0]["config"]["tls_disable"], true);
    let machine = get("sys/host-info")["data"].clone();
    assert!(machine["memory"]["total"].as_u64().unwrap() > 1 << 20);
    assert!(machine["timestamp"].is_string());
    let under_way = get("sys/in-flight-req");
    let only: Vec<_> = under_way.as_object().unwrap().values().collect();
    assert_eq!(only.len(), 1, "{under_way}");
    assert_eq!(only[0]["request_path"], "/v1/sys/in-flight-req");
    assert_eq!(only[0]["request_method"], "GET");
    let (status, versions) = ask(&server, root, "LIST", "sys/version-history", &Value::Null);
    let version = get("sys/health")["version"].clone();
    assert_eq!(
        (status, &versions["data"]["keys"]),
        (200, &json!([version]))
    );
    // Root and its local admin's are tokens, nothing else is so far.
    assert_eq!(
        get("sys/internal/counters/tokens")["data"]["counters"]["service_tokens"]["total"],
        1
    );
    let (status, _) = ask(&server, root, "POST", "auth/token/create", &json!({}));
    assert_eq!(status, 200);
    assert_eq!(
        get("sys/internal/counters/tokens")["data"]["counters"]["service_tokens"]["total"],
        2
    );
    for path in [
        "sys/host-info",
        "sys/in-flight-req",
        "sys/config/state/sanitized",
    ] {
        let (status, _) = ask(&server, "", "GET", path, &Value::Null);
        assert_eq!(status, 403, "{path}");
    }
}

#[test]
fn the_callers_rules_are_put_together() {
    let server = Server::dev("root");
    let policy = r#"
        path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
        path "secret/data/a" { capabilities = ["read"] }
        path "secret/+/b" { capabilities = ["list"] }
        path "secret/+/c*" { capabilities = ["update", "sudo"] }
        path "secret/d/*" { capabilities = ["deny"] }
        path "secret/e/*" { capabilities = ["read"] }"#;
    put(&server, "sys/policies/acl/p", &json!({"policy": policy}));
    let wanted = json!({"policies": ["p"], "no_default_policy": true});
    let (_, made) = ask(&server, "root", "POST", "auth/token/create", &wanted);
    let token = made["auth"]["client_token"].as_str().unwrap();
    let (status, answer) = ask(
        &server,
        token,
        "GET",
        "sys/internal/ui/resultant-acl",
        &Value::Null,
    );
    assert_eq!(status, 200);
    // As OpenBao 2.7.2 answers for the same policy.
    let expected = json!({
        "exact_paths": {
            "secret/data/a": {"capabilities": ["read"]},
            "sys/internal/ui/resultant-acl": {"capabilities": ["read"]},
        },
        "glob_paths": {
            "secret/d/": {"capabilities": ["deny"]},
            "secret/e/": {"capabilities": ["read"]},
        },
        "root": false,
    });
    assert_eq!(answer["data"], expected);
}
