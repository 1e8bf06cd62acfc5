//! What the name of a value says about it.
//!
//! A name is cut into words (`dbPassword`, `DB_PASSWORD` and `db-password` are the same two), and the
//! words decide. So a *monkey* is no key, a `password_hash` no password and a `token_url` no token.

/// What kind of secret a name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    /// Chosen by a person, perhaps: any form.
    Password,
    /// Made by a machine: long and without sense.
    Token,
    /// Either.
    Secret,
    /// A machine's, if it looks very much so: `FOO_KEY`.
    Perhaps,
}

const PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "pass",
    "pw",
    "psw",
    "passwort",
    "userpass",
    "dbpass",
    "mdp",
    "contrasena",
    "senha",
    "userpassword",
    "requirepass",
    "userpwd",
    "masterauth",
];
const TOKENS: &[&str] = &["token", "bearer", "jwt", "pat", "authtoken", "accesstoken"];
const SECRETS: &[&str] = &[
    "secret",
    "credential",
    "credentials",
    "creds",
    "cred",
    "pepper",
];

/// Endings of words that are written together.
const JOINED: &[(&str, Sense)] = &[
    ("password", Sense::Password),
    ("passwd", Sense::Password),
    ("passphrase", Sense::Password),
    ("apikey", Sense::Token),
    ("accesskey", Sense::Token),
    ("secretkey", Sense::Secret),
    ("privatekey", Sense::Token),
    ("authkey", Sense::Token),
    ("masterkey", Sense::Token),
    ("signingkey", Sense::Token),
    ("encryptionkey", Sense::Token),
    ("accountkey", Sense::Token),
    ("licensekey", Sense::Token),
    ("token", Sense::Token),
    ("secret", Sense::Secret),
];

/// What stands before `key` where it is one that opens something.
const KEYS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "encryption",
    "encrypt",
    "signing",
    "sign",
    "signature",
    "master",
    "auth",
    "authentication",
    "authorization",
    "account",
    "storage",
    "service",
    "license",
    "shared",
    "ssh",
    "deploy",
    "session",
    "cookie",
    "crypto",
    "crypt",
    "cipher",
    "hmac",
    "jwt",
    "aes",
    "rsa",
    "ed25519",
    "webhook",
    "integration",
    "admin",
    "server",
    "write",
    "ingest",
    "subscription",
    "functions",
    "host",
    "salt",
    "recovery",
    "unseal",
    "root",
    "management",
    "personal",
    "tls",
];

/// What stands before `key` where it opens nothing.
const NO_KEYS: &[&str] = &[
    "public",
    "primary",
    "foreign",
    "cache",
    "sort",
    "partition",
    "row",
    "hash",
    "object",
    "map",
    "index",
    "i18n",
    "message",
    "translation",
    "group",
    "lookup",
    "range",
    "unique",
    "idempotency",
    "composite",
    "natural",
    "surrogate",
    "routing",
    "dict",
    "config",
    "property",
    "field",
    "column",
    "metric",
    "label",
    "tag",
    "menu",
    "shortcut",
    "hot",
    "accelerator",
    "sort",
    "issue",
    "project",
    "space",
    "s3",
    "registry",
    "localization",
    "resource",
    "queue",
    "redis",
    "binding",
    "enter",
    "tab",
    "arrow",
    "event",
    "return",
    "escape",
    "modifier",
    "meta",
    "ctrl",
    "alt",
    "shift",
    "pressed",
    "websocket",
    "socket",
    "accept",
    "install",
    "manager",
    "gpg",
    "pgp",
];

/// What stands before `token` where it opens nothing: the place in a list, a try of a request.
const NO_TOKENS: &[&str] = &[
    "next",
    "page",
    "continuation",
    "pagination",
    "cancellation",
    "cancel",
    "sync",
    "resume",
    "starting",
    "marker",
    "idempotency",
    "request",
    "stop",
    "end",
    "eos",
    "bos",
    "pad",
    "mask",
    "unk",
    "sep",
    "cls",
];

