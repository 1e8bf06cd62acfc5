//! A login's request, as it was signed and not yet sent: read, and held to what may be carried on.
//!
//! Nothing is carried on because it was sent: a part is either known and of its one form, or the
//! login ends here, before anybody is asked.

use super::authorization::Authorization;
use super::config::Config;
use super::endpoint;
use crate::outbound::{Url, secret_value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_core::clock::Time;
use cofferdam_core::json::field::Text;
use cofferdam_core::json::{Body, Budget};
use cofferdam_secret::Secret;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use time::PrimitiveDateTime;
use time::macros::format_description;

/// What is asked, in both orders that clients write.
const ASKS: [&str; 2] = [
    "Action=GetCallerIdentity&Version=2011-06-15",
    "Version=2011-06-15&Action=GetCallerIdentity",
];
/// The same in a URL, behind the path.
const ASKS_BY_QUERY: [&str; 2] = [
    "/?Action=GetCallerIdentity&Version=2011-06-15",
    "/?Version=2011-06-15&Action=GetCallerIdentity",
];

/// Where a client says which server a request was signed for.
const SERVER_ID: &str = "x-vault-aws-iam-server-id";
const DATE: &str = "x-amz-date";

/// What the SDKs of AWS sign.
const USUAL: [&str; 11] = [
    "accept",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "content-length",
    "content-type",
    "user-agent",
    "x-amz-content-sha256",
    DATE,
    "x-amz-security-token",
    "x-amz-user-agent",
    SERVER_ID,
];

/// How far the clocks of client and server may be apart; AWS allows as much.
const MOST_AGE: u64 = 15 * 60;

/// What one part may cost: a session's token has some kilobytes.
const BUDGET: Budget = Budget {
    bytes: 32 << 10,
    depth: 3,
    keys: 64,
    strings: 128,
    values: 192,
    key_bytes: 128,
    string_bytes: 16 << 10,
    number_bytes: 32,
    large_numbers: false,
};

/// Why a request is not carried on. Says no word of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error(
        "missing iam_http_request_method, iam_request_url, iam_request_body or iam_request_headers"
    )]
    Missing,
    #[error("iam_http_request_method: expected POST, or GET with the action in the URL")]
    Method,
    #[error("iam_request_url: expected the base64 of a URL that is /, or with GET {0}", ASKS_BY_QUERY[0])]
    Url,
    #[error("iam_request_url is presigned: sign the request with a header instead")]
    Presigned,
    #[error("iam_request_body: expected the base64 of {0}, and nothing else", ASKS[0])]
    Body,
    #[error("iam_request_headers: expected an object, or its base64, with one text for each name")]
    Headers,
    #[error("iam_request_headers: a name stands there twice")]
    Twice,
    #[error(
        "iam_request_headers: Authorization is not of the form AWS4-HMAC-SHA256 for the service sts"
    )]
    Authorization,
    #[error("iam_request_headers: a header is signed and not there")]
    Absent,
    #[error("iam_request_headers: a header is signed that config/client does not allow")]
    NotAllowed,
    #[error("iam_request_headers: host, x-amz-date and every other header of AWS must be signed")]
    Unsigned,
    #[error("iam_request_headers: a value that STS would answer otherwise")]
    Value,
    #[error(
        "iam_request_headers: the request was signed more than 15 minutes ago, or with a clock that is ahead"
    )]
    Stale,
    #[error("the request is signed for another host than the STS endpoint of config/client")]
    Host,
    #[error("the request is signed for another region than sts_region of config/client")]
    Region,
    #[error("X-Vault-AWS-IAM-Server-ID is missing, not signed, or another server's")]
    ServerId,
}

/// A login's fields.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    iam_http_request_method: String,
    iam_request_url: String,
    iam_request_body: String,
    iam_request_headers: Headers,
}

/// Names in lower case, with their values; a signed request is as good as a password for some minutes.
#[derive(Default)]
struct Headers(Vec<(String, Secret<String>)>);

/// A request that may be carried on, and where to.
pub(super) struct Signed {
    pub(super) url: Url,
    pub(super) target: &'static str,
    pub(super) headers: HeaderMap,
    /// `None`: GET.
    pub(super) body: Option<&'static str>,
}

