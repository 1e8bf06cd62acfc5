//! The few DER structures (X.690) that keys are exchanged in: SubjectPublicKeyInfo (RFC 5280), PKCS #8
//! (RFC 5958), SEC1 keys (RFC 5915), and their PEM armour (RFC 7468).
//!
//! Written here. [`Reader`] and [`blocks`] take whatever strangers send; whether it is what it should be
//! is for aws-lc or `x509-parser` to say, or is found by writing it again.

use super::kind::Kind;
use cofferdam_secret::{Buffer, Secret};

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;

/// `id-Ed25519` (RFC 8410).
pub(super) const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];
/// `id-ecPublicKey`, and the curves (RFC 5480).
const EC: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];

/// Algorithms of signatures, whole: `ecdsa-with-SHA2`, `id-Ed25519`, `sha256WithRSAEncryption`.
const ECDSA_SHA256: [u8; 12] = [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ECDSA_SHA384: [u8; 12] = [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const ECDSA_SHA512: [u8; 12] = [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4];
const BY_ED25519: [u8; 7] = [0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
const RSA_SHA256: [u8; 15] = [
    0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b, 5, 0,
];

/// One element.
fn element(tag: u8, parts: &[&[u8]]) -> Secret<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Buffer::with_capacity(length + 6);
    out.push(&[tag]);
    if length < 0x80 {
        out.push(&[u8::try_from(length).unwrap_or_default()]);
    } else {
        let bytes = length.to_be_bytes();
        let skip = bytes.iter().take_while(|byte| **byte == 0).count();
        let digits = bytes.get(skip..).unwrap_or_default();
        out.push(&[0x80 | u8::try_from(digits.len()).unwrap_or_default()]);
        out.push(digits);
    }
    parts.iter().for_each(|part| out.push(part));
    out.finish()
}

/// One element of what anybody may know.
pub(super) fn public_element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    element(tag, parts).expose().clone()
}

/// An octet string.
pub(super) fn octets(content: &[u8]) -> Secret<Vec<u8>> {
    element(OCTETS, &[content])
}

/// The name of a curve, with its element.
pub(super) const fn curve(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::EcP384 => &P384,
        Kind::EcP521 => &P521,
        _ => &P256,
    }
}

/// The algorithm that a certificate request of this kind is signed with (RFC 5758, 8410, 4055).
pub(super) const fn signed_with(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::EcP256 => &ECDSA_SHA256,
        Kind::EcP384 => &ECDSA_SHA384,
        Kind::EcP521 => &ECDSA_SHA512,
        Kind::Ed25519 => &BY_ED25519,
        _ => &RSA_SHA256,
    }
}

/// The algorithm of a curve or of Ed25519.
fn algorithm(name: &[u8]) -> Secret<Vec<u8>> {
    if name == ED25519 {
        element(SEQUENCE, &[name])
    } else {
        element(SEQUENCE, &[&EC, name])
    }
}

pub(super) fn spki(name: &[u8], public: &[u8]) -> Vec<u8> {
    let bits = public_element(BITS, &[&[0], public]);
    public_element(SEQUENCE, &[algorithm(name).expose(), &bits])
}

pub(super) fn pkcs8(name: &[u8], inner: &[u8]) -> Secret<Vec<u8>> {
    let version = [INTEGER, 1, 0];
    let inner = octets(inner);
    element(
        SEQUENCE,
        &[&version, algorithm(name).expose(), inner.expose()],
    )
}

/// A SEC1 private key; with the curve's name where it stands alone.
pub(super) fn sec1(scalar: &[u8], point: &[u8], curve: Option<&[u8]>) -> Secret<Vec<u8>> {
    let version = [INTEGER, 1, 1];
    let private = octets(scalar);
    let curve = curve.map(|curve| element(0xa0, &[curve]));
    let curve = curve.as_ref().map_or(&[][..], |curve| curve.expose());
    let bits = element(BITS, &[&[0], point]);
    let public = element(0xa1, &[bits.expose()]);
    element(
        SEQUENCE,
        &[&version, private.expose(), curve, public.expose()],
    )
}

/// PEM of something public.
pub(super) fn pem(label: &str, content: &[u8]) -> String {
    armoured(label, &super::encoding::encode(content))
}

/// PEM of something private: no copy of it is left behind.
pub(super) fn secret_pem(label: &str, content: &[u8]) -> Secret<String> {
    let text = super::encoding::encode_secret(content);
    Secret::new(armoured(label, text.expose()))
}

