//! What a value says about itself: tokens of known form, private keys, passwords in addresses, and
//! text that is too random for a setting.
//!
//! Forms are those that the issuers publish so that scanners can find them (GitHub, GitLab, Slack,
//! Stripe, AWS and others document their prefixes). Everything here is linear in the value.

/// A published beginning, how many characters of a token follow it at least, and what it is.
const FORMS: &[(&str, usize, &str)] = &[
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghu_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("ghr_", 36, "a GitHub token"),
    ("github_pat_", 50, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("xapp-", 20, "a Slack token"),
    ("sk_live_", 16, "a Stripe key"),
    ("rk_live_", 16, "a Stripe key"),
    ("hvs.", 20, "a Vault token"),
    ("hvb.", 20, "a Vault token"),
    ("hvr.", 20, "a Vault token"),
    ("npm_", 36, "an npm token"),
    ("pypi-AgE", 50, "a PyPI token"),
    ("dckr_pat_", 20, "a Docker token"),
    ("SG.", 40, "a SendGrid key"),
    ("AIza", 35, "a Google API key"),
    ("sk-ant-", 32, "an Anthropic key"),
    ("sk-proj-", 32, "an OpenAI key"),
    ("hf_", 34, "a Hugging Face token"),
    ("dop_v1_", 64, "a DigitalOcean token"),
    ("shpat_", 32, "a Shopify token"),
    ("AGE-SECRET-KEY-1", 50, "an age key"),
];

/// The shortest of them, in bytes.
const SHORTEST: usize = 20;

/// Shortest value that is called random, in bytes, and its least information a byte, in bits.
const RANDOM_LENGTH: usize = 24;
const RANDOM_BITS: f64 = 3.9;

/// What a text holds that is certainly a secret, wherever it stands.
pub(super) fn form(text: &str) -> Option<&'static str> {
    // Most words are shorter than any token.
    if text.len() < SHORTEST {
        return address(text);
    }
    FORMS
        .iter()
        .find(|(prefix, least, _)| has_token(text, prefix, *least))
        .map(|(.., what)| *what)
        .or_else(|| private_key(text))
        .or_else(|| web_token(text))
        .or_else(|| address(text))
}

/// What a whole value looks like.
pub(super) fn whole(value: &str) -> Option<&'static str> {
    form(value).or_else(|| is_random(value).then_some("a random key"))
}

/// A value that is no secret whatever its name says: nothing, a yes or no, a path, a reference, a
/// placeholder that somebody else fills in.
pub(super) fn is_harmless(value: &str) -> bool {
    let value = value.trim();
    const WORDS: &[&str] = &[
        "", "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null", "nil", "enabled",
        "disabled",
    ];
    const REFERENCES: &[&str] = &["se://", "cd://", "cofferdam:", "op://", "arn:aws:"];
    // Callers ask for every tail of one word: nothing here may copy or walk the whole of it.
    let begins = |with: &&str| {
        let begin = value.as_bytes().get(..with.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(with.as_bytes()))
    };
    WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
        || REFERENCES.iter().any(begins)
        || is_path(value)
        || is_placeholder(value)
}

fn is_path(value: &str) -> bool {
    let begins = ["/", "./", "../", "~/", "file:/"];
    let path =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '~' | ':' | '@');
    begins.iter().any(|begin| value.starts_with(begin))
        && value.chars().all(path)
        && !value.split('/').any(is_random)
}

fn is_placeholder(value: &str) -> bool {
    let name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' '))
    };
    let inside = |open: &str, close: &str| {
        value
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(name)
    };
    inside("${", "}")
        || inside("{{", "}}")
        || inside("<", ">")
        || value.strip_prefix('$').is_some_and(name)
}

/// The prefix at the beginning of a word, and enough of a token behind it.
fn has_token(text: &str, prefix: &str, least: usize) -> bool {
    let token = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    text.match_indices(prefix).any(|(at, _)| {
        let before = text.as_bytes().get(at.wrapping_sub(1));
        let begins = at == 0 || before.is_some_and(|b| !b.is_ascii_alphanumeric());
        let behind = text.as_bytes().get(at + prefix.len()..).unwrap_or_default();
        begins && behind.iter().take_while(|b| token(b)).take(least).count() >= least
    })
}

fn private_key(text: &str) -> Option<&'static str> {
    let (_, behind) = text.split_once("-----BEGIN ")?;
    // RFC 7468 labels are short.
    let label = behind.split("-----").next().unwrap_or_default();
    (label.len() < 64 && label.ends_with("PRIVATE KEY")).then_some("a private key")
}

/// Three parts of base64url, the first of them a JSON object (RFC 7519).
fn web_token(text: &str) -> Option<&'static str> {
    let of_a_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    // The last three parts of a run: a token has no fourth behind it.
    let signed = |run: &str| {
        let mut parts = run.rsplit('.');
        let (signature, claims, head) = (parts.next(), parts.next(), parts.next());
        let head = head.and_then(|head| head.get(head.find("eyJ")?..));
        [head, claims, signature]
            .iter()
            .all(|part| part.is_some_and(|part| part.len() >= 16))
    };
    text.split(|c| !of_a_token(c))
        .any(signed)
        .then_some("a web token")
}

