//! Rules, from data to something that can be searched for.

use super::finding::Severity;
use super::gitleaks::Imported;
use super::literals::{Literals, SHORTEST};
use crate::verify::Kept;
use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use serde::Deserialize;
use std::sync::{Arc, OnceLock};

/// The rule files of this crate.
const FILES: &[(&str, &str)] = &[
    ("clouds", include_str!("../../rules/clouds.toml")),
    ("code", include_str!("../../rules/code.toml")),
    (
        "intelligence",
        include_str!("../../rules/intelligence.toml"),
    ),
    ("keys", include_str!("../../rules/keys.toml")),
    ("messages", include_str!("../../rules/messages.toml")),
    ("money", include_str!("../../rules/money.toml")),
    ("observation", include_str!("../../rules/observation.toml")),
    ("services", include_str!("../../rules/services.toml")),
];

/// Bytes one compiled rule may take: a repetition of repetitions is refused instead of built.
const LARGEST: usize = 8 << 20;

/// What a finding says about its rule.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Short name, as in `cofferdam:allow ID`.
    pub id: String,
    /// What was found, in words.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// Where the form is published.
    pub source: String,
}

/// A rule as it stands in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) source: String,
    #[serde(default)]
    pub(super) severity: Severity,
    /// Literals with which a token begins. Case counts.
    #[serde(default)]
    pub(super) starts: Vec<String>,
    /// Pieces of a name, in lower case.
    #[serde(default)]
    pub(super) keywords: Vec<String>,
    /// What else a name must match, in lower case.
    pub(super) variable: Option<String>,
    /// How many bytes of a token stand before its literal.
    #[serde(default)]
    pub(super) back: usize,
    pub(super) regex: String,
    /// Least entropy of the secret part, bits per byte.
    #[serde(default)]
    pub(super) entropy: f64,
    /// The token may stand in the middle of a word.
    #[serde(default)]
    pub(super) glued: bool,
    /// Words such as `example` do not make it a placeholder.
    #[serde(default)]
    pub(super) literal: bool,
    /// A further test, by name.
    pub(super) check: Option<Check>,
    /// Specimens that must be found.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests read them"))]
    pub(super) examples: Vec<String>,
    /// Texts that must not be.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests read them"))]
    #[serde(default)]
    pub(super) others: Vec<String>,
}

/// Tests that no expression can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Check {
    /// Base64 of `user:password`.
    BasicAuth,
    /// A password in an address: none of those that documentation uses.
    AddressPassword,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Written>,
    #[serde(default)]
    assigned: Vec<Written>,
}

/// A rule that is ready. Expressions are compiled when they are first needed: a commit of one line
/// needs none of them.
pub(super) struct Rule {
    pub(super) info: Arc<RuleInfo>,
    pub(super) written: Written,
    /// It may match over the end of a line.
    pub(super) far: bool,
    regex: OnceLock<Option<Regex>>,
    variable: OnceLock<Option<Regex>>,
}

impl Rule {
    fn new(written: Written) -> Self {
        Self {
            info: Arc::new(RuleInfo {
                id: written.id.clone(),
                name: written.name.clone(),
                severity: written.severity,
                source: written.source.clone(),
            }),
            far: spans_lines(&written.regex),
            written,
            regex: OnceLock::new(),
            variable: OnceLock::new(),
        }
    }

    pub(super) fn regex(&self) -> Option<&Regex> {
        let made = self.regex.get_or_init(|| compile(&self.written.regex).ok());
        made.as_ref()
    }

