//! Base64 as it stands in configuration: either alphabet, padded or not.

use ::base64::Engine as _;
use ::base64::alphabet;
use ::base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What `text` encodes, if it is base64.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() < 4 || text.len() % 4 == 1 {
        return None;
    }
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
}

/// As [`decoded`], if the outcome is text that a person could have written.
pub(super) fn decoded_text(text: &[u8]) -> Option<Vec<u8>> {
    let decoded = decoded(text)?;
    let readable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..);
    let utf8 = std::str::from_utf8(&decoded).is_ok();
    (utf8 && decoded.iter().all(readable)).then_some(decoded)
}