/// Words after which a name is about a secret and not one.
const ABOUT: &[&str] = &[
    "hash",
    "hashed",
    "digest",
    "checksum",
    "sha",
    "sha1",
    "sha256",
    "md5",
    "fingerprint",
    "thumbprint",
    "type",
    "url",
    "uri",
    "endpoint",
    "name",
    "names",
    "id",
    "ids",
    "arn",
    "path",
    "file",
    "filename",
    "dir",
    "directory",
    "location",
    "policy",
    "length",
    "len",
    "size",
    "count",
    "limit",
    "min",
    "max",
    "ttl",
    "expiry",
    "expires",
    "expiration",
    "expire",
    "lifetime",
    "age",
    "duration",
    "timeout",
    "label",
    "title",
    "text",
    "placeholder",
    "hint",
    "message",
    "msg",
    "error",
    "errors",
    "regex",
    "pattern",
    "format",
    "prefix",
    "suffix",
    "header",
    "ref",
    "reference",
    "version",
    "class",
    "style",
    "input",
    "form",
    "reset",
    "enabled",
    "required",
    "valid",
    "invalid",
    "validator",
    "validation",
    "strength",
    "algorithm",
    "alg",
    "usage",
    "provider",
    "source",
    "scope",
    "scopes",
    "issuer",
    "audience",
    "index",
    "field",
    "column",
    "env",
    "var",
    "variable",
    "description",
    "help",
    "kind",
    "mode",
    "at",
    "date",
    "time",
    "count",
    "counts",
    "manager",
    "service",
    "store",
    "storage",
    "rotation",
    "bits",
    "number",
    "present",
    "set",
    "exists",
    "changed",
    "updated",
    "created",
    "callback",
    "handler",
    "fn",
    "func",
    "generator",
    "encoder",
    "parser",
    "lexer",
    "stream",
    "list",
    "map",
    "cache",
    "bucket",
    "budget",
    "confirmation",
    "requirements",
    "recovery",
    "forgot",
    "link",
    "button",
    "icon",
    "command",
    "script",
];

/// Names that say that nothing is secret, wherever they stand in it.
const NEVER: &[&str] = &[
    "public",
    "csrf",
    "xsrf",
    "nonce",
    "checksum",
    "integrity",
    "example",
    "sample",
    "dummy",
    "fake",
    "mock",
];

/// The words of a name, in lower case.
pub(super) fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut current = String::new();
    let characters: Vec<char> = name.chars().collect();
    for (at, &c) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| characters.get(at)).copied();
        let after = characters.get(at + 1).copied();
        let humps = c.is_ascii_uppercase()
            && (before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                || (before.is_some_and(|b| b.is_ascii_uppercase())
                    && after.is_some_and(|a| a.is_ascii_lowercase())));
        if (humps || !c.is_ascii_alphanumeric()) && !current.is_empty() {
            words.push(std::mem::take(&mut current));
        }
        if c.is_ascii_alphanumeric() {
            current.push(c.to_ascii_lowercase());
        }
    }
    if !current.is_empty() {
        words.push(current);
    }
    words
}