/// `scheme://user:password@host` with a password that is none of the usual stand-ins.
fn address(text: &str) -> Option<&'static str> {
    text.match_indices("://").find_map(|(at, mark)| {
        let behind = text.get(at + mark.len()..)?;
        let authority = behind
            // People write a raw # into passwords, which RFC 3986 forbids.
            .split(['/', '?', ' ', '\t', '\n', '"', '\'', ',', ';'])
            .next()?;
        let (user, _) = authority.rsplit_once('@')?;
        let (_, password) = user.split_once(':')?;
        let stand_in = password
            .bytes()
            .all(|b| b == b'*' || b == b'x' || b == b'X');
        (!stand_in && !is_harmless(password)).then_some("an address with a password")
    })
}

/// Longer than a setting, of letters in both cases and digits, without the form of a digest, a UUID,
/// a version or a path, and with much information in each byte.
fn is_random(value: &str) -> bool {
    let bytes = value.as_bytes();
    if bytes.len() < RANDOM_LENGTH || bytes.len() > 4096 {
        return false;
    }
    let of_a_key =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-');
    let has = |kind: fn(&u8) -> bool| bytes.iter().any(kind);
    bytes.iter().all(of_a_key)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && !bytes.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-')
        && information(bytes) >= RANDOM_BITS
        && !has_words(value)
}

/// Names that are put together from words have long runs of one case between their separators.
fn has_words(value: &str) -> bool {
    let mut longest = 0_usize;
    let mut run = 0_usize;
    for byte in value.bytes() {
        run = if byte.is_ascii_lowercase() {
            run + 1
        } else {
            0
        };
        longest = longest.max(run);
    }
    longest >= 7
}

/// Bits a byte, by the value's own frequencies.
#[expect(clippy::cast_precision_loss, reason = "lengths of at most 4096")]
fn information(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = bytes.len() as f64;
    let share = counts.iter().filter(|count| **count > 0);
    share
        .map(|count| f64::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put together here, so that no scanner takes this file for a leak.
    fn token(prefix: &str, length: usize) -> String {
        let body = "A1b2C3d4E5f6G7h8J9k0".repeat(6);
        format!("{prefix}{}", &body[..length])
    }

    #[test]
    fn nothing_shorter_than_the_shortest_is_missed() {
        let shortest = FORMS
            .iter()
            .map(|(prefix, least, _)| prefix.len() + least)
            .min();
        assert_eq!(shortest, Some(SHORTEST));
    }

    #[test]
    fn every_published_form_is_known_and_needs_its_length() {
        for (prefix, least, what) in FORMS {
            let whole = token(prefix, *least);
            assert_eq!(form(&whole), Some(*what), "{prefix}");
            assert_eq!(
                form(&format!("x: {whole};")),
                Some(*what),
                "{prefix} inside"
            );
            assert_eq!(form(&token(prefix, least - 1)), None, "{prefix} too short");
            assert_eq!(form(&format!("a{whole}")), None, "{prefix} inside a word");
        }
    }

    #[test]
    fn keys_tokens_and_addresses_are_known() {
        for (text, what) in [
            (
                ["-----BEGIN ", "RSA PRIVATE KEY-----\nMII"].concat(),
                "a private key",
            ),
            (
                format!(
                    "Bearer {}.{}.{}",
                    token("eyJ", 20),
                    token("eyJ", 20),
                    token("", 30)
                ),
                "a web token",
            ),
            (
                "postgres://app:hunter2#9@db/app".to_owned(),
                "an address with a password",
            ),
            (
                "amqp://u:p%40ss@mq:5672".to_owned(),
                "an address with a password",
            ),
            (token("", 40), "a random key"),
        ] {
            assert_eq!(whole(&text), Some(what), "{text}");
        }
    }

    #[test]
    fn settings_are_left_alone() {
        for text in [
            "production",
            "3600",
            "/run/secrets/x",
            "postgres://app@db/app",
            "https://u:${PASSWORD}@host",
            "https://user:xxxxx@host",
            "redis://:@host",
            "sha256:4bdbc3d4d5b1a5e0f8a4c6b8d2e9f1a3b5c7d9e1f3a5b7c9d1e3f5a7b9c1d3e5",
            "123e4567-e89b-12d3-a456-426614174000",
            "org.example.ApplicationConfiguration1",
            "-Xmx2G -XX:MaxMetaspaceSize=512m -Dspring.profiles.active=Production",
            "eu-central-1,Cluster-Node-01.Example-Internal.net",
            "-----BEGIN PUBLIC KEY-----",
            "2026-11-25T17:59:06Z",
            "E3FF2839C048B25C084DEBE9B26995E310250568",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_evidently_no_secret_is_harmless() {
        for value in [
            "",
            "true",
            "No",
            "/run/secrets/x",
            "./key.pem",
            "se://prod/db",
            "cd://secret/app#x",
            "${DB_PASSWORD}",
            "$DB_PASSWORD",
            "<your-key>",
            "{{ token }}",
        ] {
            assert!(is_harmless(value), "{value}");
        }
        let random_path = format!("/{}", token("", 40));
        for value in [
            "hunter2",
            "/a+b=",
            &random_path,
            "${a}b",
            "$2y$10$abc",
            "changeme",
        ] {
            assert!(!is_harmless(value), "{value}");
        }
    }
}
