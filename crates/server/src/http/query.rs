//! The query string, as HTML forms encode it.

use super::refusal::Refusal;
use crate::limits::Limits;
use percent_encoding::percent_decode_str;

const MALFORMED: Refusal = Refusal::invalid("the query string is not well-formed");

/// A query string, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// In order, without `list` and `scan`.
    pub parameters: Vec<(String, String)>,
    /// `list=true` in one of Go's spellings of true.
    pub list: bool,
    /// `scan=true`, likewise.
    pub scan: bool,
    /// `help` was asked for.
    pub help: bool,
}

/// Decodes.
///
/// # Errors
/// Too many parameters, a broken escape, text that is not UTF-8, or a switch that is no boolean.
pub fn decode(query: Option<&str>) -> Result<Decoded, Refusal> {
    let mut decoded = Decoded::default();
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (text(name)?, text(value)?);
        match name.as_str() {
            "list" => decoded.list = boolean(&value)?,
            "scan" => decoded.scan = boolean(&value)?,
            "help" => decoded.help = boolean(&value)?,
            _ => decoded.parameters.push((name, value)),
        }
        if decoded.parameters.len() > Limits::PARAMETERS {
            return Err(Refusal::invalid("the query string has too many parameters"));
        }
    }
    Ok(decoded)
}

/// Whether every escape is one. Any other would be passed through as it stands: two readings of one
/// request.
pub(super) fn well_escaped(raw: &[u8]) -> bool {
    let digits = |rest: &[u8]| {
        let digits = rest.get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    raw.split(|byte| *byte == b'%').skip(1).all(digits)
}

fn text(raw: &str) -> Result<String, Refusal> {
    if !well_escaped(raw.as_bytes()) {
        return Err(MALFORMED);
    }
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| MALFORMED)
}

/// Go's `strconv.ParseBool`, which Vault applies here.
fn boolean(value: &str) -> Result<bool, Refusal> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" | "" => Ok(false),
        _ => Err(Refusal::invalid("list, scan and help are true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once_and_list_is_set_apart() {
        let decoded = decode(Some("version=2&list=true&name=a%2520b+c&empty")).unwrap();
        assert!(decoded.list && !decoded.help);
        let pairs: Vec<_> = decoded
            .parameters
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [("version", "2"), ("name", "a%20b c"), ("empty", "")]
        );
        assert_eq!(decode(None).unwrap(), Decoded::default());
    }

    #[test]
    fn broken_escapes_and_floods_are_refused() {
        for broken in [
            "a=%",
            "a=%2",
            "a=%zz",
            "%ff=1",
            "a=%c0%af",
            "list=maybe",
            "scan=2",
            "a=%é1",
        ] {
            assert!(decode(Some(broken)).is_err(), "{broken}");
        }
        let flood = "a&".repeat(Limits::PARAMETERS + 1);
        assert!(decode(Some(&flood)).is_err());
    }
}
