//! Rules of a user, in the format of gitleaks' configuration, and lists of known findings.
//!
//! Read as its documentation describes it: `[[rules]]` with `regex`, `keywords`, `entropy`, `secretGroup`,
//! `path` and allowlists; `[extend]` with `useDefault` (which here means the rules of this crate),
//! `path` and `disabledRules`; global allowlists with `targetRules`. What cannot be honoured is refused
//! with its line; nothing is dropped in silence.

use super::finding::{Finding, Severity};
use super::plausible;
use super::rule::{RuleInfo, compile};
use regex_automata::Input;
use regex_automata::meta::Regex;
use serde::Deserialize;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// Files that may extend each other.
const DEEPEST: usize = 4;

/// Why a configuration is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Line, counted from one.
    pub line: usize,
    /// What is wrong; never a value.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for Refused {}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    extend: Extend,
    #[serde(default)]
    rules: Vec<RuleTable>,
    #[serde(default)]
    allowlists: Vec<AllowTable>,
    allowlist: Option<AllowTable>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extend {
    #[serde(default)]
    use_default: bool,
    path: Option<Spanned<String>>,
    #[serde(default)]
    disabled_rules: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleTable {
    id: Spanned<String>,
    #[serde(default)]
    description: String,
    regex: Option<Spanned<String>>,
    #[serde(default)]
    secret_group: usize,
    #[serde(default)]
    entropy: f64,
    path: Option<Spanned<String>>,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    allowlists: Vec<AllowTable>,
    allowlist: Option<AllowTable>,
    required: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllowTable {
    condition: Option<String>,
    #[serde(default)]
    commits: Vec<String>,
    #[serde(default)]
    paths: Vec<Spanned<String>>,
    regex_target: Option<String>,
    #[serde(default)]
    regexes: Vec<Spanned<String>>,
    #[serde(default)]
    stopwords: Vec<String>,
    #[serde(default)]
    target_rules: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Secret,
    Match,
    Line,
}

/// What an allowlist is asked about, before the place is known.
pub(super) struct Text<'t> {
    pub(super) secret: &'t [u8],
    /// All that the rule matched.
    pub(super) whole: &'t [u8],
    pub(super) line: &'t [u8],
}

/// Findings that are none.
#[derive(Debug)]
struct Allow {
    all: bool,
    commits: Vec<String>,
    paths: Vec<Regex>,
    target: Target,
    regexes: Vec<Regex>,
    stopwords: Vec<String>,
    rules: Vec<String>,
}

/// One rule of a user.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) info: Arc<RuleInfo>,
    regex: Option<Regex>,
    group: usize,
    entropy: f64,
    path: Option<Regex>,
    keywords: Vec<String>,
    allows: Vec<Allow>,
}

/// All rules of a user.
#[derive(Debug)]
pub struct Imported {
    rules: Vec<Rule>,
    allows: Vec<Allow>,
    own: bool,
    disabled: Vec<String>,
}

impl Default for Imported {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            allows: Vec::new(),
            own: true,
            disabled: Vec::new(),
        }
    }
}

impl Imported {
    /// Reads a configuration. `open` gives the text of a file that it extends.
    ///
    /// # Errors
    /// [`Refused`] with the line.
    pub fn parse(
        text: &str,
        open: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, Refused> {
        let mut imported = Self {
            own: false,
            ..Self::default()
        };
        imported.read(text, open, DEEPEST)?;
        Ok(imported)
    }

    fn read(
        &mut self,
        text: &str,
        open: &dyn Fn(&str) -> Result<String, String>,
        deep: usize,
    ) -> Result<(), Refused> {
        let at = |offset: usize| {
            1 + text
                .bytes()
                .take(offset)
                .filter(|&byte| byte == b'\n')
                .count()
        };
        let config: Config = toml::from_str(text).map_err(|error| Refused {
            line: at(error.span().map_or(0, |span| span.start)),
            reason: error.message().to_owned(),
        })?;
        self.own |= config.extend.use_default;
        self.disabled.extend(config.extend.disabled_rules);
        for table in config.rules {
            let rule = Rule::new(table, &at)?;
            // What is read first wins: an extension is what was there before.
            if !self.rules.iter().any(|known| known.info.id == rule.info.id) {
                self.rules.push(rule);
            }
        }
        for table in config.allowlists.into_iter().chain(config.allowlist) {
            self.allows.push(Allow::new(table, &at)?);
        }
        if let Some(path) = config.extend.path {
            let line = at(path.span().start);
            if deep == 0 {
                return Err(Refused {
                    line,
                    reason: "configurations extend each other too deep".to_owned(),
                });
            }
            let inner = open(path.get_ref()).map_err(|reason| Refused {
                line,
                reason: format!("cannot read the extended file: {reason}"),
            })?;
            self.read(&inner, open, deep - 1).map_err(|inner| Refused {
                line,
                reason: format!("in the extended file: {inner}"),
            })?;
        }
        let disabled = &self.disabled;
        self.rules.retain(|rule| !disabled.contains(&rule.info.id));
        Ok(())
    }

    /// Whether a rule of this crate is wanted.
    pub(super) fn wants(&self, id: &str) -> bool {
        self.own && !self.disabled.iter().any(|disabled| disabled == id)
    }

    pub(super) const fn wants_own(&self) -> bool {
        self.own
    }

    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = Arc<RuleInfo>> {
        self.rules.iter().map(|rule| Arc::clone(&rule.info))
    }

    /// Keywords that can be searched for, with the rule they belong to.
    pub(super) fn keywords(&self) -> Vec<(usize, &str)> {
        let mut keywords = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            keywords.extend(rule.searchable().into_iter().map(|word| (number, word)));
        }
        keywords
    }

