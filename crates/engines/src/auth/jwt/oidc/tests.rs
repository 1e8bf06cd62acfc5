//! Logins with a browser, against a provider that can be told to be a bad one.

use crate::auth::jwt::Jwt;
use crate::harness::{Answer, Bench};
use crate::same_as_openbao::exchange::signer::{Signer, part};
use crate::stand_in::{Heard, StandIn, respond};
use cofferdam_core::clock::Clock;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BACK: &str = "http://localhost:8250/oidc/callback";

/// A provider. Codes are the challenge of whoever may exchange them.
struct Provider {
    server: StandIn,
    signer: Signer,
    /// What is signed for the next code.
    claims: Arc<Mutex<String>>,
    about: Arc<Mutex<Value>>,
    /// The last form that came with a code.
    form: Arc<Mutex<BTreeMap<String, String>>>,
}

/// Parameters of a form or an address.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    text.split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

impl Provider {
    fn start() -> Self {
        let signer = Signer::rsa();
        let provider = Self {
            server: StandIn::plain(|_, _| {}),
            claims: Arc::default(),
            about: Arc::new(Mutex::new(Value::Null)),
            form: Arc::default(),
            signer,
        };
        let root = provider.server.url("");
        let discovery = json!({
            "issuer": root, "jwks_uri": format!("{root}/keys"), "token_endpoint": format!("{root}/token"),
            "authorization_endpoint": format!("{root}/page?tenant=a"), "userinfo_endpoint": format!("{root}/me"),
        });
        let keys = json!({"keys": [provider.signer.jwk("a")]}).to_string();
        let (claims, about, form) = (
            Arc::clone(&provider.claims),
            Arc::clone(&provider.about),
            Arc::clone(&provider.form),
        );
        provider.server.answers(move |heard: &Heard, to: &mut dyn Write| {
            let path = heard.head.split(' ').nth(1).unwrap();
            match path {
                "/.well-known/openid-configuration" => respond(to, "200 OK", &discovery.to_string()),
                "/keys" => respond(to, "200 OK", &keys),
                "/me" if about.lock().unwrap().is_null() => respond(to, "404 Not Found", "{}"),
                "/me" => {
                    assert!(heard.head.contains("authorization: Bearer access-1\r\n"));
                    respond(to, "200 OK", &about.lock().unwrap().to_string());
                }
                "/token" => {
                    // us:s3cret/+ as RFC 6749 has it.
                    assert!(heard.head.contains("authorization: Basic dXM6czNjcmV0JTJGJTJC\r\n"), "{}", heard.head);
                    let sent = parameters(&heard.body);
                    let challenge = part(Sha256::digest(sent["code_verifier"].as_bytes()));
                    let right = sent["code"] == challenge && sent["redirect_uri"] == BACK;
                    form.lock().unwrap().clone_from(&sent);
                    let answer = json!({"id_token": *claims.lock().unwrap(), "access_token": "access-1"});
                    match right {
                        true => respond(to, "200 OK", &answer.to_string()),
                        false => respond(to, "400 Bad Request", r#"{"error":"invalid_grant"}"#),
                    }
                }
                other => panic!("{other}"),
            }
        });
        provider
    }

    /// Signs these claims for the next code.
    fn signs(&self, claims: &Value) {
        let header = json!({"alg": "RS256", "kid": "a"});
        *self.claims.lock().unwrap() = self.signer.token(&header, claims);
    }
}

/// A mount with the role `web`.
async fn mount(provider: &Provider) -> Bench {
    let bench = Bench::new(Jwt::default(), &[]).await;
    let settings = json!({
        "oidc_discovery_url": provider.server.url(""), "oidc_client_id": "us", "oidc_client_secret": "s3cret/+",
        "default_role": "web",
    });
    let set = bench.write("config", settings).await;
    assert_eq!(set.status, 204, "{set:?}");
    let role = json!({
        "user_claim": "email", "allowed_redirect_uris": BACK, "groups_claim": "groups", "bound_claims": {"team": "web"},
        "oidc_scopes": "email,groups", "claim_mappings": {"name": "name"},
    });
    assert_eq!(bench.write("role/web", role).await.status, 204);
    bench
}

/// A login under way.
struct Begun {
    asked: BTreeMap<String, String>,
}

async fn begin(bench: &Bench, nonce: &str) -> Begun {
    let body = json!({"role": "web", "redirect_uri": BACK, "client_nonce": nonce});
    let answer = bench.write("oidc/auth_url", body).await;
    let url = answer.data["auth_url"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer:?}"))
        .to_owned();
    let (page, query) = url.split_once("?tenant=a&").unwrap();
    assert!(page.ends_with("/page"), "{url}");
    Begun {
        asked: parameters(query),
    }
}

impl Begun {
    fn good(&self, bench: &Bench) -> Value {
        let now = bench.clock.now().seconds();
        json!({
            "iss": "", "aud": "us", "sub": "1", "email": "ada@example.org", "team": "web", "groups": ["a"], "name": "Ada",
            "nonce": self.asked["nonce"], "iat": now, "exp": now + 60,
        })
    }

