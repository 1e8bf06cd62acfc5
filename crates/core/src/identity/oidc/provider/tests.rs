//! Addresses, verifiers and halves of hashes.

use super::code::Challenge;
use super::exchange::{answers, half_hash};
use super::redirect::allowed;
use crate::identity::oidc::signing::Algorithm;
use cofferdam_secret::Secret;

#[test]
fn an_address_is_taken_as_it_is_and_only_a_loopback_port_may_differ() {
    let is = |uri: &str, one: &str| allowed(uri, &[one.to_owned()]);
    let shop = "https://shop.example/back";
    assert!(is(shop, shop));
    for other in [
        "https://shop.example/back/",
        "https://shop.example/back?x",
        "https://shop.example:443/back",
        "https://shop.example:8443/back",
        "http://shop.example/back",
        "https://SHOP.example/back",
        "https://shop.example/back/../back",
        "https://shop.example.evil/back",
        "https://evil/https://shop.example/back",
        "",
    ] {
        assert!(!is(other, shop), "{other}");
    }
    let local = "http://127.0.0.1/back";
    for port in ["", ":1", ":65535"] {
        assert!(is(&format!("http://127.0.0.1{port}/back"), local));
        assert!(is(
            &format!("http://[::1]{port}/back"),
            "http://[::1]:7/back"
        ));
        assert!(is(
            &format!("http://localhost{port}/back"),
            "http://localhost:8250/back"
        ));
    }
    for other in [
        "http://localhost/back",
        "https://127.0.0.1/back",
        "http://127.0.0.1/other",
        "http://127.0.0.1:80@evil.example/back",
        "http://127.0.0.1:/back",
        "http://127.0.0.1:x/back",
        "http://127.0.0.1.evil.example/back",
        "http://127.0.0.1\\@evil.example/back",
        "http://evil.example/back",
    ] {
        assert!(!is(other, local), "{other}");
    }
}

#[test]
fn a_verifier_answers_its_own_challenge_only() {
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let hashed = Challenge {
        value: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
        hashed: true,
    };
    let secret = |text: &str| Secret::new(text.to_owned());
    assert!(answers(&hashed, &secret(verifier)));
    for wrong in ["", "dBjftJeZ", &hashed.value] {
        assert!(!answers(&hashed, &secret(wrong)), "{wrong}");
    }
    let plain = Challenge {
        value: verifier.to_owned(),
        hashed: false,
    };
    assert!(answers(&plain, &secret(verifier)));
    assert!(!answers(&plain, &secret(&hashed.value)));
}

#[test]
fn the_half_of_a_hash_is_that_of_the_specification() {
    // OpenID Connect Core 1.0, appendix A.3 and A.4.
    let token = Secret::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y".to_owned());
    assert_eq!(
        half_hash(Algorithm::RS256, &token),
        "77QmUPtjPfzWtF2AnpK9RQ"
    );
    let code = Secret::new("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk".to_owned());
    assert_eq!(half_hash(Algorithm::RS256, &code), "LDktKdoQak3Pk0cnXxCltA");
}