    /// Allowlists about this rule, in an order that stays.
    fn lists<'i>(&'i self, id: &'i str, rule: Option<&'i Rule>) -> impl Iterator<Item = &'i Allow> {
        let global = self.allows.iter().filter(move |allow| allow.is_for(id));
        global.chain(rule.into_iter().flat_map(|rule| &rule.allows))
    }

    /// Whether the text itself says that this is none.
    pub(super) fn allows(&self, rule: &Rule, text: &Text<'_>) -> bool {
        self.lists(&rule.info.id, Some(rule))
            .any(|allow| allow.text(text) && !(allow.all && allow.about_place()))
    }

    /// The lists with `AND` that hold as far as the text goes: one bit each.
    pub(super) fn half(&self, rule: &Rule, text: &Text<'_>) -> u64 {
        let lists = self.lists(&rule.info.id, Some(rule)).take(64).enumerate();
        lists
            .filter(|(_, allow)| allow.all && allow.about_place() && allow.text(text))
            .fold(0, |bits, (number, _)| bits | 1 << number)
    }

    /// Whether the place says that this counts, now that it is known.
    pub(crate) fn keeps(&self, finding: &Finding) -> bool {
        let rule = self
            .rules
            .iter()
            .find(|rule| Arc::ptr_eq(&rule.info, &finding.rule));
        if let Some(path) = rule.and_then(|rule| rule.path.as_ref())
            && !path.is_match(file(&finding.location).as_bytes())
        {
            return false;
        }
        let half = finding.shape.half;
        let mut lists = self.lists(&finding.rule.id, rule).enumerate();
        !lists.any(|(number, allow)| {
            let said = number < 64 && half >> number & 1 == 1;
            allow.place(finding, said)
        })
    }

    /// Whether there are rules that are about the name of a file alone.
    pub(crate) fn names_files(&self) -> bool {
        self.rules.iter().any(|rule| rule.regex.is_none())
    }

    /// Rules that are about the name of a file alone.
    pub(crate) fn about_name(&self, path: &str) -> Vec<Arc<RuleInfo>> {
        let about = |rule: &&Rule| {
            rule.regex.is_none() && rule.path.as_ref().is_some_and(|regex| regex.is_match(path))
        };
        let rules = self.rules.iter().filter(about);
        rules.map(|rule| Arc::clone(&rule.info)).collect()
    }
}

/// The file at the end of a chain of places.
fn file(location: &str) -> &str {
    location.rsplit(": ").next().unwrap_or(location)
}