/// What a name promises, or nothing.
pub(super) fn sense(name: &str) -> Option<Sense> {
    let mut words = split(name);
    // `DB_PASSWORD_2`, `SECRET_KEY_BASE`: the ending says nothing.
    while words.len() > 1
        && words.last().is_some_and(|last| {
            last.chars().all(|c| c.is_ascii_digit())
                || matches!(
                    last.as_str(),
                    "base"
                        | "value"
                        | "default"
                        | "prod"
                        | "production"
                        | "dev"
                        | "staging"
                        | "live"
                        | "old"
                        | "new"
                        | "current"
                        | "previous"
                        | "primary"
                        | "secondary"
                        | "b64"
                        | "base64"
                        | "string"
                        | "str"
                        | "text"
                        | "plain"
                        | "raw"
                        | "data"
                )
        })
    {
        words.pop();
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.iter().any(|word| NEVER.contains(word)) {
        return None;
    }
    let (&last, before) = words.split_last()?;
    if last == "key" || last == "keys" {
        return key(before);
    }
    let last = last
        .strip_suffix('s')
        .filter(|one| !one.ends_with('s') && *one != "cred")
        .unwrap_or(last);
    if ABOUT.contains(&last) {
        return None;
    }
    if last == "token" && before.last().is_some_and(|word| NO_TOKENS.contains(word)) {
        return None;
    }
    direct(last).or_else(|| {
        // `auth`, `registryAuth`, and the salts by which sessions are signed.
        let signs = ["auth", "session", "logged", "in"];
        let salt = last == "salt" && before.iter().any(|word| signs.contains(word));
        (last == "auth" || last == "authorization" || salt).then_some(Sense::Perhaps)
    })
}

fn direct(word: &str) -> Option<Sense> {
    let listed = [
        (PASSWORDS, Sense::Password),
        (TOKENS, Sense::Token),
        (SECRETS, Sense::Secret),
    ];
    if let Some((_, sense)) = listed.iter().find(|(words, _)| words.contains(&word)) {
        return Some(*sense);
    }
    let joined = JOINED.iter().find(|(end, _)| word.ends_with(end));
    joined.map(|(_, sense)| *sense)
}

fn key(before: &[&str]) -> Option<Sense> {
    let previous = *before.last()?;
    if NO_KEYS.contains(&previous) {
        return None;
    }
    if KEYS.contains(&previous) || direct(previous).is_some() {
        let secret = before.contains(&"secret");
        return Some(if secret { Sense::Secret } else { Sense::Token });
    }
    Some(Sense::Perhaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_where_people_cut_them() {
        assert_eq!(split("dbPassword"), ["db", "password"]);
        assert_eq!(split("DB_PASSWORD"), ["db", "password"]);
        assert_eq!(split("AWSSecretKey"), ["aws", "secret", "key"]);
        assert_eq!(
            split("spring.datasource.password"),
            ["spring", "datasource", "password"]
        );
    }

    #[test]
    fn a_monkey_is_no_key() {
        for name in [
            "monkey",
            "MONKEY",
            "turkey",
            "keyboard",
            "primary_key",
            "cacheKey",
            "public_key",
            "hotkey",
            "tokenizer",
            "secretary",
            "passenger",
            "compass",
            "bypass",
            "token_type",
            "tokenUrl",
            "passwordHash",
            "secret_name",
            "API_KEY_ID",
            "password_min_length",
            "csrf_token",
            "max_tokens_count",
            "PublicKeyToken",
            "nextPageToken",
            "continuation_token",
            "Sec-WebSocket-Key",
        ] {
            assert_eq!(sense(name), None, "{name}");
        }
    }

    #[test]
    fn names_of_secrets_are_known() {
        for (name, expected) in [
            ("password", Sense::Password),
            ("POSTGRES_PASSWORD", Sense::Password),
            ("dbpassword", Sense::Password),
            ("smtpPass", Sense::Password),
            ("MYSQL_PWD", Sense::Password),
            ("apiKey", Sense::Token),
            ("API_KEYS", Sense::Token),
            ("githubToken", Sense::Token),
            ("client_secret", Sense::Secret),
            ("SECRET_KEY_BASE", Sense::Secret),
            ("aws_secret_access_key", Sense::Secret),
            ("DB_PASSWORD_2", Sense::Password),
            ("requirepass", Sense::Password),
            ("passwords", Sense::Password),
            ("ALGOLIA_KEY", Sense::Perhaps),
        ] {
            assert_eq!(sense(name), Some(expected), "{name}");
        }
    }
}
