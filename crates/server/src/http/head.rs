//! The head of a request, judged before a byte of the body is read.

use super::query;
use super::refusal::Refusal;
use crate::limits::Limits;
use cofferdam_core::Verb;
use cofferdam_secret::Secret;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use std::collections::BTreeMap;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const WRAP_TTL: HeaderName = HeaderName::from_static("x-vault-wrap-ttl");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");

/// What the head says, in the vault's words.
pub struct Head {
    /// What is asked for.
    pub verb: Verb,
    /// After `/v1/`, undecoded.
    pub path: String,
    /// Decoded, without `list` and `scan`.
    pub query: Vec<(String, String)>,
    /// As shown, unproven.
    pub token: Option<Secret<String>>,
    /// Unparsed.
    pub wrap_ttl: Option<String>,
    /// Unparsed.
    pub namespace: Option<String>,
}

/// Reads the head.
///
/// # Errors
/// The refusal to answer with. Whether the path names anything is the vault's business.
pub fn read(parts: &Parts) -> Result<Head, Refusal> {
    if parts.headers.len() > Limits::HEADERS {
        return Err(Refusal::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the request has too many headers",
        ));
    }
    let Some(path) = parts.uri.path().strip_prefix("/v1/") else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "nothing is served here; the API is under /v1/",
        ));
    };
    refuse_encoded(&parts.headers)?;
    let query = query::decode(parts.uri.query())?;
    if query.help {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "path help is not served here",
        ));
    }
    Ok(Head {
        verb: verb(&parts.method, &query, path)?,
        path: path.to_owned(),
        query: query.parameters,
        token: token(&parts.headers)?,
        wrap_ttl: single(&parts.headers, &WRAP_TTL)?.map(str::to_owned),
        namespace: single(&parts.headers, &NAMESPACE)?.map(str::to_owned),
    })
}

fn verb(method: &Method, query: &query::Decoded, path: &str) -> Result<Verb, Refusal> {
    match *method {
        Method::GET if query.list && query.scan => {
            Err(Refusal::invalid("ask for list or for scan, not for both"))
        }
        Method::GET if query.list => Ok(Verb::List),
        Method::GET if query.scan => Ok(Verb::Scan),
        Method::GET => Ok(Verb::Read),
        // Load balancers probe health with HEAD; nothing else has a use for it, as in Vault.
        Method::HEAD if path == "sys/health" => Ok(Verb::Read),
        Method::POST | Method::PUT => Ok(Verb::Write),
        Method::PATCH => Ok(Verb::Patch),
        Method::DELETE => Ok(Verb::Delete),
        _ if method.as_str() == "LIST" => Ok(Verb::List),
        _ if method.as_str() == "SCAN" => Ok(Verb::Scan),
        _ => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "unsupported operation",
        )),
    }
}

/// `X-Vault-Token` first, then a bearer token. A token in the query string is never looked at.
fn token(headers: &HeaderMap) -> Result<Option<Secret<String>>, Refusal> {
    if let Some(token) = single(headers, &TOKEN)? {
        return Ok((!token.is_empty()).then(|| Secret::new(token.to_owned())));
    }
    let bearer = single(headers, &AUTHORIZATION)?.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    Ok(bearer
        .filter(|token| !token.is_empty())
        .map(|token| Secret::new(token.to_owned())))
}

/// The one value of a header. Two of them would let two readers disagree about who is calling.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Refusal::invalid(
            "a token, namespace, wrapping or authorization header is there twice",
        ));
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| Refusal::invalid("a header holds characters that are not allowed"))
}

