//! Masks what looks like a secret in a text whose values nobody knows, for texts that are to be handed
//! on: a log, a report about a server.
//!
//! It masks too much rather than too little, in this order: values that are known; the login in an
//! address (`scheme://name:password@host`); tokens of Vault, and UUIDs that stand in a path, which
//! SecretIDs are; values behind telling names ([`super::keys`]); whatever a rule of
//! [`crate::pattern`] finds. A promise about what it returns: [`Looks::finds`] finds nothing in it. A
//! text that does not come to rest is masked whole.

use super::keys::{self, KeyStream};
use super::style::REDACTED;
use super::{Masks, Style};
use crate::label::Label;
use crate::needles::Needles;
use crate::pattern::{Scanner, Spot};
use std::ops::Range;
use std::sync::Arc;

/// Rounds after which a text is masked whole: what a mask replaced may have hidden something else.
const ROUNDS: usize = 8;

/// What is masked.
pub struct Looks {
    scanner: Scanner,
    masks: Arc<Masks>,
    style: Style,
}

impl Looks {
    /// With the rules of this crate, and values that are known (made by [`Needles::for_redaction`]).
    #[must_use]
    pub fn new(known: Needles) -> Self {
        let style = Style::redacted();
        Self {
            scanner: Scanner::new(),
            masks: Arc::new(Masks::new(known, &style)),
            style,
        }
    }

    /// The text without what looks like a secret.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut now = text.to_owned();
        for _ in 0..ROUNDS {
            let next = self.round(&now);
            if next == now && !self.finds(&next) {
                return next;
            }
            now = next;
        }
        self.name("text")
    }

    /// The same for the value of a field of this name.
    #[must_use]
    pub fn mask_value(&self, name: &str, text: &str) -> String {
        if keys::is_secret(name) && !text.is_empty() {
            return self.name(name);
        }
        self.mask(text)
    }

    /// Whether something in it looks like a secret, or is one that is known.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        !self.spots(text).is_empty() || self.masks.redact(text.as_bytes()) != text.as_bytes()
    }

    fn round(&self, text: &str) -> String {
        let known = self.masks.redact(text.as_bytes());
        let text = String::from_utf8_lossy(&known);
        let text = self.replace(&text, logins(&text).into_iter().map(|at| (at, "login")));
        let text = self.replace(&text, tokens(&text).into_iter().map(|at| (at, "token")));
        let text = self.replace(&text, uuids(&text).into_iter().map(|at| (at, "uuid")));
        let mut keyed = Vec::with_capacity(text.len());
        let mut stream = KeyStream::new(self.style.clone());
        stream.push(text.as_bytes(), &mut keyed);
        stream.finish(&mut keyed);
        let text = String::from_utf8_lossy(&keyed);
        let spots = self.spots(&text);
        let spots = spots
            .iter()
            .map(|spot| (spot.secret.clone(), spot.rule.id.as_str()));
        self.replace(&text, spots)
    }

    /// What the rules find, but for masks.
    fn spots(&self, text: &str) -> Vec<Spot> {
        let mut found = self.scanner.spots(text);
        found.retain(|spot| {
            let secret = text.get(spot.secret.clone()).unwrap_or_default();
            !secret.contains(REDACTED)
        });
        found
    }

    fn name(&self, name: &str) -> String {
        self.style.name(&Label::new(name, None, "value"))
    }

    /// Ranges in their order; what overlaps one before it is a part of that.
    fn replace<'n>(
        &self,
        text: &str,
        ranges: impl Iterator<Item = (Range<usize>, &'n str)>,
    ) -> String {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (at, name) in ranges {
            // A range that begins before the last one ended goes on under the same name.
            if at.start >= from {
                out.push_str(text.get(from..at.start).unwrap_or_default());
                out.push_str(&self.name(name));
            }
            from = from.max(at.end);
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }
}

/// `name:password` in front of the host of an address.
fn logins(text: &str) -> Vec<Range<usize>> {
    let ends =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\' | '|');
    let mut all = Vec::new();
    // Where the word ends that was looked at last, and where its last `@` stands: many addresses may
    // stand in one word, which is looked at once.
    let (mut word_end, mut last_at) = (0, None);
    for (at, scheme) in text.match_indices("://") {
        let start = at + scheme.len();
        let rest = text.get(start..).unwrap_or_default();
        if start >= word_end {
            word_end = start + rest.find(ends).unwrap_or(rest.len());
            last_at = text.get(start..word_end).and_then(|word| word.rfind('@'));
            last_at = last_at.map(|at| start + at);
        }
        let word = text.get(start..word_end).unwrap_or_default();
        let authority = word.split(['/', '?', '#']).next().unwrap_or_default();
        let login = match authority.rfind('@') {
            Some(end) => Some(end),
            // A password with a slash in it: what stands behind the colon is no port.
            None => authority.split_once(':').and_then(|(_, behind)| {
                let port = behind.bytes().all(|byte| byte.is_ascii_digit());
                let last_at = last_at.and_then(|at: usize| at.checked_sub(start));
                last_at.filter(|_| !port)
            }),
        };
        if let Some(end) = login.filter(|end| *end > 0) {
            all.push(start..start + end);
        }
    }
    all
}

