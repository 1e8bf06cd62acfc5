//! One page for people without a terminal: no script, no request, nothing that is not escaped.

use super::Findings;
use super::documents::xml;
use crate::pattern::{Finding, Severity};
use std::fmt::Write as _;

/// Everything the page looks like. The policy allows this style and nothing else.
const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24;background:#fff}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #d8dee4}\
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}.critical,.high{color:#a40e26;font-weight:600}.medium{color:#8a5a00;font-weight:600}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}.critical,.high{color:#ff7b72}.medium{color:#e3b341}}";

impl Findings {
    pub(super) fn to_html(&self) -> String {
        let mut out = String::from(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <title>cofferdam scan</title><style>",
        );
        out.push_str(STYLE);
        out.push_str("</style></head><body>\n<h1>cofferdam scan</h1>\n");
        let count = self.findings.len() as u64 + self.more;
        let gaps = self.gaps.len() as u64 + self.more_gaps;
        let _ = writeln!(
            out,
            "<p>{count} findings, {gaps} places not looked at, {} objects and {} bytes looked at, {} known findings left out.</p>",
            self.objects, self.bytes, self.known
        );
        self.table_of_findings(&mut out);
        self.list_of_gaps(&mut out);
        out.push_str("</body></html>\n");
        out
    }

    fn table_of_findings(&self, out: &mut String) {
        if self.findings.is_empty() {
            out.push_str("<p>Nothing was found.</p>\n");
            return;
        }
        out.push_str("<table><thead><tr><th>Severity</th><th>Where</th><th>What</th><th>Shown as</th></tr></thead><tbody>\n");
        for finding in &self.findings {
            row(out, finding);
        }
        out.push_str("</tbody></table>\n");
        if self.more > 0 {
            let _ = writeln!(out, "<p>… and {} more.</p>", self.more);
        }
    }

    fn list_of_gaps(&self, out: &mut String) {
        if self.gaps.is_empty() {
            return;
        }
        out.push_str("<h2>Not looked at</h2>\n<ul>\n");
        for gap in &self.gaps {
            let (place, reason) = (xml(&gap.location), xml(&gap.reason));
            let _ = writeln!(out, "<li><code>{place}</code>: {reason}</li>");
        }
        out.push_str("</ul>\n");
        if self.more_gaps > 0 {
            let _ = writeln!(out, "<p>… and {} more.</p>", self.more_gaps);
        }
    }
}

fn row(out: &mut String, finding: &Finding) {
    let rule = &finding.rule;
    let severity = rule.severity.word();
    let place = xml(&finding.place());
    let mut what = format!("{}<br><code>{}</code>", xml(&rule.name), xml(&rule.id));
    if let Some(commit) = &finding.commit {
        let id: String = commit.id.chars().take(12).collect();
        let _ = write!(what, "<br>commit <code>{}</code>", xml(&id));
    }
    let mut shown = String::new();
    if let Some(name) = &finding.name {
        let _ = write!(shown, "{} = ", xml(name));
    }
    shown.push_str(&xml(&finding.preview));
    if let Some(note) = &finding.note {
        let _ = write!(shown, "<br>{}", xml(note));
    }
    if let Some(verdict) = &finding.verdict {
        let _ = write!(shown, "<br>{}", xml(&verdict.to_string()));
    }
    let class = match rule.severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    };
    let _ = writeln!(
        out,
        "<tr><td class=\"{class}\">{severity}</td><td><code>{place}</code></td><td>{what}</td><td>{shown}</td></tr>"
    );
}
