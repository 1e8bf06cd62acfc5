//! Bodies of HTML forms, as OpenID Connect's clients send them, become the JSON object that everything
//! behind reads. A client's credentials in the header (RFC 6749, section 2.3.1) become its fields.
//!
//! `curl -d` says of every body that it is a form: one that begins like JSON is JSON, as in Vault.

use super::query::well_escaped;
use super::refusal::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_core::json::quote_into;
use cofferdam_secret::{Buffer, Secret};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use percent_encoding::percent_decode;

const MALFORMED: Refusal = Refusal::invalid("the form in the body is not well-formed");
const CREDENTIALS: Refusal =
    Refusal::invalid("the client's credentials in the header are not well-formed");
/// Fields of a form.
const MOST: usize = 64;

/// A name and a value.
type Field = (Secret<String>, Secret<String>);

/// The body as JSON.
pub(super) fn as_json(
    headers: &HeaderMap,
    bytes: Secret<Vec<u8>>,
) -> Result<Secret<Vec<u8>>, Refusal> {
    if !is_form(headers) || !looks_like_one(bytes.expose()) {
        return Ok(bytes);
    }
    let mut fields: Vec<Field> = Vec::new();
    for pair in bytes.expose().split(|byte| *byte == b'&') {
        if pair.is_empty() {
            continue;
        }
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let mut part = || decoded(parts.next().unwrap_or_default()).ok_or(MALFORMED);
        let field = (part()?, part()?);
        if fields.len() == MOST
            || fields
                .iter()
                .any(|(name, _)| name.expose() == field.0.expose())
        {
            return Err(MALFORMED);
        }
        fields.push(field);
    }
    if let Some((id, secret)) = basic(headers)? {
        // Naming oneself twice is no contradiction; two ways to prove it are one too many.
        fields
            .retain(|(name, value)| name.expose() != "client_id" || value.expose() != id.expose());
        for (name, value) in [("client_id", id), ("client_secret", secret)] {
            if fields.iter().any(|(other, _)| other.expose() == name) {
                return Err(CREDENTIALS);
            }
            fields.push((Secret::new(name.to_owned()), value));
        }
    }
    let mut out = Buffer::with_capacity(bytes.len() + 64);
    out.push(b"{");
    for (at, (name, value)) in fields.iter().enumerate() {
        if at > 0 {
            out.push(b",");
        }
        quote_into(&mut out, name.expose());
        out.push(b":");
        quote_into(&mut out, value.expose());
    }
    out.push(b"}");
    Ok(out.finish())
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| {
        kind.trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

fn looks_like_one(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| !matches!(byte, b'{' | b'[' | b'"')) && bytes.trim_ascii() != b"null"
}

fn decoded(text: &[u8]) -> Option<Secret<String>> {
    if !well_escaped(text) {
        return None;
    }
    let mut spaced = Secret::new(text.to_vec());
    for byte in spaced.expose_mut() {
        if *byte == b'+' {
            *byte = b' ';
        }
    }
    // Never longer than what was sent: it grows nowhere, and so leaves no copy behind.
    let mut plain = Secret::new(Vec::with_capacity(text.len()));
    plain.expose_mut().extend(percent_decode(spaced.expose()));
    plain.into_text()
}

/// Id and secret of a client, each encoded as in a form.
fn basic(headers: &HeaderMap) -> Result<Option<Field>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| CREDENTIALS)?;
    let Some((scheme, encoded)) = value.split_once(' ') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let plain = STANDARD.decode(encoded.trim()).map(Secret::new);
    let plain = plain.map_err(|_| CREDENTIALS)?;
    let colon = plain.expose().iter().position(|byte| *byte == b':');
    let (id, secret) = colon
        .and_then(|colon| plain.expose().split_at_checked(colon))
        .ok_or(CREDENTIALS)?;
    let secret = secret.strip_prefix(b":").unwrap_or_default();
    match (decoded(id), decoded(secret)) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        _ => Err(CREDENTIALS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn read(kind: &str, basic: Option<&str>, body: &str) -> Result<String, ()> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
        if let Some(basic) = basic {
            let value = format!("Basic {}", STANDARD.encode(basic));
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        }
        let bytes = as_json(&headers, Secret::new(body.as_bytes().to_vec())).map_err(|_| ())?;
        Ok(String::from_utf8(bytes.expose().clone()).unwrap())
    }

    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

    #[test]
    fn a_form_becomes_an_object_and_json_stays_as_it_is() {
        let form = read(FORM, None, "a=1&b=x+y%22%2C%22c%22%3A1&&d");
        assert_eq!(form.unwrap(), r#"{"a":"1","b":"x y\",\"c\":1","d":""}"#);
        for json in [r#"{"a":1}"#, " {\"a\": \"b=c&d\"}", "[1]", "null", ""] {
            assert_eq!(read(FORM, None, json).unwrap(), json);
            assert_eq!(read("application/json", Some("a:b"), json).unwrap(), json);
        }
        assert_eq!(read("application/json", None, "a=1").unwrap(), "a=1");
        for bad in [
            "a=1&a=2",
            "a=%ff",
            "a=%",
            "a=%4",
            "a=%zz",
            "%zz=a",
            &"x=1&".replace('x', "%61").repeat(2),
        ] {
            assert!(read(FORM, None, bad).is_err(), "{bad}");
        }
        let many: Vec<_> = (0..65).map(|n| format!("f{n}=1")).collect();
        assert!(read(FORM, None, &many.join("&")).is_err());
    }

    #[test]
    fn credentials_of_a_header_are_fields_and_never_there_twice() {
        let read = |basic: &str, body: &str| read(FORM, Some(basic), body);
        let expected = r#"{"code":"c","client_id":"me","client_secret":"s:e c"}"#;
        assert_eq!(read("me:s:e%20c", "code=c").unwrap(), expected);
        assert_eq!(read("me:s:e%20c", "client_id=me&code=c").unwrap(), expected);
        for body in ["client_id=you&code=c", "client_secret=s&code=c"] {
            assert!(read("me:s", body).is_err(), "{body}");
        }
        for basic in ["no-colon", "me:s%zz", "m%e:s"] {
            assert!(read(basic, "code=c").is_err(), "{basic}");
        }
    }

    proptest! {
        #[test]
        fn any_fields_come_back(
            fields in prop::collection::btree_map(any::<String>(), any::<String>(), 1..8),
        ) {
            let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let pairs = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
            // A name may be empty; `=` is a field then, and not nothing.
            let body = pairs.collect::<Vec<_>>().join("&");
            let object = read(FORM, None, &body).unwrap();
            prop_assert_eq!(serde_json::from_str::<BTreeMap<String, String>>(&object).unwrap(), fields);
        }

        #[test]
        fn what_is_taken_is_an_object_whatever_the_bytes(bytes in "[a-z=&%+\"\\\\{}0-9\u{0}-\u{ff}]{0,60}") {
            if let Ok(object) = read(FORM, Some("me:s"), &bytes) {
                let form = looks_like_one(bytes.as_bytes());
                prop_assert!(!form || serde_json::from_str::<BTreeMap<String, String>>(&object).is_ok());
                prop_assert!(form || object == bytes);
            }
        }
    }
}
