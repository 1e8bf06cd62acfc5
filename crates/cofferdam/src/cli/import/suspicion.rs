//! Values that are probably not meant for production, by their look alone.

/// How keys for tests begin.
const TEST_PREFIXES: [&str; 6] = [
    "sk_test_",
    "pk_test_",
    "rk_test_",
    "sk-test-",
    "test_sk_",
    "whsec_test",
];

/// Whole values that stand in for a real one.
const PLACEHOLDERS: [&str; 20] = [
    "password",
    "passw0rd",
    "password123",
    "secret",
    "changeme",
    "change_me",
    "change-me",
    "default",
    "test",
    "testing",
    "dummy",
    "placeholder",
    "todo",
    "admin",
    "root",
    "postgres",
    "123456",
    "12345678",
    "letmein",
    "qwerty",
];

/// What only examples contain. AWS's documentation ends its keys with EXAMPLE.
const EXAMPLE_PARTS: [&str; 6] = [
    "example",
    "your-",
    "your_",
    "replace-me",
    "replace_me",
    "xxxxxx",
];

/// Whether a value looks as if it came from a tutorial or a test account.
pub(super) fn looks_like_test_value(value: &str) -> bool {
    let lower = cofferdam_secret::Secret::new(value.to_lowercase());
    let lower = lower.expose();
    TEST_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
        || PLACEHOLDERS.contains(&lower.as_str())
        || is_example(lower)
        || (lower.starts_with('<') && lower.ends_with('>'))
}

/// An address below example.com is configuration; a value of its own with "example" is none.
fn is_example(lower: &str) -> bool {
    let is_address = lower.contains("://") || lower.contains('@');
    !is_address && EXAMPLE_PARTS.iter().any(|part| lower.contains(part))
}

#[cfg(test)]
mod tests {
    use super::looks_like_test_value;

    #[test]
    fn keys_of_test_accounts_and_tutorials_are_noticed() {
        for value in [
            "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
            "AKIAIOSFODNN7EXAMPLE",
            "changeme",
            "Password",
            "your-api-key-here",
            "<token>",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ] {
            assert!(looks_like_test_value(value), "{value}");
        }
    }

    #[test]
    fn values_that_could_be_real_are_left_alone() {
        for value in [
            "sk_live_51H8x",
            "AKIAZQ3DRSUVWXYZ1234",
            "postgres://app:kf83hs@db.example.com/app",
            "correct horse battery staple",
            "s3cr3t-9f2c",
            "ops@example.com",
        ] {
            assert!(!looks_like_test_value(value), "{value}");
        }
    }
}