/// Tokens of Vault and its family.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let bytes = text.as_bytes();
    let mut all: Vec<Range<usize>> = Vec::new();
    // The old forms are one letter: only where a path or a field begins.
    for (start, least, old) in [
        ("hvs.", 8, false),
        ("hvb.", 8, false),
        ("hvr.", 8, false),
        ("s.", 20, true),
        ("b.", 20, true),
        ("r.", 20, true),
    ] {
        let mut behind = 0;
        for (at, _) in text.match_indices(start) {
            // Within a token that was found.
            if at < behind {
                continue;
            }
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || (old && *byte == b'.')) {
                continue;
            }
            let rest = bytes.get(at + start.len()..).unwrap_or_default();
            let mut length = rest.iter().take_while(|byte| of_token(byte)).count();
            if old {
                length = rest
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric())
                    .count();
            }
            if length >= least {
                behind = at + start.len() + length;
                all.push(at..behind);
            }
        }
    }
    all.sort_by_key(|range| range.start);
    all
}

/// UUIDs behind a slash: in a path they may be the SecretID that somebody wrote there.
fn uuids(text: &str) -> Vec<Range<usize>> {
    const LENGTH: usize = 36;
    let slashes = text.match_indices('/');
    let uuid = |bytes: &[u8]| {
        bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let found = slashes.filter_map(|(at, _)| {
        let start = at + 1;
        let bytes = text.as_bytes().get(start..start + LENGTH)?;
        uuid(bytes).then_some(start..start + LENGTH)
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_secret::Secret;
    use proptest::prelude::*;

    fn looks() -> Looks {
        let mut needles = Needles::for_redaction();
        let known = Secret::new(b"hunter2-swordfish-77".to_vec());
        needles
            .add(Label::new("known", None, "value"), &known)
            .unwrap();
        Looks::new(needles)
    }

    #[test]
    fn what_looks_like_a_secret_is_masked_and_the_rest_stays() {
        let looks = looks();
        for (text, expected) in [
            ("x hunter2-swordfish-77 y", "x <redacted:known> y"),
            (
                "dial postgres://shop:kR7xmQ2vLp9@db:5432/shop failed",
                "dial postgres://<redacted:login>@db:5432/shop failed",
            ),
            ("at amqp://u:p/w@mq/", "at amqp://<redacted:login>@mq/"),
            (
                "path=\"auth/token/lookup/hvs.CAESIabcdefgh\" reason",
                "path=\"auth/token/lookup/<redacted:token>\" reason",
            ),
            (
                "/v1/x/s.abcdefghijklmnopqrstuvwx/y",
                "/v1/x/<redacted:token>/y",
            ),
            (
                "role/app/secret-id/84896a0c-1347-aa90-a4f6-aca8b7558780",
                "role/app/secret-id/<redacted:uuid>",
            ),
            ("password=sunny day", "password=<redacted:password> day"),
        ] {
            assert_eq!(looks.mask(text), expected);
            assert_eq!(looks.mask(expected), expected, "twice is once");
        }
        assert_eq!(
            looks.mask_value("db_password", "x"),
            "<redacted:db_password>"
        );
        assert_eq!(looks.mask_value("tls_key_file", "/etc/x.pem"), "/etc/x.pem");
    }

    #[test]
    fn words_of_a_log_stay_as_they_are() {
        let looks = looks();
        for text in [
            "2026-11-26T13:40:41.736Z  INFO cofferdam_core::system::loggers: a log level was changed logger=\"audit\" level=\"trace\"",
            "request failed request=84896a0c-1347-aa90-a4f6-aca8b7558780 path=\"secret/data/app\"",
            "https://127.0.0.1:8200/v1/sys/health",
            "listening on unix:///run/cofferdam/cofferdam.sock",
            "ls.d and s.short and http://localhost:8200/@x",
        ] {
            assert_eq!(looks.mask(text), text);
        }
    }

    /// Whoever writes the text does not choose what it costs: each of these has a place in every word.
    #[test]
    fn what_is_written_without_end_costs_its_length() {
        let begun = std::time::Instant::now();
        for part in ["://", "://a:b@", "://a:b", "hvs.", "/s.", "hvs.aaaaaaaa"] {
            let text = part.repeat((1 << 20) / part.len());
            let _some = (logins(&text), tokens(&text), uuids(&text));
        }
        let took = begun.elapsed();
        assert!(took < std::time::Duration::from_secs(30), "{took:?}");
    }

    #[test]
    fn every_address_of_a_word_is_looked_at() {
        let word = "a://b:c@d/e://f:g/h@i j://k:1/@l";
        let found: Vec<_> = logins(word).into_iter().map(|at| &word[at]).collect();
        assert_eq!(found, ["b:c", "f:g/h"]);
    }

    #[test]
    fn a_provider_s_token_is_found_by_its_rule() {
        let looks = looks();
        let text = format!(
            "Authorization: token ghp_{}",
            "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
        );
        assert!(!looks.mask(&text).contains("a1B2c3D4"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_is_found_in_what_was_masked(text in "[ -~]{0,60}(hvs\\.[a-z]{24}|password=|://a:b@|\"token\":\"|/s\\.)?[ -~]{0,60}") {
            static LOOKS: std::sync::OnceLock<Looks> = std::sync::OnceLock::new();
            let looks = LOOKS.get_or_init(looks);
            let masked = looks.mask(&text);
            prop_assert!(!looks.finds(&masked), "{masked}");
            prop_assert_eq!(looks.mask(&masked), masked);
        }
    }
}
