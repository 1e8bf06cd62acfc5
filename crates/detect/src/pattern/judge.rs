//! The rules' word about one value, and where in a text a secret stands: for those who change files.

use super::rule::{RuleInfo, Scanner};
use super::{plausible, words};
use std::ops::Range;
use std::sync::Arc;

/// What a value is, going by its name and its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// A rule finds it.
    Secret,
    /// Its name promises a secret, its form is that of a placeholder or too weak to tell.
    Weak,
    /// Nothing says so.
    No,
}

/// A secret in a text. It holds no value, only where one stands.
#[derive(Clone, Debug)]
pub struct Spot {
    /// Its bytes.
    pub secret: Range<usize>,
    /// The bytes of the name that it is given, where it has one.
    pub name: Option<Range<usize>>,
    /// Which rule found it.
    pub rule: Arc<RuleInfo>,
}

impl Scanner {
    /// Judges a value that is known to belong to this name.
    #[must_use]
    pub fn judge(&self, name: &str, value: &str) -> Judgement {
        // Written so that any value stands between quotes that it does not hold.
        let quote = ['"', '\'', '`'].into_iter().find(|c| !value.contains(*c));
        let found = quote.is_some_and(|quote| {
            let text = cofferdam_secret::Secret::new(format!("{name}={quote}{value}{quote}\n"));
            !self.spots(text.expose()).is_empty()
        });
        if found || (quote.is_none() && !self.spots(value).is_empty()) {
            return Judgement::Secret;
        }
        let telling = words::sense(name) == Some(words::Sense::Password);
        let any = !value.is_empty() && !value.contains('$') && !value.starts_with('/');
        let switch = plausible::is_switch(value);
        if telling && any && !switch {
            return Judgement::Weak;
        }
        Judgement::No
    }

    /// Where in a text secrets stand, in their order.
    #[must_use]
    pub fn spots(&self, text: &str) -> Vec<Spot> {
        let found = self.scan(text.as_bytes(), 0, text.len(), false);
        let spots = found.into_iter().map(|one| Spot {
            secret: one.secret,
            name: one.name,
            rule: one.rule,
        });
        spots.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_judged_by_name_and_form() {
        let scanner = Scanner::new();
        for (name, value, expected) in [
            ("DB_PASSWORD", "kR7x!mQ2vLp9", Judgement::Secret),
            ("DB_PASSWORD", "it's \"kR7x`mQ2vLp9", Judgement::Weak),
            ("DB_PASSWORD", "postgres", Judgement::Weak),
            ("DB_PASSWORD", "changeme", Judgement::Weak),
            ("DB_PASSWORD", "", Judgement::No),
            ("ALLOW_EMPTY_PASSWORD", "yes", Judgement::No),
            ("DB_PASSWORD_FILE", "/run/secrets/x", Judgement::No),
            ("LOG_LEVEL", "kR7x!mQ2vLp9", Judgement::No),
            (
                "DATABASE_URL",
                "postgres://shop:kR7xmQ2vLp9@db/shop",
                Judgement::Secret,
            ),
            ("DATABASE_URL", "postgres://db/shop", Judgement::No),
        ] {
            assert_eq!(scanner.judge(name, value), expected, "{name}={value}");
        }
    }
}
