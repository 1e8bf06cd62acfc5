//! What is around a key in a file.

use crate::{LONGEST, Refused};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The key in a file: binary as it is, out of its armour, or out of base64.
///
/// # Errors
/// [`Refused`], where it is a private key, too long, or damaged; whether it is a key at all is not
/// looked at.
pub fn binary(file: &[u8]) -> Result<Vec<u8>, Refused> {
    if file.len() > LONGEST * 2 {
        return Err(Refused::TooLong);
    }
    if file.first().is_some_and(|first| first & 0x80 != 0) {
        return private(file).map(<[u8]>::to_vec);
    }
    let text = std::str::from_utf8(file).map_err(|_| Refused::NotAKey)?;
    if text.contains("-----BEGIN PGP PRIVATE KEY BLOCK-----") {
        return Err(Refused::Private);
    }
    let bytes = match text.split_once(BEGIN) {
        Some((_, rest)) => armoured(rest)?,
        None => decoded(text)?,
    };
    if bytes.is_empty() {
        return Err(Refused::NotAKey);
    }
    private(&bytes)?;
    Ok(bytes)
}

/// Refuses what begins as a private key.
fn private(bytes: &[u8]) -> Result<&[u8], Refused> {
    let tag = bytes.first().map(|first| match first & 0x40 {
        0 => (first >> 2) & 0xf,
        _ => first & 0x3f,
    });
    if matches!(tag, Some(5 | 7)) {
        return Err(Refused::Private);
    }
    Ok(bytes)
}

/// What follows the first line: headers to an empty line, base64, and a checksum.
fn armoured(rest: &str) -> Result<Vec<u8>, Refused> {
    let (inside, after) = rest.split_once(END).ok_or(Refused::NotAKey)?;
    if after.contains(BEGIN) {
        return Err(Refused::Several);
    }
    let mut lines = inside.lines().map(str::trim).skip(1).peekable();
    while lines.peek().is_some_and(|line| line.contains(": ")) {
        lines.next();
    }
    let (mut text, mut sum) = (String::new(), None);
    for line in lines {
        match line.strip_prefix('=') {
            Some(line) => sum = Some(line),
            None => text.push_str(line),
        }
    }
    let bytes = decoded(&text)?;
    let sum = sum.map(|sum| STANDARD.decode(sum));
    match sum {
        None => Ok(bytes),
        Some(Ok(sum)) if sum == checksum(&bytes) => Ok(bytes),
        Some(_) => Err(Refused::NotAKey),
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Refused> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).map_err(|_| Refused::NotAKey)
}

/// CRC-24 of RFC 9580, section 6.1.1.
fn checksum(bytes: &[u8]) -> [u8; 3] {
    let mut sum: u32 = 0x00b7_04ce;
    for byte in bytes {
        sum ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            sum <<= 1;
            if sum & 0x0100_0000 != 0 {
                sum ^= 0x0186_4cfb;
            }
        }
    }
    let [_, high, middle, low] = sum.to_be_bytes();
    [high, middle, low]
}
