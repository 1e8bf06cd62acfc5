//! Logins at other services, with a real OpenBao beside us: the same steps on both, compared; Authlib
//! as the service; and OpenBao's own OIDC login with us as the provider.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and writes bodies where it sends them"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
#[allow(dead_code, reason = "shared with the comparison of engines")]
mod bao;

use bao::{Bao, ask_as};
use flows::{Server, peers};
use serde_json::{Value, json};
use std::process::Command;

const BACK: &str = "http://127.0.0.1:7777/back";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A provider with a user.
struct Side {
    name: &'static str,
    address: String,
    entity: String,
    user: String,
}

/// A client as its provider shows it.
struct Client {
    id: String,
    secret: String,
}

impl Side {
    fn new(name: &'static str, address: &str) -> Self {
        let mut side = Self {
            name,
            address: address.to_owned(),
            entity: String::new(),
            user: String::new(),
        };
        side.done("POST", "sys/auth/userpass", json!({"type": "userpass"}));
        side.done(
            "POST",
            "auth/userpass/users/ada",
            json!({"password": "lovelace"}),
        );
        let login = side.done(
            "POST",
            "auth/userpass/login/ada",
            json!({"password": "lovelace"}),
        );
        login["auth"]["entity_id"]
            .as_str()
            .unwrap()
            .clone_into(&mut side.entity);
        login["auth"]["client_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut side.user);
        let at = format!("identity/entity/id/{}", side.entity);
        side.done(
            "POST",
            &at,
            json!({"name": "ada", "metadata": {"team": "web"}}),
        );
        let template =
            r#"{"name": {{identity.entity.name}}, "team": {{identity.entity.metadata.team}}}"#;
        side.done(
            "POST",
            "identity/oidc/scope/profile",
            json!({"template": template}),
        );
        side.done(
            "POST",
            "identity/oidc/assignment/ours",
            json!({"entity_ids": [side.entity]}),
        );
        let issuer = format!("http://{address}");
        let provider =
            json!({"issuer": issuer, "allowed_client_ids": "*", "scopes_supported": "profile"});
        side.done("POST", "identity/oidc/provider/p", provider);
        side
    }

    fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        ask_as("root", &self.address, method, path, &body).expect("an answer")
    }

    fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!(
            status < 300,
            "{}: {method} {path}: {status} {answer}",
            self.name
        );
        answer
    }

    fn client(&self, name: &str, sort: &str) -> Client {
        let path = format!("identity/oidc/client/{name}");
        self.done(
            "POST",
            &path,
            json!({"redirect_uris": BACK, "assignments": "ours", "client_type": sort}),
        );
        let shown = self.done("GET", &path, Value::Null)["data"].clone();
        let text = |field: &str| shown[field].as_str().unwrap_or_default().to_owned();
        Client {
            id: text("client_id"),
            secret: text("client_secret"),
        }
    }

    fn authorize(&self, client: &Client, more: Value) -> (u16, Value) {
        let mut body = json!({"client_id": client.id, "redirect_uri": BACK, "scope": "openid profile",
            "response_type": "code", "state": "s", "code_challenge": CHALLENGE, "code_challenge_method": "S256"});
        merge(&mut body, more);
        ask_as(
            &self.user,
            &self.address,
            "POST",
            "identity/oidc/provider/p/authorize",
            &body,
        )
        .unwrap()
    }

    fn code(&self, client: &Client) -> String {
        let (status, answer) = self.authorize(client, json!({}));
        assert_eq!(status, 200, "{}: {answer}", self.name);
        answer["code"].as_str().unwrap().to_owned()
    }

    fn exchange(&self, client: &Client, code: &str, more: Value) -> (u16, Value) {
        let mut body = json!({"grant_type": "authorization_code", "code": code, "redirect_uri": BACK,
            "client_id": client.id, "client_secret": client.secret, "code_verifier": VERIFIER});
        let at = more["at"].as_str().unwrap_or("p").to_owned();
        merge(&mut body, more);
        let path = format!("identity/oidc/provider/{at}/token");
        ask_as("", &self.address, "POST", &path, &body).unwrap()
    }
}

fn merge(body: &mut Value, more: Value) {
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
            value => body[name] = value.clone(),
        }
    }
}

fn sides() -> (Bao, Server, [Side; 2]) {
    let (bao, server) = (Bao::start(), Server::dev("root"));
    let ours = server.address().strip_prefix("http://").unwrap();
    let sides = [
        Side::new("OpenBao", bao.address()),
        Side::new("Cofferdam", ours),
    ];
    (bao, server, sides)
}

