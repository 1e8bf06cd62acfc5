use super::Totp;
use super::record::{Algorithm, Key};
use super::url::{Parameters, base32, unbase32};
use crate::harness::Bench;
use cofferdam_secret::Secret;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

/// RFC 6238, appendix B.
#[test]
fn codes_are_those_of_the_standard() {
    let seed = b"1234567890".repeat(7);
    for (time, algorithm, length, code) in [
        (59, Algorithm::Sha1, 20, "94287082"),
        (59, Algorithm::Sha256, 32, "46119246"),
        (59, Algorithm::Sha512, 64, "90693936"),
        (1_111_111_109, Algorithm::Sha1, 20, "07081804"),
        (2_000_000_000, Algorithm::Sha256, 32, "90698825"),
        (20_000_000_000, Algorithm::Sha512, 64, "47863826"),
    ] {
        let key = Key {
            secret: Secret::new(seed[..length].to_vec()),
            issuer: String::new(),
            account_name: String::new(),
            period: 30,
            algorithm,
            digits: 8,
            skew: 1,
        };
        assert_eq!(key.code(time / 30).unwrap().expose(), code);
    }
}

async fn totp() -> Bench {
    Bench::new(Totp::default(), &[]).await
}

async fn code(bench: &Bench) -> Value {
    bench.read("code/a").await.data["code"].clone()
}

async fn check(bench: &Bench, code: &Value) -> (u16, Value) {
    let answer = bench.write("code/a", json!({"code": code})).await;
    (answer.status, answer.data["valid"].clone())
}

const KEY: &str = "JBSWY3DPEHPK3PXP";

/// AUTH-3.
#[tokio::test]
async fn a_code_is_accepted_once_whatever_its_form_and_replica() {
    let one = totp().await;
    let two = Bench::beside(&one, Totp::default());
    one.write("keys/a", json!({"key": KEY})).await;
    let now = code(&one).await;
    for form in [
        format!(" {}", now.as_str().unwrap()),
        format!("{} ", now.as_str().unwrap()),
        format!(
            "{} {}",
            &now.as_str().unwrap()[..3],
            &now.as_str().unwrap()[3..]
        ),
        format!("0{}", now.as_str().unwrap()),
        now.as_str()
            .unwrap()
            .replace(|c: char| c.is_ascii_digit(), "\u{ff11}"),
    ] {
        assert_eq!(check(&one, &json!(form)).await, (400, Value::Null));
    }
    let answers = futures_util::future::join_all(
        (0..20).map(|n| check(if n % 2 == 0 { &one } else { &two }, &now)),
    )
    .await;
    let accepted = answers.iter().filter(|answer| answer.0 == 200).count();
    assert_eq!(accepted, 1, "{answers:?}");
    // Nor under the same secret made anew.
    one.delete("keys/a").await;
    one.write("keys/a", json!({"key": KEY})).await;
    assert_eq!(check(&two, &now).await.0, 400);
    for bench in [&one, &two] {
        bench.clock.advance(Duration::from_secs(30));
    }
    assert_eq!(check(&two, &code(&one).await).await, (200, json!(true)));
}

#[tokio::test]
async fn neighbours_count_as_the_skew_says() {
    let bench = totp().await;
    for (skew, periods, valid) in [(1, 1, true), (1, 2, false), (0, 0, true), (0, 1, false)] {
        bench
            .write("keys/a", json!({"key": KEY, "skew": skew}))
            .await;
        let then = code(&bench).await;
        bench.clock.advance(Duration::from_secs(30 * periods));
        assert_eq!(
            check(&bench, &then).await,
            (200, json!(valid)),
            "{skew} {periods}"
        );
        bench.clock.advance(Duration::from_secs(300));
    }
}

#[tokio::test]
async fn generated_keys_are_shown_once_as_url_and_picture() {
    use base64::Engine as _;
    let bench = totp().await;
    let body = json!({"generate": true, "issuer": "Köln & Co", "account_name": "a@b"});
    let made = bench.write("keys/a", body).await.data;
    let url = made["url"].as_str().unwrap();
    assert!(url.starts_with("otpauth://totp/K%C3%B6ln%20&%20Co:a@b?algorithm=SHA1&digits=6&issuer=K%C3%B6ln%20&%20Co&period=30&secret="));
    let png = base64::engine::general_purpose::STANDARD.decode(made["barcode"].as_str().unwrap());
    let png = png.unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(&png[16..24], &[0, 0, 0, 200, 0, 0, 0, 200]);
    let mut rows = Vec::new();
    let data = png.windows(4).position(|part| part == b"IDAT").unwrap() + 4;
    let mut reader = flate2::read::ZlibDecoder::new(&png[data..]);
    std::io::Read::read_to_end(&mut reader, &mut rows).unwrap();
    assert_eq!(rows.len(), 200 * 26);
    // Read back in, it is the same key.
    let then = code(&bench).await;
    let secret = url.rsplit_once("secret=").unwrap().1;
    bench.write("keys/b", json!({"key": secret})).await;
    assert_eq!(bench.read("code/b").await.data["code"], then);
    let read = bench.read("keys/a").await.data;
    assert_eq!(
        read,
        json!({"account_name": "a@b", "algorithm": "SHA1", "digits": 6, "issuer": "Köln & Co", "period": 30})
    );
    for body in [
        json!({"generate": true, "issuer": "i", "account_name": "a", "qr_size": 5}),
        json!({"generate": true, "issuer": "i", "account_name": "a", "qr_size": 100_000}),
        json!({"generate": true, "issuer": "i", "account_name": "a", "key_size": 100_000}),
        json!({"generate": true, "issuer": "i".repeat(5000), "account_name": "a"}),
    ] {
        assert_eq!(bench.write("keys/c", body).await.status, 400);
    }
    assert_eq!(bench.read("keys/c").await.status, 404);
}

#[tokio::test]
async fn refusals_never_repeat_what_was_sent() {
    let bench = totp().await;
    bench.write("keys/a", json!({"key": KEY})).await;
    for field in [
        "key",
        "url",
        "period",
        "digits",
        "algorithm",
        "skew",
        "qr_size",
        "key_size",
        "generate",
    ] {
        let answer = bench
            .write("keys/x", json!({"key": KEY, field: "canary!"}))
            .await;
        assert_eq!(answer.status, 400, "{field}");
        assert!(
            !format!("{:?}", answer.errors).contains("canary"),
            "{field}"
        );
    }
    let answer = bench.write("code/a", json!({"code": "canary"})).await;
    assert_eq!(
        answer.refusal(),
        (400, "invalid number of digits for the code")
    );
}

proptest! {
    #[test]
    fn base32_comes_back(bytes: Vec<u8>) {
        let text = base32(&bytes);
        prop_assert!(unbase32(text.expose()).unwrap().expose() == &bytes);
        prop_assert!(unbase32(&text.expose().to_lowercase()).unwrap().expose() == &bytes);
    }

    #[test]
    fn any_text_is_a_url_or_refused(text: String) {
        let _either = Parameters::parse(&text).is_ok();
        let _either = Parameters::parse(&format!("otpauth://totp/{text}")).is_ok();
        let _either = unbase32(&text).is_some();
    }
}
