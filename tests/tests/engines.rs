//! What the engines promise, through a whole server: use counts under a crowd, roles that end,
//! values of every kind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::Server;
use serde_json::{Value, json};
use std::sync::Barrier;

/// Sends JSON and expects this status.
fn ask(
    server: &Server,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
    expected: u16,
) -> Value {
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, answer) = server.curl(token, method, path, &text);
    assert_eq!(status, expected, "{method} {path}: {answer}");
    serde_json::from_str(&answer).unwrap_or_default()
}

/// A server with AppRole and the role `web`, whose RoleID is `web`.
fn with_role(settings: &Value) -> Server {
    let server = Server::dev("root");
    ask(
        &server,
        "root",
        "POST",
        "sys/auth/approle",
        &json!({"type": "approle"}),
        204,
    );
    ask(
        &server,
        "root",
        "POST",
        "auth/approle/role/web",
        settings,
        204,
    );
    server
}

fn secret_id(server: &Server, settings: &Value) -> Value {
    let made = ask(
        server,
        "root",
        "POST",
        "auth/approle/role/web/secret-id",
        settings,
        200,
    );
    json!({"role_id": "web", "secret_id": made["data"]["secret_id"]})
}

/// Long lists are kept from one answer to the next: never past a change.
#[test]
fn a_long_list_is_never_older_than_the_last_change() {
    let server = Server::dev("root");
    let write = |name: &str| {
        let path = format!("secret/data/many/{name}");
        ask(
            &server,
            "root",
            "POST",
            &path,
            &json!({"data": {"k": "v"}}),
            200,
        );
    };
    let listed = |path: &str| -> Vec<String> {
        let answer = ask(&server, "root", "LIST", path, &Value::Null, 200);
        serde_json::from_value(answer["data"]["keys"].clone()).unwrap()
    };
    for number in 0..260 {
        write(&format!("n{number:03}"));
    }
    assert_eq!(listed("secret/metadata/many").len(), 260);
    assert_eq!(listed("secret/metadata/many/").len(), 260);
    ask(
        &server,
        "root",
        "DELETE",
        "secret/metadata/many/n007",
        &Value::Null,
        204,
    );
    let names = listed("secret/metadata/many");
    assert!(names.len() == 259 && !names.contains(&"n007".to_owned()));
    write("deep/er");
    assert!(listed("secret/metadata/many").contains(&"deep/".to_owned()));
    // What was acknowledged before a list was asked for is in it, however both meet.
    let done = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..60 {
                write(&format!("x{number:03}"));
                done.store(number + 1, std::sync::atomic::Ordering::SeqCst);
            }
        });
        while done.load(std::sync::atomic::Ordering::SeqCst) < 60 {
            let before = done.load(std::sync::atomic::Ordering::SeqCst);
            let names = listed("secret/metadata/many");
            let found = names.iter().filter(|name| name.starts_with('x')).count();
            assert!(found >= before, "{found} of {before}");
        }
    });
    assert_eq!(listed("secret/metadata/many").len(), 259 + 1 + 60);
    // A mount that is gone takes its lists along.
    ask(
        &server,
        "root",
        "DELETE",
        "sys/mounts/secret",
        &Value::Null,
        204,
    );
    let again = json!({"type": "kv", "options": {"version": "2"}});
    ask(&server, "root", "POST", "sys/mounts/secret", &again, 204);
    ask(
        &server,
        "root",
        "LIST",
        "secret/metadata/many",
        &Value::Null,
        404,
    );
}

