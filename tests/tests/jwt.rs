//! Logins with tokens that a real OpenBao signs: it is the issuer, and beside us the judge.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
mod bao;

use bao::{Bao, ask_as};
use flows::{Server, peers};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// A real OpenBao whose identity tokens others can check.
struct Issuer {
    bao: Bao,
    /// What it calls itself.
    name: String,
    key_set: String,
    /// Of somebody whose team is `web`.
    token: String,
}

impl Issuer {
    fn start() -> Self {
        let bao = Bao::start();
        let done = |method: &str, path: &str, body: Value| {
            let (status, answer) = bao.ask(method, path, &body);
            assert!(status < 300, "{path}: {answer}");
            answer
        };
        done("POST", "sys/auth/userpass", json!({"type": "userpass"}));
        done(
            "POST",
            "auth/userpass/users/ada",
            json!({"password": "lovelace"}),
        );
        done(
            "PUT",
            "sys/policies/acl/token",
            json!({"policy": "path \"identity/oidc/token/*\" { capabilities = [\"read\"] }"}),
        );
        done(
            "POST",
            "auth/userpass/users/ada",
            json!({"token_policies": "token"}),
        );
        let template = r#"{"team": {{identity.entity.metadata.team}}}"#;
        done(
            "POST",
            "identity/oidc/key/k",
            json!({"algorithm": "RS256", "allowed_client_ids": "*"}),
        );
        done(
            "POST",
            "identity/oidc/role/walker",
            json!({"key": "k", "ttl": "1h", "client_id": "walker", "template": template}),
        );
        let login = done(
            "POST",
            "auth/userpass/login/ada",
            json!({"password": "lovelace"}),
        );
        let entity = login["auth"]["entity_id"].as_str().unwrap();
        done(
            "POST",
            &format!("identity/entity/id/{entity}"),
            json!({"metadata": {"team": "web"}}),
        );
        let own = login["auth"]["client_token"].as_str().unwrap();
        let url = bao.url();
        let address = url.strip_prefix("http://").unwrap();
        let (status, answer) = ask_as(
            own,
            address,
            "GET",
            "identity/oidc/token/walker",
            &Value::Null,
        )
        .unwrap();
        assert_eq!(status, 200, "{answer}");
        let token = answer["data"]["token"].as_str().unwrap().to_owned();
        let name = format!("{url}/v1/identity/oidc");
        Self {
            key_set: format!("{name}/.well-known/keys"),
            name,
            token,
            bao,
        }
    }
}

/// What hvac saw of one server.
fn seen(address: &str, issuer: &Issuer, stranger: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/jwt.py");
    let output = Command::new(peers::python())
        .arg(script)
        .args([
            address,
            "root",
            &issuer.key_set,
            &issuer.name,
            &issuer.token,
            stranger,
        ])
        .output()
        .expect("a Python with hvac");
    assert!(
        output.status.success(),
        "{address}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What each server makes at random, and what is told in each one's own words, made equal.
fn plain(name: &str, value: &Value) -> Value {
    const RANDOM: [&str; 8] = [
        "client_token",
        "accessor",
        "id",
        "request_id",
        "creation_time",
        "issue_time",
        "expire_time",
        "last_renewal",
    ];
    match value {
        // Entities come with the identity engine.
        _ if RANDOM.contains(&name) || name == "entity_id" || name == "last_renewal_time" => {
            Value::Null
        }
        // A second may pass before it is looked at.
        Value::Number(number) if name == "ttl" || name == "lease_duration" => {
            json!(number.as_u64().unwrap().div_ceil(10))
        }
        Value::Array(list) => list.iter().map(|value| plain("", value)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), plain(name, value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

#[test]
fn hvac_sees_the_same_on_ours_and_on_a_real_openbao() {
    let (issuer, stranger) = (Issuer::start(), Issuer::start());
    let server = Server::dev("root");
    let ours = seen(server.address(), &issuer, &stranger.token);
    let theirs = seen(&issuer.bao.url(), &issuer, &stranger.token);
    let (ours, theirs) = (ours.as_array().unwrap(), theirs.as_array().unwrap());
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        let what = ours[0].as_str().unwrap();
        // Errors name what is wrong in our own words; that there is one, and of which sort, is equal.
        if ours[2].is_array() {
            assert_eq!((&ours[0], &ours[1]), (&theirs[0], &theirs[1]));
            assert!(
                !ours[2].as_array().unwrap().is_empty() || what == "role gone",
                "{what}"
            );
            continue;
        }
        let (ours, theirs) = (plain("", &ours[1]), plain("", &theirs[1]));
        let only = |left: &Value, right: &Value| {
            serde_json::to_string_pretty(left).unwrap()
                + "\nand theirs\n"
                + &serde_json::to_string_pretty(right).unwrap()
        };
        assert!(ours == theirs, "{what}: ours\n{}", only(&ours, &theirs));
    }
}

#[test]
fn the_command_lines_log_in_with_a_token_from_stdin() {
    let issuer = Issuer::start();
    let server = Server::dev("root");
    let address = server.address().to_owned();
    let log = server.directory().path().join("audit.log");
    let bao = |arguments: &[&str]| {
        let output = Command::new(peers::bao())
            .args(arguments)
            .env("BAO_ADDR", &address)
            .env("BAO_TOKEN", "root")
            .env("HOME", server.directory().path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            flows::server::shown(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    bao(&[
        "audit",
        "enable",
        "file",
        &format!("file_path={}", log.display()),
    ]);
    bao(&["auth", "enable", "jwt"]);
    bao(&[
        "write",
        "auth/jwt/config",
        &format!("jwks_url={}", issuer.key_set),
        "default_role=web",
    ]);
    bao(&[
        "write",
        "auth/jwt/role/web",
        "role_type=jwt",
        "user_claim=sub",
        "bound_audiences=walker",
        "token_policies=shop",
    ]);
    let token = format!("jwt={}", issuer.token);
    let said = bao(&[
        "write",
        "-format=json",
        "auth/jwt/login",
        "role=web",
        &token,
    ]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["auth"]["policies"], json!(["default", "shop"]));
    let login = |words: &[&str], typed: &str| {
        use std::io::Write as _;
        let mut child = server
            .command(&[&["login", "-no-store", "-token-only", "-method=jwt"], words].concat())
            .env("COFFERDAM_ADDR", &address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = writeln!(stdin, "{typed}");
        drop(stdin);
        child.wait_with_output().unwrap()
    };
    for words in [&["role=web"][..], &[]] {
        let output = login(words, &issuer.token);
        assert!(output.status.success(), "{}", flows::server::shown(&output));
        let own = String::from_utf8(output.stdout).unwrap();
        let (status, me) = server.curl(own.trim(), "GET", "auth/token/lookup-self", "");
        assert_eq!(status, 200, "{me}");
        assert!(me.contains("\"role\":\"web\""), "{me}");
    }
    let (signed, signature) = issuer.token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = login(
        &["role=web"],
        &format!("{signed}.{first}{}", &signature[1..]),
    );
    assert_eq!(forged.status.code(), Some(2));
    let said = flows::server::shown(&forged);
    assert!(said.contains("error verifying token signature"), "{said}");
    assert!(!said.contains(&issuer.token[..40]), "{said}");
    let audit = std::fs::read_to_string(log).unwrap();
    assert!(!audit.contains(signature), "the audit log shows a token");
}
