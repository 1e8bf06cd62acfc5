//! Identity tokens beside a real OpenBao: the same steps on both, compared field by field. joserfc
//! checks what each signs by what each publishes, and each server's `auth/jwt` takes the other's
//! tokens by discovery.
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
use std::process::{Command, Output};

const ALGORITHMS: [&str; 7] = [
    "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA",
];

/// One of the two servers, with somebody who logged in there.
struct Side {
    name: &'static str,
    address: String,
    entity: String,
    /// Hers.
    own: String,
}

impl Side {
    fn new(name: &'static str, address: &str) -> Self {
        let side = Self {
            name,
            address: address.to_owned(),
            entity: String::new(),
            own: String::new(),
        };
        side.done("POST", "sys/auth/userpass", json!({"type": "userpass"}));
        let user = json!({"password": "lovelace", "token_policies": "token"});
        side.done("POST", "auth/userpass/users/ada", user);
        let rules =
            json!({"policy": "path \"identity/oidc/token/*\" { capabilities = [\"read\"] }"});
        side.done("PUT", "sys/policies/acl/token", rules);
        let password = json!({"password": "lovelace"});
        let login = side.done("POST", "auth/userpass/login/ada", password);
        let text = |field: &str| login["auth"][field].as_str().unwrap().to_owned();
        let (entity, own) = (text("entity_id"), text("client_token"));
        let attack = r#"", "sub": "root", "admin": "yes"#;
        let metadata = json!({"name": "ada", "metadata": {"team": "web", "attack": attack}});
        side.done("POST", &format!("identity/entity/id/{entity}"), metadata);
        side.done(
            "POST",
            "identity/group",
            json!({"name": "crew", "member_entity_ids": [entity]}),
        );
        let issuer = format!("http://{address}");
        side.done("POST", "identity/oidc/config", json!({"issuer": issuer}));
        Self {
            entity,
            own,
            ..side
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        ask_as("root", &self.address, method, path, body).expect("an answer")
    }

    fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, &body);
        assert!(
            status < 300,
            "{}: {method} {path}: {status} {answer}",
            self.name
        );
        answer
    }

    fn token(&self, role: &str) -> (u16, Value) {
        let path = format!("identity/oidc/token/{role}");
        ask_as(&self.own, &self.address, "GET", &path, &Value::Null).unwrap()
    }

    fn signed(&self, role: &str) -> String {
        let (status, answer) = self.token(role);
        assert_eq!(status, 200, "{}: {answer}", self.name);
        answer["data"]["token"].as_str().unwrap().to_owned()
    }

    /// What joserfc says of a token, by this server's keys.
    fn judge(&self, token: &str, audience: &str) -> Output {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/clients/identity_tokens.py"
        );
        let address = format!("http://{}", self.address);
        Command::new(peers::python())
            .args([script, &address, token, audience])
            .output()
            .expect("a Python with joserfc")
    }

    fn believed(&self, token: &str, audience: &str) -> Value {
        let output = self.judge(token, audience);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", self.name);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// An answer without what is each server's own.
    fn plain(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let text = text.replace(&self.address, "SERVER");
                json!(text.replace(&self.entity, "ENTITY"))
            }
            Value::Array(all) => all.iter().map(|one| self.plain(one)).collect(),
            Value::Object(all) => all
                .iter()
                .filter(|(name, _)| !["kid", "iat", "exp", "then"].contains(&name.as_str()))
                .map(|(name, one)| (name.clone(), self.plain(one)))
                .collect(),
            other => other.clone(),
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

#[test]
fn tokens_of_every_algorithm_are_as_openbaos_and_a_stranger_believes_them() {
    let (_bao, _server, sides) = sides();
    let template = r#"{"name": {{identity.entity.name}}, "deep": {"team": [{{identity.entity.metadata.team}}]},
        "groups": {{identity.entity.groups.names}}, "all": {{identity.entity.metadata}}, "then": {{time.now.plus.1h}}}"#;
    for algorithm in ALGORITHMS {
        let seen = sides.each_ref().map(|side| {
            let key = format!("identity/oidc/key/{algorithm}");
            side.done(
                "POST",
                &key,
                json!({"algorithm": algorithm, "allowed_client_ids": "shop"}),
            );
            let harmless = template.replace("{{identity.entity.metadata}}", "{}");
            let role =
                json!({"key": algorithm, "ttl": "1h", "client_id": "shop", "template": harmless});
            side.done("POST", &format!("identity/oidc/role/{algorithm}"), role);
            let token = side.signed(algorithm);
            let seen = side.believed(&token, "shop");
            let claims = &seen["claims"];
            let number = |name: &str| claims[name].as_u64().unwrap();
            assert_eq!(number("exp") - number("iat"), 3600, "{}", side.name);
            // OpenBao looks at its clock once more for the template: a second may begin in between.
            let more = number("then") - number("iat");
            let once_more = side.name == "OpenBao" && more == 3601;
            assert!(more == 3600 || once_more, "{}: {more}", side.name);
            assert_eq!(seen["header"]["alg"], algorithm, "{}", side.name);
            let (status, answer) =
                side.ask("POST", "identity/oidc/introspect", &json!({"token": token}));
            assert_eq!(
                (status, answer),
                (200, json!({"active": true})),
                "{}",
                side.name
            );
            // Another audience, and one bit of the claims.
            assert_eq!(
                side.judge(&token, "bank").status.code(),
                Some(3),
                "{}",
                side.name
            );
            let key = side.done("GET", &key, Value::Null)["data"].clone();
            let role = side.done(
                "GET",
                &format!("identity/oidc/role/{algorithm}"),
                Value::Null,
            )["data"]
                .clone();
            side.plain(&json!([seen, key, role]))
        });
        assert_eq!(seen[0], seen[1], "{algorithm}");
    }
    // What breaks OpenBao's text stands in ours as the value that it is.
    let [_, ours] = &sides;
    let role = json!({"key": "ES256", "client_id": "shop", "template": template});
    ours.done("POST", "identity/oidc/role/all", role);
    let claims = ours.believed(&ours.signed("all"), "shop")["claims"].clone();
    assert_eq!(claims["sub"], ours.entity.as_str());
    assert!(claims.get("admin").is_none(), "{claims}");
    assert_eq!(
        claims["all"]["attack"],
        r#"", "sub": "root", "admin": "yes"#
    );
}

