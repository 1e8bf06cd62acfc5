//! What operators set for all requests, and the figures of a server: each setting read back as it was
//! written, and doing what it says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

/// An answer with its head, names in lower case.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Asks as this token, with these header lines.
fn ask(
    server: &Server,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
    lines: &[&str],
) -> Answer {
    let mut command = Command::new("curl");
    command.args(["-sS", "-i", "--max-time", "30", "-X", method]);
    if !token.is_empty() {
        command.args(["-H", &format!("X-Vault-Token: {token}")]);
    }
    for line in lines {
        command.args(["-H", line]);
    }
    if !body.is_null() {
        command.args(["--data-binary", &body.to_string()]);
    }
    let output = command
        .arg(format!("{}/v1/{path}", server.address()))
        .output()
        .expect("curl is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status: status.parse().unwrap(),
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

fn root(server: &Server, method: &str, path: &str, body: &Value) -> Answer {
    ask(server, "root", method, path, body, &[])
}

fn put(server: &Server, path: &str, body: &Value) {
    let answer = root(server, "POST", path, body);
    assert_eq!(answer.status, 204, "{path}: {}", answer.body);
}

fn data(server: &Server, path: &str) -> Value {
    let answer = root(server, "GET", path, &Value::Null);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()["data"].clone()
}

#[test]
fn pages_of_allowed_origins_may_call_and_no_others() {
    let server = Server::dev("root");
    let from = |origin: &str, method: &str, more: &[&str]| {
        let origin = format!("Origin: {origin}");
        let lines = [&[origin.as_str()], more].concat();
        ask(&server, "root", method, "sys/mounts", &Value::Null, &lines)
    };
    // Nothing is set: an answer that no page may read, and no word about pages.
    let plain = from("https://a.example", "GET", &[]);
    assert_eq!(
        (plain.status, plain.header("access-control-allow-origin")),
        (200, "")
    );
    assert_eq!(data(&server, "sys/config/cors"), json!({"enabled": false}));

    let wanted = json!({
        "allowed_origins": ["https://a.example", "https://b.example"],
        "allowed_headers": ["X-Custom"],
        "allow_credentials": true,
    });
    put(&server, "sys/config/cors", &wanted);
    let read = data(&server, "sys/config/cors");
    assert_eq!(read["allowed_origins"], wanted["allowed_origins"]);
    assert_eq!(read["allow_credentials"], true);
    let headers = read["allowed_headers"].as_array().unwrap();
    assert!(headers.contains(&json!("X-Custom")) && headers.contains(&json!("X-Vault-Token")));

    let allowed = from("https://b.example", "GET", &[]);
    assert_eq!(allowed.status, 200);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://b.example"
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    assert_eq!(allowed.header("vary"), "Origin");
    let question = ["Access-Control-Request-Method: LIST"];
    let may = from("https://a.example", "OPTIONS", &question);
    assert_eq!(may.status, 204);
    assert!(may.header("access-control-allow-methods").contains("LIST"));
    assert!(
        may.header("access-control-allow-headers")
            .contains("X-Custom")
    );
    for method in ["GET", "OPTIONS"] {
        let foreign = from("https://evil.example", method, &question);
        assert_eq!(foreign.status, 403, "{method}");
        assert_eq!(foreign.header("access-control-allow-origin"), "");
    }
    // A client that is no page has no origin.
    assert_eq!(root(&server, "GET", "sys/mounts", &Value::Null).status, 200);

    assert_eq!(
        root(&server, "DELETE", "sys/config/cors", &Value::Null).status,
        204
    );
    assert_eq!(from("https://evil.example", "GET", &[]).status, 200);
    let all = json!({"allowed_origins": "*", "allow_credentials": true});
    assert_eq!(root(&server, "POST", "sys/config/cors", &all).status, 400);
}

#[test]
fn audit_records_show_the_headers_that_were_asked_for() {
    let server = Server::dev("root");
    let log = server.directory().path().join("audit.log");
    put(
        &server,
        "sys/audit/file",
        &json!({"type": "file", "options": {"file_path": log}}),
    );
    let below = "sys/config/auditing/request-headers";
    put(
        &server,
        &format!("{below}/X-Clear"),
        &json!({"hmac": false}),
    );
    put(
        &server,
        &format!("{below}/x-hashed"),
        &json!({"hmac": true}),
    );
    let configured = json!({"x-clear": {"hmac": false}, "x-hashed": {"hmac": true}});
    assert_eq!(data(&server, below)["headers"], configured);
    assert_eq!(
        data(&server, &format!("{below}/X-HASHED")),
        json!({"X-HASHED": {"hmac": true}}),
        "by the name it was asked for"
    );
    let lines = [
        "X-Clear: in sight",
        "X-Hashed: hidden-canary",
        "X-Other: unseen-canary",
    ];
    ask(&server, "root", "GET", "sys/mounts", &Value::Null, &lines);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(!text.contains("hidden-canary") && !text.contains("unseen-canary"));
    let record = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .rfind(|record| record["type"] == "request" && record["request"]["path"] == "sys/mounts")
        .unwrap();
    let headers = &record["request"]["headers"];
    assert_eq!(headers["x-clear"], json!(["in sight"]));
    let hashed = headers["x-hashed"][0].as_str().unwrap();
    let asked = root(
        &server,
        "POST",
        "sys/audit-hash/file",
        &json!({"input": "hidden-canary"}),
    );
    assert_eq!(asked.json()["data"]["hash"], hashed);
    assert!(headers.get("x-other").is_none());
    // A credential is never among them.
    for credential in ["X-Vault-Token", "authorization"] {
        let refused = root(
            &server,
            "POST",
            &format!("{below}/{credential}"),
            &json!({}),
        );
        assert_eq!(refused.status, 400, "{credential}");
    }
    let removed = root(&server, "DELETE", &format!("{below}/x-clear"), &Value::Null);
    assert_eq!(removed.status, 204);
    assert_eq!(
        root(&server, "GET", &format!("{below}/x-clear"), &Value::Null).status,
        400
    );
}

#[test]
fn a_rate_limit_acts_on_its_path_alone_and_is_told_in_headers() {
    let server = Server::dev("root");
    let log = server.directory().path().join("audit.log");
    put(
        &server,
        "sys/audit/file",
        &json!({"type": "file", "options": {"file_path": log}}),
    );
    let wanted = json!({
        "rate": 2.5, "path": "secret/", "interval": "1h", "block_interval": "90s", "inheritable": false,
    });
    put(&server, "sys/quotas/rate-limit/kv", &wanted);
    let expected = json!({
        "block_interval": 90, "inheritable": false, "interval": 3600, "name": "kv", "path": "secret/",
        "rate": 2.5, "role": "", "type": "rate-limit",
    });
    assert_eq!(data(&server, "sys/quotas/rate-limit/kv"), expected);
    let read = || root(&server, "GET", "secret/data/x", &Value::Null);
    for _ in 0..3 {
        let answer = read();
        assert_eq!(
            (answer.status, answer.header("x-ratelimit-limit")),
            (404, "")
        );
    }
    let before = std::fs::read_to_string(&log).unwrap().lines().count();
    let refused = read();
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert_eq!(refused.header("retry-after"), "90");
    assert_eq!(
        refused.json()["errors"],
        json!(["rate limit quota exceeded"])
    );
    // Not audited unless wanted: the flood would fill the device.
    assert_eq!(
        std::fs::read_to_string(&log).unwrap().lines().count(),
        before
    );

    let config = json!({
        "enable_rate_limit_audit_logging": true,
        "enable_rate_limit_response_headers": true,
        "rate_limit_exempt_paths": ["secret/data/free", "secret/metadata/*"],
    });
    put(&server, "sys/quotas/config", &config);
    assert_eq!(data(&server, "sys/quotas/config"), config);
    let before = std::fs::read_to_string(&log).unwrap().lines().count();
    let refused = read();
    assert_eq!(
        (refused.status, refused.header("x-ratelimit-remaining")),
        (429, "0")
    );
    assert_eq!(refused.header("x-ratelimit-limit"), "3");
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), before + 2);
    assert!(
        text.lines()
            .last()
            .unwrap()
            .contains("rate limit quota exceeded")
    );
    for free in ["secret/data/free", "secret/metadata/a", "cubbyhole/x"] {
        assert_eq!(
            root(&server, "GET", free, &Value::Null).status,
            404,
            "{free}"
        );
    }

    // Narrower: counts for itself, and the wide one does not.
    put(
        &server,
        "sys/quotas/rate-limit/narrow",
        &json!({"rate": 1, "path": "secret/data/y", "interval": "1h"}),
    );
    let narrow = || root(&server, "GET", "secret/data/y", &Value::Null);
    let first = narrow();
    assert_eq!(
        (first.status, first.header("x-ratelimit-remaining")),
        (404, "0")
    );
    assert_eq!(narrow().status, 429);
    let listed = root(&server, "LIST", "sys/quotas/rate-limit", &Value::Null);
    assert_eq!(listed.json()["data"]["keys"], json!(["kv", "narrow"]));
    for name in ["kv", "narrow"] {
        let gone = root(
            &server,
            "DELETE",
            &format!("sys/quotas/rate-limit/{name}"),
            &Value::Null,
        );
        assert_eq!(gone.status, 204);
    }
    assert_eq!((read().status, narrow().status), (404, 404));
}