/// What both have to say alike: the status and OAuth's word.
fn told((status, answer): (u16, Value)) -> Value {
    json!([
        status,
        answer["error"],
        answer["error_description"],
        answer["state"],
        answer["token_type"],
        answer["expires_in"]
    ])
}

#[test]
fn every_wrong_step_is_refused_as_openbao_refuses_it() {
    let (_bao, _server, sides) = sides();
    let seen = sides.each_ref().map(|side| {
        let (one, two, open) = (
            side.client("one", "confidential"),
            side.client("two", "confidential"),
            side.client("open", "public"),
        );
        let mut seen = Vec::new();
        for more in [
            json!({"client_id": "nobody"}),
            json!({"client_id": null}),
            json!({"redirect_uri": null}),
            json!({"redirect_uri": "https://evil.example/back"}),
            json!({"redirect_uri": "http://127.0.0.1:1/back"}),
            json!({"redirect_uri": "http://127.0.0.1:1/other"}),
            json!({"redirect_uri": "http://127.0.0.1:7777@evil.example/back"}),
            json!({"scope": "profile"}),
            json!({"response_type": "token"}),
            json!({"response_type": null}),
            json!({"code_challenge_method": "S512"}),
            json!({"code_challenge": "short"}),
            // OpenBao says no state here.
            json!({"request": "x", "state": null}),
            json!({"request_uri": "x", "state": null}),
            json!({"max_age": 0}),
            json!({"max_age": 3600}),
        ] {
            seen.push(told(side.authorize(&one, more)));
        }
        seen.push(told(side.authorize(&open, json!({"code_challenge": null}))));
        let code = side.code(&one);
        seen.push(told(side.exchange(&one, &code, json!({}))));
        seen.push(told(side.exchange(&one, &code, json!({}))));
        for (client, more) in [
            (&two, json!({})),
            (&one, json!({"redirect_uri": "http://127.0.0.1:1/back"})),
            (&one, json!({"redirect_uri": null})),
            (&one, json!({"code_verifier": CHALLENGE})),
            (&one, json!({"code_verifier": null})),
            (&one, json!({"at": "default"})),
        ] {
            let code = side.code(&one);
            seen.push(told(side.exchange(client, &code, more)));
            // Spent, whatever was wrong.
            seen.push(told(side.exchange(&one, &code, json!({}))));
        }
        for more in [
            json!({"client_secret": "wrong"}),
            json!({"client_secret": null}),
            json!({"client_id": "nobody"}),
            json!({"client_id": null}),
            json!({"grant_type": "password"}),
            json!({"grant_type": null}),
            json!({"code": null}),
            json!({"code": "nothing"}),
            json!({"at": "nowhere"}),
        ] {
            let code = side.code(&one);
            seen.push(told(side.exchange(&one, &code, more)));
        }
        let code = side.code(&open);
        seen.push(told(side.exchange(
            &open,
            &code,
            json!({"client_secret": null}),
        )));
        // Not among those who may, between the code and its exchange.
        let code = side.code(&one);
        side.done(
            "POST",
            "identity/oidc/assignment/ours",
            json!({"entity_ids": []}),
        );
        seen.push(told(side.exchange(&one, &code, json!({}))));
        seen.push(told(side.authorize(&one, json!({}))));
        // What refers to what.
        for path in [
            "assignment/ours",
            "scope/profile",
            "key/default",
            "provider/default",
            "assignment/allow_all",
        ] {
            seen.push(json!(
                side.ask("DELETE", &format!("identity/oidc/{path}"), Value::Null)
                    .0
            ));
        }
        for (path, body) in [
            ("client/one", json!({"key": "other"})),
            ("client/one", json!({"client_type": "public"})),
            ("client/x", json!({"assignments": "nobody"})),
            ("client/x", json!({"key": "nobody"})),
            ("client/x", json!({"id_token_ttl": "25h"})),
            ("client/x", json!({"client_type": "secret"})),
            ("scope/openid", json!({})),
            ("scope/x", json!({"template": "{"})),
            ("provider/x", json!({"issuer": "https://a/b"})),
            ("provider/x", json!({"scopes_supported": "nobody"})),
            ("assignment/allow_all", json!({})),
            ("key/default", json!({"verification_ttl": "1h"})),
        ] {
            seen.push(json!([
                path,
                side.ask("POST", &format!("identity/oidc/{path}"), body).0
            ]));
        }
        for path in ["client", "scope", "assignment", "provider"] {
            let (status, answer) = side.ask(
                "GET",
                &format!("identity/oidc/{path}?list=true"),
                Value::Null,
            );
            let mut keys = answer["data"]["keys"].clone();
            // OpenBao lists providers in the order of a Go map, another one each time.
            if side.name == "OpenBao" {
                keys.as_array_mut()
                    .expect("keys")
                    .sort_by_key(Value::to_string);
            }
            seen.push(json!([status, keys]));
        }
        seen
    });
    assert_eq!(seen[0].len(), seen[1].len());
    let pairs = seen[0].iter().zip(&seen[1]).enumerate();
    let different: Vec<_> = pairs.filter(|(_, (theirs, ours))| theirs != ours).collect();
    assert!(different.is_empty(), "theirs, ours: {different:#?}");
}