    /// Whether the name of a value (in lower case) that has one of its keywords is one that this rule
    /// asks for.
    fn names(&self, name: &str) -> bool {
        let Some(variable) = &self.written.variable else {
            return true;
        };
        let made = self.variable.get_or_init(|| compile(variable).ok());
        made.as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

/// An expression over bytes, within limits. Refuses what would need backtracking.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let config = Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(LARGEST))
        .onepass_size_limit(Some(1 << 20))
        .hybrid_cache_capacity(512 << 10);
    let made = Regex::builder()
        .configure(config)
        .syntax(
            syntax::Config::new()
                .unicode(false)
                .utf8(false)
                .nest_limit(200),
        )
        .build(pattern);
    made.map_err(|error| match error.syntax_error() {
        Some(syntax) => syntax.to_string(),
        None => error.to_string(),
    })
}

/// Whether an expression may match the end of a line, as far as its text tells: when in doubt, yes.
fn spans_lines(pattern: &str) -> bool {
    let mut bytes = pattern.bytes().peekable();
    let (mut class, mut negated, mut ends) = (false, false, false);
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                let escape = bytes.next();
                if matches!(escape, Some(b'x' | b'u' | b'W' | b'D' | b'p' | b'P')) {
                    return true;
                }
                let line = matches!(escape, Some(b's' | b'n' | b'r'));
                ends |= line;
                if line && !class {
                    return true;
                }
            }
            b'[' if !class => {
                (class, ends) = (true, false);
                negated = bytes.next_if_eq(&b'^').is_some();
            }
            b']' if class => {
                class = false;
                if negated != ends {
                    return true;
                }
            }
            b'\n' => return true,
            b'(' if !class && bytes.peek() == Some(&b'?') => {
                let flags = bytes.clone().skip(1);
                let flags = flags.take_while(|byte| byte.is_ascii_lowercase());
                if flags.into_iter().any(|flag| flag == b's') {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Rules without an expression of their own: what was found is decided by code.
pub(super) struct Named {
    pub(super) password: Arc<RuleInfo>,
    pub(super) secret: Arc<RuleInfo>,
    pub(super) kubernetes: Arc<RuleInfo>,
    pub(super) cipher: Arc<RuleInfo>,
}

impl Named {
    fn new() -> Self {
        let rule = |id: &str, name: &str, severity| {
            Arc::new(RuleInfo {
                id: id.to_owned(),
                name: name.to_owned(),
                severity,
                source: "docs/book/scan.md".to_owned(),
            })
        };
        Self {
            password: rule(
                "generic-password",
                "a password, by its name",
                Severity::Medium,
            ),
            secret: rule(
                "generic-secret",
                "a token or key, by its name",
                Severity::Medium,
            ),
            kubernetes: rule(
                "kubernetes-secret",
                "data of a Kubernetes Secret",
                Severity::High,
            ),
            cipher: rule(
                "key-beside-ciphertext",
                "a key in the file that it decrypts",
                Severity::High,
            ),
        }
    }

    pub(super) fn all(&self) -> [&Arc<RuleInfo>; 4] {
        [&self.password, &self.secret, &self.kubernetes, &self.cipher]
    }
}

/// What a literal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The beginning of a token: a rule of the table.
    Token(usize),
    /// A piece of a name.
    Name,
    /// `kind: Secret`.
    Kubernetes,
    /// A keyword of an imported rule.
    Imported(usize),
}

/// Pieces of telling names (see [`super::words`]).
const NAME_PIECES: &[&str] = &[
    "passw", "passp", "passc", "pass_", "pass=", "pass:", "pass\"", "pass'", "pass ", "_pass",
    "pwd", "_pw", "secret", "token", "cred", "key", "bearer", "pepper", "senha", "contrase", "psw",
    "_pat", "auth", "jwt",
];

/// All rules, ready to search. Shared freely between threads.
pub struct Scanner {
    pub(super) tokens: Vec<Rule>,
    pub(super) assigned: Vec<Rule>,
    pub(super) named: Named,
    pub(super) imported: Imported,
    pub(super) literals: Literals,
    pub(super) owners: Vec<Owner>,
    /// Keywords of assigned rules, for the search in one name.
    keywords: Literals,
    /// Values of findings whose provider is to be asked.
    kept: Option<Kept>,
}

impl Scanner {
    /// With the rules of this crate.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Imported::default())
    }

    /// With rules of a user, and those of this crate as far as the user wants them.
    #[must_use]
    pub fn with(imported: Imported) -> Self {
        let (mut tokens, mut assigned) = (Vec::new(), Vec::new());
        for (_, text) in FILES {
            // A test reads every file; a binary cannot be built with one that does not parse.
            let Ok(file) = toml::from_str::<File>(text) else {
                debug_assert!(false, "a rule file of this crate does not parse");
                continue;
            };
            tokens.extend(file.token);
            assigned.extend(file.assigned);
        }
        let wanted = |rule: &Written| imported.wants(&rule.id);
        let tokens: Vec<Rule> = tokens.into_iter().filter(wanted).map(Rule::new).collect();
        let assigned: Vec<Rule> = assigned.into_iter().filter(wanted).map(Rule::new).collect();
        let mut owners = Vec::new();
        let mut literals: Vec<(Vec<u8>, bool, u32)> = Vec::new();
        let mut own = |literal: &str, exact: bool, owner: Owner| {
            if literal.len() < SHORTEST {
                debug_assert!(false, "a literal is too short: {literal}");
                return;
            }
            literals.push((
                literal.as_bytes().to_vec(),
                exact,
                u32::try_from(owners.len()).unwrap_or(0),
            ));
            owners.push(owner);
        };
        for (number, rule) in tokens.iter().enumerate() {
            for start in &rule.written.starts {
                own(start, true, Owner::Token(number));
            }
        }
        let named_wanted = imported.wants_own();
        let mut pieces: Vec<&str> = assigned
            .iter()
            .flat_map(|rule| rule.written.keywords.iter().map(String::as_str))
            .collect();
        if named_wanted {
            pieces.extend(NAME_PIECES);
            own("kind: Secret", true, Owner::Kubernetes);
            own("\"kind\": \"Secret\"", true, Owner::Kubernetes);
            own("\"kind\":\"Secret\"", true, Owner::Kubernetes);
        }
        pieces.sort_unstable();
        pieces.dedup();
        for piece in &pieces {
            let covered = pieces
                .iter()
                .any(|other| other != piece && piece.contains(other));
            if !covered {
                own(piece, false, Owner::Name);
            }
        }
        for (number, keyword) in imported.keywords() {
            own(keyword, false, Owner::Imported(number));
        }
        let keywords = assigned.iter().enumerate().flat_map(|(number, rule)| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let words = rule.written.keywords.iter();
            words.map(move |word| (word.as_bytes().to_vec(), false, number))
        });
        Self {
            keywords: Literals::new(keywords),
            tokens,
            assigned,
            named: Named::new(),
            imported,
            literals: Literals::new(literals),
            owners,
            kept: None,
        }
    }

