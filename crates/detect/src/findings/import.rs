//! Findings of other scanners: gitleaks, betterleaks, kingfisher and trufflehog in JSON, and SARIF.
//!
//! Their documents hold the values that were found. A value is read into memory that is wiped, becomes a
//! keyed digest, and is gone; nothing else of a document that could hold one (the line around it, a
//! snippet, a command to check it) is read at all.
//!
//! The forms are those that the programs write (gitleaks 8.30, betterleaks 2.0, kingfisher 2.14) and that
//! trufflehog 3 documents: an array, an object with `findings`, one object a line, or `runs` of SARIF.

use crate::pattern::{DigestKey, Finding, Foreign, Scanner};
use cofferdam_secret::Secret;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Why a document is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFindings {
    /// It is not JSON, or not to its end.
    #[error("not JSON at line {line}, column {column}")]
    NotJson {
        /// Counted from one.
        line: usize,
        /// Counted from one.
        column: usize,
    },
    /// A field has another type than its name promises.
    #[error("not a document of findings at line {line}, column {column}")]
    OtherShape {
        /// Counted from one.
        line: usize,
        /// Counted from one.
        column: usize,
    },
    /// It is JSON, and nothing in it is a finding or a list of them.
    #[error("neither SARIF nor findings of gitleaks, betterleaks, kingfisher or trufflehog")]
    Unknown,
    /// A finding that names no rule or no place.
    #[error("finding {number} names no rule or no place")]
    Incomplete {
        /// Counted from one.
        number: usize,
    },
    /// More findings than are kept.
    #[error("more than {MOST} findings")]
    TooMany,
}

/// Findings of one document.
const MOST: usize = 1_000_000;

/// A value, in memory that is wiped.
struct Held(Secret<Vec<u8>>);

impl<'de> Deserialize<'de> for Held {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(Self(Secret::new(text.unwrap_or_default().into_bytes())))
    }
}

/// A finding of any of them, or a document with some: their names do not meet.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(rename = "RuleID")]
    gitleaks_rule: Option<String>,
    #[serde(rename = "File")]
    file: Option<String>,
    #[serde(rename = "StartLine")]
    line: Option<u64>,
    #[serde(rename = "Secret")]
    secret: Option<Held>,
    #[serde(rename = "Commit")]
    commit: Option<String>,

    rule_id: Option<String>,
    #[serde(rename = "match")]
    matched: Option<Matched>,
    location: Option<BetterPlace>,
    attributes: Option<Attributes>,

    rule: Option<FisherRule>,
    finding: Option<FisherFinding>,

    #[serde(rename = "DetectorName")]
    detector: Option<String>,
    #[serde(rename = "Raw")]
    raw: Option<Held>,
    #[serde(rename = "SourceMetadata")]
    source: Option<HogSource>,

    findings: Option<Vec<Self>>,
    runs: Option<Vec<Run>>,
}

#[derive(Deserialize)]
struct Matched {
    value: Option<Held>,
}

#[derive(Deserialize)]
struct BetterPlace {
    #[serde(default)]
    path: String,
    start_line: Option<u64>,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(rename = "git.commit", alias = "git.sha", alias = "commit")]
    commit: Option<String>,
}

#[derive(Deserialize)]
struct FisherRule {
    id: String,
}

#[derive(Deserialize)]
struct FisherFinding {
    snippet: Option<Held>,
    line: Option<u64>,
    #[serde(default)]
    path: String,
    git_metadata: Option<FisherGit>,
}

#[derive(Deserialize)]
struct FisherGit {
    commit: Option<FisherCommit>,
}

#[derive(Deserialize)]
struct FisherCommit {
    id: Option<String>,
}

