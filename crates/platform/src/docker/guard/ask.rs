//! dockerd's question: which request it was asked, as far as it shows it.
//!
//! Fields are Go's names; the body is base64 of what the client sent, and is missing where dockerd
//! does not show it: other types than JSON, more than 1 MiB (20.10 to 29.0), or a version with
//! CVE-2024-41110. Paths are compared decoded and without the version, as dockerd's router does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    #[serde(borrow)]
    request_method: Cow<'a, str>,
    #[serde(borrow)]
    request_uri: Cow<'a, str>,
    #[serde(borrow, default)]
    request_body: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_headers: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
}

/// One request that a client made of the engine.
pub(super) struct Ask<'a> {
    wire: Wire<'a>,
    segments: Vec<String>,
}

/// The body of a request.
pub(super) enum Body {
    /// dockerd did not show one.
    Hidden,
    /// What it showed is not base64.
    Unreadable,
    /// As the client sent it; wiped on drop.
    Shown(Secret<Vec<u8>>),
}

impl<'a> Ask<'a> {
    /// `None` where this is no question of dockerd's.
    pub(super) fn read(call: &'a [u8]) -> Option<Self> {
        let wire: Wire<'a> = serde_json::from_slice(call).ok()?;
        let path = wire
            .request_uri
            .split(['?', '#'])
            .next()
            .unwrap_or_default();
        let segments = segments(path);
        Some(Self { wire, segments })
    }

    pub(super) fn method(&self) -> &str {
        &self.wire.request_method
    }

    /// The decoded path without the version, in parts.
    pub(super) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// Every value of a query parameter, decoded. Go takes one of several; which one is not ours to
    /// guess.
    pub(super) fn query(&self, name: &str) -> Vec<Secret<String>> {
        let query = self.wire.request_uri.split_once('?');
        let query = query.map_or("", |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        // Go before 1.17 separates by semicolons as well.
        let pairs = query.split(['&', ';']);
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .filter(|(key, _)| decoded(key, true) == name)
            .map(|(_, value)| Secret::new(decoded(value, true)))
            .collect()
    }

    pub(super) fn body(&self) -> Body {
        match self.wire.request_body.as_deref() {
            None | Some("") => Body::Hidden,
            Some(text) => STANDARD
                .decode(text)
                .map_or(Body::Unreadable, |bytes| Body::Shown(Secret::new(bytes))),
        }
    }

    /// Whether the body is a form, whose fields Go mixes with those of the query.
    pub(super) fn is_form(&self) -> bool {
        let headers = self.wire.request_headers.iter().flatten();
        let mut types = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        types.any(|(_, value)| {
            let value = value.to_ascii_lowercase();
            value.contains("form-urlencoded") || value.contains("multipart/form-data")
        })
    }
}

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        // An owned text is one that held escapes; the others belong to the caller, who wipes them.
        if let Cow::Owned(text) = &mut self.wire.request_uri {
            drop(Secret::new(std::mem::take(text)));
        }
        if let Some(Cow::Owned(text)) = &mut self.wire.request_body {
            drop(Secret::new(std::mem::take(text)));
        }
    }
}

/// As dockerd's router sees a path. It redirects what is not clean instead of serving it; taking
/// the clean form for the same can only see more.
fn segments(path: &str) -> Vec<String> {
    let mut clean: Vec<String> = Vec::new();
    for segment in decoded(path, false).split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(clean.pop()),
            other => clean.push(other.to_owned()),
        }
    }
    let versioned = clean.first().is_some_and(|first| is_version(first));
    if versioned {
        clean.remove(0);
    }
    clean
}

fn is_version(segment: &str) -> bool {
    let number = segment.strip_prefix('v').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Percent-decoded; what is no escape stays. Bytes that are no UTF-8 become U+FFFD, which no route
/// and no name has.
fn decoded(text: &str, plus: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let rest = bytes.clone();
        match byte {
            b'%' => match escape(rest) {
                Some(value) => {
                    out.push(value);
                    bytes.nth(1);
                }
                None => out.push(byte),
            },
            b'+' if plus => out.push(b' '),
            other => out.push(other),
        }
    }
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => {
            let bytes = Secret::new(error.into_bytes());
            String::from_utf8_lossy(bytes.expose()).into_owned()
        }
    }
}

fn escape(mut rest: std::str::Bytes<'_>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_what_the_router_sees() {
        for (path, expected) in [
            ("/v1.41/containers/create", "containers/create"),
            ("/containers/create", "containers/create"),
            ("/v1.41/containers/%63reate", "containers/create"),
            ("//v1.41//containers/./x/../create", "containers/create"),
            ("/v1.41/v1.41/x", "v1.41/x"),
            ("/volumes", "volumes"),
            ("/%zz", "%zz"),
        ] {
            assert_eq!(segments(path).join("/"), expected, "{path}");
        }
    }

    #[test]
    fn every_value_of_a_parameter_counts() {
        let call = br#"{"RequestMethod":"POST","RequestUri":"/build?buildargs=%7B%7D&x=1;buildargs=a+b\u0026build%61rgs=c"}"#;
        let ask = Ask::read(call).unwrap();
        let values: Vec<_> = ask
            .query("buildargs")
            .iter()
            .map(|v| v.expose().clone())
            .collect();
        assert_eq!(values, ["{}", "a b", "c"]);
    }
}
