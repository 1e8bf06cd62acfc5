//! AWS Signature Version 4, for a POST with a body and no query.
//!
//! Source: AWS General Reference, "Create a signed AWS API request"; the derivation and the examples'
//! values are checked in the tests.

use cofferdam_core::clock::Time;
use cofferdam_secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use time::OffsetDateTime;
use time::macros::format_description;

/// What is signed.
pub(super) struct Signed<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Path of the URL.
    pub(super) path: &'a str,
    /// Names in lower case and values, in the order of the names; with `host` and `x-amz-date`.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// A moment as AWS writes it: `20150830T123600Z`.
pub(super) fn stamp(now: Time) -> String {
    let seconds = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| {
            let form = format_description!("[year][month][day]T[hour][minute][second]Z");
            moment.format(form).ok()
        })
        .unwrap_or_default()
}

/// The header `Authorization`.
pub(super) fn authorization(
    signed: &Signed<'_>,
    stamp: &str,
    id: &str,
    secret: &Secret<String>,
) -> String {
    let day = stamp.get(..8).unwrap_or_default();
    let scope = format!("{day}/{}/{}/aws4_request", signed.region, signed.service);
    let mut request = format!("POST\n{}\n\n", signed.path);
    for (name, value) in signed.headers {
        let _ = writeln!(request, "{name}:{}", value.trim());
    }
    let names: Vec<&str> = signed.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let _ = write!(
        request,
        "\n{names}\n{}",
        hex::encode(Sha256::digest(signed.body))
    );
    let request = hex::encode(Sha256::digest(request.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{request}");
    let key = key(secret, day, signed.region, signed.service);
    let signature = hex::encode(mac(key.expose(), text.as_bytes()).expose());
    format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
}

/// The key of a day, a region and a service.
fn key(secret: &Secret<String>, day: &str, region: &str, service: &str) -> Secret<[u8; 32]> {
    let first = Secret::new(format!("AWS4{}", secret.expose()));
    let mut key = mac(first.expose().as_bytes(), day.as_bytes());
    for part in [region, service, "aws4_request"] {
        key = mac(key.expose(), part.as_bytes());
    }
    key
}

fn mac(key: &[u8], text: &[u8]) -> Secret<[u8; 32]> {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Secret::new([0; 32]);
    };
    mac.update(text);
    Secret::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_one_of_the_published_example() {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        let key = key(&secret, "20120215", "us-east-1", "iam");
        assert_eq!(
            hex::encode(key.expose()),
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
        );
    }

    #[test]
    fn a_post_is_signed_as_the_test_suite_says() {
        // aws-sig-v4-test-suite, "post-vanilla".
        let signed = Signed {
            region: "us-east-1",
            service: "service",
            path: "/",
            headers: &[
                ("host", "example.amazonaws.com"),
                ("x-amz-date", "20150830T123600Z"),
            ],
            body: b"",
        };
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        assert_eq!(
            authorization(&signed, "20150830T123600Z", "AKIDEXAMPLE", &secret),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }

    #[test]
    fn a_moment_is_written_without_marks() {
        assert_eq!(
            stamp(Time::from_nanos(1_440_938_160_000_000_000)),
            "20150830T123600Z"
        );
    }
}
