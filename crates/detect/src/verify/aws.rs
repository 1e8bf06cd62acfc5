//! AWS: a key is two values, and neither is sent. A request is signed with the secret one (Signature
//! Version 4, docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).

use super::{Life, Outgoing, of_status};
use cofferdam_secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

const HOST: &str = "sts.amazonaws.com";
/// The global endpoint is this region's, and answers for the keys of all regions that are on by default.
const REGION: &str = "us-east-1";
const SERVICE: &str = "sts";
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// What belongs to a caller.
pub struct Caller<'c> {
    /// The access key's id.
    pub id: &'c Secret<Vec<u8>>,
    /// Its secret.
    pub secret: &'c Secret<Vec<u8>>,
    /// The session token of a temporary key.
    pub session: Option<&'c Secret<Vec<u8>>>,
}

/// The request `GetCallerIdentity`, which every key may make. `moment` is `YYYYMMDDTHHMMSSZ`.
#[must_use]
pub fn caller_identity(caller: &Caller<'_>, moment: &str) -> Option<Outgoing> {
    let id = std::str::from_utf8(caller.id.expose()).ok()?;
    let session = caller.session.map(Secret::expose);
    let graphic = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    if !graphic(id.as_bytes()) || session.is_some_and(|text| !graphic(text)) {
        return None;
    }
    let mut headers = vec![
        ("content-type", Secret::new(FORM.as_bytes().to_vec())),
        ("host", Secret::new(HOST.as_bytes().to_vec())),
        ("x-amz-date", Secret::new(moment.as_bytes().to_vec())),
    ];
    if let Some(session) = caller.session {
        headers.push(("x-amz-security-token", session.duplicate()));
    }
    let request = Request {
        method: "POST",
        query: "",
        headers: &headers,
        body: BODY,
        region: REGION,
        service: SERVICE,
    };
    let authorization = request.authorization(id, caller.secret, moment)?;
    let mut headers: Vec<(String, Secret<Vec<u8>>)> = headers
        .into_iter()
        .filter(|(name, _)| *name != "host")
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    headers.push((
        "authorization".to_owned(),
        Secret::new(authorization.into_bytes()),
    ));
    Some(Outgoing {
        host: HOST.to_owned(),
        target: "/".to_owned(),
        post: Some(BODY.to_owned()),
        headers,
    })
}

/// What is signed. Headers are in lower case and in order.
struct Request<'r> {
    method: &'r str,
    query: &'r str,
    headers: &'r [(&'r str, Secret<Vec<u8>>)],
    body: &'r str,
    region: &'r str,
    service: &'r str,
}

impl Request<'_> {
    fn authorization(&self, id: &str, secret: &Secret<Vec<u8>>, moment: &str) -> Option<String> {
        let day = moment.get(..8)?;
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut canonical = Sha256::new();
        canonical.update(format!("{}\n/\n{}\n", self.method, self.query));
        for (name, value) in self.headers {
            canonical.update(format!("{name}:"));
            canonical.update(value.expose().trim_ascii());
            canonical.update("\n");
        }
        canonical.update(format!("\n{names}\n{}", hex(&Sha256::digest(self.body))));
        let canonical = hex(&canonical.finalize());
        let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{canonical}");
        let key = key(secret, &[day, self.region, self.service, "aws4_request"])?;
        let signature = hex(mac(&key, text.as_bytes())?.expose());
        Some(format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        ))
    }
}

/// The key of one day, region and service.
fn key(secret: &Secret<Vec<u8>>, parts: &[&str]) -> Option<Secret<Vec<u8>>> {
    let mut first = cofferdam_secret::Buffer::with_capacity(secret.expose().len() + 4);
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Codes are those of docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html.
pub(super) fn judge(status: u16, body: &[u8]) -> Life {
    let says = |code: &str| {
        let code = format!("<Code>{code}</Code>");
        memchr::memmem::find(body, code.as_bytes()).is_some()
    };
    if status == 200 {
        // Something in between may answer 200 to everything.
        return match memchr::memmem::find(body, b"GetCallerIdentityResult") {
            Some(_) => Life::Live,
            None => Life::Unknown("its answer says nothing of it".to_owned()),
        };
    }
    if says("InvalidClientTokenId") || says("SignatureDoesNotMatch") || says("ExpiredToken") {
        return Life::Dead;
    }
    Life::Unknown(of_status(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn secret(text: &[u8]) -> Secret<Vec<u8>> {
        Secret::new(text.to_vec())
    }

    /// The worked example of AWS' documentation of the signing process (ListUsers).
    #[test]
    fn signatures_are_those_of_the_documentation() {
        let day = ["20150830", "us-east-1", "iam", "aws4_request"];
        assert_eq!(
            hex(key(&secret(SECRET), &day).unwrap().expose()),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
        let headers = [
            (
                "content-type",
                secret(b"application/x-www-form-urlencoded; charset=utf-8"),
            ),
            ("host", secret(b"iam.amazonaws.com")),
            ("x-amz-date", secret(b"20150830T123600Z")),
        ];
        let request = Request {
            method: "GET",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &headers,
            body: "",
            region: "us-east-1",
            service: "iam",
        };
        let header = request.authorization("AKIDEXAMPLE", &secret(SECRET), "20150830T123600Z");
        assert_eq!(
            header.unwrap(),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn the_secret_is_in_no_part_of_the_request() {
        let (id, key, session) = (secret(b"ASIAEXAMPLE"), secret(SECRET), secret(b"FwoGZXIv"));
        let caller = Caller {
            id: &id,
            secret: &key,
            session: Some(&session),
        };
        let request = caller_identity(&caller, "20150830T123600Z").unwrap();
        assert_eq!(
            (request.host.as_str(), request.target.as_str()),
            (HOST, "/")
        );
        for (name, value) in &request.headers {
            assert!(
                memchr::memmem::find(value.expose(), SECRET).is_none(),
                "{name}"
            );
        }
        let names: Vec<_> = request
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "content-type",
                "x-amz-date",
                "x-amz-security-token",
                "authorization"
            ]
        );
        let line_end = secret(b"AKIA\r\nX: y");
        let caller = Caller {
            id: &line_end,
            secret: &key,
            session: None,
        };
        assert!(caller_identity(&caller, "20150830T123600Z").is_none());
    }

    #[test]
    fn codes_decide() {
        let error = |code: &str| {
            format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>")
        };
        let dead = |status, code| judge(status, error(code).as_bytes());
        assert_eq!(dead(403, "InvalidClientTokenId"), Life::Dead);
        assert_eq!(dead(403, "SignatureDoesNotMatch"), Life::Dead);
        assert_eq!(dead(403, "ExpiredToken"), Life::Dead);
        assert!(matches!(dead(403, "AccessDenied"), Life::Unknown(_)));
        assert!(matches!(dead(400, "Throttling"), Life::Unknown(_)));
        let result = b"<GetCallerIdentityResponse><GetCallerIdentityResult>";
        assert_eq!(judge(200, result), Life::Live);
        assert!(matches!(
            judge(200, b"<html>log in</html>"),
            Life::Unknown(_)
        ));
    }
}
