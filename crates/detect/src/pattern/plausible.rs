//! Whether a value can be a secret at all: no placeholder, no reference, no identifier, random enough.

use super::words::Sense;

/// Shannon entropy of the bytes, in bits per byte.
pub(super) fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in value {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "values are shorter than 2^52 bytes"
    )]
    let total = value.len() as f64;
    let of = |count: u32| {
        let share = f64::from(count) / total;
        -share * share.log2()
    };
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| of(count))
        .sum()
}

/// Pieces of text that stand where a value is to be filled in (all in lower case).
const FILL_IN: &[&str] = &[
    "example",
    "changeme",
    "change_me",
    "change-me",
    "changeit",
    "placeholder",
    "your_",
    "your-",
    "yourpass",
    "yourtoken",
    "yoursecret",
    "yourkey",
    "yourapi",
    "xxxx",
    "****",
    "....",
    "----",
    "____",
    "redacted",
    "dummy",
    "replace",
    "insert",
    "todo",
    "fixme",
    "foobar",
    "my-secret",
    "my_secret",
    "mysecret",
    "mypassword",
    "my_password",
    "my-password",
    "mytoken",
    "supersecret",
    "super_secret",
    "super-secret",
    "topsecret",
    "notsecret",
    "notasecret",
    "not-a-secret",
    "secret_here",
    "key_here",
    "token_here",
    "_here",
    "enter_",
    "sample",
    "lorem",
    "abcdefgh",
    "1234567",
    "12345678",
    "01234567",
    "deadbeef",
    "qwertyuiop",
    "asdfgh",
    "fake",
    "mock",
    "none",
    "undefined",
    "omitted",
    "hidden",
    "masked",
    "encrypted",
    "<redacted",
    "removed",
    "test-only",
    "no-secret",
    "unused",
    "correcthorse",
    "000000000",
    "aaaaaaaa",
    "11111111",
    "00000000",
];

/// Values that published specifications and manuals use, and that everybody copies.
const PUBLISHED: &[&str] = &[
    // RFC 7617, RFC 6749, RFC 6750, RFC 6455.
    "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    "czZCaGRSa3F0MzpnWDFmQmF0M2JW",
    "7Fjfp0ZBr1KtDRbnfVdmIw",
    "gX1fBat3bV",
    "2YotnFZFEjr1zCsicMWpAA",
    "tGzv3JOkF0XG5Qx2TlKWIA",
    "SplxlOBeZQQYbYS6WxSbIA",
    "mF_9.B5f-4.1JqM",
    "dGhlIHNhbXBsZSBub25jZQ==",
    // The store emulator of Azure has one key, which its manual prints.
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
];

/// Whole values that everybody types into documentation (all in lower case).
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "pass",
    "passwort",
    "pwd",
    "secret",
    "token",
    "key",
    "apikey",
    "user",
    "username",
    "admin",
    "root",
    "guest",
    "test",
    "testing",
    "tester",
    "demo",
    "default",
    "null",
    "nil",
    "true",
    "false",
    "none",
    "empty",
    "string",
    "value",
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongo",
    "mongodb",
    "redis",
    "rabbitmq",
    "elastic",
    "minio",
    "minioadmin",
    "letmein",
    "hello",
    "foo",
    "bar",
    "baz",
    "qux",
    "abc",
    "abcd",
    "abc123",
    "admin123",
    "password1",
    "password123",
    "pass123",
    "test123",
    "test1234",
    "secret123",
    "hunter2",
    "qwerty",
    "1234",
    "12345",
    "123456",
    "optional",
    "required",
    "disabled",
    "enabled",
    "basic",
    "bearer",
    "digest",
    "public",
    "private",
    "prompt",
    "ask",
    "development",
    "production",
    "staging",
    "local",
    "localhost",
    "p@ssw0rd",
    "passw0rd",
    "pa$$word",
    "toor",
    "sa",
    "pw",
    "p",
    "x",
    "xxx",
    "yyy",
    "zzz",
    "...",
];

/// Whether a value stands for another one: a template, a variable, words to be replaced.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    is_reference(text)
        || WORDS.contains(&lower.as_str())
        || PUBLISHED.contains(&text)
        || FILL_IN
            .iter()
            .any(|part| super::literals::contains_lower(&lower, part))
        || monotonous(text.as_bytes())
}

