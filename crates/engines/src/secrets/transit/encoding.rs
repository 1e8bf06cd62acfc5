//! Base64 as Vault's clients write it, and the header of ciphertexts, signatures and HMACs.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use cofferdam_secret::Secret;

/// Go's decoder does not look at the bits behind the last byte.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// For the URL-safe form of JSON Web Signatures, which has no padding.
const JWS: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Not base64; where. Never what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64(usize);

impl std::fmt::Display for NotBase64 {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "illegal base64 data at input byte {}", self.0)
    }
}

fn with(engine: &GeneralPurpose, text: &str) -> Result<Secret<Vec<u8>>, NotBase64> {
    // Line ends are skipped, as Go does; the usual text has none.
    let unbroken: Option<Secret<String>> = text
        .contains(['\r', '\n'])
        .then(|| Secret::new(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect()));
    let text = unbroken.as_ref().map_or(text, |text| text.expose());
    let mut out = Secret::new(vec![0; base64::decoded_len_estimate(text.len())]);
    match engine.decode_slice(text, out.expose_mut()) {
        Ok(length) => {
            out.expose_mut().truncate(length);
            Ok(out)
        }
        Err(error) => Err(NotBase64(position(text, &error))),
    }
}

/// Where it stops being base64. The library's error also knows the byte, which stays there.
fn position(text: &str, error: &base64::DecodeSliceError) -> usize {
    use base64::{DecodeError, DecodeSliceError};
    match error {
        DecodeSliceError::DecodeError(
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol { offset: at, .. },
        ) => *at,
        _ => text.len() / 4 * 4,
    }
}

/// Decodes standard base64.
///
/// # Errors
/// [`NotBase64`] with the position.
pub fn decode(text: &str) -> Result<Secret<Vec<u8>>, NotBase64> {
    with(&LENIENT, text)
}

/// Decodes the form of JSON Web Signatures.
pub(super) fn decode_jws(text: &str) -> Result<Secret<Vec<u8>>, NotBase64> {
    with(&JWS, text)
}

pub(super) fn encode_jws(bytes: &[u8]) -> String {
    JWS.encode(bytes)
}

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// As [`encode`], of a secret.
pub(super) fn encode_secret(bytes: &[u8]) -> Secret<String> {
    Secret::new(STANDARD.encode(bytes))
}

/// `vault:v3:` and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versioned<'a> {
    /// Which version of the key made it. Zero and negative are what people send, too.
    pub version: i64,
    /// The rest, still encoded.
    pub body: &'a str,
}

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// It does not begin with `vault:v`.
    NoPrefix,
    /// There is no second colon.
    Fields,
    /// What stands between is no number.
    Version,
}

impl BadHeader {
    /// Vault's words for it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoPrefix => "no prefix",
            Self::Fields => "wrong number of fields",
            Self::Version => "version number could not be decoded",
        }
    }
}

impl<'a> Versioned<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`BadHeader`]: what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, BadHeader> {
        let rest = text.strip_prefix("vault:v").ok_or(BadHeader::NoPrefix)?;
        let (number, body) = rest.split_once(':').ok_or(BadHeader::Fields)?;
        let version = number.parse().map_err(|_| BadHeader::Version)?;
        Ok(Self { version, body })
    }
}

/// The header of what this version makes.
pub(super) fn header(version: u64) -> String {
    format!("vault:v{version}:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_is_read_as_go_reads_it() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zm9v", b"foo"),
            ("Zm\r\n9v\n", b"foo"),
            ("Zg==", b"f"),
            // Bits behind the last byte.
            ("Zh==", b"f"),
        ] {
            assert_eq!(decode(text).unwrap().expose(), bytes, "{text:?}");
        }
        for (text, at) in [
            ("Zm9v!", 4),
            ("Zg", 0),
            ("Zg=", 0),
            ("*", 0),
            ("Zm9vZg=", 4),
        ] {
            let refused = decode(text).map(|_| ()).unwrap_err();
            assert!(refused.0 <= text.len(), "{text:?} {at}");
            assert!(!refused.to_string().contains(text));
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            prop_assert!(decode(&encode(&bytes)).unwrap().expose() == &bytes);
            prop_assert!(decode_jws(&encode_jws(&bytes)).unwrap().expose() == &bytes);
        }

        #[test]
        fn any_text_is_a_header_or_refused(text: String, version: u64) {
            let _either = Versioned::parse(&text);
            let whole = format!("{}{text}", header(version));
            if let Ok(found) = Versioned::parse(&whole) {
                prop_assert_eq!((found.version, found.body), (i64::try_from(version).unwrap(), text.as_str()));
            }
        }
    }
}
