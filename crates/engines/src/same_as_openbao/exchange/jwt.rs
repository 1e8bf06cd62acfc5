//! JWT: with keys that were given one by one, so that both servers judge the same tokens.

use super::signer::{Signer, part};
use super::{NO_QUOTES, Step, delete, get, list, put};
use serde_json::{Value, json};

/// Each script begins on a new mount.
pub(crate) fn all() -> Vec<Vec<Step>> {
    vec![config(), roles(), logins(), attacks(), algorithms()]
}

/// Why an answer may differ.
const LEAKS: &str = "writes tokens of the provider where people read them";
const NOT_SERVED: &str = "said to be not served, and not half done";

/// Long ago, and not for a long time: whatever the clocks of the two servers say.
const PAST: i64 = 1_700_000_000;
const LONG_PAST: i64 = 1_600_000_000;
const FUTURE: i64 = 3_900_000_000;
const END: i64 = 4_000_000_000;

/// Claims that are good, with others beside.
fn claims(more: &Value) -> Value {
    let mut claims = json!({"iss": "https://login.example", "sub": "ada", "aud": "vault", "iat": PAST, "exp": END});
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn config() -> Vec<Step> {
    let (rsa, ec) = (Signer::rsa(), Signer::ec("P-256"));
    let keys = json!([rsa.pem()]);
    vec![
        get("config"),
        put("login", json!({"role": "r", "jwt": "x"})),
        put("config", json!({})).says("names what is served"),
        put(
            "config",
            json!({"jwt_validation_pubkeys": keys, "jwks_url": "https://127.0.0.1:1/x"}),
        )
        .says("names what is served"),
        put("config", json!({"jwt_validation_pubkeys": "no key"})).says(NO_QUOTES),
        put(
            "config",
            json!({"jwt_validation_pubkeys": keys, "jwt_supported_algs": "none"}),
        )
        .says(NO_QUOTES),
        put(
            "config",
            json!({"jwt_validation_pubkeys": keys, "jwt_supported_algs": ["RS256", "HS256"]}),
        )
        .says(NO_QUOTES),
        put(
            "config",
            json!({"jwt_validation_pubkeys": keys, "oidc_client_id": "a"}),
        ),
        put(
            "config",
            json!({"jwt_validation_pubkeys": keys, "oidc_client_id": "a", "oidc_client_secret": "b"}),
        ),
        put(
            "config",
            json!({"oidc_discovery_url": "https://127.0.0.1:1/.well-known/openid-configuration"}),
        ),
        put("config", json!({"jwks_url": "https://127.0.0.1:1/keys"})).says("says why"),
        put(
            "config",
            json!({"jwks_url": "https://127.0.0.1:1/keys", "jwks_ca_pem": "none"}),
        )
        .says("says why"),
        put(
            "config",
            json!({"oidc_discovery_url": "https://127.0.0.1:1"}),
        )
        .says("says why"),
        put(
            "config",
            json!({"jwt_validation_pubkeys": keys, "oidc_response_mode": "fragment"}),
        )
        .says(NO_QUOTES),
        put(
            "config",
            json!({"jwt_validation_pubkeys": keys, "oidc_response_types": "token"}),
        )
        .says(NO_QUOTES),
        get("config"),
        put("config", json!({"jwt_validation_pubkeys": keys})),
        get("config"),
        put(
            "config",
            json!({
                "jwt_validation_pubkeys": [rsa.pem(), ec.pem()], "default_role": "Some", "bound_issuer": "https://login.example",
                "jwt_supported_algs": "RS256,ES256", "namespace_in_state": false,
            }),
        ),
        get("config"),
        put("config", json!({"jwt_validation_pubkeys": rsa.pem()})),
        get("config"),
        delete("config"),
        put(
            "config",
            json!({"jwt_validation_pubkeys": keys, "provider_config": {"provider": "azure"}}),
        )
        .differs(NOT_SERVED),
    ]
}

fn roles() -> Vec<Step> {
    let role = |more: Value| {
        let mut body = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    vec![
        list("role"),
        get("role/web"),
        put("role/web", json!({})),
        put("role/web", json!({"user_claim": "sub"})),
        put("role/web", json!({"role_type": "jwt"})),
        put("role/web", json!({"role_type": "jwt", "user_claim": "sub"})),
        put(
            "role/web",
            json!({"role_type": "saml", "user_claim": "sub"}),
        )
        .says(NO_QUOTES),
        put("role/web", role(json!({"bound_claims_type": "regex"}))).says(NO_QUOTES),
        put(
            "role/web",
            role(json!({"bound_claims_type": "glob", "bound_claims": {"a": 5}})),
        )
        .says(NO_QUOTES),
        put(
            "role/web",
            role(json!({"bound_claims_type": "glob", "bound_claims": {"a": ["x", true]}})),
        )
        .says(NO_QUOTES),
        put("role/web", role(json!({"claim_mappings": {"a": "role"}}))),
        put(
            "role/web",
            role(json!({"claim_mappings": {"a": "x", "b": "x"}})),
        )
        .says(NO_QUOTES),
        put(
            "role/web",
            role(json!({"token_ttl": "2h", "token_max_ttl": "1h"})),
        ),
        put("role/web", role(json!({"callback_mode": "post"}))).says(NO_QUOTES),
        put("role/web", role(json!({"oauth2_metadata": "password"}))).says(NO_QUOTES),
        put("role/web", role(json!({"oauth2_metadata": "id_token"}))).differs(LEAKS),
        put("role/logged", role(json!({"verbose_oidc_logging": true}))).differs(LEAKS),
        put("role/direct", role(json!({"callback_mode": "direct"}))).differs(NOT_SERVED),
        put(
            "role/claimed",
            role(json!({"token_policies_template_claims": true})),
        )
        .differs(NOT_SERVED),
        delete("role/direct"),
        delete("role/claimed"),
        delete("role/logged"),
        delete("role/web"),
        put("role/Web", role(json!({}))),
        get("role/web"),
        put(
            "role/web",
            role(json!({
                "bound_subject": "ada", "bound_claims": {"/team/name": "web", "n": 5, "list": ["a", 1, true]},
                "claim_mappings": {"email": "mail", "/team/name": "team"}, "groups_claim": "groups",
                "user_claim_json_pointer": true, "expiration_leeway": 10, "not_before_leeway": -1,
                "clock_skew_leeway": "2m", "max_age": "1h", "oidc_scopes": "profile,email",
                "allowed_redirect_uris": ["http://localhost:8250/oidc/callback"],
                "token_policies": "p,q", "token_ttl": "5m", "token_max_ttl": "10m", "token_num_uses": 3,
                "token_bound_cidrs": "127.0.0.0/8", "token_no_default_policy": true,
            })),
        ),
        get("role/web"),
        put("role/web", json!({"role_type": "jwt", "token_ttl": "3m"})),
        get("role/web"),
        // What is not said falls back: so this is a role for browsers.
        put("role/web", json!({"token_ttl": "3m"})),
        get("role/web"),
        put(
            "role/old",
            role(
                json!({"policies": "p", "ttl": "5m", "max_ttl": "10m", "num_uses": 4, "period": "1m", "bound_cidrs": "10.0.0.0/8"}),
            ),
        ),
        get("role/old"),
        put(
            "role/cidr",
            json!({"role_type": "jwt", "user_claim": "sub", "token_bound_cidrs": "10.0.0.0/8"}),
        ),
        get("role/cidr"),
        put(
            "role/glob",
            role(json!({"bound_claims_type": "glob", "bound_claims": {"a": "x*"}})),
        ),
        get("role/glob"),
        put("role/a.-_b", role(json!({}))),
        put("role/a%20b", role(json!({}))),
        list("role"),
        list("role/"),
        delete("role/a.-_b"),
        delete("role/a.-_b"),
        list("role"),
    ]
}

fn logins() -> Vec<Step> {
    let rsa = Signer::rsa();
    let stranger = Signer::rsa();
    let with = |role: &str, token: String| put("login", json!({"role": role, "jwt": token}));
    let plain = |role: &str, more: Value| with(role, rsa.plain(&claims(&more)));
    let role = |name: &str, body: Value| put(format!("role/{name}"), body);
    let mut script = vec![
        put("config", json!({"jwt_validation_pubkeys": rsa.pem(), "bound_issuer": "https://login.example", "default_role": "usual"})),
        role("usual", json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": "other,vault", "token_policies": "p",
            "token_num_uses": 7, "claim_mappings": {"email": "mail", "/team/name": "team"},
        })),
        role("browser", json!({"user_claim": "sub", "allowed_redirect_uris": "http://localhost/x"})),
        role("subject", json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": "ada"})),
        role("bound", json!({
            "role_type": "jwt", "user_claim": "/team/lead", "user_claim_json_pointer": true, "bound_audiences": "vault",
            "bound_claims": {"/team/name": ["web", "api"], "level": 5, "active": true}, "groups_claim": "groups",
        })),
        role("glob", json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "bound_claims_type": "glob",
            "bound_claims": {"ref": ["refs/heads/*", "refs/tags/v*.0"]},
        })),
        role("elsewhere", json!({"role_type": "jwt", "user_claim": "sub", "token_bound_cidrs": "10.0.0.0/8"})),
        role("exact", json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "clock_skew_leeway": -1,
            "expiration_leeway": -1, "not_before_leeway": -1,
        })),
        plain("usual", json!({})),
        put("login", json!({"jwt": rsa.plain(&claims(&json!({})))})),
        with("USUAL", rsa.plain(&claims(&json!({})))),
        with("usual", format!("  {}\n", rsa.plain(&claims(&json!({}))))),
        plain("usual", json!({"email": "ada@example.org", "team": {"name": "web"}})),
        plain("usual", json!({"email": 5})),
        plain("usual", json!({"aud": ["nobody", "vault"]})),
        plain("usual", json!({"aud": ["nobody"]})),
        plain("usual", json!({"aud": []})),
        plain("usual", json!({"aud": null})),
        plain("usual", json!({"aud": 5})).says(NO_QUOTES),
        plain("usual", json!({"aud": "VAULT"})),
        plain("usual", json!({"iss": "https://login.example/"})),
        plain("usual", json!({"iss": null})),
        plain("usual", json!({"sub": null})),
        plain("usual", json!({"sub": 5})).says(NO_QUOTES),
        plain("usual", json!({"exp": LONG_PAST})),
        plain("usual", json!({"exp": -1})),
        plain("usual", json!({"exp": 1.5})),
        plain("usual", json!({"exp": 4_000_000_000.5})),
        plain("usual", json!({"exp": "4000000000"})).says(NO_QUOTES),
        plain("usual", json!({"iat": FUTURE})),
        plain("usual", json!({"nbf": FUTURE})),
        plain("usual", json!({"nbf": PAST})),
        plain("usual", json!({"iat": null})),
        plain("usual", json!({"iat": null, "exp": null})),
        plain("usual", json!({"exp": null})),
        plain("usual", json!({"iat": null, "nbf": PAST})),
        plain("exact", json!({"iat": null, "nbf": PAST})),
        plain("nobody", json!({})).says(NO_QUOTES),
        plain("a/b", json!({})).says(NO_QUOTES),
        plain("browser", json!({})),
        put("login", json!({"role": "usual"})),
        put("login", json!({"role": "usual", "jwt": ""})),
        with("usual", stranger.plain(&claims(&json!({})))),
        plain("subject", json!({})),
        plain("subject", json!({"aud": null})),
        plain("subject", json!({"aud": []})),
        plain("subject", json!({"aud": "", })),
        plain("subject", json!({"aud": null, "sub": "ADA"})),
        plain("bound", json!({})),
        plain("bound", json!({"team": {"name": "web", "lead": "grace"}, "level": 5, "active": true, "groups": ["a", "b"]})),
        plain("bound", json!({"team": {"name": ["x", "api"], "lead": "grace"}, "level": 5.0, "active": true, "groups": "a"})),
        plain("bound", json!({"team": {"name": "web", "lead": "grace"}, "level": "5", "active": true, "groups": []})),
        plain("bound", json!({"team": {"name": "web", "lead": "grace"}, "level": 5, "active": "true", "groups": []})),
        plain("bound", json!({"team": {"name": "web*", "lead": "grace"}, "level": 5, "active": true, "groups": []})),
        plain("bound", json!({"team": {"name": "web", "lead": "grace"}, "level": 5, "active": true})),
        plain("bound", json!({"team": {"name": "web", "lead": "grace"}, "level": 5, "active": true, "groups": [5]})).says(NO_QUOTES),
        plain("bound", json!({"team": {"name": "web", "lead": "grace"}, "level": 5, "active": true, "groups": {"a": 1}})),
        plain("bound", json!({"team": {"name": {"x": 1}, "lead": "grace"}, "level": 5, "active": true, "groups": []})).says(NO_QUOTES),
        plain("bound", json!({"team": {"name": "web", "lead": 7}, "level": 5, "active": true, "groups": []})),
        plain("bound", json!({"team": {"name": "web", "lead": "grace"}, "level": 5.5, "active": true, "groups": []}))
            .differs("5.5 is not 5: OpenBao cuts the fraction off before it compares"),
        plain("glob", json!({"ref": "refs/heads/main"})),
        plain("glob", json!({"ref": "refs/tags/v2.0"})),
        plain("glob", json!({"ref": "refs/tags/v2.1"})),
        plain("glob", json!({"ref": "x/refs/heads/main"})),
        plain("glob", json!({"ref": "*"})),
        plain("glob", json!({"ref": 5})),
        plain("elsewhere", json!({"aud": null})),
        get("login"),
    ];
    script.push(delete("role/usual"));
    script.push(put("login", json!({"jwt": rsa.plain(&claims(&json!({})))})).says(NO_QUOTES));
    script
}

