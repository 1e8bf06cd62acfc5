//! Values that cannot be searched for, because finding them would prove nothing.
//!
//! `test`, `12345678` or `production` stand in every file system. Looking for them gives false
//! alarms, and masking them in a log discloses the secret by its holes. They are refused with a
//! reason and listed as unprotectable, never dropped in silence.

use serde::Serialize;
use std::fmt;

/// Shortest value that is searched for, in bytes.
pub(crate) const SHORTEST: usize = 8;

/// Least information a value must carry, in bits by its own byte frequencies.
const LEAST_BITS: f64 = 20.0;

/// Digits alone are dates, sizes, ports and octal header fields below this length.
const SHORTEST_NUMBER: usize = 12;

/// Why a value is not searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weakness {
    /// Nothing but white space.
    Empty,
    /// Shorter than eight bytes.
    TooShort,
    /// A word (perhaps with digits or punctuation around it) that stands in ordinary files.
    CommonWord,
    /// Only digits, and few of them.
    Number,
    /// Few different bytes, much repeated.
    Repetitive,
    /// The caller may not read it, so nobody can look for it.
    Unreadable,
    /// Its fingerprint could be guessed by whoever may search.
    Guessable,
}

/// Every reason with its number in fingerprints.
const CODES: [(Weakness, u8); 7] = [
    (Weakness::Empty, 1),
    (Weakness::TooShort, 2),
    (Weakness::CommonWord, 3),
    (Weakness::Number, 4),
    (Weakness::Repetitive, 5),
    (Weakness::Unreadable, 6),
    (Weakness::Guessable, 7),
];

impl Weakness {
    /// Its number in fingerprints.
    pub(crate) fn code(self) -> u8 {
        let known = CODES.iter().find(|(weakness, _)| *weakness == self);
        known.map_or(0, |(_, code)| *code)
    }

    /// The reason with this number.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        let known = CODES.iter().find(|(_, known)| *known == code);
        known.map(|(weakness, _)| *weakness)
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::TooShort => "shorter than 8 bytes",
            Self::CommonWord => "a common word",
            Self::Number => "a short number",
            Self::Repetitive => "too repetitive",
            Self::Unreadable => "its value may not be read",
            Self::Guessable => "cannot be protected by fingerprint, please rotate",
        })
    }
}

/// Words that ordinary files hold. Letters only, lower case, sorted.
const COMMON: &[&str] = &[
    "abcdefgh",
    "abcdefghij",
    "adminadmin",
    "administrator",
    "application",
    "asdfghjk",
    "asdfghjkl",
    "authentication",
    "authorization",
    "changeit",
    "changeme",
    "changemenow",
    "changethis",
    "configuration",
    "connection",
    "container",
    "database",
    "default",
    "defaultpassword",
    "development",
    "disabled",
    "docker",
    "enabled",
    "example",
    "examplepassword",
    "foobarbaz",
    "iloveyou",
    "internal",
    "letmein",
    "letmeinnow",
    "localhost",
    "mongodb",
    "mypassword",
    "mysecret",
    "notasecret",
    "nothing",
    "passphrase",
    "passw",
    "password",
    "passwordpassword",
    "passwort",
    "placeholder",
    "postgres",
    "postgresql",
    "production",
    "qwertyui",
    "qwertyuiop",
    "rabbitmq",
    "replaceme",
    "rootpassword",
    "rootroot",
    "secret",
    "secretkey",
    "secretpassword",
    "secretsecret",
    "staging",
    "supersecret",
    "testing",
    "testpassword",
    "testsecret",
    "testtest",
    "undefined",
    "unknown",
    "username",
    "welcome",
];

/// Judges a value that has been trimmed of white space.
///
/// # Errors
/// The reason why a match of this value would prove nothing.
pub(crate) fn judge(value: &[u8]) -> Result<(), Weakness> {
    if value.is_empty() {
        return Err(Weakness::Empty);
    }
    if value.len() < SHORTEST {
        return Err(Weakness::TooShort);
    }
    if value.len() < SHORTEST_NUMBER && value.iter().all(u8::is_ascii_digit) {
        return Err(Weakness::Number);
    }
    if is_common(value) {
        return Err(Weakness::CommonWord);
    }
    if information(value) < LEAST_BITS {
        return Err(Weakness::Repetitive);
    }
    Ok(())
}

/// A common word with at most six other bytes (digits, punctuation) before and behind it.
fn is_common(value: &[u8]) -> bool {
    let letters = value
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    if letters > 24 || value.len() - letters > 6 {
        return false;
    }
    let core = value.trim_ascii();
    let core = trim_matches(core, |byte| !byte.is_ascii_alphabetic());
    let Ok(core) = std::str::from_utf8(core) else {
        return false;
    };
    let mut word = core.to_ascii_lowercase();
    let common = COMMON.binary_search(&word.as_str()).is_ok();
    zeroize::Zeroize::zeroize(&mut word);
    common
}

fn trim_matches(mut bytes: &[u8], strip: impl Fn(u8) -> bool) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && strip(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && strip(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Shannon information of the whole value by its own byte frequencies, in bits: an upper bound for
/// how hard it is to guess, good for telling `aaaaaaaa` from a password.
#[must_use]
pub(crate) fn information(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in value {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = value.len() as f64;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) * (total / f64::from(count)).log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trivial_values_are_refused_with_their_reason() {
        for (value, why) in [
            (&b""[..], Weakness::Empty),
            (b"test", Weakness::TooShort),
            (b"{", Weakness::TooShort),
            (b"20260101", Weakness::Number),
            (b"password123", Weakness::CommonWord),
            (b"Production", Weakness::CommonWord),
            (b"changeme!!", Weakness::CommonWord),
            (b"aaaaaaaaaaaa", Weakness::Repetitive),
            (b"abababababab", Weakness::Repetitive),
        ] {
            assert_eq!(judge(value), Err(why), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn real_passwords_are_accepted() {
        for value in [
            "hunter2#9",
            "correct horse battery",
            "s3cr3t-Pa55",
            "xK9#mQ2$",
        ] {
            assert_eq!(judge(value.as_bytes()), Ok(()), "{value}");
        }
    }

    #[test]
    fn word_list_is_sorted_for_binary_search() {
        assert!(COMMON.is_sorted());
    }
}