/// A template, a variable, or a call: something that is filled in later.
fn is_reference(text: &str) -> bool {
    let bytes = text.as_bytes();
    let paired = |open: &str, close: &str| {
        text.find(open)
            .is_some_and(|at| text.get(at..).is_some_and(|rest| rest.contains(close)))
    };
    paired("${", "}")
        || paired("$(", ")")
        || paired("{{", "}}")
        || paired("<%", "%>")
        || paired("#{", "}")
        || paired("@{", "}")
        || paired("$[", "]")
        || (bytes.first() == Some(&b'<') && bytes.last() == Some(&b'>'))
        || (bytes.first() == Some(&b'[') && bytes.last() == Some(&b']'))
        || (bytes.first() == Some(&b'{') && bytes.last() == Some(&b'}'))
        || (bytes.first() == Some(&b'%') && bytes.last() == Some(&b'%'))
        || (bytes.first() == Some(&b'_') && bytes.last() == Some(&b'_'))
        || (bytes.first() == Some(&b'$') && is_identifier(bytes.get(1..).unwrap_or_default()))
        || (bytes.first() == Some(&b'@') && is_identifier(bytes.get(1..).unwrap_or_default()))
        || [
            "%s",
            "%d",
            "%v",
            "%q",
            "%@",
            "!ref",
            "!sub",
            "vault:",
            "op://",
            "cd://",
            "se://",
            "arn:aws",
            "ssm:",
            "secretref:",
            "env:",
            "file://",
            "file:",
            "data:",
            "process.env",
            "os.environ",
            "env[",
        ]
        .iter()
        .any(|form| text.to_ascii_lowercase().starts_with(form))
        || text.contains("%(")
        || text.contains("%s")
}

fn is_identifier(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-'))
}

/// One character, or very few, again and again.
fn monotonous(value: &[u8]) -> bool {
    let mut seen: Vec<u8> = Vec::new();
    for &byte in value {
        if !seen.contains(&byte) {
            seen.push(byte);
        }
        if seen.len() > 3 {
            return false;
        }
    }
    value.len() >= 6 || seen.len() <= 1
}

/// Words that turn something on or off.
pub(super) fn is_switch(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    matches!(
        lower.as_str(),
        "yes" | "no" | "true" | "false" | "on" | "off" | "0" | "1" | "none" | "null"
    )
}

/// `8-4-4-4-12` hexadecimal digits (RFC 9562).
pub(super) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A path or an address: where a secret is, not what it is.
fn is_place(text: &str) -> bool {
    text.contains("://")
        || text.starts_with("./")
        || text.starts_with("../")
        || text.starts_with("~/")
        || (text.starts_with('/')
            && text.matches('/').count() >= 2
            && !random(text.as_bytes(), 4.3))
        || (text.starts_with('/') && text.bytes().filter(u8::is_ascii_digit).count() == 0)
        || text.contains(":\\")
}

/// What the characters of a value are.
#[derive(Default)]
struct Mix {
    lower: usize,
    upper: usize,
    digits: usize,
    others: usize,
    joints: usize,
}

fn mix(value: &[u8]) -> Mix {
    let mut mix = Mix::default();
    for byte in value {
        match byte {
            b'a'..=b'z' => mix.lower += 1,
            b'A'..=b'Z' => mix.upper += 1,
            b'0'..=b'9' => mix.digits += 1,
            b'_' | b'-' | b'.' | b':' | b'/' | b' ' => mix.joints += 1,
            _ => mix.others += 1,
        }
    }
    mix
}

fn random(value: &[u8], bits: f64) -> bool {
    entropy(value) >= bits
}

/// Words put together: `database-password`, `UserTokenV2`, `my.config.key`.
fn reads_like_a_name(value: &[u8]) -> bool {
    let mix = mix(value);
    if mix.others > 0 {
        return false;
    }
    // A name has few digits, and they stand at the ends of its words.
    let mut broken = 0;
    for pair in value.windows(2) {
        if let [a, b] = pair
            && a.is_ascii_digit()
            && b.is_ascii_lowercase()
        {
            broken += 1;
        }
    }
    if mix.digits > 3 || broken > 0 {
        return false;
    }
    // Names alternate slowly between cases; random text does not.
    let switches = value
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
        .count();
    let doubled = value
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase()))
        .count();
    let mixed = mix.lower > 0 && mix.upper > 0;
    !mixed || (switches * 4 <= value.len() && doubled * 4 <= value.len())
}

/// For each letter the letters that often follow it in names and words, counted over the identifiers of
/// a standard library: 190 of 676 pairs, which make 83 % of all.
const FOLLOWERS: [&[u8]; 26] = [
    b"bcdgilmnprstuy",
    b"aeilou",
    b"aehiklorstu",
    b"adeilos",
    b"acdefglmnprstvx",
    b"aefilor",
    b"eirs",
    b"aeio",
    b"abcdefglmnoprstvz",
    b"",
    b"e",
    b"adeilostuy",
    b"aeiops",
    b"acdefgiostuv",
    b"bcdglmnoprstuw",
    b"aeiloprst",
    b"u",
    b"acdeilmorst",
    b"acehilopstu",
    b"acehiloprstuy",
    b"beilmnprst",
    b"aei",
    b"i",
    b"t",
    b"p",
    b"e",
];