#[test]
fn the_same_steps_have_the_same_answers() {
    let (_bao, _server, sides) = sides();
    let steps: Vec<(&str, &str, Value)> = vec![
        ("GET", "identity/oidc/config", Value::Null),
        (
            "POST",
            "identity/oidc/config",
            json!({"issuer": "https://a/b"}),
        ),
        ("POST", "identity/oidc/config", json!({"issuer": "ftp://a"})),
        (
            "GET",
            "identity/oidc/.well-known/openid-configuration",
            Value::Null,
        ),
        ("GET", "identity/oidc/.well-known/keys", Value::Null),
        ("GET", "identity/oidc/key?list=true", Value::Null),
        ("GET", "identity/oidc/role?list=true", Value::Null),
        ("GET", "identity/oidc/key/default", Value::Null),
        ("DELETE", "identity/oidc/key/default", Value::Null),
        ("GET", "identity/oidc/key/k", Value::Null),
        ("POST", "identity/oidc/key/k/rotate", json!({})),
        ("POST", "identity/oidc/key/k", json!({"algorithm": "none"})),
        (
            "POST",
            "identity/oidc/key/k",
            json!({"rotation_period": 59}),
        ),
        (
            "POST",
            "identity/oidc/key/k",
            json!({"rotation_period": 60, "verification_ttl": 601}),
        ),
        (
            "POST",
            "identity/oidc/key/k",
            json!({"algorithm": "ES256", "verification_ttl": "30m"}),
        ),
        ("GET", "identity/oidc/key/k", Value::Null),
        ("POST", "identity/oidc/role/r", json!({})),
        ("POST", "identity/oidc/role/r", json!({"key": "nowhere"})),
        ("POST", "identity/oidc/role/r", json!({"key": "k"})),
        (
            "POST",
            "identity/oidc/role/r",
            json!({"key": "k", "ttl": "10m", "template": "{"}),
        ),
        (
            "POST",
            "identity/oidc/role/r",
            json!({"key": "k", "ttl": "10m", "template": "{\"sub\": 1}"}),
        ),
        (
            "POST",
            "identity/oidc/role/r",
            json!({"key": "k", "ttl": "10m", "template": "{\"a\": \"{{identity.entity.name}}\"}"}),
        ),
        (
            "POST",
            "identity/oidc/role/r",
            json!({"key": "k", "ttl": "10m", "template": "{\"a\": {{identity.entity.surname}}}"}),
        ),
        (
            "POST",
            "identity/oidc/role/r",
            json!({"key": "k", "ttl": "10m", "template": "{\"a\": {{identity.groups.names.crew.id}}}"}),
        ),
        (
            "POST",
            "identity/oidc/role/r",
            json!({"key": "k", "ttl": "10m", "client_id": "c", "template": "eyJhIjogMX0="}),
        ),
        ("GET", "identity/oidc/role/r", Value::Null),
        ("GET", "identity/oidc/role?list=true", Value::Null),
        (
            "POST",
            "identity/oidc/key/k",
            json!({"verification_ttl": 599}),
        ),
        ("DELETE", "identity/oidc/key/k", Value::Null),
        (
            "POST",
            "identity/oidc/key/k/rotate",
            json!({"verification_ttl": 5}),
        ),
        ("GET", "identity/oidc/token/r", Value::Null),
        ("GET", "identity/oidc/token/nowhere", Value::Null),
        (
            "POST",
            "identity/oidc/introspect",
            json!({"token": "a.b.c"}),
        ),
        ("POST", "identity/oidc/introspect", json!({})),
        ("DELETE", "identity/oidc/role/r", Value::Null),
        ("DELETE", "identity/oidc/key/k", Value::Null),
        ("DELETE", "identity/oidc/key/k", Value::Null),
        ("GET", "identity/oidc/key/k", Value::Null),
        ("GET", "identity/oidc/role/r", Value::Null),
    ];
    for (method, path, body) in steps {
        let seen = sides.each_ref().map(|side| {
            let (status, answer) = side.ask(method, path, &body);
            // Words are each server's own; whether there is a warning is not.
            let bare = if path.contains(".well-known") {
                answer.clone()
            } else {
                Value::Null
            };
            let warned = !answer["warnings"].is_null();
            side.plain(&json!([
                status,
                answer["data"],
                answer["active"],
                bare,
                warned
            ]))
        });
        assert_eq!(seen[0], seen[1], "{method} {path} {body}");
    }
}

