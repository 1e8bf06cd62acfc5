//! JWT, where the signer's keys are fetched: what it costs the signer, and what a bad one can do.
//!
//! What tokens are taken is compared with OpenBao, token by token, in `same_as_openbao/exchange/jwt.rs`.

use super::Jwt;
use crate::harness::{Answer, Bench};
use crate::same_as_openbao::exchange::signer::Signer;
use crate::stand_in::{StandIn, respond, sleep};
use cofferdam_core::clock::Clock;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn jwt() -> Bench {
    let bench = Bench::new(Jwt::default(), &[]).await;
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "groups_claim": "groups"});
    assert_eq!(bench.write("role/web", role).await.status, 204);
    bench
}

/// A document with these keys.
fn document(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

fn serving(document: String) -> StandIn {
    StandIn::plain(move |_, to| respond(to, "200 OK", &document))
}

async fn configured(bench: &Bench, settings: Value) -> Answer {
    bench.write("config", settings).await
}

fn claims(bench: &Bench) -> Value {
    let now = bench.clock.now().seconds();
    json!({"sub": "ada", "aud": "vault", "iat": now, "exp": now + 60, "groups": ["web"]})
}

async fn login(bench: &Bench, token: &str) -> Answer {
    bench
        .write("login", json!({"role": "web", "jwt": token}))
        .await
}

fn named(signer: &Signer, id: &str, claims: &Value) -> String {
    let algorithm = match signer {
        Signer::Rsa(_) => "RS256",
        Signer::Ec(..) => "ES256",
        Signer::Ed25519(_) => "EdDSA",
    };
    signer.token(&json!({"alg": algorithm, "kid": id}), claims)
}

const UNSIGNED: (u16, &str) = (
    400,
    "error validating token: error verifying token signature: no known key successfully validated the token signature",
);
const UNREAD: (u16, &str) = (
    500,
    "error validating token: error verifying token signature: the signer's keys cannot be read; try again",
);

#[tokio::test]
async fn a_set_of_keys_is_read_once_and_its_names_count() {
    let (bench, rsa, ec) = (jwt().await, Signer::rsa(), Signer::ec("P-256"));
    let signer = serving(document(&[rsa.jwk("a"), ec.jwk("b")]));
    let set = configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    assert_eq!(set.status, 204, "{set:?}");
    let asked = signer.asked();
    let claims = claims(&bench);
    for token in [
        named(&rsa, "a", &claims),
        named(&ec, "b", &claims),
        rsa.plain(&claims),
        ec.plain(&claims),
    ] {
        let login = login(&bench, &token).await;
        let who = login.login.expect("a login");
        assert_eq!(who.display_name, "ada");
        assert_eq!(who.metadata["role"], "web");
    }
    assert_eq!(signer.asked(), asked + 1, "one document served four logins");
    // The right key under the name of another one is the wrong key.
    assert_eq!(
        login(&bench, &named(&rsa, "b", &claims)).await.refusal(),
        UNSIGNED
    );
}

#[tokio::test]
async fn a_new_key_of_the_signer_is_found_at_once_and_an_old_one_forgotten() {
    let (bench, old, new) = (jwt().await, Signer::ec("P-256"), Signer::ec("P-256"));
    let signer = serving(document(&[old.jwk("old")]));
    configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    assert!(
        login(&bench, &named(&old, "old", &claims(&bench)))
            .await
            .login
            .is_some()
    );
    bench.clock.advance(Duration::from_secs(11));
    let rotated = document(&[new.jwk("new")]);
    signer.answers(move |_, to| respond(to, "200 OK", &rotated));
    assert!(
        login(&bench, &named(&new, "new", &claims(&bench)))
            .await
            .login
            .is_some()
    );
    assert_eq!(
        login(&bench, &named(&old, "old", &claims(&bench)))
            .await
            .refusal(),
        UNSIGNED
    );
}

#[tokio::test]
async fn a_clock_that_is_put_back_keeps_no_old_key() {
    let (bench, old, new) = (jwt().await, Signer::ec("P-256"), Signer::ec("P-256"));
    let signer = serving(document(&[old.jwk("old")]));
    configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    let token = named(&old, "old", &claims(&bench));
    assert!(login(&bench, &token).await.login.is_some());
    let rotated = document(&[new.jwk("new")]);
    signer.answers(move |_, to| respond(to, "200 OK", &rotated));
    bench.clock.put_back(Duration::from_hours(1));
    bench.clock.advance(Duration::from_secs(11));
    let token = named(&new, "new", &claims(&bench));
    assert!(login(&bench, &token).await.login.is_some());
    let token = named(&old, "old", &claims(&bench));
    assert_eq!(login(&bench, &token).await.refusal(), UNSIGNED);
}

#[tokio::test]
async fn a_key_that_was_taken_back_is_out_when_the_set_gets_old() {
    let (bench, stolen, kept) = (jwt().await, Signer::ec("P-256"), Signer::ec("P-256"));
    let signer = serving(document(&[stolen.jwk("stolen"), kept.jwk("kept")]));
    configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    assert!(
        login(&bench, &named(&stolen, "stolen", &claims(&bench)))
            .await
            .login
            .is_some()
    );
    let without = document(&[kept.jwk("kept")]);
    signer.answers(move |_, to| respond(to, "200 OK", &without));
    bench.clock.advance(Duration::from_secs(601));
    assert_eq!(
        login(&bench, &named(&stolen, "stolen", &claims(&bench)))
            .await
            .refusal(),
        UNSIGNED
    );
    assert!(
        login(&bench, &named(&kept, "kept", &claims(&bench)))
            .await
            .login
            .is_some()
    );
}

#[tokio::test]
async fn a_flood_of_unknown_keys_costs_the_signer_one_request() {
    let (bench, ec, stranger) = (jwt().await, Signer::ec("P-256"), Signer::ec("P-256"));
    let signer = serving(document(&[ec.jwk("a")]));
    configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    assert!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .login
            .is_some()
    );
    bench.clock.advance(Duration::from_secs(11));
    let (asked, before) = (signer.asked(), bench.keys().await);
    let tokens: Vec<_> = (0..200)
        .map(|number| named(&stranger, &format!("kid-{number}"), &claims(&bench)))
        .collect();
    let flood =
        futures_util::future::join_all(tokens.iter().map(|token| login(&bench, token))).await;
    assert!(flood.iter().all(|answer| answer.refusal() == UNSIGNED));
    assert_eq!(signer.asked(), asked + 1, "amplified");
    assert_eq!(bench.keys().await, before, "a flood leaves nothing behind");
    // And whoever has a good token still gets in.
    assert!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .login
            .is_some()
    );
}

