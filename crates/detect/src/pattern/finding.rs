//! What is said about something that was found. Never the value.

use super::rule::RuleInfo;
use super::stream::Sighting;
use super::{Digest, base64};
use super::{DigestKey, Scanner};
use crate::label::Label;
use crate::source::{Exposure, clean};
use crate::verify::Verdict;
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};

/// How bad it is that this lies there.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Opens little.
    Low,
    /// May open something.
    Medium,
    /// Opens something.
    #[default]
    High,
    /// Opens everything of somebody.
    Critical,
}

impl Severity {
    /// One word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What late judgements need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// Nothing but its name speaks for it.
    pub(crate) generic: bool,
    pub(crate) quoted: bool,
    /// Allowlists of a user that wait for the place: one bit each.
    pub(crate) half: u64,
}

/// The commit in which something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its full id.
    pub id: String,
    /// Day, as `2026-11-25`.
    pub date: String,
    /// Name of the author; safe to print.
    pub author: String,
}

impl Commit {
    /// For people: `commit 1f0c5a… of 2026-11-25 by Jo Doe`.
    pub(crate) fn words(&self) -> String {
        let id: String = self.id.chars().take(12).collect();
        if self.date.is_empty() {
            return format!("commit {id}");
        }
        format!("commit {id} of {} by {}", self.date, self.author)
    }
}

/// Something that looks like a secret, and where it lies.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it looks like.
    pub rule: Arc<RuleInfo>,
    /// A file, or a chain of places with the file last. Safe to print.
    pub location: String,
    /// Line, counted from one; none in what has no lines.
    pub line: Option<u64>,
    /// Column in bytes, counted from one.
    pub column: Option<u64>,
    /// Offset in bytes.
    pub offset: u64,
    /// The commit that brought it, where it lies in a history.
    pub commit: Option<Commit>,
    /// The name it is given there. Safe to print.
    pub name: Option<String>,
    /// The value with everything hidden that is not known to everybody.
    pub preview: String,
    /// The value, keyed.
    pub digest: Digest,
    /// Something more to know: "base64", "deleted in layer 3".
    pub note: Option<String>,
    /// What its provider says of it, where it was asked.
    pub verdict: Option<Verdict>,
    pub(crate) shape: Shape,
}

/// The rule of values that are stored.
pub const STORED: &str = "stored-value";

/// What another scanner says.
pub struct Foreign {
    /// Its rule.
    pub rule: String,
    /// The file.
    pub path: String,
    /// The line, where it says one.
    pub line: Option<u64>,
    /// The commit, or nothing.
    pub commit: String,
    /// The value, where its document has it.
    pub secret: Option<Secret<Vec<u8>>>,
}

/// Names of files in which text without quotes is code.
const CODE: &[&str] = &[
    "c", "cc", "cpp", "cs", "cxx", "dart", "ex", "exs", "go", "groovy", "h", "hpp", "java", "jl",
    "js", "jsx", "kt", "kts", "lua", "m", "mjs", "mm", "php", "pl", "pm", "py", "pyi", "r", "rb",
    "rs", "scala", "sol", "swift", "ts", "tsx", "vb", "vue", "zig", "css", "scss", "less",
    "svelte", "cjs", "mts", "d", "nim", "ml", "hs", "clj", "erl", "f90", "proto", "graphql",
    "thrift", "tex", "md", "rst", "adoc",
];

/// Files that list checksums, or that a program made from others.
const MADE: &[&str] = &[
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "cargo.lock",
    "go.sum",
    "poetry.lock",
    "uv.lock",
    "pipfile.lock",
    "composer.lock",
    "gemfile.lock",
    "flake.lock",
    "mix.lock",
    "pubspec.lock",
    "packages.lock.json",
    "gradle.lockfile",
    "deno.lock",
    "cargo.toml.orig",
    "go.work.sum",
    "podfile.lock",
    "package.resolved",
];

/// What the names of a file say about the text in it: text without quotes is a value in configuration
/// and an expression in code, and a lock file is full of checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(u8);

impl Names {
    const PLAIN: u8 = 1;
    const CODE: u8 = 2;
    const MADE: u8 = 4;