#[test]
fn each_server_logs_in_who_the_other_vouches_for() {
    let (_bao, _server, sides) = sides();
    for side in &sides {
        side.done(
            "POST",
            "identity/oidc/key/k",
            json!({"algorithm": "ES256", "allowed_client_ids": "*"}),
        );
        let template = r#"{"name": {{identity.entity.name}}}"#;
        side.done(
            "POST",
            "identity/oidc/role/r",
            json!({"key": "k", "client_id": "shop", "template": template}),
        );
    }
    for (host, issuer) in [
        (&sides[0], &sides[1]),
        (&sides[1], &sides[0]),
        (&sides[1], &sides[1]),
    ] {
        let mount = format!("by-{}", issuer.name.to_lowercase());
        host.done("POST", &format!("sys/auth/{mount}"), json!({"type": "jwt"}));
        let discovery = format!("http://{}/v1/identity/oidc", issuer.address);
        host.done(
            "POST",
            &format!("auth/{mount}/config"),
            json!({"oidc_discovery_url": discovery}),
        );
        let role = json!({"role_type": "jwt", "user_claim": "name", "bound_audiences": "shop", "token_policies": "p"});
        host.done("POST", &format!("auth/{mount}/role/r"), role);
        let jwt = issuer.signed("r");
        let login = |jwt: &str| {
            host.ask(
                "POST",
                &format!("auth/{mount}/login"),
                &json!({"role": "r", "jwt": jwt}),
            )
        };
        let (status, answer) = login(&jwt);
        assert_eq!(status, 200, "{} by {}: {answer}", host.name, issuer.name);
        let (input, signature) = jwt.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let (status, _) = login(&format!("{input}.{first}{}", &signature[1..]));
        assert!(status >= 400, "{} takes a forged token", host.name);
        // The key turned: the other finds the new one.
        issuer.done("POST", "identity/oidc/key/k/rotate", json!({}));
        let (status, answer) = login(&issuer.signed("r"));
        assert_eq!(status, 200, "{} by {}: {answer}", host.name, issuer.name);
    }
}