impl Sent {
    /// Holds the request to the rules.
    ///
    /// # Errors
    /// The first [`Flaw`].
    pub(super) fn judge(&self, config: &Config, now: Time) -> Result<Signed, Flaw> {
        if self.iam_http_request_method.is_empty()
            || self.iam_request_url.is_empty()
            || self.iam_request_headers.0.is_empty()
        {
            return Err(Flaw::Missing);
        }
        let url = self.url()?;
        let (target, body) = self.asked(&url)?;
        let headers = &self.iam_request_headers;
        let names: std::collections::BTreeSet<_> =
            headers.0.iter().map(|(name, _)| name.as_str()).collect();
        if names.len() != headers.0.len() {
            return Err(Flaw::Twice);
        }
        let authorization = headers.get("authorization").ok_or(Flaw::Authorization)?;
        let signed = Authorization::parse(authorization).ok_or(Flaw::Authorization)?;
        headers.check_date(&signed, now)?;
        headers.check_server_id(&signed, &config.server_id)?;
        let host = url.authority().to_owned();
        if headers
            .get("host")
            .is_some_and(|own| !own.eq_ignore_ascii_case(&host))
        {
            return Err(Flaw::Host);
        }
        let to = endpoint::of_login(config, signed.region, &host)?;
        let mut carried = headers.carried(&signed, config, body)?;
        let host = HeaderValue::from_str(headers.get("host").unwrap_or(&host));
        carried.insert(HOST, host.map_err(|_| Flaw::Host)?);
        Ok(Signed {
            url: to,
            target,
            headers: carried,
            body,
        })
    }

    fn url(&self) -> Result<Url, Flaw> {
        let bytes = STANDARD
            .decode(&self.iam_request_url)
            .map_err(|_| Flaw::Url)?;
        let text = String::from_utf8(bytes).map_err(|_| Flaw::Url)?;
        // One reading only: what another parser takes for the end of a host is not let through.
        let legal = |byte: u8| byte.is_ascii_graphic() && !b"\\@#".contains(&byte);
        if !text.bytes().all(legal) {
            return Err(Flaw::Url);
        }
        Url::parse(&text).map_err(|_| Flaw::Url)
    }

    /// What the request asks: the one question, where its method has it.
    fn asked(&self, url: &Url) -> Result<(&'static str, Option<&'static str>), Flaw> {
        let body = STANDARD
            .decode(&self.iam_request_body)
            .map_err(|_| Flaw::Body)?;
        let same = |texts: &[&'static str], text: &[u8]| {
            let found = texts.iter().find(|known| known.as_bytes() == text);
            found.copied()
        };
        match self.iam_http_request_method.as_str() {
            "POST" if url.target() != "/" => Err(Flaw::Url),
            "POST" => Ok(("/", Some(same(&ASKS, &body).ok_or(Flaw::Body)?))),
            "GET" if !body.is_empty() => Err(Flaw::Body),
            "GET" => match same(&ASKS_BY_QUERY, url.target().as_bytes()) {
                Some(target) => Ok((target, None)),
                None if url
                    .target()
                    .to_ascii_lowercase()
                    .contains("x-amz-signature") =>
                {
                    Err(Flaw::Presigned)
                }
                None => Err(Flaw::Url),
            },
            _ => Err(Flaw::Method),
        }
    }
}

