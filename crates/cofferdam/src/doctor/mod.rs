//! What of this machine could let a secret out: facts, and what each of them means.
//!
//! A group of checks is one file with three parts: its facts, where they come from, and the
//! judgement. The judgement is a function of the facts alone, so that every finding is tested with
//! facts that were planted. Whatever is wrong comes with the command that mends it; what could not
//! be looked at is said as that and is never "in order". Values are not read: of a file only its
//! owner and mode count.

pub(crate) mod engine;
pub(crate) mod files;
pub(crate) mod memory;
pub(crate) mod server;
pub(crate) mod versions;

use serde::Serialize;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// In order.
    Good,
    /// Could let a secret out, or keeps the service from its work.
    Finding,
    /// Not looked at.
    Unknown,
}

impl State {
    /// As it stands at the beginning of a line.
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Finding => "FINDING",
            Self::Unknown => "unknown",
        }
    }
}

/// What one check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// The check, for scripts.
    pub(crate) check: &'static str,
    pub(crate) state: State,
    /// What is so.
    pub(crate) what: String,
    /// The command that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Outcome {
    pub(crate) fn good(check: &'static str, what: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Good,
            what: what.into(),
            hint: None,
        }
    }

    pub(crate) fn finding(
        check: &'static str,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            check,
            state: State::Finding,
            what: what.into(),
            hint: Some(hint.into()),
        }
    }

    pub(crate) fn unknown(check: &'static str, what: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Unknown,
            what: what.into(),
            hint: None,
        }
    }
}

/// All outcomes, in the order of the groups.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) findings: usize,
    pub(crate) unknown: usize,
    pub(crate) checks: Vec<Outcome>,
}

impl Report {
    pub(crate) fn new(checks: Vec<Outcome>) -> Self {
        let count = |state| checks.iter().filter(|check| check.state == state).count();
        Self {
            findings: count(State::Finding),
            unknown: count(State::Unknown),
            checks,
        }
    }

    /// One line a check, and the hint below a finding.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for check in &self.checks {
            text.push_str(&format!(
                "{:<8} {:<18} {}\n",
                check.state.word(),
                check.check,
                check.what
            ));
            if let Some(hint) = &check.hint {
                text.push_str(&format!("{:<27} hint: {hint}\n", ""));
            }
        }
        text
    }
}

/// A path as an argument of a shell: commands of hints are typed as they stand.
pub(crate) fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,:=".contains(c);
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_shows_the_command_below_what_it_mends() {
        let report = Report::new(vec![
            Outcome::good("swap", "none"),
            Outcome::finding("core-dumps", "written to disk", "sysctl -w x=y"),
            Outcome::unknown("engine", "no engine here"),
        ]);
        assert_eq!((report.findings, report.unknown), (1, 1));
        let table = report.table();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "ok       swap               none");
        assert!(lines[1].starts_with("FINDING  core-dumps"));
        assert!(lines[2].trim_start().starts_with("hint: sysctl -w x=y"));
    }

    #[test]
    fn a_name_with_blanks_is_one_argument() {
        assert_eq!(quoted(std::path::Path::new("/a/b.env")), "/a/b.env");
        assert_eq!(quoted(std::path::Path::new("a b'c")), "'a b'\\''c'");
    }
}