/// Whether the letters follow each other as in words. Of 24 random letters and digits not one in a
/// hundred does.
pub(super) fn wordy(value: &[u8]) -> bool {
    let (mut pairs, mut usual) = (0_usize, 0_usize);
    for pair in value.windows(2) {
        if let [a, b] = pair
            && a.is_ascii_alphabetic()
            && b.is_ascii_alphabetic()
        {
            pairs += 1;
            let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
            let followers = FOLLOWERS.get(usize::from(a - b'a')).copied();
            usual += usize::from(followers.unwrap_or_default().contains(&b));
        }
    }
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    pairs >= 8 && usual * 100 >= pairs * 62 && digits * 4 < value.len()
}

/// `getpwnam(argv[1])`: a name and an opened bracket.
fn is_call(value: &[u8]) -> bool {
    let name = value
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"_.:>-&*".contains(byte))
        .count();
    value.get(name) == Some(&b'(')
}

/// A UUID with a word before or behind it.
fn holds_uuid(value: &[u8]) -> bool {
    value.len() > 36 && value.len() < 60 && value.windows(36).any(is_uuid)
}

/// Text that was escaped for a page or a source file: `&#x3C;`, `\\u0066`.
fn is_escaped(text: &str) -> bool {
    text.contains("&#") || text.contains("&lt;") || text.matches("\\u").count() > 1
}

/// How a value stands in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Between quotes.
    pub(super) quoted: bool,
    /// Its name is all capitals, as in the environment.
    pub(super) capitals: bool,
}

/// Whether a value under a telling name may be what the name says.
pub(super) fn fits(sense: Sense, value: &[u8], setting: Setting) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    if value.len() < 5
        || value.len() > 1024
        || is_placeholder(value)
        || is_place(text)
        || is_uuid(value)
        || holds_uuid(value)
        || is_escaped(text)
        || (!setting.quoted && (is_call(value) || matches!(value.first(), Some(b':' | b'-'))))
    {
        return false;
    }
    match sense {
        Sense::Password => password(text, setting),
        Sense::Token => token(value, 15, 3.0),
        Sense::Secret => {
            token(value, 12, 2.9)
                || (strong_password(value) && !wordy(value) && password(text, setting))
        }
        // Forty capital digits are the fingerprint of a key and not a key.
        Sense::Perhaps => {
            let fingerprint = value.len() == 40
                && value
                    .iter()
                    .all(|byte| byte.is_ascii_digit() || matches!(byte, b'A'..=b'F'));
            !fingerprint && token(value, 20, 3.4)
        }
    }
}

fn password(text: &str, setting: Setting) -> bool {
    let value = text.as_bytes();
    let mix = mix(value);
    if value.len() > 128 || text.chars().any(char::is_whitespace) || !text.is_ascii() {
        return false;
    }
    // `password= passphrase=`, and a word with a full stop: the end of a sentence.
    if !setting.quoted && (text.ends_with('=') || text.ends_with('.')) && mix.digits == 0 {
        return false;
    }
    if !setting.quoted && wordy(value) && mix.digits * 6 < value.len() && text.contains('_') {
        return false;
    }
    if text.ends_with('(') || text.contains("()") || text.contains("](") || text.contains("=>") {
        return false;
    }
    if super::words::sense(text).is_some()
        || crate::pattern::words::split(text)
            .iter()
            .any(|word| word == "password")
    {
        return false;
    }
    if mix.lower + mix.upper == 0 {
        // Numbers alone are counters, ports and PINs.
        return mix.others > 0 && mix.digits > 0 && value.len() >= 8;
    }
    if mix.digits == 0 && mix.others == 0 {
        // Letters alone: an identifier or a label, unless the place says otherwise.
        let single = mix.joints == 0 && (mix.lower == 0 || mix.upper == 0);
        let camel = mix.lower > 0 && mix.upper > 0;
        return value.len() >= 8
            && ((setting.capitals
                && (single || (camel && !reads_like_a_name(value)))
                && random(value, 2.75))
                || (value.len() >= 12 && !reads_like_a_name(value) && random(value, 3.3)));
    }
    if !setting.quoted
        && !setting.capitals
        && mix.others == 0
        && mix.digits < 2
        && reads_like_a_name(value)
    {
        return false;
    }
    // `$1`, `a.b[0]`, `x->y`, `foo(bar)`: code, not text.
    let code = [".", "->", "(", ")", "["]
        .iter()
        .filter(|mark| text.contains(*mark))
        .count();
    if !setting.quoted && code > 0 && mix.joints + mix.others <= 3 && mix.digits < 2 {
        return false;
    }
    random(value, 1.9)
}