/// Headers that audit records are to show: of each name all values, in order. What is not text is
/// shown as far as it is.
pub(super) fn recorded(
    headers: &HeaderMap,
    names: &BTreeMap<String, bool>,
) -> Vec<(String, String)> {
    let found = names.keys().flat_map(|name| {
        let values = headers.get_all(name.as_str()).iter();
        values.map(|value| {
            (
                name.clone(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
    });
    found.collect()
}

/// A compressed body would expand past every budget that was checked on the wire.
fn refuse_encoded(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if plain {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "compressed bodies are not accepted; send the body without Content-Encoding",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = headers.iter().fold(
            Request::builder().method(method).uri(uri),
            |request, (name, value)| request.header(*name, *value),
        );
        request.body(()).unwrap().into_parts().0
    }

    fn refused(method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        read(&parts(method, uri, headers))
            .err()
            .expect("refused")
            .status
            .as_u16()
    }

    #[test]
    fn methods_become_verbs() {
        let cases = [
            ("GET", "/v1/a", Verb::Read),
            ("GET", "/v1/a?list=true", Verb::List),
            ("GET", "/v1/a?list=false&scan=true", Verb::Scan),
            ("LIST", "/v1/a", Verb::List),
            ("SCAN", "/v1/a", Verb::Scan),
            ("SCAN", "/v1/a?list=true", Verb::Scan),
            ("PUT", "/v1/a", Verb::Write),
            ("POST", "/v1/a", Verb::Write),
            ("PATCH", "/v1/a", Verb::Patch),
            ("DELETE", "/v1/a", Verb::Delete),
            ("HEAD", "/v1/sys/health", Verb::Read),
        ];
        for (method, uri, verb) in cases {
            assert_eq!(
                read(&parts(method, uri, &[])).ok().unwrap().verb,
                verb,
                "{method} {uri}"
            );
        }
        for method in ["HEAD", "OPTIONS", "TRACE", "scan", "get"] {
            assert_eq!(refused(method, "/v1/a", &[]), 405, "{method}");
        }
        for unclear in ["/v1/a?list=true&scan=true", "/v1/a?scan=maybe"] {
            assert_eq!(refused("GET", unclear, &[]), 400, "{unclear}");
        }
    }

    #[test]
    fn the_path_stays_undecoded() {
        let head = read(&parts("GET", "/v1/secret/data/a%2Fb%20c/", &[]))
            .ok()
            .unwrap();
        assert_eq!(head.path, "secret/data/a%2Fb%20c/");
        for outside in ["/", "/ui/", "/v1", "/v2/x", "//v1/x"] {
            assert_eq!(refused("GET", outside, &[]), 404, "{outside}");
        }
    }

    #[test]
    fn the_token_comes_from_one_header_and_never_from_the_query() {
        let token = |headers: &[(&str, &str)]| {
            read(&parts("GET", "/v1/a?token=x&X-Vault-Token=y", headers))
                .ok()
                .unwrap()
                .token
                .map(|token| token.expose().clone())
        };
        assert_eq!(
            token(&[("X-Vault-Token", "hvs.a")]).as_deref(),
            Some("hvs.a")
        );
        assert_eq!(
            token(&[("Authorization", "Bearer hvs.b")]).as_deref(),
            Some("hvs.b")
        );
        assert_eq!(token(&[("Authorization", "Basic aGk=")]), None);
        assert_eq!(
            token(&[
                ("X-Vault-Token", "hvs.a"),
                ("Authorization", "Bearer hvs.b")
            ])
            .as_deref(),
            Some("hvs.a")
        );
        assert_eq!(token(&[]), None);
        for twice in [
            "X-Vault-Token",
            "Authorization",
            "X-Vault-Namespace",
            "X-Vault-Wrap-TTL",
        ] {
            assert_eq!(
                refused("GET", "/v1/a", &[(twice, "a"), (twice, "a")]),
                400,
                "{twice}"
            );
        }
    }

    #[test]
    fn compressed_bodies_and_header_floods_are_refused() {
        assert_eq!(
            refused("POST", "/v1/a", &[("Content-Encoding", "gzip")]),
            415
        );
        assert!(read(&parts("POST", "/v1/a", &[("Content-Encoding", "identity")])).is_ok());
        let names: Vec<String> = (0..=Limits::HEADERS).map(|n| format!("x-{n}")).collect();
        let headers: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
        assert_eq!(refused("GET", "/v1/a", &headers), 431);
    }
}