/// The figure of this name and these labels.
fn figure(text: &str, name: &str) -> f64 {
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let found = found.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    found.parse().unwrap()
}

#[test]
fn figures_are_those_of_what_happened() {
    let server = Server::dev("root");
    let scrape = || {
        let answer = root(
            &server,
            "GET",
            "sys/metrics?format=prometheus",
            &Value::Null,
        );
        assert_eq!(answer.status, 200);
        assert!(
            answer
                .header("content-type")
                .starts_with("text/plain; version=0.0.4")
        );
        answer.body
    };
    let before = scrape();
    put(&server, "sys/auth/approle", &json!({"type": "approle"}));
    put(
        &server,
        "auth/approle/role/web",
        &json!({"role_id": "web", "bind_secret_id": false, "token_bound_cidrs": "127.0.0.0/8"}),
    );
    for _ in 0..3 {
        let login = root(
            &server,
            "POST",
            "auth/approle/login",
            &json!({"role_id": "web"}),
        );
        assert_eq!(login.status, 200, "{}", login.body);
    }
    for _ in 0..5 {
        assert_eq!(
            root(&server, "GET", "secret/data/x", &Value::Null).status,
            404
        );
    }
    for _ in 0..2 {
        assert_eq!(
            ask(&server, "nobody", "GET", "secret/data/x", &Value::Null, &[]).status,
            403
        );
    }
    let after = scrape();
    let grown = |name: &str| figure(&after, name) - figure(&before, name);
    let kv = "{mount_type=\"kv\",operation=\"read\"}";
    assert_eq!(
        figure(
            &after,
            &format!("cofferdam_request_duration_seconds_count{kv}")
        ),
        7.0
    );
    assert_eq!(
        figure(&after, &format!("cofferdam_requests_refused_total{kv}")),
        2.0
    );
    assert_eq!(grown("vault_core_handle_login_request_count"), 3.0);
    assert_eq!(grown("vault_token_creation"), 3.0);
    // The first scrape, 2 writes, 3 logins, 7 reads.
    assert_eq!(grown("vault_core_handle_request_count"), 13.0);
    assert_eq!(figure(&after, "vault_core_unsealed"), 1.0);
    assert_eq!(figure(&after, "vault_audit_log_request_failure"), 0.0);
    assert!(grown("vault_barrier_put_count") >= 5.0 && grown("vault_barrier_put_sum") > 0.0);
    assert!(figure(&after, "process_resident_memory_bytes") > 1e6);
    // Counted in hundredths of a second, and until now there was little to do.
    let end = Instant::now() + Duration::from_secs(60);
    while figure(&scrape(), "process_cpu_seconds_total") == 0.0 {
        assert!(Instant::now() < end, "no processor time is counted");
    }
    assert_eq!(figure(&after, "vault_core_in_flight_requests"), 1.0);

    let json = root(&server, "GET", "sys/metrics", &Value::Null).json();
    let gauge = |name: &str| {
        let mut gauges = json["Gauges"].as_array().unwrap().iter();
        gauges
            .find(|gauge| gauge["Name"] == name)
            .map(|gauge| gauge["Value"].clone())
    };
    assert_eq!(gauge("vault.core.unsealed"), Some(json!(1.0)));
    assert_eq!(
        root(&server, "GET", "sys/metrics?format=xml", &Value::Null).status,
        400
    );
    // Nobody without a token, unless the listener says so.
    assert_eq!(
        ask(&server, "", "GET", "sys/metrics", &Value::Null, &[]).status,
        403
    );
}