/// Tokens that nobody should take, whatever they say.
fn attacks() -> Vec<Step> {
    let rsa = Signer::rsa();
    let good = claims(&json!({}));
    let text = good.to_string();
    let rs256 = json!("RS256");
    let with = |token: String| put("login", json!({"role": "usual", "jwt": token}));
    let headed = |header: Value| with(rsa.token(&header, &good));
    let whole = rsa.plain(&good);
    let [header, payload, signature] = [0, 1, 2].map(|at| whole.split('.').nth(at).unwrap());
    let ours = "our words; refused by both";
    vec![
        put("config", json!({"jwt_validation_pubkeys": rsa.pem()})),
        put(
            "role/usual",
            json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault"}),
        ),
        with(whole.clone()),
        with(format!("{}.{payload}.", part(r#"{"alg":"none"}"#))).says(ours),
        with(format!(
            "{}.{payload}.{signature}",
            part(r#"{"alg":"none"}"#)
        ))
        .says(ours),
        with(format!(
            "{}.{payload}.{signature}",
            part(r#"{"alg":"None"}"#)
        ))
        .says(ours),
        with(format!(
            "{}.{payload}.{signature}",
            part(r#"{"alg":"HS256"}"#)
        ))
        .says(ours),
        with(format!(
            "{}.{payload}.{signature}",
            part(r#"{"alg":"ES256"}"#)
        )),
        with(format!("{}.{payload}.{signature}", part("{}"))).says(ours),
        with(format!("{header}.{payload}.")),
        with(format!("{header}.{payload}")).says(ours),
        with(format!("{header}.{payload}.{signature}.")).says(ours),
        with(format!(".{header}.{payload}.{signature}")).says(ours),
        with("....".to_owned()).says(ours),
        with("x".to_owned()).says(ours),
        with(format!(
            "{header}.{}.{signature}",
            part(claims(&json!({"sub": "root"})).to_string())
        )),
        with(format!("{header}.{payload}.{}", part([0; 256]))),
        with(format!("{header}.{payload}={signature}")).says(ours),
        headed(json!({"alg": "RS256", "kid": "../../etc/passwd"})),
        headed(json!({"alg": "RS256", "kid": "' OR 1=1 --"})),
        headed(
            json!({"alg": "RS256", "jku": "http://169.254.169.254/", "x5u": "http://169.254.169.254/"}),
        ),
        headed(json!({"alg": "RS256", "crit": ["exp"], "exp": 1})).says(ours),
        headed(json!({"alg": "RS256", "crit": []}))
            .differs("an empty list of extensions is forbidden (RFC 7515, section 4.1.11)"),
        headed(json!({"alg": "RS256", "b64": false})).says(ours),
        with(rsa.token_of(r#"{"alg":"RS256","alg":"none"}"#, &text, &rs256)).says(ours),
        with(rsa.token_of(r#"{"alg":"none","alg":"RS256"}"#, &text, &rs256)).says(ours),
        with(rsa.token_of(
            r#"{"alg":"RS256"}"#,
            &text.replacen('{', "{\"sub\":\"root\",", 1),
            &rs256,
        ))
        .says(ours),
        with(rsa.plain(&claims(&json!({"SUB": "root"})))).says(ours),
        with(rsa.plain(&claims(&json!({"\u{17f}ub": "root"})))).says(ours),
        with(rsa.plain(&claims(&json!({"exp": 0})))),
        with(rsa.plain(&json!([1]))).says(ours),
        with(rsa.token_of(r#"{"alg":"RS256"}"#, "null", &rs256)).says(ours),
        with(rsa.token_of(r#"{"alg":"RS256"}"#, "", &rs256)).says(ours),
        with(rsa.token_of(r#"["RS256"]"#, &text, &rs256)).says(ours),
        with(format!(
            "{{\"payload\":\"{payload}\",\"protected\":\"{header}\",\"signature\":\"{signature}\"}}"
        ))
        .differs("only the compact form is a token"),
        // A token within a token, signed by the same key (RFC 7519, section 5.2), and one that is encrypted.
        with(rsa.token_of(r#"{"alg":"RS256","cty":"JWT"}"#, &whole, &rs256)).says(ours),
        with(format!(
            "{}.AAAA.AAAA.AAAA.AAAA",
            part(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#)
        ))
        .says(ours),
        with(rsa.plain(&claims(&json!({"pad": "x".repeat(100_000)}))))
            .differs("a token is at most 64 KiB long"),
    ]
}

fn algorithms() -> Vec<Step> {
    let rsa = Signer::rsa();
    let others = [
        (Signer::ec("P-256"), "ES256"),
        (Signer::ec("P-384"), "ES384"),
        (Signer::ec("P-521"), "ES512"),
        (Signer::ed25519(), "EdDSA"),
    ];
    let good = claims(&json!({}));
    let keys: Vec<_> = others
        .iter()
        .map(|(key, _)| key.pem())
        .chain([rsa.pem()])
        .collect();
    let token = |signer: &Signer, algorithm: &str| {
        let token = signer.token(&json!({"alg": algorithm}), &good);
        put("login", json!({"role": "usual", "jwt": token}))
    };
    let mut script = vec![
        put("config", json!({"jwt_validation_pubkeys": keys})),
        put(
            "role/usual",
            json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault"}),
        ),
    ];
    let rsas = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    for algorithm in rsas {
        script.push(token(&rsa, algorithm));
    }
    for (signer, own) in &others {
        script.push(token(signer, own));
        // Signed all the same, but not by what the header says.
        let wrong = if *own == "ES256" { "ES384" } else { "ES256" };
        script.push(token(signer, wrong));
    }
    script.push(put(
        "config",
        json!({"jwt_validation_pubkeys": keys, "jwt_supported_algs": "PS256,ES256"}),
    ));
    for algorithm in rsas {
        script.push(token(&rsa, algorithm));
    }
    script.push(token(&others[0].0, "ES256"));
    script.push(token(&others[1].0, "ES384"));
    script
}
