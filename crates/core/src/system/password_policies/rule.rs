//! A password policy: its text, its rules, and passwords that keep them.

use crate::fault::Fault;
use cofferdam_hcl::{Block, Error};
use cofferdam_secret::Secret;

/// Shortest and longest password, as in Vault.
const LENGTHS: std::ops::RangeInclusive<usize> = 4..=100;
/// Most characters to choose from.
const MOST: usize = 4096;
/// Passwords drawn before one is put together to fit: with these bounds a chance in many millions,
/// unless the rules leave hardly any password.
const DRAWS: u32 = 256;

/// Characters, and how many of them a password has at least.
#[derive(Debug, PartialEq, Eq)]
struct Charset {
    characters: Vec<char>,
    at_least: usize,
}

/// A policy that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PasswordPolicy {
    length: usize,
    charsets: Vec<Charset>,
    /// All characters, each once.
    all: Vec<char>,
}

fn invalid(problem: &str) -> Fault {
    Fault::invalid(format!("invalid password policy: {problem}"))
}

fn at(error: &Error) -> Fault {
    invalid(&error.to_string())
}

impl PasswordPolicy {
    /// Reads a policy, in HCL or JSON.
    ///
    /// # Errors
    /// What is wrong with it; the text is not repeated.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let body = cofferdam_hcl::parse(text).map_err(|error| at(&error))?;
        if let Some(key) = body.unknown(&["length", "rule"]).next() {
            return Err(at(&Error::new(
                key.position,
                "a key that is none here: length and rule are",
            )));
        }
        let length = body
            .attribute("length")
            .map_or(Ok(0), cofferdam_hcl::Value::integer);
        let length = usize::try_from(length.map_err(|error| at(&error))?).unwrap_or_default();
        if length == 0 {
            return Err(invalid("length must be > 0"));
        }
        if !LENGTHS.contains(&length) {
            return Err(Fault::invalid(
                "passwords must be between 4 and 100 characters",
            ));
        }
        let blocks = body.labelled("rule").map_err(|error| at(&error))?;
        let charsets = blocks.iter().map(charset).collect::<Result<Vec<_>, _>>()?;
        let mut all: Vec<char> = charsets
            .iter()
            .flat_map(|set| &set.characters)
            .copied()
            .collect();
        all.sort_unstable();
        all.dedup();
        if all.is_empty() {
            return Err(invalid("no charset specified"));
        }
        if all.len() > MOST {
            return Err(invalid("more than 4096 characters to choose from"));
        }
        let needed = charsets
            .iter()
            .fold(0_usize, |sum, set| sum.saturating_add(set.at_least));
        if needed > length {
            return Err(invalid(&format!(
                "specified rules require at least {needed} characters but {length} is specified"
            )));
        }
        Ok(Self {
            length,
            charsets,
            all,
        })
    }

    fn keeps(&self, password: &[char]) -> bool {
        self.charsets.iter().all(|set| {
            let own = password.iter().filter(|c| set.characters.contains(c));
            own.count() >= set.at_least
        })
    }

    /// A password that keeps the rules: every such password is as likely as every other, as long as
    /// drawing finds one.
    ///
    /// # Errors
    /// Without entropy.
    pub(super) fn generate(&self) -> Result<Secret<String>, Fault> {
        let mut password = Secret::new(vec!['\0'; self.length]);
        for _ in 0..DRAWS {
            for place in password.expose_mut() {
                *place = pick(&self.all)?;
            }
            if self.keeps(password.expose()) {
                return Ok(Secret::new(password.expose().iter().collect()));
            }
        }
        self.put_together(password)
    }

    /// What each rule needs first, then anything, then shuffled.
    fn put_together(&self, mut password: Secret<Vec<char>>) -> Result<Secret<String>, Fault> {
        let needs = self
            .charsets
            .iter()
            .flat_map(|set| std::iter::repeat_n(&set.characters, set.at_least));
        let sources = needs.chain(std::iter::repeat(&self.all));
        for (place, source) in password.expose_mut().iter_mut().zip(sources) {
            *place = pick(source)?;
        }
        for last in (1..self.length).rev() {
            let other = below(last + 1)?;
            password.expose_mut().swap(last, other);
        }
        Ok(Secret::new(password.expose().iter().collect()))
    }
}

fn charset(block: &Block<'_>) -> Result<Charset, Fault> {
    if block.label() != Some("charset") {
        return Err(at(&Error::new(
            block.position,
            "a rule of a kind that is none: charset is",
        )));
    }
    if let Some(key) = block.body.unknown(&["charset", "min-chars"]).next() {
        return Err(at(&Error::new(
            key.position,
            "a key that is none here: charset and min-chars are",
        )));
    }
    let text = block
        .body
        .attribute("charset")
        .map_or(Ok(""), cofferdam_hcl::Value::string);
    let mut characters: Vec<char> = text.map_err(|error| at(&error))?.chars().collect();
    if characters.iter().any(|c| c.is_control()) {
        return Err(at(&Error::new(
            block.position,
            "a charset has no control characters",
        )));
    }
    characters.sort_unstable();
    characters.dedup();
    if characters.is_empty() {
        return Err(invalid("no charset specified"));
    }
    let at_least = block
        .body
        .attribute("min-chars")
        .map_or(Ok(0), cofferdam_hcl::Value::integer);
    let at_least = usize::try_from(at_least.map_err(|error| at(&error))?);
    Ok(Charset {
        characters,
        at_least: at_least.map_err(|_| invalid("min-chars must not be negative"))?,
    })
}