impl Rule {
    fn new(table: RuleTable, at: &dyn Fn(usize) -> usize) -> Result<Self, Refused> {
        let id = table.id.get_ref().clone();
        let line = at(table.id.span().start);
        if table.regex.is_none() && table.path.is_none() {
            return Err(Refused {
                line,
                reason: format!("rule {id} has neither regex nor path"),
            });
        }
        if let Some(required) = table.required {
            return Err(Refused {
                line: at(required.span().start),
                reason: format!("rule {id}: rules that require others are not supported"),
            });
        }
        let allows = table.allowlists.into_iter().chain(table.allowlist);
        let regex = table
            .regex
            .map(|regex| expression(&regex, at, &id))
            .transpose()?;
        if regex
            .as_ref()
            .is_some_and(|regex| table.secret_group >= regex.captures_len())
        {
            return Err(Refused {
                line,
                reason: format!(
                    "rule {id}: the expression has no group {}",
                    table.secret_group
                ),
            });
        }
        Ok(Self {
            info: Arc::new(RuleInfo {
                name: if table.description.is_empty() {
                    id.clone()
                } else {
                    table.description
                },
                id: id.clone(),
                severity: Severity::High,
                source: "configuration".to_owned(),
            }),
            regex,
            group: table.secret_group,
            entropy: table.entropy,
            path: table
                .path
                .map(|path| expression(&path, at, &id))
                .transpose()?,
            keywords: table
                .keywords
                .iter()
                .map(|word| word.to_lowercase())
                .filter(|word| !word.is_empty())
                .collect(),
            allows: allows
                .map(|allow| Allow::new(allow, at))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Keywords, if all of them are long enough to be searched for.
    fn searchable(&self) -> Vec<&str> {
        if self
            .keywords
            .iter()
            .any(|word| word.len() < super::literals::SHORTEST)
        {
            return Vec::new();
        }
        self.keywords.iter().map(String::as_str).collect()
    }

    pub(super) fn has_keywords(&self) -> bool {
        !self.searchable().is_empty()
    }

    /// Calls `found` with the secret part of every match, and with the whole.
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(Range<usize>, Range<usize>)) {
        let Some(regex) = &self.regex else {
            return;
        };
        let mut captures = regex.create_captures();
        let mut at = 0;
        while at <= text.len() {
            regex.search_captures(&Input::new(text).range(at..), &mut captures);
            let Some(whole) = captures.get_match() else {
                return;
            };
            // Without a group of its own choice the first that took part is the secret.
            let group = if self.group > 0 {
                captures.get_group(self.group)
            } else {
                captures
                    .iter()
                    .skip(1)
                    .flatten()
                    .find(|span| !span.is_empty())
            };
            let secret = group.map_or(whole.range(), |span| span.range());
            let value = text.get(secret.clone()).unwrap_or_default();
            if !secret.is_empty()
                && (self.entropy <= 0.0 || plausible::entropy(value) > self.entropy)
            {
                found(secret, whole.range());
            }
            at = whole.end().max(at + 1);
        }
    }
}

impl Allow {
    fn new(table: AllowTable, at: &dyn Fn(usize) -> usize) -> Result<Self, Refused> {
        let compiled = |all: Vec<Spanned<String>>| -> Result<Vec<Regex>, Refused> {
            all.iter()
                .map(|one| expression(one, at, "an allowlist"))
                .collect()
        };
        Ok(Self {
            all: table.condition.is_some_and(|condition| {
                let condition = condition.to_ascii_uppercase();
                condition == "AND" || condition == "&&"
            }),
            commits: table.commits,
            paths: compiled(table.paths)?,
            target: match table.regex_target.as_deref() {
                Some("line") => Target::Line,
                Some("match") => Target::Match,
                _ => Target::Secret,
            },
            regexes: compiled(table.regexes)?,
            stopwords: table
                .stopwords
                .iter()
                .map(|word| word.to_lowercase())
                .collect(),
            rules: table.target_rules,
        })
    }

    fn is_for(&self, rule: &str) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|one| one == rule)
    }

    const fn about_text(&self) -> bool {
        !self.regexes.is_empty() || !self.stopwords.is_empty()
    }

    const fn about_place(&self) -> bool {
        !self.commits.is_empty() || !self.paths.is_empty()
    }

    /// Whether what it says about the text holds: one of its conditions, or with `AND` each of them.
    fn text(&self, text: &Text<'_>) -> bool {
        let target = match self.target {
            Target::Secret => text.secret,
            Target::Match => text.whole,
            Target::Line => text.line,
        };
        let lower = String::from_utf8_lossy(text.secret).to_lowercase();
        let matched = self.regexes.iter().any(|regex| regex.is_match(target));
        let stopped = self.stopwords.iter().any(|word| lower.contains(word));
        if self.all {
            return self.about_text()
                && (self.regexes.is_empty() || matched)
                && (self.stopwords.is_empty() || stopped);
        }
        matched || stopped
    }

    /// Whether it allows a finding for its place. `half` says that with `AND` the text is as it should be.
    fn place(&self, finding: &Finding, half: bool) -> bool {
        let commit = finding
            .commit
            .as_ref()
            .map_or("", |commit| commit.id.as_str());
        let in_commit = self.commits.iter().any(|one| one == commit);
        let in_path = self
            .paths
            .iter()
            .any(|regex| regex.is_match(file(&finding.location).as_bytes()));
        if self.all {
            return self.about_place()
                && (half || !self.about_text())
                && (self.commits.is_empty() || in_commit)
                && (self.paths.is_empty() || in_path);
        }
        in_commit || in_path
    }
}

fn expression(
    pattern: &Spanned<String>,
    at: &dyn Fn(usize) -> usize,
    rule: &str,
) -> Result<Regex, Refused> {
    compile(pattern.get_ref()).map_err(|reason| {
        // The words of the library quote the pattern over several lines; the last says what is wrong.
        let last = reason.lines().last().unwrap_or_default();
        let last = last.trim_start_matches("error: ");
        Refused {
            line: at(pattern.span().start),
            reason: format!("{rule}: {last} (expressions must be linear)"),
        }
    })
}

/// Known findings: `.gitleaksignore`, one fingerprint a line.
#[derive(Debug, Default)]
pub struct IgnoreList(HashSet<String>);

impl IgnoreList {
    /// Reads a list; `#` begins a remark.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(str::to_owned).collect())
    }

    /// Whether a finding is on the list, with or without its commit.
    #[must_use]
    pub fn contains(&self, finding: &Finding) -> bool {
        let whole = finding.fingerprint();
        if self.0.contains(&whole) {
            return true;
        }
        match &finding.commit {
            Some(commit) => whole
                .strip_prefix(&format!("{}:", commit.id))
                .is_some_and(|rest| self.0.contains(rest)),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