    /// The same, keeping values whose provider can be asked about them.
    #[must_use]
    pub fn keeping_values(mut self) -> Self {
        self.kept = Some(Kept::default());
        self
    }

    /// Values of what was found; none unless they were to be kept.
    #[must_use]
    pub const fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    /// The rules that ask for a name (in lower case), in the order of their files.
    pub(super) fn assigned_to(&self, name: &str) -> Vec<&Rule> {
        let mut numbers = Vec::new();
        self.keywords
            .each(name.as_bytes(), 0, name.len(), |_, owner| {
                numbers.push(owner as usize);
            });
        numbers.sort_unstable();
        numbers.dedup();
        let rules = numbers
            .iter()
            .filter_map(|&number| self.assigned.get(number));
        rules.filter(|rule| rule.names(name)).collect()
    }

    /// Every rule that may speak.
    #[must_use]
    pub fn rules(&self) -> Vec<Arc<RuleInfo>> {
        let own = self
            .tokens
            .iter()
            .chain(&self.assigned)
            .map(|rule| Arc::clone(&rule.info));
        let named = self
            .named
            .all()
            .into_iter()
            .filter(|_| self.imported.wants_own())
            .map(Arc::clone);
        own.chain(named).chain(self.imported.infos()).collect()
    }

    /// Whether findings at `path` are to be left out, as the user's configuration says.
    pub(crate) const fn imported(&self) -> &Imported {
        &self.imported
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// All rules of all files, with their kind.
    pub(in crate::pattern) fn written() -> Vec<(bool, Written)> {
        let mut all = Vec::new();
        for (name, text) in FILES {
            let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            all.extend(file.token.into_iter().map(|rule| (true, rule)));
            all.extend(file.assigned.into_iter().map(|rule| (false, rule)));
        }
        all
    }

    #[test]
    fn every_rule_is_whole() {
        let mut ids = BTreeSet::new();
        for (token, rule) in written() {
            let id = &rule.id;
            assert!(ids.insert(id.clone()), "twice: {id}");
            compile(&rule.regex).unwrap_or_else(|error| panic!("{id}: {error}"));
            if let Some(variable) = &rule.variable {
                compile(variable).unwrap_or_else(|error| panic!("{id}: {error}"));
            }
            assert!(rule.source.starts_with("https://"), "{id} names no source");
            assert!(!rule.examples.is_empty(), "{id} has no example");
            assert!(!rule.others.is_empty(), "{id} has no counterexample");
            assert_eq!(token, !rule.starts.is_empty(), "{id}");
            assert_eq!(token, rule.keywords.is_empty(), "{id}");
            let literals = rule.starts.iter().chain(&rule.keywords);
            assert!(literals.clone().all(|word| word.len() >= SHORTEST), "{id}");
            assert!(
                rule.keywords
                    .iter()
                    .all(|word| *word == word.to_lowercase()),
                "{id}"
            );
        }
        assert!(ids.len() >= 150, "{} rules", ids.len());
    }

    #[test]
    fn expressions_over_several_lines_are_known() {
        for far in [
            "a\\sb",
            "a\\r?\\nb",
            "[^a]*",
            "[\\s]",
            "[a\\n]",
            "[^\\x00]",
            "(?s).",
            "a\nb",
        ] {
            assert!(spans_lines(far), "{far}");
        }
        for near in [
            "a b",
            "[^\\s]",
            "[^\\n]*?x",
            "[A-Za-z0-9_-]{20}",
            "(?P<secret>[^'\"\\s]{5})",
        ] {
            assert!(!spans_lines(near), "{near}");
        }
        let far: Vec<_> = written()
            .into_iter()
            .filter(|(_, rule)| spans_lines(&rule.regex))
            .collect();
        assert!(
            far.iter()
                .any(|(_, rule)| rule.regex.contains("BEGIN PGP PRIVATE"))
        );
        assert!(far.len() < 20, "{}", far.len());
    }

    #[test]
    fn expressions_are_linear_or_refused() {
        assert!(compile(r"(a+)+$").is_ok());
        for backtracking in [r"(?=a)b", r"(a)\1", r"(?<!x)y"] {
            assert!(compile(backtracking).is_err(), "{backtracking}");
        }
        assert!(compile(r"((a{1000}){1000}){1000}").is_err());
    }
}
