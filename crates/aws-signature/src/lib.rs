//! AWS Signature Version 4, for requests whose body is there as a whole.
//!
//! A request is signed with the secret half of a key, which is not sent. Of the secret and of the keys
//! made of it no copy is left in freed memory. Follows the IAM User Guide, "Create a signed AWS API
//! request" (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).

use cofferdam_secret::{Buffer, Secret};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

/// What is signed.
pub struct Request<'r> {
    /// `GET` or `POST`.
    pub method: &'r str,
    /// Of the URL, encoded as it is sent.
    pub path: &'r str,
    /// Of the URL, in the canonical order.
    pub query: &'r str,
    /// In lower case and in order, with `host` and `x-amz-date`.
    pub headers: &'r [(&'r str, Secret<Vec<u8>>)],
    /// All of it.
    pub body: &'r [u8],
    /// `eu-central-1`.
    pub region: &'r str,
    /// `kms`.
    pub service: &'r str,
}

impl Request<'_> {
    /// The header `Authorization`. `moment` is that of `x-amz-date`: `YYYYMMDDTHHMMSSZ`.
    ///
    /// `None` where `moment` is no such text.
    #[must_use]
    pub fn authorization(
        &self,
        id: &str,
        secret: &Secret<Vec<u8>>,
        moment: &str,
    ) -> Option<String> {
        let day = moment.get(..8)?;
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut canonical = Sha256::new();
        canonical.update(format!("{}\n{}\n{}\n", self.method, self.path, self.query));
        for (name, value) in self.headers {
            canonical.update(format!("{name}:"));
            canonical.update(value.expose().trim_ascii());
            canonical.update("\n");
        }
        let body = hex::encode(Sha256::digest(self.body));
        canonical.update(format!("\n{names}\n{body}"));
        let canonical = hex::encode(canonical.finalize());
        let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{canonical}");
        let key = key(secret, &[day, self.region, self.service, "aws4_request"])?;
        let signature = hex::encode(mac(&key, text.as_bytes())?.expose());
        Some(format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        ))
    }
}

/// A moment in whole seconds since 1970, as AWS writes it: `20150830T123600Z`.
///
/// `None` where it has no year of four digits.
#[must_use]
pub fn moment(seconds: u64) -> Option<String> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let seconds = i64::try_from(seconds).ok()?;
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    moment.format(form).ok()
}

/// The key of one day, region and service.
fn key(secret: &Secret<Vec<u8>>, parts: &[&str]) -> Option<Secret<Vec<u8>>> {
    let mut first = Buffer::with_capacity(secret.expose().len() + 4);
    first.push(b"AWS4");
    first.push(secret.expose());
    let fold = |key: Secret<Vec<u8>>, part: &&str| mac(&key, part.as_bytes());
    parts.iter().try_fold(first.finish(), fold)
}

fn mac(key: &Secret<Vec<u8>>, text: &[u8]) -> Option<Secret<Vec<u8>>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    mac.update(text);
    Some(Secret::new(mac.finalize().into_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Secret<Vec<u8>> {
        Secret::new(text.as_bytes().to_vec())
    }

    fn secret() -> Secret<Vec<u8>> {
        text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    }

    #[test]
    fn keys_are_those_of_the_documentation() {
        for (day, expected) in [
            (
                "20120215",
                "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d",
            ),
            (
                "20150830",
                "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9",
            ),
        ] {
            let made = key(&secret(), &[day, "us-east-1", "iam", "aws4_request"]).unwrap();
            assert_eq!(hex::encode(made.expose()), expected);
        }
    }

    #[test]
    fn moments_are_written_as_aws_does() {
        assert_eq!(moment(1_440_938_160).as_deref(), Some("20150830T123600Z"));
        assert_eq!(moment(0).as_deref(), Some("19700101T000000Z"));
        assert_eq!(moment(u64::MAX), None);
        assert_eq!(moment(400_000_000_000), None);
    }

    /// The worked example of AWS' documentation of the signing process (ListUsers).
    #[test]
    fn a_get_is_signed_as_the_documentation_does() {
        let headers = [
            (
                "content-type",
                text("application/x-www-form-urlencoded; charset=utf-8"),
            ),
            ("host", text("iam.amazonaws.com")),
            ("x-amz-date", text("20150830T123600Z")),
        ];
        let request = Request {
            method: "GET",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &headers,
            body: b"",
            region: "us-east-1",
            service: "iam",
        };
        let header = request.authorization("AKIDEXAMPLE", &secret(), "20150830T123600Z");
        assert_eq!(
            header.unwrap(),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
        assert!(
            request
                .authorization("AKIDEXAMPLE", &secret(), "2015")
                .is_none()
        );
    }

    /// aws-sig-v4-test-suite, "post-vanilla".
    #[test]
    fn a_post_is_signed_as_the_test_suite_says() {
        let headers = [
            ("host", text("example.amazonaws.com")),
            ("x-amz-date", text("20150830T123600Z")),
        ];
        let request = Request {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body: b"",
            region: "us-east-1",
            service: "service",
        };
        let header = request.authorization("AKIDEXAMPLE", &secret(), "20150830T123600Z");
        assert_eq!(
            header.unwrap(),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }
}