    /// What one name says.
    pub(crate) fn of(path: &str) -> Self {
        let file = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        if MADE.contains(&file.as_str())
            || file.ends_with(".min.js")
            || file.ends_with(".map")
            || file.ends_with(".svg")
        {
            return Self(Self::MADE);
        }
        let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
        Self(if CODE.contains(&extension) {
            Self::CODE
        } else {
            Self::PLAIN
        })
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// From the bits of all names that a file has.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether a finding counts under at least one of the names. Without a name nothing is known.
    pub(crate) const fn keep(self, finding: &Finding) -> bool {
        !finding.shape.generic
            || self.0 == 0
            || self.0 & Self::PLAIN != 0
            || (self.0 & Self::CODE != 0 && finding.shape.quoted)
    }
}

impl Finding {
    pub(crate) fn new(
        scanner: &Scanner,
        key: &DigestKey,
        location: &str,
        sighting: &Sighting<'_>,
    ) -> Self {
        let found = sighting.found;
        let name = std::str::from_utf8(sighting.name)
            .ok()
            .filter(|name| !name.is_empty());
        let lines = !sighting.binary;
        let digest = key.digest(sighting.secret);
        keep(scanner, sighting, digest);
        Self {
            rule: Arc::clone(&found.rule),
            location: hidden(scanner, sighting.secret, location),
            line: lines.then_some(sighting.line),
            column: lines.then_some(sighting.column),
            offset: sighting.offset,
            commit: None,
            name: name.map(clean),
            preview: preview(sighting.secret, found.known),
            digest,
            verdict: None,
            note: found.encoded.then(|| "base64".to_owned()),
            shape: found.shape,
        }
    }

    /// What is said of a stored value that lies here, by its name in the store.
    #[must_use]
    pub fn of_stored(key: &DigestKey, label: &Label, at: &Exposure) -> Self {
        static RULE: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
            Arc::new(RuleInfo {
                id: STORED.to_owned(),
                name: "a value of the store, exactly".to_owned(),
                severity: Severity::Critical,
                source: "docs/adr/0018-fingerprints.md".to_owned(),
            })
        });
        let split = at.location.rsplit_once(", byte ");
        let split = split.and_then(|(place, offset)| Some((place, offset.parse().ok()?)));
        let (location, offset) = split.unwrap_or((at.location.as_str(), 0));
        let name = label.to_string();
        Self {
            rule: Arc::clone(&RULE),
            location: location.to_owned(),
            line: None,
            column: None,
            offset,
            commit: None,
            digest: key.digest(name.as_bytes()),
            name: Some(clean(&name)),
            preview: format!("… ({})", at.form),
            note: None,
            verdict: None,
            shape: Shape {
                generic: false,
                quoted: true,
                half: 0,
            },
        }
    }

    /// What is said about a file for its name alone.
    pub(crate) fn of_file(key: &DigestKey, rule: Arc<RuleInfo>, location: &str) -> Self {
        Self {
            rule,
            location: location.to_owned(),
            line: None,
            column: None,
            offset: 0,
            commit: None,
            name: None,
            preview: "the file itself".to_owned(),
            digest: key.digest(location.as_bytes()),
            note: None,
            verdict: None,
            shape: Shape {
                generic: false,
                quoted: true,
                half: 0,
            },
        }
    }

    /// What another scanner found. The value becomes a digest; where its form is one of ours, so does its
    /// rule.
    pub(crate) fn foreign(scanner: &Scanner, key: &DigestKey, foreign: &Foreign) -> Self {
        let secret = foreign.secret.as_ref().map(Secret::expose);
        let secret = secret.map_or(&[][..], Vec::as_slice).trim_ascii();
        let masked = secret.len() < 4
            || secret.starts_with(b"REDACTED")
            || secret.ends_with(b"...")
            || secret.contains(&b'*');
        let known = scanner.scan(secret, 0, secret.len(), false);
        let known = known.first().filter(|one| one.secret == (0..secret.len()));
        let id: String = foreign
            .rule
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
            .take(100)
            .collect();
        let rule = known.map_or_else(
            || {
                Arc::new(RuleInfo {
                    name: format!("found by another scanner ({id})"),
                    id: id.clone(),
                    severity: Severity::High,
                    source: "import".to_owned(),
                })
            },
            |one| Arc::clone(&one.rule),
        );
        let location = hidden(scanner, secret, &foreign.path);
        if let (Some(kept), Some(_), false) = (scanner.kept(), known, masked) {
            kept.keep(&rule.id, key.digest(secret), secret);
        }
        let digest = if masked {
            let place = format!("{location}\0{:?}\0{id}", foreign.line);
            key.digest(place.as_bytes())
        } else {
            key.digest(secret)
        };
        let commit: String = foreign
            .commit
            .chars()
            .filter(char::is_ascii_hexdigit)
            .take(64)
            .collect();
        Self {
            rule,
            location,
            line: foreign.line,
            column: None,
            offset: 0,
            commit: (!commit.is_empty()).then(|| Commit {
                id: commit,
                date: String::new(),
                author: String::new(),
            }),
            name: None,
            preview: if masked {
                "… (not in the document)".to_owned()
            } else {
                preview(secret, known.map_or(0, |one| one.known))
            },
            digest,
            verdict: None,
            note: Some("imported".to_owned()),
            shape: Shape {
                generic: false,
                quoted: true,
                half: 0,
            },
        }
    }

    /// Whether it still counts, now that the file is known.
    pub(crate) fn fits(&self) -> bool {
        if !self.shape.generic {
            return true;
        }
        let path = self.location.rsplit(": ").next().unwrap_or(&self.location);
        Names::of(path).keep(self)
    }

    /// Masks its location, which was not known when it was made.
    pub(crate) fn hide(&mut self, scanner: &Scanner, key: &DigestKey) {
        let parts = self.location.split('/').map(|part| {
            let stem = part.split('.').next().unwrap_or(part);
            if key.digest(part.as_bytes()) == self.digest {
                "‹secret›".to_owned()
            } else if key.digest(stem.as_bytes()) == self.digest {
                part.replacen(stem, "‹secret›", 1)
            } else {
                part.to_owned()
            }
        });
        let location = parts.collect::<Vec<_>>().join("/");
        self.location = hidden(scanner, b"", &location);
    }

    /// Where it is, for people: `src/app.env:3:13`, `layer 2 of 6: app/.env:1:5`.
    #[must_use]
    pub fn place(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.location),
            (Some(line), None) => format!("{}:{line}", self.location),
            _ => format!("{}, byte {}", self.location, self.offset),
        }
    }

    /// What names this finding in lists of known ones, in gitleaks' form: `COMMIT:FILE:RULE:LINE`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let line = self.line.unwrap_or(0);
        let (location, rule) = (&self.location, &self.rule.id);
        match &self.commit {
            Some(commit) => format!("{}:{location}:{rule}:{line}", commit.id),
            None => format!("{location}:{rule}:{line}"),
        }
    }
}

