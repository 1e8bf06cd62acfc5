//! AWS: a key is two values, and the secret one is not sent: a request is signed with it.

use super::{Life, Outgoing, of_status};
use cofferdam_aws_signature::{Request, moment};
use cofferdam_secret::Secret;

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

/// The request `GetCallerIdentity`, which every key may make. `now` is in seconds since 1970.
#[must_use]
pub fn caller_identity(caller: &Caller<'_>, now: u64) -> Option<Outgoing> {
    let moment = moment(now)?;
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
        path: "/",
        query: "",
        headers: &headers,
        body: BODY.as_bytes(),
        region: REGION,
        service: SERVICE,
    };
    let authorization = request.authorization(id, caller.secret, &moment)?;
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

    #[test]
    fn the_secret_is_in_no_part_of_the_request() {
        let (id, key, session) = (secret(b"ASIAEXAMPLE"), secret(SECRET), secret(b"FwoGZXIv"));
        let caller = Caller {
            id: &id,
            secret: &key,
            session: Some(&session),
        };
        let request = caller_identity(&caller, 1_440_938_160).unwrap();
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
        assert!(caller_identity(&caller, 1_440_938_160).is_none());
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