/// One of them, each as likely as the others.
fn pick(characters: &[char]) -> Result<char, Fault> {
    let at = below(characters.len())?;
    characters
        .get(at)
        .copied()
        .ok_or_else(|| Fault::internal("a pick from nothing"))
}

/// A number below `limit`, without bias: what lies above the last whole multiple is thrown again.
fn below(limit: usize) -> Result<usize, Fault> {
    let limit = u32::try_from(limit).map_err(Fault::internal)?;
    let whole = (u32::MAX / limit.max(1)) * limit;
    loop {
        let mut bytes = [0_u8; 4];
        cofferdam_secret::fill(&mut bytes).map_err(Fault::internal)?;
        let number = u32::from_le_bytes(bytes);
        if number < whole {
            return Ok((number % limit.max(1)) as usize);
        }
        if limit == 0 {
            return Err(Fault::internal("a pick from nothing"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PasswordPolicy, Fault> {
        PasswordPolicy::parse(text)
    }

    #[test]
    fn passwords_keep_every_rule() {
        let policy = parse(
            "length = 12\nrule \"charset\" { charset = \"abc\" min-chars = 2 }\nrule \"charset\" { charset = \"01\" min-chars = 3 }\nrule \"charset\" { charset = \"é!\" }",
        )
        .unwrap();
        for _ in 0..200 {
            let password = policy.generate().unwrap();
            let of = |set: &str| {
                password
                    .expose()
                    .chars()
                    .filter(|c| set.contains(*c))
                    .count()
            };
            assert_eq!(password.expose().chars().count(), 12);
            assert!(of("abc") >= 2 && of("01") >= 3 && of("abc01é!") == 12);
        }
    }

    #[test]
    fn rules_that_ask_for_more_than_a_number_holds_are_refused() {
        let most = i64::MAX;
        let rule = format!("rule \"charset\" {{ charset = \"abc\" min-chars = {most} }}\n");
        assert!(parse(&format!("length = 12\n{}", rule.repeat(3))).is_err());
    }

    #[test]
    fn rules_that_leave_no_choice_are_kept_too() {
        let policy = parse("length = 100\nrule \"charset\" { charset = \"a\" min-chars = 99 }\nrule \"charset\" { charset = \"bcdefgh\" min-chars = 1 }").unwrap();
        let password = policy.generate().unwrap();
        assert_eq!(password.expose().matches('a').count(), 99);
    }

    #[test]
    fn every_character_is_as_likely_as_every_other() {
        let policy = parse("length = 100\nrule \"charset\" { charset = \"abcdefg\" }").unwrap();
        let mut counts = std::collections::BTreeMap::<char, u32>::new();
        for _ in 0..700 {
            for c in policy.generate().unwrap().expose().chars() {
                *counts.entry(c).or_default() += 1;
            }
        }
        // 10,000 each are expected; six standard deviations are 555.
        assert!(
            counts.len() == 7 && counts.values().all(|count| count.abs_diff(10_000) < 600),
            "{counts:?}"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_repeating_it() {
        for (text, said) in [
            (
                "length=2\nrule \"charset\" { charset = \"hunter\" }",
                "between 4 and 100",
            ),
            (
                "length=101\nrule \"charset\" { charset = \"hunter\" }",
                "between 4 and 100",
            ),
            ("length=20", "no charset"),
            (
                "rule \"charset\" { charset = \"hunter\" }",
                "length must be > 0",
            ),
            (
                "length=-4\nrule \"charset\" { charset = \"hunter\" }",
                "length must be > 0",
            ),
            (
                "length=20\nrule \"charset\" { charset = \"\" }",
                "no charset",
            ),
            (
                "length=20\nrule \"charset\" { charset = \"a\\nb\" }",
                "control",
            ),
            (
                "length=20\nrule \"charset\" { charset = \"hunter\" min-chars = 30 }",
                "at least 30",
            ),
            (
                "length=20\nrule \"charset\" { charset = \"hunter\" min-chars = -1 }",
                "negative",
            ),
            ("length=20\nrule \"other\" { charset = \"hunter\" }", "kind"),
            (
                "length=20\nhunter=1\nrule \"charset\" { charset = \"hunter\" }",
                "key",
            ),
            ("length = \"hunter\"", "integer"),
            ("hunter {", ""),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.public().contains(said), "{text}: {}", fault.public());
            assert!(!fault.public().contains("hunter"), "{}", fault.public());
        }
    }

    #[test]
    fn json_is_read_too() {
        let text =
            "{\"length\": 8, \"rule\": {\"charset\": {\"charset\": \"abc\", \"min-chars\": 1}}}";
        assert_eq!(parse(text).unwrap().length, 8);
    }
}
