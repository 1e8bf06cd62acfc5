//! What a name says about its value.
//!
//! The words are those of `BuildKit`'s check `SecretsUsedInArgOrEnv` (buildkit
//! `frontend/dockerfile/dockerfile2llb/convert.go`): apikey, auth, credential(s), key, password,
//! pword, passwd, secret, token, as whole words, unless the name has the word `public`. Three
//! things are added. A last word that tells of something else (`TOKEN_TTL`, `AUTH_URL`, `KEY_FILE`)
//! means that. A word that ends in password, passphrase, passwd, secret or apikey counts too
//! (`PGPASSWORD`). Outside of variables, where `key` and `auth` are everyday words, only the strict
//! ones count.

/// How strictly a name is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Variables and build arguments.
    Variable,
    /// Labels, options and flags of commands.
    Loose,
}

const STRICT: &[&str] = &[
    "apikey",
    "credential",
    "credentials",
    "passphrase",
    "password",
    "passwd",
    "pword",
    "secret",
    "token",
];

/// Only in variables.
const EVERYDAY: &[&str] = &["auth", "key"];

/// At the end of a longer word.
const ENDINGS: &[&str] = &["password", "passwd", "passphrase", "secret", "apikey"];

/// A last word that says the value is something about a secret, and not one.
const ABOUT: &[&str] = &[
    "age",
    "alg",
    "algorithm",
    "audience",
    "backend",
    "class",
    "count",
    "days",
    "dir",
    "directory",
    "driver",
    "enabled",
    "endpoint",
    "expiration",
    "expires",
    "expiry",
    "file",
    "files",
    "format",
    "header",
    "hint",
    "host",
    "hours",
    "id",
    "interval",
    "issuer",
    "length",
    "lifetime",
    "location",
    "method",
    "minutes",
    "mode",
    "name",
    "namespace",
    "path",
    "policy",
    "port",
    "prefix",
    "provider",
    "ref",
    "reference",
    "region",
    "required",
    "rotation",
    "scheme",
    "scope",
    "seconds",
    "server",
    "service",
    "size",
    "store",
    "stdin",
    "strategy",
    "timeout",
    "ttl",
    "type",
    "uri",
    "url",
    "user",
    "username",
    "version",
];

/// Ours: a keyed code over paths and version numbers, made to be a build argument.
const OURS: &str = "COFFERDAM_SECRET";

/// Whether a thing of this name is a secret by its name.
pub(super) fn is_secret(name: &str, reading: Reading) -> bool {
    if name.starts_with(OURS) || name.starts_with("FILE__") {
        return false;
    }
    let words = words(name);
    let about = words
        .last()
        .is_some_and(|last| ABOUT.contains(&last.as_str()));
    if about || words.iter().any(|word| word == "public") {
        return false;
    }
    let secret = |word: &String| {
        let word = word.as_str();
        STRICT.contains(&word)
            || (reading == Reading::Variable && EVERYDAY.contains(&word))
            || ENDINGS.iter().any(|ending| word.ends_with(ending))
    };
    // PWD alone is the working directory; MYSQL_PWD is a password.
    let pwd = words.len() > 1
        && words.last().is_some_and(|last| last == "pwd")
        && words.first().is_some_and(|first| first != "old");
    let apart = words.windows(2).any(|pair| pair == ["api", "key"]);
    pwd || apart || words.iter().any(secret)
}

/// The words of a name, lower case: `db-apiKey.v2` has db, api, key and v2.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before_is_lower = false;
    // A name longer than this is none.
    for c in name.chars().take(256) {
        let hump = c.is_ascii_uppercase() && before_is_lower;
        if (hump || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        before_is_lower = c.is_ascii_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The name as a message may show it: what names are made of, and not too much of it.
pub(super) fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return "with an unusual name".to_owned();
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_buildkit_complains_of_count() {
        for name in [
            "apikey",
            "AUTH",
            "api_key",
            "DATABASE_PASSWORD",
            "GITHUB_TOKEN",
            "secret_MESSAGE",
            "AWS_SECRET_ACCESS_KEY",
            "MY_CREDENTIALS",
            "db_pword",
            "PASSWD",
            "key",
        ] {
            assert!(is_secret(name, Reading::Variable), "{name}");
        }
        for name in [
            "PUBLIC_KEY",
            "MONKEY",
            "AUTHOR",
            "TOKENIZERS_PARALLELISM",
            "KEYBOARD",
            "PATH",
        ] {
            assert!(!is_secret(name, Reading::Variable), "{name}");
        }
    }

    #[test]
    fn names_that_run_together_count_and_names_of_other_things_do_not() {
        for name in [
            "PGPASSWORD",
            "MYSQL_PWD",
            "clientSecret",
            "spring.datasource.password",
            "DBPASSWD",
        ] {
            assert!(is_secret(name, Reading::Variable), "{name}");
        }
        for name in [
            "PWD",
            "OLDPWD",
            "OLD_PWD",
            "DB_PASSWORD_FILE",
            "FILE__DB_PASSWORD",
            "TOKEN_TTL",
            "AUTH_URL",
            "SECRET_NAME",
            "KEY_LENGTH",
            "COFFERDAM_SECRETS_ID",
            "COFFERDAM_SECRET_ID_DB_PASSWORD",
            "POSTGRES_HOST_AUTH_METHOD",
        ] {
            assert!(!is_secret(name, Reading::Variable), "{name}");
        }
    }

    #[test]
    fn outside_of_variables_everyday_words_are_no_secrets() {
        for name in [
            "key",
            "com.example.auth",
            "traefik.http.routers.auth.rule",
            "cofferdam.ref",
        ] {
            assert!(!is_secret(name, Reading::Loose), "{name}");
        }
        for name in [
            "--password",
            "splunk-token",
            "com.example.api-key",
            "api_key",
        ] {
            assert!(is_secret(name, Reading::Loose), "{name}");
        }
    }

    #[test]
    fn a_name_that_could_be_a_value_is_not_shown() {
        assert_eq!(shown("DB_PASSWORD"), "DB_PASSWORD");
        for odd in ["", "a b", "a\u{1b}[31m", "x=y", &"x".repeat(65)] {
            assert_eq!(shown(odd), "with an unusual name");
        }
    }
}