#[derive(Deserialize)]
struct HogSource {
    #[serde(rename = "Data", default)]
    data: BTreeMap<String, HogPlace>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HogPlace {
    file: String,
    line: Option<u64>,
    commit: Option<String>,
}

#[derive(Deserialize)]
struct Run {
    #[serde(default)]
    results: Option<Vec<SarifResult>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: Option<String>,
    #[serde(default)]
    locations: Vec<SarifPlace>,
    #[serde(default)]
    partial_fingerprints: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifPlace {
    physical_location: Option<SarifFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifFile {
    artifact_location: Option<SarifUri>,
    region: Option<SarifRegion>,
}

#[derive(Deserialize)]
struct SarifUri {
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifRegion {
    start_line: Option<u64>,
    snippet: Option<SarifSnippet>,
}

#[derive(Deserialize)]
struct SarifSnippet {
    text: Option<Held>,
}

/// Reads the findings of one document.
///
/// # Errors
/// [`NotFindings`]; its words hold nothing of the document.
pub fn import(
    document: &[u8],
    scanner: &Scanner,
    key: &DigestKey,
) -> Result<Vec<Finding>, NotFindings> {
    let mut import = Import {
        scanner,
        key,
        findings: Vec::new(),
        known: false,
    };
    let first = document.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        let entries: Vec<Entry> = serde_json::from_slice(document).map_err(|e| refused(&e))?;
        import.known = entries.is_empty();
        import.entries(entries)?;
    } else {
        for entry in serde_json::Deserializer::from_slice(document).into_iter::<Entry>() {
            import.document(entry.map_err(|error| refused(&error))?)?;
        }
    }
    if import.known || !import.findings.is_empty() {
        Ok(import.findings)
    } else {
        Err(NotFindings::Unknown)
    }
}

fn refused(error: &serde_json::Error) -> NotFindings {
    // The parser's own words can quote the document.
    let (line, column) = (error.line(), error.column());
    if error.is_data() {
        NotFindings::OtherShape { line, column }
    } else {
        NotFindings::NotJson { line, column }
    }
}

struct Import<'s> {
    scanner: &'s Scanner,
    key: &'s DigestKey,
    findings: Vec<Finding>,
    /// The document says what it is, even if it is empty.
    known: bool,
}

impl Import<'_> {
    fn document(&mut self, mut entry: Entry) -> Result<(), NotFindings> {
        if let Some(runs) = entry.runs.take() {
            self.known = true;
            let results = runs
                .into_iter()
                .flat_map(|run| run.results.unwrap_or_default());
            for result in results {
                self.sarif(result)?;
            }
            return Ok(());
        }
        if let Some(findings) = entry.findings.take() {
            self.known = true;
            return self.entries(findings);
        }
        // Lines that are no findings (a summary, a log) stand between those of a stream.
        if entry.names_a_rule() {
            self.entry(entry)?;
        }
        Ok(())
    }

    fn entries(&mut self, entries: Vec<Entry>) -> Result<(), NotFindings> {
        entries.into_iter().try_for_each(|entry| self.entry(entry))
    }

    fn entry(&mut self, entry: Entry) -> Result<(), NotFindings> {
        let foreign = entry.foreign();
        self.keep(&foreign)
    }

    fn sarif(&mut self, result: SarifResult) -> Result<(), NotFindings> {
        let file = result
            .locations
            .into_iter()
            .find_map(|place| place.physical_location);
        let (uri, region) = file.map_or((None, None), |file| {
            (file.artifact_location.and_then(|at| at.uri), file.region)
        });
        let commit = result.partial_fingerprints.get("commitSha").cloned();
        let (line, snippet) = region.map_or((None, None), |region| {
            (region.start_line, region.snippet.and_then(|one| one.text))
        });
        self.keep(&Foreign {
            rule: result.rule_id.unwrap_or_default(),
            path: uri.map(|uri| decoded(&uri)).unwrap_or_default(),
            line,
            commit: commit.unwrap_or_default(),
            secret: snippet.map(|held| held.0),
        })
    }

    fn keep(&mut self, foreign: &Foreign) -> Result<(), NotFindings> {
        if self.findings.len() >= MOST {
            return Err(NotFindings::TooMany);
        }
        if foreign.rule.is_empty() || foreign.path.is_empty() {
            return Err(NotFindings::Incomplete {
                number: self.findings.len() + 1,
            });
        }
        let finding = Finding::foreign(self.scanner, self.key, foreign);
        self.findings.push(finding);
        Ok(())
    }
}

impl Entry {
    const fn names_a_rule(&self) -> bool {
        self.gitleaks_rule.is_some()
            || self.rule_id.is_some()
            || self.rule.is_some()
            || self.detector.is_some()
    }

    fn foreign(self) -> Foreign {
        if let (Some(rule), Some(finding)) = (self.rule, self.finding) {
            let commit = finding.git_metadata.and_then(|git| git.commit);
            return Foreign {
                rule: rule.id,
                path: finding.path,
                line: finding.line,
                commit: commit.and_then(|commit| commit.id).unwrap_or_default(),
                secret: finding.snippet.map(|held| held.0),
            };
        }
        if let Some(rule) = self.rule_id {
            let place = self.location;
            let line = place.as_ref().and_then(|place| place.start_line);
            return Foreign {
                rule,
                path: place.map(|place| place.path).unwrap_or_default(),
                line,
                commit: self
                    .attributes
                    .and_then(|attributes| attributes.commit)
                    .unwrap_or_default(),
                secret: self.matched.and_then(|one| one.value).map(|held| held.0),
            };
        }
        if let Some(rule) = self.detector {
            let place = self
                .source
                .and_then(|source| source.data.into_values().next())
                .unwrap_or_default();
            return Foreign {
                rule,
                path: place.file,
                line: place.line,
                commit: place.commit.unwrap_or_default(),
                secret: self.raw.map(|held| held.0),
            };
        }
        Foreign {
            rule: self.gitleaks_rule.unwrap_or_default(),
            path: self.file.unwrap_or_default(),
            line: self.line,
            commit: self.commit.unwrap_or_default(),
            secret: self.secret.map(|held| held.0),
        }
    }
}

/// A path of a URI reference (RFC 3986): `%2C` is a comma.
fn decoded(uri: &str) -> String {
    let path = uri.strip_prefix("file://").unwrap_or(uri).as_bytes();
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        let hex = path.get(at + 1..at + 3).filter(|_| byte == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
