//! A key that stands beside what it encrypts: `key: …` and `encrypted: …` in one file.
//!
//! `key` alone says nothing, and neither does ciphertext. Both together, within a few thousand bytes, say
//! that whoever has the file has what was to be hidden.

use super::base64;
use super::plausible::{entropy, is_placeholder, wordy};
use std::ops::Range;

/// How far apart they may stand.
const APART: usize = 4 << 10;

/// Names of keys of a cipher, without what stands before them (in lower case).
const KEYS: &[&str] = &[
    "key",
    "aeskey",
    "aes_key",
    "aes-key",
    "cipherkey",
    "cipher_key",
    "decryptkey",
    "decrypt_key",
    "decryption_key",
    "decryptionkey",
    "decryption-key",
    "encryption_key",
    "encryptionkey",
    "encryption-key",
    "encrypt_key",
    "cryptokey",
    "crypto_key",
];

/// What ciphertext is called (in lower case).
const CIPHERTEXTS: &[&[u8]] = &[
    b"ciphertext",
    b"cipher_text",
    b"cipher-text",
    b"encrypted",
    b"encrypteddata",
    b"enc_data",
    b"ciphered",
];

/// Whether a value under this name (in lower case) has the form of a cipher's key: 16, 24 or 32 bytes.
pub(super) fn is_key(name: &str, value: &[u8]) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    if !KEYS.contains(&last) || !(16..=64).contains(&value.len()) || is_placeholder(value) {
        return false;
    }
    let sizes = [16, 24, 32];
    let hexadecimal = value.iter().all(u8::is_ascii_hexdigit) && sizes.contains(&(value.len() / 2));
    let encoded = || base64::decoded(value).is_some_and(|key| sizes.contains(&key.len()));
    let plain = || sizes.contains(&value.len()) && !value.contains(&b' ');
    (hexadecimal || encoded() || plain()) && entropy(value) >= 3.0 && !wordy(value)
}

/// Whether ciphertext is named near the key at `key`, and has the form of one.
pub(super) fn near(text: &[u8], key: Range<usize>) -> bool {
    let from = key.start.saturating_sub(APART.min(super::scan::BEHIND));
    let to = (key.end + APART).min(text.len());
    let sides = [from..key.start, key.end..to];
    sides.into_iter().any(|side| {
        let window = text.get(side).unwrap_or_default();
        let lower = window.to_ascii_lowercase();
        CIPHERTEXTS.iter().any(|word| {
            memchr::memmem::find_iter(&lower, word)
                .any(|at| is_ciphertext(window.get(at + word.len()..).unwrap_or_default()))
        })
    })
}

/// Whether behind a name follows a sign and 24 or more characters of base64 or hex.
fn is_ciphertext(behind: &[u8]) -> bool {
    let start = behind
        .iter()
        .take(48)
        .position(|byte| matches!(byte, b':' | b'=' | b'(' | b'\n'));
    let Some(start) = start.filter(|&at| behind.get(at) != Some(&b'\n')) else {
        return false;
    };
    let value = behind.get(start + 1..).unwrap_or_default();
    let quotes = value
        .iter()
        .take(12)
        .take_while(|byte| matches!(byte, b' ' | b'"' | b'\'' | b'=' | b'>' | b'b'))
        .count();
    let value = value.get(quotes..).unwrap_or_default();
    let length = value
        .iter()
        .take(4096)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte))
        .count();
    let value = value.get(..length).unwrap_or_default();
    length >= 24 && entropy(value) >= 3.2 && !wordy(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::specimen;

    #[test]
    fn a_key_counts_beside_ciphertext_only() {
        let key = specimen("{hex:32}", 3);
        let text = format!("encrypted: {}\nkey: {key}\n", specimen("{base64:64}", 4));
        let at = text.find(&key).unwrap();
        assert!(is_key("key", key.as_bytes()));
        assert!(near(text.as_bytes(), at..at + key.len()));
        for other in [
            format!("encrypted: true\nkey: {key}\n"),
            format!("encryptedPasswordLabel: Password\nkey: {key}\n"),
            format!("key: {key}\n"),
        ] {
            let at = other.find(&key).unwrap();
            assert!(!near(other.as_bytes(), at..at + key.len()), "{other}");
        }
        assert!(!is_key("key", b"button.save.label.1"));
        assert!(!is_key("cacheKey", key.as_bytes()));
    }
}
