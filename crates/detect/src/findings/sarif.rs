//! SARIF 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0).

use super::Findings;
use super::documents::{pretty, sentence, verified};
use crate::pattern::{Finding, RuleInfo, Severity};
use serde_json::{Value, json};
use std::sync::Arc;

impl Findings {
    pub(super) fn to_sarif(&self) -> String {
        let mut rules: Vec<Arc<RuleInfo>> = Vec::new();
        for finding in &self.findings {
            if !rules.iter().any(|known| known.id == finding.rule.id) {
                rules.push(Arc::clone(&finding.rule));
            }
        }
        let results: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| result(finding, &rules))
            .collect();
        let notifications: Vec<Value> = self
            .gaps
            .iter()
            .map(|gap| json!({
                "level": "warning",
                "message": {"text": format!("not looked at: {} ({})", gap.location, gap.reason)},
            }))
            .collect();
        pretty(&json!({
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "cofferdam",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": rules.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
                }},
                "invocations": [{
                    "executionSuccessful": true,
                    "toolExecutionNotifications": notifications,
                }],
                "columnKind": "utf16CodeUnits",
                "results": results,
            }],
        }))
    }
}

fn descriptor(rule: &RuleInfo) -> Value {
    let mut descriptor = json!({
        "id": rule.id,
        "shortDescription": {"text": rule.name},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {"tags": ["security", "secret"], "security-severity": score(rule.severity)},
    });
    if rule.source.starts_with("https://")
        && let Some(fields) = descriptor.as_object_mut()
    {
        fields.insert("helpUri".to_owned(), json!(rule.source));
    }
    descriptor
}

fn result(finding: &Finding, rules: &[Arc<RuleInfo>]) -> Value {
    let index = rules.iter().position(|rule| rule.id == finding.rule.id);
    let region = finding.line.map_or_else(
        || json!({"byteOffset": finding.offset}),
        |line| json!({"startLine": line, "startColumn": finding.column.unwrap_or(1)}),
    );
    let mut properties = json!({
        "place": finding.place(),
        "commit": finding.commit.as_ref().map(|commit| commit.id.clone()),
    });
    if let (Some(verdict), Some(fields)) = (&finding.verdict, properties.as_object_mut()) {
        fields.insert("verified".to_owned(), verified(verdict));
    }
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": level(finding.rule.severity),
        "message": {"text": sentence(finding)},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&finding.location)},
            "region": region,
        }}],
        "partialFingerprints": {
            "location/v1": finding.fingerprint(),
            "value/v1": finding.digest.to_string(),
        },
        "properties": properties,
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
    }
}

/// A relative reference (RFC 3986): everything but unreserved characters and `/` is percent-encoded.
fn uri(location: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(location.len());
    for byte in location.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