/// Letters, digits and something else, or three kinds of characters.
pub(super) fn strong_password(value: &[u8]) -> bool {
    let mix = mix(value);
    let kinds = [mix.lower, mix.upper, mix.digits, mix.others];
    value.len() >= 8 && kinds.iter().filter(|&&count| count > 0).count() >= 3
}

fn token(value: &[u8], shortest: usize, bits: f64) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-.~:%|!@#$^&*".contains(byte);
    if value.len() < shortest || value.len() > 512 || !value.iter().all(allowed) {
        return false;
    }
    let mix = mix(value);
    if mix.digits == 0 && (mix.lower == 0 || mix.upper == 0) {
        return false;
    }
    if mix.lower + mix.upper == 0 {
        return false;
    }
    let hexadecimal = value.iter().all(u8::is_ascii_hexdigit);
    if hexadecimal {
        return value.len() >= 20 && random(value, bits.min(3.0));
    }
    if reads_like_a_name(value) || wordy(value) {
        return false;
    }
    // A short text cannot reach the entropy of a long one.
    let wanted = if value.len() < 20 { bits } else { bits + 0.3 };
    random(value, wanted) && !sentence_of_names(value)
}

/// Several words with separators and a digit here and there: `us-east-1-prod-bucket`.
fn sentence_of_names(value: &[u8]) -> bool {
    let parts: Vec<&[u8]> = value.split(|byte| b"_-./:".contains(byte)).collect();
    if parts.len() < 3 {
        return false;
    }
    let plain = parts
        .iter()
        .filter(|part| {
            let mix = mix(part);
            part.len() <= 12
                && (mix.digits == 0 || mix.lower + mix.upper == 0 || mix.digits <= 1)
                && (mix.upper == 0 || mix.lower == 0 || mix.upper == 1)
        })
        .count();
    plain * 3 >= parts.len() * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTED: Setting = Setting {
        quoted: true,
        capitals: false,
    };
    const CAPITALS: Setting = Setting {
        quoted: false,
        capitals: true,
    };
    const BARE: Setting = Setting {
        quoted: false,
        capitals: false,
    };

    #[test]
    fn what_is_to_be_filled_in_is_no_secret() {
        for value in [
            "changeme",
            "${DB_PASSWORD}",
            "$DB_PASSWORD",
            "<your-key>",
            "{{ .Values.password }}",
            "%PASSWORD%",
            "xxxxxxxxxxxx",
            "************",
            "your_api_key_here",
            "AKIAIOSFODNN7EXAMPLE",
            "%(password)s",
            "process.env.TOKEN",
            "op://vault/db/password",
            "$(cat /run/secrets/x)",
            "aaaaaaaaaaaa",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
        for value in ["c0rrect-h0rse", "Tr0ub4dor&3", "s8Kd93jfLq0x"] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn passwords_of_people_are_seen_and_code_is_not() {
        for (value, setting) in [
            ("Tr0ub4dor&3", QUOTED),
            ("s3cr3tP4ss", BARE),
            ("kV9!xQ2#", BARE),
            ("blauwal77", QUOTED),
            ("wintergarten", CAPITALS),
        ] {
            assert!(fits(Sense::Password, value.as_bytes(), setting), "{value}");
        }
        for (value, setting) in [
            ("getPassword()", BARE),
            ("config.password", BARE),
            ("user_password", QUOTED),
            ("Passwort", QUOTED),
            ("Enter your password", QUOTED),
            ("/run/secrets/db", QUOTED),
            ("request.form", BARE),
            ("password2", BARE),
            ("123456", QUOTED),
            ("required", QUOTED),
        ] {
            assert!(!fits(Sense::Password, value.as_bytes(), setting), "{value}");
        }
    }

    #[test]
    fn tokens_are_random() {
        for value in [
            "9f8Ab3kQz71LmXw02PdR",
            "3f786850e387550fdab836ed7e6dc881",
            "aGVsbG8gd29ybGQ0Mjg5Mw==",
        ] {
            assert!(fits(Sense::Token, value.as_bytes(), QUOTED), "{value}");
        }
        for value in [
            "access_token_secret",
            "getAccessTokenFromStorage",
            "us-east-1-prod-bucket-2",
            "oauth2.token.refresh",
            "123e4567-e89b-12d3-a456-426614174000",
            "https://a.example/token1",
            "AccessTokenManagerV2",
            "list[V1LocalObjectReference]",
            "base64encodedaccountkey",
            "token-f5b56c05-09b0-4d17-8d8c-c75d8a67b806",
            "i2d_ECPrivateKey",
        ] {
            assert!(!fits(Sense::Token, value.as_bytes(), QUOTED), "{value}");
        }
    }
}