    /// Comes back with the code that is right.
    async fn end(&self, bench: &Bench, nonce: &str) -> Answer {
        let (state, code) = (&self.asked["state"], &self.asked["code_challenge"]);
        bench
            .read(&format!(
                "oidc/callback?state={state}&code={code}&client_nonce={nonce}"
            ))
            .await
    }
}

fn with(claims: &Value, provider: &Provider, more: &Value) -> Value {
    let mut claims = claims.clone();
    claims["iss"] = json!(provider.server.url(""));
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[tokio::test]
async fn somebody_comes_back_from_the_provider_and_is_known() {
    let provider = Provider::start();
    let bench = mount(&provider).await;
    let begun = begin(&bench, "n").await;
    let asked = &begun.asked;
    assert_eq!(
        [
            &asked["client_id"],
            &asked["redirect_uri"],
            &asked["response_type"],
            &asked["scope"],
            &asked["code_challenge_method"]
        ],
        ["us", BACK, "code", "openid email groups", "S256"]
    );
    provider.signs(&with(
        &begun.good(&bench),
        &provider,
        &json!({"name": null}),
    ));
    *provider.about.lock().unwrap() =
        json!({"sub": "1", "name": "Ada L.", "team": "root", "email": "root@example.org"});
    let answer = begun.end(&bench, "n").await;
    let login = answer
        .login
        .unwrap_or_else(|| panic!("{:?}", answer.errors));
    assert_eq!(
        login.display_name, "ada@example.org",
        "what was signed stays"
    );
    assert_eq!(
        login.metadata["name"], "Ada L.",
        "the page about somebody adds to it"
    );
    assert_eq!(login.metadata["role"], "web");
    assert_eq!(
        provider.form.lock().unwrap()["grant_type"],
        "authorization_code"
    );
    // Neither the code nor the state is good for anything more.
    assert_eq!(
        begun.end(&bench, "n").await.refusal(),
        (400, "Vault login failed. Expired or missing OAuth state.")
    );
    // A page about somebody else adds nothing.
    let begun = begin(&bench, "n").await;
    provider.signs(&with(
        &begun.good(&bench),
        &provider,
        &json!({"name": null}),
    ));
    *provider.about.lock().unwrap() = json!({"sub": "2", "name": "Eve"});
    let login = begun.end(&bench, "n").await.login.unwrap();
    assert!(!login.metadata.contains_key("name"));
}

#[tokio::test]
async fn a_token_that_is_not_for_this_login_is_refused() {
    let provider = Provider::start();
    let bench = mount(&provider).await;
    let now = bench.clock.now().seconds();
    let other = begin(&bench, "").await.asked["nonce"].clone();
    let cases = [
        (json!({}), ""),
        (json!({"nonce": other}), "invalid ID token nonce."),
        (json!({"nonce": null}), "invalid ID token nonce."),
        (json!({"nonce": ""}), "invalid ID token nonce."),
        (
            json!({"iss": "https://other.example"}),
            "the issuer is another one",
        ),
        (
            json!({"iss": format!("{}/", provider.server.url(""))}),
            "the issuer is another one",
        ),
        (json!({"iss": null}), "the issuer is another one"),
        (json!({"aud": "them"}), "the token is for another client"),
        (json!({"aud": null}), "the token is for another client"),
        (
            json!({"aud": ["us", "them"]}),
            "the token is for another client",
        ),
        (json!({"azp": "them"}), "the token is for another client"),
        (json!({"sub": ""}), "the token names nobody"),
        (json!({"sub": null}), "the token names nobody"),
        (
            json!({"exp": now - 61}),
            "the token is not valid at this time",
        ),
        (json!({"exp": null}), "the token has no exp or no iat"),
        (json!({"iat": null}), "the token has no exp or no iat"),
        (
            json!({"iat": now + 120}),
            "the token is not valid at this time",
        ),
        (
            json!({"team": "api"}),
            "does not match any associated bound claim values",
        ),
        (json!({"email": null}), "not found in token"),
        (json!({"groups": null}), "claim not found in token"),
        (
            json!({"at_hash": "AAAA"}),
            "the access token is another one",
        ),
        (json!({"c_hash": "AAAA"}), "the code is another one"),
    ];
    for (change, why) in cases {
        let begun = begin(&bench, "n").await;
        let before = bench.keys().await.len();
        provider.signs(&with(&begun.good(&bench), &provider, &change));
        let answer = begun.end(&bench, "n").await;
        assert_eq!(
            answer.login.is_some(),
            why.is_empty(),
            "{change}: {:?}",
            answer.errors
        );
        if !why.is_empty() {
            let (status, said) = answer.refusal();
            assert_eq!(status, 400);
            assert!(
                said.starts_with("Vault login failed.") && said.contains(why),
                "{change}: {said}"
            );
            assert_eq!(
                bench.keys().await.len(),
                before,
                "a login that failed leaves nothing behind"
            );
        }
    }
    // By an algorithm that was not agreed on, and by somebody else.
    let begun = begin(&bench, "n").await;
    let good = with(&begun.good(&bench), &provider, &json!({}));
    *provider.claims.lock().unwrap() = provider
        .signer
        .token(&json!({"alg": "PS256", "kid": "a"}), &good);
    assert!(
        begun
            .end(&bench, "n")
            .await
            .refusal()
            .1
            .contains("unexpected algorithm")
    );
    *provider.claims.lock().unwrap() =
        Signer::rsa().token(&json!({"alg": "RS256", "kid": "a"}), &good);
    assert!(
        begun
            .end(&bench, "n")
            .await
            .refusal()
            .1
            .contains("error verifying token signature")
    );
}

#[tokio::test]
async fn only_who_began_a_login_ends_it_and_only_once_and_in_time() {
    let provider = Provider::start();
    let (bench, other) = (mount(&provider).await, mount(&provider).await);
    let begun = begin(&bench, "mine").await;
    provider.signs(&with(&begun.good(&bench), &provider, &json!({})));
    for nonce in ["", "yours", "MINE"] {
        assert_eq!(
            begun.end(&bench, nonce).await.refusal(),
            (400, "invalid client_nonce")
        );
    }
    let stale = (400, "Vault login failed. Expired or missing OAuth state.");
    assert_eq!(
        begun.end(&other, "mine").await.refusal(),
        stale,
        "another mount"
    );
    let (asked, state) = (provider.server.asked(), &begun.asked["state"]);
    for bad in [
        "",
        "x",
        &state[1..],
        &state[..state.len() - 1],
        &format!("{state}A"),
        &"A".repeat(9000),
    ] {
        let answer = bench
            .read(&format!(
                "oidc/callback?state={bad}&code=c&client_nonce=mine"
            ))
            .await;
        assert_eq!(answer.refusal(), stale);
    }
    assert_eq!(
        provider.server.asked(),
        asked,
        "made-up states reach nobody"
    );
    let read = |query: &str| format!("oidc/callback?state={state}&client_nonce=mine{query}");
    assert_eq!(
        bench.read(&read("")).await.refusal(),
        (400, "Vault login failed. No code or id_token received.")
    );
    assert_eq!(
        bench.read(&read("&code=guess")).await.refusal(),
        (
            400,
            "Vault login failed. Error exchanging oidc code: the provider answers with status 400."
        )
    );
    assert_eq!(
        bench.read(&read("&error=access_denied")).await.refusal(),
        (400, "Vault login failed. access_denied")
    );
    let (_, said) = (0, bench.read(&read("&error=evil-text")).await);
    assert!(!said.refusal().1.contains("evil"));
    // Many at once, one gets in.
    let ends = futures_util::future::join_all((0..10).map(|_| begun.end(&bench, "mine"))).await;
    assert_eq!(ends.iter().filter(|end| end.login.is_some()).count(), 1);
    let late = begin(&bench, "mine").await;
    provider.signs(&with(&late.good(&bench), &provider, &json!({})));
    bench.clock.advance(Duration::from_mins(10));
    assert_eq!(late.end(&bench, "mine").await.refusal(), stale);
    // With the next login the used state is forgotten.
    let next = begin(&bench, "").await;
    provider.signs(&with(&next.good(&bench), &provider, &json!({})));
    assert!(next.end(&bench, "").await.login.is_some());
    let spent = bench
        .keys()
        .await
        .into_iter()
        .filter(|key| key.starts_with("spent/"));
    assert_eq!(spent.count(), 1);
}

#[tokio::test]
async fn who_asks_for_addresses_changes_nothing_and_asks_nobody() {
    let provider = Provider::start();
    let bench = mount(&provider).await;
    begin(&bench, "").await;
    let (keys, asked) = (bench.keys().await, provider.server.asked());
    for _ in 0..100 {
        begin(&bench, "").await;
    }
    assert_eq!((bench.keys().await, provider.server.asked()), (keys, asked));
    let url = |body: Value| {
        let bench = &bench;
        async move { bench.write("oidc/auth_url", body).await }
    };
    for elsewhere in [
        "https://evil.example/cb",
        "http://localhost:8250/oidc/callback?x=1",
    ] {
        let answer = url(json!({"redirect_uri": elsewhere})).await;
        assert_eq!((answer.status, &answer.data["auth_url"]), (200, &json!("")));
    }
    assert_eq!(
        url(json!({"role": "nobody", "redirect_uri": BACK}))
            .await
            .refusal(),
        (400, "role could not be found")
    );
    assert_eq!(
        url(json!({})).await.refusal(),
        (400, "missing redirect_uri")
    );
    // A role for tokens in hand is not for browsers, and the other way round.
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": "1", "allowed_redirect_uris": BACK});
    bench.write("role/hand", role).await;
    let answer = url(json!({"role": "hand", "redirect_uri": BACK})).await;
    assert_eq!(answer.data["auth_url"], "");
    let hand = bench
        .write("login", json!({"role": "web", "jwt": "x"}))
        .await;
    assert_eq!(
        hand.refusal(),
        (400, "role with oidc role_type is not allowed")
    );
    assert!(
        bench
            .engine
            .routes()
            .iter()
            .any(|row| row.pattern == "oidc/callback")
    );
}

#[tokio::test]
async fn who_was_away_for_too_long_logs_in_again() {
    let provider = Provider::start();
    let bench = mount(&provider).await;
    let role = json!({"user_claim": "email", "allowed_redirect_uris": BACK, "max_age": "5m", "bound_claims": {}, "groups_claim": ""});
    assert_eq!(bench.write("role/web", role).await.status, 204);
    let now = bench.clock.now().seconds();
    for (seen, good) in [
        (json!(now), true),
        (json!(now - 350), true),
        (json!(now - 400), false),
        (Value::Null, false),
    ] {
        let begun = begin(&bench, "").await;
        assert_eq!(begun.asked["max_age"], "300");
        provider.signs(&with(
            &begun.good(&bench),
            &provider,
            &json!({"auth_time": seen}),
        ));
        assert_eq!(begun.end(&bench, "").await.login.is_some(), good, "{seen}");
    }
}

/// The code of a login is good for as long as nobody has said otherwise.
#[tokio::test]
async fn a_provider_that_is_away_refuses_nobody() {
    let provider = Provider::start();
    let bench = mount(&provider).await;
    let begun = begin(&bench, "mine").await;
    let away = (500, "Vault login failed. The provider cannot be reached.");
    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        provider
            .server
            .answers(move |_, to| respond(to, status, "{}"));
        assert_eq!(begun.end(&bench, "mine").await.refusal(), away, "{status}");
    }
    provider.server.answers(|_, _| {});
    assert_eq!(begun.end(&bench, "mine").await.refusal(), away);
    provider
        .server
        .answers(|_, to| respond(to, "400 Bad Request", "{}"));
    assert_eq!(begun.end(&bench, "mine").await.refusal().0, 400);
    // What was kept of its documents gets too old on the way, and they cannot be had.
    provider.server.answers(|_, _| {});
    bench.clock.advance(Duration::from_mins(55));
    let begun = begin(&bench, "mine").await;
    bench.clock.advance(Duration::from_mins(6));
    assert_eq!(begun.end(&bench, "mine").await.refusal(), away);
}
