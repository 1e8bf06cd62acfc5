//! Findings as people and programs read them. No form holds a value: a finding has none.

mod documents;
mod html;
mod import;
mod sarif;
mod text;

pub use import::{NotFindings, import};
pub use text::Style;

use crate::pattern::{Digest, Finding, IgnoreList};
use crate::source::{Gap, Looked};
use std::collections::HashSet;

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// Our own document.
    Json,
    /// SARIF 2.1.0 (OASIS), which code hosts show beside the lines.
    Sarif,
    /// JUnit's XML, which every CI shows as tests.
    Junit,
    /// Workflow commands of GitHub Actions.
    Github,
    /// The code quality report of GitLab.
    Gitlab,
    /// A page of its own.
    Html,
}

impl Form {
    /// Every form by its name.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("table", Self::Text),
        ("text", Self::Text),
        ("json", Self::Json),
        ("sarif", Self::Sarif),
        ("junit", Self::Junit),
        ("github", Self::Github),
        ("gitlab", Self::Gitlab),
        ("html", Self::Html),
    ];

    /// By name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, form)| *form)
    }
}

/// What a search gave, ready to be shown.
#[derive(Debug, Default)]
pub struct Findings {
    /// What was found and is not known already.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more: u64,
    /// What could not be looked at.
    pub gaps: Vec<Gap>,
    /// How many more gaps there are.
    pub more_gaps: u64,
    /// Things looked at.
    pub objects: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// Findings that a list of known ones left out.
    pub known: u64,
}

impl Findings {
    /// From a look. The same value at the same place is one finding.
    #[must_use]
    pub fn new(looked: Looked) -> Self {
        let mut seen = HashSet::new();
        let mut findings = looked.findings;
        findings.retain(|finding| {
            let commit = finding.commit.as_ref().map(|commit| commit.id.clone());
            seen.insert((
                finding.location.clone(),
                finding.offset,
                finding.rule.id.clone(),
                finding.digest,
                commit,
            ))
        });
        Self {
            findings,
            more: looked.more_findings,
            gaps: looked.gaps,
            more_gaps: looked.more_gaps,
            objects: looked.objects,
            bytes: looked.bytes,
            known: looked.known,
        }
    }

    /// Adds findings of other scanners. One that is known at its line, by its value or its rule, is not
    /// added again.
    pub fn merge(&mut self, others: Vec<Finding>) {
        let mut known: HashSet<_> = self.findings.iter().flat_map(same).collect();
        for finding in others {
            let keys = same(&finding);
            if keys.iter().all(|key| !known.contains(key)) {
                known.extend(keys);
                self.findings.push(finding);
            }
        }
    }

    /// Leaves out what a list names.
    pub fn without(&mut self, list: &IgnoreList) {
        let before = self.findings.len();
        self.findings.retain(|finding| !list.contains(finding));
        self.known += (before - self.findings.len()) as u64;
    }

    /// Leaves out values that were known when a baseline was made.
    pub fn without_digests(&mut self, known: &HashSet<Digest>) {
        let before = self.findings.len();
        self.findings
            .retain(|finding| !known.contains(&finding.digest));
        self.known += (before - self.findings.len()) as u64;
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.more == 0
    }

    /// In one of the forms.
    #[must_use]
    pub fn shown(&self, form: Form, style: Style) -> String {
        match form {
            Form::Text => self.to_text(style),
            Form::Json => self.to_json(),
            Form::Sarif => self.to_sarif(),
            Form::Junit => self.to_junit(),
            Form::Github => self.to_github(),
            Form::Gitlab => self.to_gitlab(),
            Form::Html => self.to_html(),
        }
    }
}

/// What makes two findings one: the place without what differs between programs, and the value or the rule.
fn same(finding: &Finding) -> [(String, Option<u64>, String); 2] {
    let path = finding.location.trim_start_matches("./");
    let commit = finding.commit.as_ref().map_or("", |commit| &commit.id);
    let place = format!("{commit}:{path}");
    [
        (place.clone(), finding.line, finding.digest.to_string()),
        (place, finding.line, format!("rule {}", finding.rule.id)),
    ]
}

#[cfg(test)]
mod tests;