#[tokio::test]
async fn a_signer_that_is_away_is_missed_for_a_while_and_then_nobody_gets_in() {
    let (bench, ec) = (jwt().await, Signer::ec("P-256"));
    let signer = serving(document(&[ec.jwk("a")]));
    configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    assert!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .login
            .is_some()
    );
    signer.answers(|_, to| respond(to, "503 Service Unavailable", "{}"));
    bench.clock.advance(Duration::from_mins(50));
    assert!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .login
            .is_some()
    );
    bench.clock.advance(Duration::from_mins(11));
    assert_eq!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .refusal(),
        UNREAD
    );
    let asked = signer.asked();
    assert_eq!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .refusal(),
        UNREAD
    );
    assert_eq!(signer.asked(), asked, "asked again at once");
    let back = document(&[ec.jwk("a")]);
    signer.answers(move |_, to| respond(to, "200 OK", &back));
    bench.clock.advance(Duration::from_secs(11));
    assert!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .login
            .is_some()
    );
}

#[tokio::test]
async fn a_changed_configuration_forgets_the_keys_of_the_old_one() {
    let (bench, ec, other) = (jwt().await, Signer::ec("P-256"), Signer::ec("P-256"));
    let signer = serving(document(&[ec.jwk("a")]));
    configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    assert!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .login
            .is_some()
    );
    let second = serving(document(&[other.jwk("a")]));
    configured(&bench, json!({"jwks_url": second.url("/keys")})).await;
    assert_eq!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .refusal(),
        UNSIGNED
    );
    assert!(
        login(&bench, &named(&other, "a", &claims(&bench)))
            .await
            .login
            .is_some()
    );
}