#[test]
fn a_listener_may_open_figures_to_anybody() {
    let server = Server::configured(
        "storage \"inmem\" {}\nlistener \"tcp\" {\n  address = \"127.0.0.1:0\"\n  tls_disable = true\n  telemetry {\n    unauthenticated_metrics_access = true\n  }\n  profiling {\n    unauthenticated_in_flight_request_access = true\n  }\n}",
    );
    let stranger = |method, path| ask(&server, "", method, path, &Value::Null, &[]);
    // Sealed servers have figures, too: that they are sealed is one.
    let sealed = stranger("GET", "sys/metrics?format=prometheus");
    assert_eq!(
        (sealed.status, figure(&sealed.body, "vault_core_unsealed")),
        (200, 0.0)
    );
    assert_eq!(
        stranger("GET", "sys/in-flight-req")
            .json()
            .as_object()
            .unwrap()
            .len(),
        1
    );
    // Nothing else is open by it.
    assert_eq!(stranger("POST", "sys/metrics").status, 503);
    assert_eq!(stranger("GET", "sys/host-info").status, 503);
    let init = ask(
        &server,
        "",
        "POST",
        "sys/init",
        &json!({"secret_shares": 1, "secret_threshold": 1}),
        &[],
    )
    .json();
    ask(
        &server,
        "",
        "POST",
        "sys/unseal",
        &json!({"key": init["keys"][0]}),
        &[],
    );
    let open = stranger("GET", "sys/metrics?format=prometheus");
    assert_eq!(figure(&open.body, "vault_core_unsealed"), 1.0);
    assert_eq!(stranger("GET", "sys/host-info").status, 403);
    // A token that may not is refused all the same: who shows one is judged by it.
    let root = init["root_token"].as_str().unwrap();
    let made = ask(
        &server,
        root,
        "POST",
        "auth/token/create",
        &json!({"policies": ["default"]}),
        &[],
    )
    .json();
    let token = made["auth"]["client_token"].as_str().unwrap();
    assert_eq!(
        ask(&server, token, "GET", "sys/metrics", &Value::Null, &[]).status,
        403
    );
}