#[test]
fn of_a_crowd_with_one_use_exactly_one_gets_in() {
    let server = with_role(&json!({"role_id": "web"}));
    for _ in 0..3 {
        let credentials = secret_id(&server, &json!({"num_uses": 1})).to_string();
        let start = Barrier::new(32);
        let login = || {
            start.wait();
            server.curl("", "POST", "auth/approle/login", &credentials)
        };
        let answers: Vec<_> = std::thread::scope(|scope| {
            let crowd: Vec<_> = (0..32).map(|_| scope.spawn(login)).collect();
            crowd.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(
            answers.iter().filter(|(status, _)| *status == 200).count(),
            1
        );
        for (_, answer) in answers.iter().filter(|(status, _)| *status != 200) {
            assert!(answer.contains("invalid role or secret ID"), "{answer}");
        }
    }
}

#[test]
fn a_token_outlives_neither_its_role_nor_its_cubbyhole() {
    let server =
        with_role(&json!({"role_id": "web", "token_ttl": "20m", "token_policies": "default"}));
    let credentials = secret_id(&server, &json!({"metadata": "host=a"}));
    let auth = ask(&server, "", "POST", "auth/approle/login", &credentials, 200)["auth"].clone();
    assert_eq!(auth["metadata"], json!({"host": "a", "role_name": "web"}));
    assert_eq!(
        (&auth["lease_duration"], &auth["renewable"]),
        (&json!(1200), &json!(true))
    );
    assert_eq!(
        (&auth["policies"], &auth["token_type"]),
        (&json!(["default"]), &json!("service"))
    );
    let token = auth["client_token"].as_str().unwrap();
    ask(
        &server,
        token,
        "POST",
        "cubbyhole/mine",
        &json!({"k": "v"}),
        204,
    );
    assert_eq!(
        ask(&server, token, "GET", "cubbyhole/mine", &Value::Null, 200)["data"],
        json!({"k": "v"})
    );
    ask(&server, "root", "GET", "cubbyhole/mine", &Value::Null, 404);
    ask(
        &server,
        token,
        "POST",
        "auth/token/renew-self",
        &json!({}),
        200,
    );
    ask(
        &server,
        "root",
        "DELETE",
        "auth/approle/role/web",
        &Value::Null,
        204,
    );
    let (status, answer) = server.curl(token, "POST", "auth/token/renew-self", "{}");
    assert!(
        status == 400 && answer.contains("role"),
        "{status} {answer}"
    );
    ask(
        &server,
        token,
        "POST",
        "auth/token/revoke-self",
        &json!({}),
        204,
    );
    ask(&server, token, "GET", "cubbyhole/mine", &Value::Null, 403);
}

#[test]
fn values_of_every_kind_come_back_as_they_were() {
    let server = Server::dev("root");
    let values = json!({
        "empty": "", "one byte": "x", "newlines": "\n\n\n", "crlf": "a\r\n", "bom": "\u{feff}x", "nul": "a\u{0}b",
        "shell": "$VAR ${} $$ `id` '\" = \\", "template": "{{ .x }}", "unicode": "𝄞\u{202e}", "number": 1.5,
        "huge": 12_345_678_901_234_567_890_u64, "nested": {"list": [null, true, {"a": []}]}, "": "no name",
    });
    ask(
        &server,
        "root",
        "POST",
        "secret/data/kinds",
        &json!({"data": values}),
        200,
    );
    let read = ask(
        &server,
        "root",
        "GET",
        "secret/data/kinds",
        &Value::Null,
        200,
    );
    assert_eq!(read["data"]["data"], values);
    for size in [500 * 1024 - 1, 500 * 1024, 500 * 1024 + 1, 1 << 20] {
        let big = json!({"value": "ab\"\n".repeat(size / 4 + 1)[..size]});
        let file = server.directory().path().join("big.json");
        std::fs::write(&file, json!({"data": big}).to_string()).unwrap();
        let (status, answer) = server.curl(
            "root",
            "POST",
            "secret/data/big",
            &format!("@{}", file.display()),
        );
        assert_eq!(status, 200, "{answer}");
        let read = ask(&server, "root", "GET", "secret/data/big", &Value::Null, 200);
        assert!(
            read["data"]["data"] == big,
            "{size} bytes came back changed"
        );
    }
}
