//! `otpauth://` URLs: what phones read from a picture, and what other services hand out
//! (<https://github.com/google/google-authenticator/wiki/Key-Uri-Format>).

use cofferdam_secret::{Buffer, Secret};

/// What a URL says; `None` where it does not.
#[derive(Default)]
pub struct Parameters {
    /// Of the query, else what stands before the colon of the path.
    pub issuer: Option<String>,
    /// What stands behind the colon of the path, or all of it.
    pub account_name: String,
    /// Base32.
    pub secret: Option<Secret<String>>,
    /// Seconds.
    pub period: Option<u64>,
    /// Of a code.
    pub digits: Option<u64>,
    /// The hash's name.
    pub algorithm: Option<String>,
}

/// Why a URL is none. Never says what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUrl(pub &'static str);

impl Parameters {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`BadUrl`] with the part that cannot be read.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or(BadUrl("an error occurred while parsing url string"))?;
        let letters = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if scheme.is_empty() || !letters {
            return Err(BadUrl("an error occurred while parsing url string"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = place.split_once('/').map_or("", |(_, path)| path);
        let text = |part: &str, plus| {
            decoded(part, plus)
                .and_then(Secret::into_text)
                .ok_or(BadUrl("an error occurred while parsing url string"))
        };
        let path = text(path, false)?;
        let path = path.expose();
        let (before, account) = match path.split_once(':') {
            Some((before, account)) => (Some(before), account),
            None => (None, path.as_str()),
        };
        let mut found = Self {
            account_name: account.to_owned(),
            ..Self::default()
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if value.is_empty() {
                continue;
            }
            let value = text(value, true)?;
            let number = |what| value.expose().parse().map(Some).map_err(|_| BadUrl(what));
            // The first of a name counts.
            match name {
                "secret" if found.secret.is_none() => found.secret = Some(value),
                "issuer" if found.issuer.is_none() => {
                    found.issuer = Some(value.expose().clone());
                }
                "algorithm" if found.algorithm.is_none() => {
                    found.algorithm = Some(value.expose().clone());
                }
                "period" if found.period.is_none() => {
                    found.period = number("an error occurred while parsing period value in url")?;
                }
                "digits" if found.digits.is_none() => {
                    found.digits = number("an error occurred while parsing digits value in url")?;
                }
                _ => {}
            }
        }
        if found.issuer.is_none() {
            found.issuer = before.map(str::to_owned);
        }
        Ok(found)
    }
}

/// Percent signs resolved; `None` where one is followed by no number.
fn decoded(text: &str, plus: bool) -> Option<Secret<Vec<u8>>> {
    let mut out = Buffer::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push(&[u8::try_from(high * 16 + low).ok()?]);
            }
            b'+' if plus => out.push(b" "),
            other => out.push(&[other]),
        }
    }
    Some(out.finish())
}

/// Escapes what a URL's path or query does not take, beside the characters in `free`.
fn escaped(out: &mut Buffer, text: &str, free: &[u8]) {
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || free.contains(&byte);
        if plain {
            out.push(&[byte]);
        } else {
            out.push(format!("%{byte:02X}").as_bytes());
        }
    }
}

/// The URL of a key; `secret` is its base32.
pub(super) fn written(key: &super::record::Key, secret: &Secret<String>) -> Secret<Vec<u8>> {
    let mut out = Buffer::with_capacity(256);
    out.push(b"otpauth://totp/");
    escaped(&mut out, &key.issuer, b"$&+,/:;=@");
    out.push(b":");
    escaped(&mut out, &key.account_name, b"$&+,/:;=@");
    out.push(b"?algorithm=");
    out.push(key.algorithm.name().as_bytes());
    out.push(format!("&digits={}&issuer=", key.digits).as_bytes());
    escaped(&mut out, &key.issuer, b"$&+=:@");
    out.push(format!("&period={}&secret=", key.period).as_bytes());
    out.push(secret.expose().as_bytes());
    out.finish()
}

/// Base32 (RFC 4648) without padding.
pub(super) fn base32(bytes: &[u8]) -> Secret<String> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = Secret::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    for chunk in bytes.chunks(5) {
        let bits = chunk
            .iter()
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let bits = bits << (8 * (5 - chunk.len()));
        for place in 0..(chunk.len() * 8).div_ceil(5) {
            let index = usize::try_from(bits >> (35 - 5 * place) & 31).unwrap_or_default();
            let letter = ALPHABET.get(index).copied().unwrap_or_default();
            out.expose_mut().push(char::from(letter));
        }
    }
    out
}

/// Reads base32 in either case, with or without padding.
pub(super) fn unbase32(text: &str) -> Option<Secret<Vec<u8>>> {
    let digits = text.trim_end_matches('=');
    if matches!(digits.len() % 8, 1 | 3 | 6) {
        return None;
    }
    let mut out = Buffer::with_capacity(digits.len() * 5 / 8);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in digits.bytes() {
        let value = match byte.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(&[u8::try_from(bits >> count & 0xff).unwrap_or_default()]);
            bits &= (1 << count) - 1;
        }
    }
    Some(out.finish())
}
