//! Whether a name says that its value is a secret.
//!
//! A name is cut into words (`DB_PASSWORD`, `dbPassword`, `db.password`), so `monkey` and `keyboard`
//! have no `key`. What a name must not be is asked first: `token_type`, `public_key` and `max_tokens`
//! stay readable, or people turn the masking off.

/// Words whose value is a secret.
const SECRET: &[&str] = &[
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "connectionstring",
    "cookie",
    "credential",
    "credentials",
    "dsn",
    "pass",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pin",
    "pwd",
    "secret",
    "secrets",
    "token",
    "tokens",
];

/// `key` is one behind these.
const KEYS: &[&str] = &[
    "access",
    "account",
    "admin",
    "api",
    "app",
    "auth",
    "client",
    "deploy",
    "encryption",
    "hmac",
    "host",
    "jwt",
    "license",
    "master",
    "private",
    "root",
    "secret",
    "service",
    "session",
    "shared",
    "signing",
    "ssh",
    "storage",
    "tls",
    "unseal",
    "webhook",
    "wrapping",
];

/// Behind a secret word these say that the value is something about it.
const ABOUT: &[&str] = &[
    "accessor",
    "age",
    "algorithm",
    "arn",
    "at",
    "changed",
    "count",
    "created",
    "date",
    "enabled",
    "endpoint",
    "expired",
    "expires",
    "expiration",
    "expiry",
    "field",
    "file",
    "format",
    "hint",
    "id",
    "ids",
    "index",
    "issuer",
    "kind",
    "label",
    "last",
    "length",
    "level",
    "limit",
    "max",
    "method",
    "min",
    "mode",
    "name",
    "names",
    "needed",
    "number",
    "path",
    "policies",
    "policy",
    "prefix",
    "provider",
    "ref",
    "required",
    "reset",
    "scheme",
    "scope",
    "size",
    "source",
    "status",
    "time",
    "ttl",
    "type",
    "types",
    "updated",
    "uri",
    "url",
    "usage",
    "used",
    "valid",
    "version",
];

/// Before a secret word these say that it is none: pages and counts, parts of a language model's bill.
const OTHER: &[&str] = &[
    "cached",
    "cancellation",
    "completion",
    "continuation",
    "input",
    "max",
    "min",
    "next",
    "no",
    "num",
    "output",
    "page",
    "pagination",
    "previous",
    "prompt",
    "public",
    "reasoning",
    "remaining",
    "required",
    "sync",
    "total",
    "use",
];

/// Whether the value behind `name` is to be masked.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let last = (0..words.len()).rev().find(|&at| {
        let before = at
            .checked_sub(1)
            .and_then(|before| words.get(before))
            .copied();
        match (before, words.get(at).copied()) {
            (_, Some(word)) if SECRET.contains(&word) => true,
            (Some("connection"), Some("string")) => true,
            (Some(before), Some("key" | "keys")) => KEYS.contains(&before),
            _ => false,
        }
    });
    let Some(last) = last else {
        return false;
    };
    let (before, rest) = words.split_at(last);
    let about = rest.iter().skip(1).any(|word| ABOUT.contains(word));
    let other = before.last().is_some_and(|word| OTHER.contains(word));
    // `auth` alone names a method or an address as often as a secret.
    let alone = matches!(rest.first(), Some(&"auth")) && rest.len() > 1;
    !(about || other || alone)
}

/// The words of a name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        let next_is_lower = characters.peek().is_some_and(char::is_ascii_lowercase);
        let hump = c.is_ascii_uppercase()
            && (before.is_ascii_lowercase() || (before.is_ascii_uppercase() && next_is_lower));
        if hump || !c.is_ascii_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_ascii_alphanumeric(), words.last_mut()) {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known() {
        for name in [
            "password",
            "DB_PASSWORD",
            "dbPassword",
            "db.password",
            "MYSQL_ROOT_PASSWORD",
            "passwd",
            "pwd",
            "api_key",
            "apiKey",
            "APIKey",
            "X-Api-Key",
            "aws_secret_access_key",
            "privateKey",
            "access_token",
            "refreshToken",
            "token",
            "client_secret",
            "secret",
            "Authorization",
            "cookie",
            "Set-Cookie",
            "SECRET_KEY_BASE_PASSWORD",
            "connectionString",
            "DSN",
            "ssh-key",
            "unseal_keys",
            "APP_KEY",
            "passphrase",
            "credentials",
            "auth",
            "vault_token2_secret",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn names_that_only_sound_like_it_are_left() {
        for name in [
            "monkey",
            "keyboard",
            "key",
            "keys",
            "public_key",
            "publicKey",
            "token_type",
            "key_id",
            "access_key_id",
            "tokenType",
            "max_tokens",
            "total_tokens",
            "next_page_token",
            "nextToken",
            "page_token",
            "primary_key",
            "cache_key",
            "sort_key",
            "partition_key",
            "idempotency_key",
            "password_policy",
            "passwordChangedAt",
            "secret_name",
            "secretArn",
            "password_file",
            "PGPASSFILE",
            "token_ttl",
            "expires",
            "compass",
            "bypass",
            "passenger",
            "author",
            "authority",
            "authenticated",
            "auth_method",
            "auth_url",
            "secretary",
            "tokenizer",
            "hotkey",
            "turkey",
            "",
            "user",
            "api",
            "spinner",
            "shipping",
            "token_accessor",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