/// Says what became of a configuration whose signer answers so.
async fn reason(
    answer: impl Fn(&crate::stand_in::Heard, &mut dyn std::io::Write) + Send + Sync + 'static,
) -> String {
    let bench = jwt().await;
    let signer = StandIn::plain(answer);
    let set = configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    let (status, why) = set.refusal();
    assert_eq!(status, 400);
    // With leave to be away, it is configured all the same, and lets nobody in.
    let skip = json!({"jwks_url": signer.url("/keys"), "skip_jwks_validation": true});
    let skipped = configured(&bench, skip).await;
    assert_eq!(skipped.warnings, [why]);
    let token = Signer::ec("P-256").plain(&claims(&bench));
    assert_eq!(login(&bench, &token).await.refusal(), UNREAD);
    why.strip_prefix("error checking jwks URL: ")
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_bad_document_lets_nobody_in() {
    let ec = Signer::ec("P-256");
    let good = ec.jwk("a");
    let form = "the answer is not a JSON document of the form that is expected";
    let empty = "the document has no key that can be used";
    let with = |more: Value| {
        let mut jwk = good.clone();
        for (name, value) in more.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        document(&[jwk])
    };
    let cases = [
        ("<html>".to_owned(), form),
        ("[]".to_owned(), form),
        ("{}".to_owned(), form),
        (r#"{"keys":{}}"#.to_owned(), form),
        (format!(r#"{{"keys":[],"keys":[{good}]}}"#), form),
        (document(&vec![good.clone(); 200]), form),
        (document(&[]), empty),
        (document(&[json!({"kty": "oct", "k": "c2VjcmV0"})]), empty),
        (with(json!({"d": "AAAA"})), empty),
        (with(json!({"use": "enc"})), empty),
        (with(json!({"key_ops": ["sign"]})), empty),
        (with(json!({"alg": "HS256"})), empty),
        (with(json!({"crv": "secp256k1"})), empty),
        (with(json!({"x": "AA"})), empty),
        (
            document(&[json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})]),
            empty,
        ),
    ];
    for (document, expected) in cases {
        let said = reason(move |_, to| respond(to, "200 OK", &document)).await;
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn a_bad_signer_gets_no_further_than_its_bounds() {
    let huge = |_: &_, to: &mut dyn std::io::Write| {
        let _ = to.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while to.write_all(&[b' '; 65_536]).is_ok() {}
    };
    assert_eq!(reason(huge).await, "the server's answer is too large");
    let elsewhere = |_: &_, to: &mut dyn std::io::Write| {
        let _ = to.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n");
    };
    assert_eq!(
        reason(elsewhere).await,
        "the server redirects, which is not followed"
    );
    let short = |_: &_, to: &mut dyn std::io::Write| {
        let _ = to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\"");
    };
    assert_eq!(reason(short).await, "the server's answer is not complete");
    let head = |_: &_, to: &mut dyn std::io::Write| {
        let _ = to.write_all(b"HTTP/1.1 200 OK\r\n");
        while to
            .write_all(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")
            .is_ok()
        {}
    };
    assert_eq!(reason(head).await, "the server's answer is not complete");
    assert_eq!(
        reason(|_, to| respond(to, "404 Not Found", "{}")).await,
        "the server answers with status 404"
    );
}

#[tokio::test]
async fn a_slow_signer_is_not_waited_for() {
    let bench = jwt().await;
    let signer = StandIn::plain(|_, to| {
        let _ = to.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        sleep(60);
    });
    let begun = Instant::now();
    let set = configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    assert_eq!(
        set.refusal(),
        (
            400,
            "error checking jwks URL: the server did not answer in time"
        )
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn only_places_that_may_be_asked_are_configured() {
    let bench = jwt().await;
    for (url, why) in [
        (
            "http://login.example/keys",
            "jwks_url: expected an https URL",
        ),
        ("file:///etc/passwd", "jwks_url: expected an https URL"),
        (
            "https://a@login.example/keys",
            "jwks_url: expected an https URL",
        ),
        (
            "https://169.254.169.254/latest",
            "error checking jwks URL: the server's address is link-local",
        ),
        (
            "https://[fe80::1]/keys",
            "error checking jwks URL: the server's address is link-local",
        ),
    ] {
        let set = configured(&bench, json!({"jwks_url": url})).await;
        let (status, said) = set.refusal();
        assert_eq!(status, 400);
        assert!(said.starts_with(why), "{url}: {said}");
    }
}

#[tokio::test]
async fn tls_is_held_to_the_ca_and_the_names_that_were_given() {
    let ec = Signer::ec("P-256");
    let document = document(&[ec.jwk("a")]);
    let answer = document.clone();
    let signer = StandIn::secure("127.0.0.1", move |_, to| respond(to, "200 OK", &answer));
    let stranger = StandIn::secure("127.0.0.1", |_, to| respond(to, "200 OK", "{}"));
    let bench = jwt().await;
    let url = signer.url("/keys");
    let set = configured(&bench, json!({"jwks_url": url, "jwks_ca_pem": signer.ca})).await;
    assert_eq!(set.status, 204, "{set:?}");
    assert!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .login
            .is_some()
    );
    let untrusted = (
        400,
        "error checking jwks URL: the server's certificate is not trusted, or it speaks no TLS",
    );
    let set = configured(&bench, json!({"jwks_url": url, "jwks_ca_pem": stranger.ca})).await;
    assert_eq!(set.refusal(), untrusted);
    // By another name, and only where that name was given.
    let signer = StandIn::secure("login.example", move |_, to| {
        respond(to, "200 OK", &document)
    });
    let settings = json!({"jwks_url": signer.url("/keys"), "jwks_ca_pem": signer.ca});
    assert_eq!(
        configured(&bench, settings.clone()).await.refusal(),
        untrusted
    );
    let mut named = settings;
    named["override_allowed_server_names"] = json!("other.example,login.example");
    assert_eq!(configured(&bench, named).await.status, 204);
}

#[tokio::test]
async fn discovery_believes_only_the_issuer_it_asked() {
    let (bench, ec) = (jwt().await, Signer::ec("P-256"));
    let signer = serving(document(&[ec.jwk("a")]));
    let (issuer, keys) = (signer.url("/tenant"), document(&[ec.jwk("a")]));
    let says = |issuer: String, jwks_uri: String| {
        let keys = keys.clone();
        signer.answers(move |heard, to| {
            let provider = json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string();
            let wanted = heard
                .head
                .starts_with("GET /tenant/.well-known/openid-configuration ");
            respond(to, "200 OK", if wanted { &provider } else { &keys });
        });
    };
    let settings = json!({"oidc_discovery_url": issuer});
    says(format!("{issuer}/"), signer.url("/keys"));
    assert_eq!(
        configured(&bench, settings.clone()).await.refusal(),
        (
            400,
            "error checking oidc discovery URL: the document names another issuer than oidc_discovery_url"
        )
    );
    says(issuer.clone(), "http://169.254.169.254/keys".to_owned());
    let set = configured(&bench, settings.clone()).await;
    assert!(set.refusal().1.contains("expected an https URL"), "{set:?}");
    says(issuer.clone(), signer.url("/keys"));
    assert_eq!(configured(&bench, settings).await.status, 204);
    assert!(
        login(&bench, &named(&ec, "a", &claims(&bench)))
            .await
            .login
            .is_some()
    );
    assert_eq!(bench.read("config").await.data["status"], "valid");
    says("https://other.example".to_owned(), signer.url("/keys"));
    let read = bench.read("config").await;
    assert_eq!(read.data["status"], "invalid");
    assert_eq!(read.warnings.len(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_by_the_role_as_it_is() {
    let (bench, ec) = (jwt().await, Signer::ec("P-256"));
    configured(&bench, json!({"jwt_validation_pubkeys": ec.pem()})).await;
    let login = login(&bench, &ec.plain(&claims(&bench)))
        .await
        .login
        .unwrap();
    let mut entry = crate::harness::token("a1");
    entry.binding = login.binding;
    let change = json!({"role_type": "jwt", "user_claim": "sub", "token_ttl": "7m"});
    assert_eq!(bench.write("role/web", change).await.status, 204);
    let renewed = bench.engine.renew(&bench.view, &entry).await.unwrap();
    assert_eq!(renewed.ttl, Some(Duration::from_mins(7)));
    bench.delete("role/web").await;
    assert!(bench.engine.renew(&bench.view, &entry).await.is_err());
}

/// AUTH-4: a token names places and keys of its own. None is asked, none is believed.
#[tokio::test]
async fn where_a_token_says_its_keys_are_nobody_looks() {
    let (bench, own, eve) = (jwt().await, Signer::ec("P-256"), Signer::ec("P-256"));
    let signer = serving(document(&[own.jwk("a")]));
    let elsewhere = serving(document(&[eve.jwk("a")]));
    let set = configured(&bench, json!({"jwks_url": signer.url("/keys")})).await;
    assert_eq!(set.status, 204, "{set:?}");
    let claims = claims(&bench);
    let url = elsewhere.url("/keys");
    for header in [
        json!({"alg": "ES256", "kid": "a", "jku": url}),
        json!({"alg": "ES256", "kid": "a", "x5u": url}),
        json!({"alg": "ES256", "kid": "a", "jwk": eve.jwk("a")}),
        json!({"alg": "ES256", "kid": url}),
        json!({"alg": "ES256", "kid": "../../role/web"}),
        json!({"alg": "ES256", "kid": "' OR 1=1 --"}),
        json!({"alg": "none", "kid": "a"}),
    ] {
        let answer = login(&bench, &eve.token(&header, &claims)).await;
        assert!(answer.login.is_none() && answer.status == 400, "{header}");
    }
    assert_eq!(elsewhere.asked(), 0);
    let good = named(&own, "a", &claims);
    assert!(login(&bench, &good).await.login.is_some());
}
