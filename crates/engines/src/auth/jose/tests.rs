//! Keys and tokens, without a login around them.

use super::*;
use crate::same_as_openbao::exchange::signer::{Signer, part};
use cofferdam_core::clock::Time;
use proptest::prelude::*;
use serde_json::json;

fn set(signer: &Signer) -> KeySet {
    KeySet::of(vec![Key::from_pem(&signer.pem()).unwrap()])
}

#[test]
fn a_key_verifies_only_by_algorithms_of_its_sort() {
    let signers = [
        Signer::rsa(),
        Signer::ec("P-256"),
        Signer::ec("P-384"),
        Signer::ec("P-521"),
        Signer::ed25519(),
    ];
    let claims = json!({"exp": 1});
    for (number, signer) in signers.iter().enumerate() {
        for algorithm in Algorithm::ALL {
            let text = signer.token(&json!({"alg": algorithm.name()}), &claims);
            let token = Token::parse(&text).unwrap();
            for (other, key) in signers.iter().enumerate() {
                let fits = match (number, algorithm.name()) {
                    (0, name) => name.starts_with("RS") || name.starts_with("PS"),
                    (1, "ES256") | (2, "ES384") | (3, "ES512") | (4, "EdDSA") => true,
                    _ => false,
                };
                let taken = set(key).verify(&token, &Algorithm::ALL).is_ok();
                assert_eq!(
                    taken,
                    fits && number == other,
                    "{number} {other} {algorithm:?}"
                );
            }
            // Signed well, and not by a way that counts.
            assert_eq!(
                set(signer).verify(&token, &[]).err(),
                Some(Refused::Algorithm)
            );
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let rsa = Signer::rsa();
    // What a confused verifier would compute with the public key as the secret of HS256.
    let signed = format!(
        "{}.{}",
        part(r#"{"alg":"HS256"}"#),
        part(r#"{"exp":4000000000}"#)
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, rsa.pem().as_bytes());
    let text = format!(
        "{signed}.{}",
        part(aws_lc_rs::hmac::sign(&key, signed.as_bytes()))
    );
    assert_eq!(Token::parse(&text).err(), Some(Refused::Algorithm));
}

#[test]
fn base64_has_one_form() {
    let signer = Signer::ed25519();
    let text = signer.plain(&json!({"exp": 1}));
    let set = set(&signer);
    let taken = |text: &str| {
        Token::parse(text).is_ok_and(|token| set.verify(&token, &Algorithm::ALL).is_ok())
    };
    assert!(taken(&text));
    // 64 bytes leave four bits of the last letter unused: the other fifteen letters say the same.
    let (head, last) = text.split_at(text.len() - 1);
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \n";
    for letter in letters.chars().filter(|letter| letter.to_string() != last) {
        let other = format!("{head}{letter}");
        assert!(!taken(&other) || other.trim_ascii() == head, "{letter:?}");
        assert!(
            !taken(&format!("{head}{last}{letter}")) || letter.is_ascii_whitespace(),
            "{letter:?}"
        );
    }
    for (at, _) in text.char_indices() {
        let (left, right) = text.split_at(at);
        assert!(
            at == 0 || !taken(&format!("{left}\n{right}")),
            "a line feed at {at}"
        );
    }
}

#[test]
fn keys_that_are_weak_or_told_are_not_taken() {
    let pem = |bits: usize| {
        let modulus = [vec![0xc0], vec![1; bits / 8 - 1]].concat();
        json!({"kty": "RSA", "n": part(modulus), "e": "AQAB"})
    };
    let unfit = |jwk: Value| {
        let document = json!({"keys": [jwk]}).to_string();
        KeySet::parse(document.as_bytes()).unwrap().1
    };
    assert_eq!(unfit(pem(1024)), [UnfitKey::Size]);
    assert_eq!(unfit(pem(2040)), [UnfitKey::Size]);
    assert_eq!(unfit(pem(16_384)), [UnfitKey::Size]);
    assert_eq!(unfit(pem(2048)), []);
    for exponent in ["AQ", "Ag", "AA", "", "AQAAAAAB"] {
        let mut jwk = pem(2048);
        jwk["e"] = json!(exponent);
        assert_eq!(unfit(jwk).len(), 1, "{exponent}");
    }
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----";
    for bad in [
        "",
        "x",
        private,
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    ] {
        assert_eq!(
            Key::from_pem(bad).err(),
            Some(UnfitKey::Unreadable),
            "{bad}"
        );
    }
}

#[test]
fn a_certificate_is_a_public_key() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["a.example".to_owned()]);
    let certificate = certificate.unwrap().self_signed(&key).unwrap();
    assert!(Key::from_pem(&certificate.pem()).is_ok());
}

/// When a token is good, by its three times; as the book says it.
fn model(now: i64, [iat, nbf, exp]: [Option<i64>; 3]) -> bool {
    if [iat, nbf, exp].iter().all(Option::is_none) {
        return false;
    }
    let end = exp.unwrap_or_else(|| iat.max(nbf).unwrap() + 150);
    let begin = nbf.or(iat).unwrap_or(end - 150);
    now - 60 <= end && now + 60 >= begin && iat.is_none_or(|iat| now + 60 >= iat)
}

proptest! {
    #[test]
    fn times_are_judged_as_the_model_says(
        iat in proptest::option::of(-400_i64..400),
        nbf in proptest::option::of(-400_i64..400),
        exp in proptest::option::of(-400_i64..400),
    ) {
        let now = 1_000_000;
        let mut claims = Claims::new();
        for (name, time) in [("iat", iat), ("nbf", nbf), ("exp", exp)] {
            if let Some(time) = time {
                claims.insert(name.to_owned(), json!(now + time));
            }
        }
        let good = Expected::default().check(&claims, Time::from_nanos(1_000_000_000_000_000)).is_ok();
        prop_assert_eq!(good, model(now, [iat, nbf, exp].map(|time| time.map(|time| time + now))));
    }
}

#[test]
fn what_is_no_time_ends_nothing() {
    let now = Time::from_nanos(1_000_000_000_000_000);
    let check = |claims: Value| Expected::default().check(claims.as_object().unwrap(), now);
    for bad in [
        json!("2000000"),
        json!(true),
        json!([2_000_000]),
        json!({}),
        json!(null),
        json!(1e300),
        json!(9_223_372_036_854_775_808_u64),
        json!(-9_223_372_036_854_775_808_i64),
    ] {
        assert_eq!(
            check(json!({"exp": bad, "iat": 1})),
            Err(Refused::Claim),
            "{bad}"
        );
    }
    assert_eq!(check(json!({"exp": 2_000_000.9, "iat": 1})), Ok(()));
    assert_eq!(check(json!({"exp": -1})), Err(Refused::Expired));
    assert_eq!(
        check(json!({"exp": 0, "iat": 1_000_000})),
        Err(Refused::Expired)
    );
    assert_eq!(check(json!({})), Err(Refused::Timeless));
}
