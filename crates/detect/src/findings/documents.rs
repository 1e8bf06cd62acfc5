//! For programs: JSON of our own, JUnit, and the notes of GitHub and GitLab.

use super::Findings;
use crate::pattern::{Finding, Severity};
use crate::verify::Verdict;
use serde_json::{Value, json};
use std::fmt::Write as _;

impl Findings {
    pub(super) fn to_json(&self) -> String {
        let findings: Vec<Value> = self.findings.iter().map(document).collect();
        let gaps: Vec<Value> = self
            .gaps
            .iter()
            .map(|gap| json!({"location": gap.location, "reason": gap.reason}))
            .collect();
        pretty(&json!({
            "findings": findings,
            "more_findings": self.more,
            "known_findings": self.known,
            "not_looked_at": gaps,
            "more_not_looked_at": self.more_gaps,
            "looked_at": {"objects": self.objects, "bytes": self.bytes},
        }))
    }

    /// One test case for each finding, as CI systems count failures.
    pub(super) fn to_junit(&self) -> String {
        let (count, skipped) = (self.findings.len(), self.gaps.len());
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let tests = (count + skipped).max(1);
        let _ = writeln!(
            out,
            "<testsuites><testsuite name=\"cofferdam scan\" tests=\"{tests}\" failures=\"{count}\" skipped=\"{skipped}\">"
        );
        if count + skipped == 0 {
            out.push_str("<testcase classname=\"cofferdam\" name=\"no secrets\"/>\n");
        }
        for finding in &self.findings {
            let (place, rule) = (xml(&finding.place()), xml(&finding.rule.id));
            let message = xml(&sentence(finding));
            let _ = writeln!(
                out,
                "<testcase classname=\"{rule}\" name=\"{place}\"><failure message=\"{message}\" type=\"{rule}\"/></testcase>"
            );
        }
        for gap in &self.gaps {
            let (place, reason) = (xml(&gap.location), xml(&gap.reason));
            let _ = writeln!(
                out,
                "<testcase classname=\"not-looked-at\" name=\"{place}\"><skipped message=\"{reason}\"/></testcase>"
            );
        }
        for count in [self.more, self.more_gaps]
            .into_iter()
            .filter(|&count| count > 0)
        {
            let _ = writeln!(out, "<!-- and {count} more -->");
        }
        out.push_str("</testsuite></testsuites>\n");
        out
    }

    /// docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    pub(super) fn to_github(&self) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            let level = if finding.rule.severity >= Severity::High {
                "error"
            } else {
                "warning"
            };
            let file = property(&finding.location);
            let title = property(&finding.rule.name);
            let line = finding
                .line
                .map_or_else(String::new, |line| format!(",line={line}"));
            let column = finding
                .column
                .map_or_else(String::new, |column| format!(",col={column}"));
            let message = message(&sentence(finding));
            let _ = writeln!(
                out,
                "::{level} file={file}{line}{column},title={title}::{message}"
            );
        }
        for gap in &self.gaps {
            let text = message(&format!("not looked at: {} ({})", gap.location, gap.reason));
            let _ = writeln!(out, "::notice::{text}");
        }
        if self.more + self.more_gaps > 0 {
            let (more, gaps) = (self.more, self.more_gaps);
            let _ = writeln!(
                out,
                "::notice::and {more} more findings, and {gaps} more places not looked at"
            );
        }
        out
    }

    /// docs.gitlab.com/ci/testing/code_quality: what GitLab shows in a merge request.
    pub(super) fn to_gitlab(&self) -> String {
        let of = |finding: &Finding| {
            let severity = match finding.rule.severity {
                Severity::Critical => "blocker",
                Severity::High => "critical",
                Severity::Medium => "major",
                Severity::Low => "minor",
            };
            json!({
                "description": sentence(finding),
                "check_name": finding.rule.id,
                "fingerprint": format!("{}-{}", finding.digest, finding.fingerprint()),
                "severity": severity,
                "location": {
                    "path": finding.location,
                    "lines": {"begin": finding.line.unwrap_or(1)},
                },
            })
        };
        let gap = |gap: &crate::source::Gap| {
            json!({
                "description": format!("not looked at: {}", gap.reason),
                "check_name": "not-looked-at",
                "fingerprint": format!("{}:{}", gap.location, gap.reason),
                "severity": "info",
                "location": {"path": gap.location, "lines": {"begin": 1}},
            })
        };
        let findings = self.findings.iter().map(of);
        pretty(&Value::Array(
            findings.chain(self.gaps.iter().map(gap)).collect(),
        ))
    }
}

fn document(finding: &Finding) -> Value {
    let mut document = json!({
        "rule": finding.rule.id,
        "description": finding.rule.name,
        "severity": finding.rule.severity,
        "location": finding.location,
        "line": finding.line,
        "column": finding.column,
        "offset": finding.offset,
        "name": finding.name,
        "preview": finding.preview,
        "note": finding.note,
        "commit": finding.commit.as_ref().map(|commit| json!({
            "id": commit.id, "date": commit.date, "author": commit.author,
        })),
        "fingerprint": finding.fingerprint(),
        "digest": finding.digest.to_string(),
    });
    if let (Some(verdict), Some(fields)) = (&finding.verdict, document.as_object_mut()) {
        fields.insert("verified".to_owned(), verified(verdict));
    }
    document
}

/// What a provider said.
pub(super) fn verified(verdict: &Verdict) -> Value {
    json!({
        "state": verdict.life.word(),
        "by": verdict.by,
        "reason": verdict.life.reason(),
    })
}

/// One finding in one sentence.
pub(super) fn sentence(finding: &Finding) -> String {
    let name = finding
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!("{name} = "));
    let note = finding
        .note
        .as_ref()
        .map_or_else(String::new, |note| format!(", {note}"));
    let commit = finding
        .commit
        .as_ref()
        .map_or_else(String::new, |commit| format!(", {}", commit.words()));
    let verdict = finding
        .verdict
        .as_ref()
        .map_or_else(String::new, |verdict| format!(", {verdict}"));
    let rule = &finding.rule;
    format!(
        "{}: {name}{}{note}{commit}{verdict} [{}]",
        rule.name, finding.preview, rule.id
    )
}

pub(super) fn pretty(value: &Value) -> String {
    // A tree of texts and numbers has always a JSON form.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Text inside an attribute of XML or HTML. Controls were made visible before.
pub(super) fn xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Data of a workflow command.
fn message(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