/// Keeps the value for the question whether it lives. What stands in base64, or among other text, is
/// kept as its provider gave it out, or not at all.
fn keep(scanner: &Scanner, sighting: &Sighting<'_>, digest: Digest) {
    let Some(kept) = scanner.kept() else {
        return;
    };
    let (found, secret) = (sighting.found, sighting.secret);
    let plain = found.encoded.then(|| base64::decoded(secret)).flatten();
    let plain = Secret::new(plain.unwrap_or_default());
    let text = match found.encoded {
        true => plain.expose().as_slice(),
        false => secret,
    };
    let inner = scanner.scan(text, 0, text.len(), false);
    let inner = inner.iter().find(|one| one.rule.id == found.rule.id);
    match inner.and_then(|one| text.get(one.secret.clone())) {
        Some(token) => kept.keep(&found.rule.id, digest, token),
        // Known by its name, which stands outside of the value.
        None if !found.encoded => kept.keep(&found.rule.id, digest, secret),
        None => {}
    }
}

/// A location that may be printed: a file can be called like the secret in it, or like another one.
fn hidden(scanner: &Scanner, secret: &[u8], location: &str) -> String {
    let secret = std::str::from_utf8(secret).unwrap_or_default();
    let mut location = location.to_owned();
    if secret.len() >= 4 && location.contains(secret) {
        location = location.replace(secret, "‹secret›");
    }
    let inside = scanner.scan(location.as_bytes(), 0, location.len(), true);
    for found in inside.iter().rev() {
        if location.get(found.secret.clone()).is_some() {
            location.replace_range(found.secret.clone(), "‹secret›");
        }
    }
    clean(&location)
}

/// The beginning that every secret of this kind has, and how long the whole is.
fn preview(secret: &[u8], known: usize) -> String {
    let head = secret
        .get(..known)
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    let characters = String::from_utf8_lossy(secret).chars().count();
    format!("{}… ({characters} characters)", clean(&head))
}