impl Headers {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.expose().as_str())
    }

    /// The time is the one of the signature, and about now: so that what was taken from a log long ago is
    /// not even asked about.
    fn check_date(&self, signed: &Authorization<'_>, now: Time) -> Result<(), Flaw> {
        let text = self.get(DATE).ok_or(Flaw::Unsigned)?;
        if !signed.covers(DATE) || !signed.covers("host") {
            return Err(Flaw::Unsigned);
        }
        let form = format_description!("[year][month][day]T[hour][minute][second]Z");
        let moment = PrimitiveDateTime::parse(text, form).map_err(|_| Flaw::Value)?;
        let moment =
            u64::try_from(moment.assume_utc().unix_timestamp()).map_err(|_| Flaw::Stale)?;
        if text.get(..8) != Some(signed.day) {
            return Err(Flaw::Value);
        }
        match moment.abs_diff(now.seconds()) <= MOST_AGE {
            true => Ok(()),
            false => Err(Flaw::Stale),
        }
    }

    fn check_server_id(&self, signed: &Authorization<'_>, wanted: &str) -> Result<(), Flaw> {
        let said = self.get(SERVER_ID);
        if wanted.is_empty() || (said == Some(wanted) && signed.covers(SERVER_ID)) {
            return Ok(());
        }
        Err(Flaw::ServerId)
    }

    /// The headers that are sent: those that are signed and allowed, and what has to be there besides.
    fn carried(
        &self,
        signed: &Authorization<'_>,
        config: &Config,
        body: Option<&str>,
    ) -> Result<HeaderMap, Flaw> {
        let mut carried = HeaderMap::new();
        for name in signed.signed.iter().filter(|name| **name != "host") {
            let value = self.get(name).ok_or(Flaw::Absent)?;
            if !USUAL.contains(name) && !config.headers.iter().any(|own| own == name) {
                return Err(Flaw::NotAllowed);
            }
            check_value(name, value, body)?;
            put(&mut carried, name, value)?;
        }
        // What is not signed is not sent. Where AWS would look at it, it was meant to be signed.
        let loose = |name: &str| name.starts_with("x-amz-") && !signed.covers(name);
        if self.0.iter().any(|(name, _)| loose(name)) {
            return Err(Flaw::Unsigned);
        }
        if body.is_some() && !carried.contains_key(CONTENT_TYPE) {
            let sort = self.get("content-type").ok_or(Flaw::Value)?;
            check_value("content-type", sort, body)?;
            put(&mut carried, "content-type", sort)?;
        }
        if !carried.contains_key(ACCEPT) {
            carried.insert(ACCEPT, HeaderValue::from_static("text/xml"));
        }
        let proof = self.get("authorization").ok_or(Flaw::Authorization)?;
        put(&mut carried, AUTHORIZATION.as_str(), proof)?;
        Ok(carried)
    }
}

fn put(to: &mut HeaderMap, name: &str, value: &str) -> Result<(), Flaw> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Flaw::Headers)?;
    let value = secret_value(Secret::new(value.as_bytes().to_vec())).map_err(|_| Flaw::Value)?;
    to.insert(name, value);
    Ok(())
}

/// Values that change how STS reads a request, or how it answers.
fn check_value(name: &str, value: &str, body: Option<&str>) -> Result<(), Flaw> {
    // What a proxy might take for the end of a line, and what a signature cannot cover.
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(Flaw::Value);
    }
    let good = match name {
        "accept" => ["*/*", "text/xml", "application/xml"].contains(&value),
        "content-length" => value == body.map_or(0, str::len).to_string(),
        "content-type" => {
            let value = value.to_ascii_lowercase().replace(' ', "");
            let form = "application/x-www-form-urlencoded";
            value == form || value == format!("{form};charset=utf-8")
        }
        _ => true,
    };
    good.then_some(()).ok_or(Flaw::Value)
}

/// One text: Go's clients send a list of one.
struct One(Secret<String>);

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = One;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("one text for each name")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<One, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: Error>(self, text: String) -> Result<One, E> {
                Ok(One(Secret::new(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<One, A::Error> {
                let wrong = || A::Error::custom("one text for each name");
                let Text(text) = list.next_element::<Text>()?.ok_or_else(wrong)?;
                match list.next_element::<Text>()? {
                    None => Ok(One(text)),
                    Some(_) => Err(wrong()),
                }
            }
        }
        from.deserialize_any(Read)
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Headers;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object, or its base64, with one text for each name")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Headers, E> {
                if text.is_empty() {
                    return Ok(Headers::default());
                }
                let wrong = || E::custom("an object, or its base64, with one text for each name");
                let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
                let body = Body::checked(Secret::new(bytes), &BUDGET).map_err(|_| wrong())?;
                body.parse::<Listed>()
                    .map(|Listed(headers)| headers)
                    .map_err(|_| wrong())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Headers, A::Error> {
                collect(map)
            }
        }
        from.deserialize_any(Read)
    }
}

/// The object inside of the base64.
struct Listed(Headers);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Listed;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Listed, A::Error> {
                collect(map).map(Listed)
            }
        }
        from.deserialize_map(Read)
    }
}

fn collect<'de, A: MapAccess<'de>>(mut map: A) -> Result<Headers, A::Error> {
    let mut headers = Vec::new();
    while let Some((name, One(value))) = map.next_entry::<String, One>()? {
        headers.push((name.to_ascii_lowercase(), value));
    }
    Ok(Headers(headers))
}