#[test]
fn a_service_that_uses_authlib_logs_somebody_in_as_by_openbao() {
    let (_bao, _server, sides) = sides();
    for (sort, method) in [
        ("confidential", "client_secret_basic"),
        ("confidential", "client_secret_post"),
        ("public", "none"),
    ] {
        let seen = sides.each_ref().map(|side| {
            let client = side.client(&format!("c-{method}"), sort);
            let address = format!("http://{}", side.address);
            let issuer = format!("{address}/v1/identity/oidc/provider/p");
            let script = concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/clients/identity_login.py"
            );
            let output = Command::new(peers::python())
                .args([
                    script,
                    &address,
                    &issuer,
                    &side.user,
                    &client.id,
                    &client.secret,
                    method,
                ])
                .output()
                .expect("a Python with Authlib");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} {method}: {said}", side.name);
            let mut seen: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(seen["claims"]["team"], "web", "{}", side.name);
            for own in [
                "exp",
                "iat",
                "auth_time",
                "at_hash",
                "c_hash",
                "nonce",
                "aud",
            ] {
                let claims = seen["claims"].as_object_mut().unwrap();
                assert!(claims.remove(own).is_some(), "{}: no {own}", side.name);
            }
            // A page of OpenBao's user interface; and what it does without saying so.
            for own in ["authorization_endpoint", "code_challenge_methods_supported"] {
                seen["discovery"].as_object_mut().unwrap().remove(own);
            }
            let text = seen
                .to_string()
                .replace(&side.address, "SERVER")
                .replace(&side.entity, "ENTITY");
            serde_json::from_str::<Value>(&text).unwrap()
        });
        assert_eq!(seen[0], seen[1], "{method}");
    }
}

#[test]
fn openbao_logs_in_by_us() {
    let (bao, _server, sides) = sides();
    let [theirs, ours] = &sides;
    let back = "http://localhost:8250/oidc/callback";
    ours.done(
        "POST",
        "identity/oidc/client/bao",
        json!({"redirect_uris": back, "assignments": "ours"}),
    );
    let client = ours.done("GET", "identity/oidc/client/bao", Value::Null)["data"].clone();
    theirs.done("POST", "sys/auth/oidc", json!({"type": "oidc"}));
    let config = json!({"oidc_discovery_url": format!("http://{}/v1/identity/oidc/provider/p", ours.address),
        "oidc_client_id": client["client_id"], "oidc_client_secret": client["client_secret"], "default_role": "web"});
    theirs.done("POST", "auth/oidc/config", config);
    let role = json!({"user_claim": "name", "oidc_scopes": "profile", "claim_mappings": {"team": "team"},
        "allowed_redirect_uris": back, "token_policies": "shop"});
    theirs.done("POST", "auth/oidc/role/web", role);
    let begun = theirs.done(
        "POST",
        "auth/oidc/oidc/auth_url",
        json!({"redirect_uri": back, "client_nonce": "n"}),
    );
    let url = begun["data"]["auth_url"].as_str().unwrap();
    let (_, query) = url.split_once('?').unwrap();
    let page = format!("identity/oidc/provider/p/authorize?{query}");
    let (status, answer) = ask_as(&ours.user, &ours.address, "GET", &page, &Value::Null).unwrap();
    assert_eq!(status, 200, "{answer}");
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    let path = format!(
        "auth/oidc/oidc/callback?client_nonce=n&code={}&state={}",
        text("code"),
        text("state")
    );
    let (status, login) = bao.ask("GET", &path, &Value::Null);
    assert_eq!(status, 200, "{login}");
    assert_eq!(login["auth"]["metadata"]["team"], "web", "{login}");
}