/// Base64 between its lines, 64 characters each.
fn armoured(label: &str, text: &str) -> String {
    // Never grows: a text that moves would leave a copy on the heap.
    let mut out = String::with_capacity(text.len() + text.len() / 64 + 2 * label.len() + 40);
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// The content of the first PEM block with this label.
pub(super) fn unpem(label: &str, text: &str) -> Option<Secret<Vec<u8>>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    unarmoured(body)
}

/// What stands between the lines of a block. Nothing of it is left behind: it may be a private key.
fn unarmoured(body: &str) -> Option<Secret<Vec<u8>>> {
    // Never grows: a text that moves would leave a copy on the heap.
    let mut text = String::with_capacity(body.len());
    text.extend(body.split_ascii_whitespace());
    super::encoding::decode(Secret::new(text).expose()).ok()
}

/// A label, and the bytes between its lines.
pub(super) type Block<'a> = (&'a str, Secret<Vec<u8>>);

/// The blocks of a text, in order; `None` where it is not PEM to its end. Words may stand before the
/// first block, and before each other one; nothing but blanks after the last.
pub(super) fn blocks(text: &str) -> Option<Vec<Block<'_>>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (_, after) = rest.split_once("-----BEGIN ")?;
        let (label, after) = after.split_once("-----")?;
        let end = format!("-----END {label}-----");
        let (body, after) = after.split_once(&end)?;
        found.push((label, unarmoured(body)?));
        rest = after.trim_start();
    }
    Some(found)
}

/// Reads elements one after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next element's tag and content.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let add = |sum: usize, byte: &u8| sum.checked_mul(256)?.checked_add(usize::from(*byte));
            (digits.iter().try_fold(0, add)?, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next element, which has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == tag)
            .map(|(_, content)| content)
    }
}

/// The private key inside PKCS #8, in the form of its algorithm.
pub(super) fn inside_pkcs8(bytes: &[u8]) -> Option<&[u8]> {
    let mut info = Reader::new(Reader::new(bytes).expect(SEQUENCE)?);
    info.expect(INTEGER)?;
    info.expect(SEQUENCE)?;
    info.expect(OCTETS)
}

/// The public key inside a SubjectPublicKeyInfo, in the form of its algorithm.
pub(super) fn inside_spki(bytes: &[u8]) -> Option<&[u8]> {
    let mut info = Reader::new(Reader::new(bytes).expect(SEQUENCE)?);
    info.expect(SEQUENCE)?;
    // A bit string says first how many bits of its last byte do not count: none.
    info.expect(BITS)?.strip_prefix(&[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_contents_have_long_lengths() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; length];
            let whole = octets(&content);
            let mut reader = Reader::new(whole.expose());
            assert_eq!(reader.expect(OCTETS), Some(content.as_slice()));
            assert!(reader.next().is_none());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _either = inside_pkcs8(&bytes);
            let _either = inside_spki(&bytes);
        }

        #[test]
        fn private_and_public_text_are_alike_and_never_move(bytes: Vec<u8>, label in "[A-Z ]{0,20}") {
            let text = pem(&label, &bytes);
            let encoded = super::super::encoding::encode(&bytes);
            prop_assert!(text.len() <= encoded.len() + encoded.len() / 64 + 2 * label.len() + 40);
            let private = secret_pem(&label, &bytes);
            prop_assert_eq!(private.expose(), &text);
        }

        #[test]
        fn blocks_are_found_in_order_and_nothing_is_passed_over(
            parts in prop::collection::vec(any::<Vec<u8>>(), 0..4),
            between in "[a-z \n]{0,9}",
            after in "[a-z-]{1,9}",
        ) {
            let text: String = parts.iter().map(|part| format!("{between}{}", pem("X Y", part))).collect();
            let found = blocks(&text).unwrap();
            let found: Vec<_> = found.iter().map(|(label, bytes)| (*label, bytes.expose())).collect();
            let expected: Vec<_> = parts.iter().map(|part| ("X Y", part)).collect();
            prop_assert_eq!(found, expected);
            let more = format!("{text}{after}");
            prop_assert!(blocks(&more).is_none());
        }

        #[test]
        fn any_text_is_taken_or_refused(text in "[-A-Za-z \n]{0,40}(-----BEGIN [A-Z]?-----)?.{0,40}") {
            let _either = blocks(&text);
        }

        #[test]
        fn what_is_armoured_is_found(bytes: Vec<u8>, before in "[a-z\n]*") {
            let text = format!("{before}{}", pem("PUBLIC KEY", &bytes));
            let found = unpem("PUBLIC KEY", &text).unwrap();
            prop_assert_eq!(found.expose(), &bytes);
        }
    }
}
