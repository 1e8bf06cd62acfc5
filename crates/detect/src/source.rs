//! Reads the places where a value may lie: byte streams, directories, archives, image streams, JSON.
//!
//! A [`Finder`] is pointed at things and collects [`Looked`]: what was found, and what could not be
//! read. Everything is streamed. Archives are opened in memory, to a bounded depth and size; a bomb
//! costs time, then becomes a [`Gap`]. Names from archives are text and never paths: nothing is
//! created, linked or run.

mod directory;
mod gathered;
pub mod git;
mod image;
mod item;
mod json;
mod location;
mod patterns;
mod sqlite;
mod tar;
mod tree;
mod zip;
mod zstd;

pub use image::{ImageArchive, ImageLook};
pub use location::clean;
pub use patterns::Patterns;
pub use tree::{Tree, TreeOptions};

use crate::forms::Form;
use crate::matcher::{Hit, Matcher, Stream};
use crate::needles::{Entry, SecretId};
use crate::pattern::{DigestKey, Finding};
use std::collections::BTreeMap;
use std::io::Read;

/// How far a look goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Archives inside archives.
    pub depth: u32,
    /// Bytes one look may decompress.
    pub expanded: u64,
    /// Decompressed bytes for each compressed one, judged beyond `ratio_from`.
    pub ratio: u64,
    /// Decompressed bytes of one stream that are allowed at any ratio.
    pub ratio_from: u64,
    /// Entries of one archive or files of one directory tree.
    pub entries: u64,
    /// Bytes of a JSON document that is read as such (a larger one is searched as plain bytes).
    pub document: usize,
    /// Locations kept for one secret in one look; further ones are counted.
    pub locations: usize,
}

impl Default for Limits {
    /// Generous for real images, deadly for bombs: gzip reaches 1030:1, software rarely 20:1.
    fn default() -> Self {
        Self {
            depth: 6,
            expanded: 256 << 30,
            ratio: 250,
            ratio_from: 64 << 20,
            entries: 20_000_000,
            document: 16 << 20,
            locations: 20,
        }
    }
}

/// A value in a plain place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Where a person can look: a file, an offset, a JSON pointer. Safe to print.
    pub location: String,
    /// How it is written there.
    pub form: Form,
}

/// Something that was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What; safe to print.
    pub location: String,
    /// Why, in words.
    pub reason: String,
}

/// Exposures of one secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposed {
    /// The first ones.
    pub at: Vec<Exposure>,
    /// How many more there are.
    pub more: u64,
}

/// Gaps kept with their names; further ones are counted.
const GAPS_KEPT: usize = 100;

/// Findings kept; further ones are counted.
const FINDINGS_KEPT: usize = 100_000;

/// What a look gave.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// What was found, by secret.
    pub exposed: BTreeMap<SecretId, Exposed>,
    /// What looks like a secret, as far as kept.
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub more_findings: u64,
    /// What could not be read, as far as kept.
    pub gaps: Vec<Gap>,
    /// How many more gaps there are.
    pub more_gaps: u64,
    /// Findings that were there before, where only what is new was asked for.
    pub known: u64,
    /// Things looked at (containers, files, processes: the caller's unit).
    pub objects: u64,
    /// Bytes searched, decompressed.
    pub bytes: u64,
}

impl Looked {
    /// Adds what another look gave.
    pub fn absorb(&mut self, other: Self) {
        for (secret, exposed) in other.exposed {
            let own = self.exposed.entry(secret).or_default();
            own.at.extend(exposed.at);
            own.more += exposed.more;
        }
        for finding in other.findings {
            self.finding(finding);
        }
        self.more_findings += other.more_findings;
        for gap in other.gaps {
            self.gap(gap);
        }
        self.more_gaps += other.more_gaps;
        self.known += other.known;
        self.objects += other.objects;
        self.bytes += other.bytes;
    }

    /// Makes findings of what was found exactly, for those who show findings.
    pub fn name_exposed(&mut self, key: &DigestKey, entries: &[Entry]) {
        for (secret, exposed) in std::mem::take(&mut self.exposed) {
            let Some(entry) = entries.get(secret.index()) else {
                continue;
            };
            self.more_findings += exposed.more;
            for at in &exposed.at {
                self.finding(Finding::of_stored(key, &entry.label, at));
            }
        }
        // Exact ones say more than what only looks like it.
        self.findings
            .sort_by(|a, b| (&a.location, a.offset).cmp(&(&b.location, b.offset)));
    }

    /// Adds a finding.
    pub fn finding(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_KEPT {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }

    /// Adds a gap. The same one is kept once.
    pub fn gap(&mut self, gap: Gap) {
        if self.gaps.contains(&gap) {
            return;
        }
        if self.gaps.len() < GAPS_KEPT {
            self.gaps.push(gap);
        } else {
            self.more_gaps += 1;
        }
    }

    /// Puts `prefix` before every location.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        for exposure in self
            .exposed
            .values_mut()
            .flat_map(|exposed| &mut exposed.at)
        {
            exposure.location = location::join(prefix, &exposure.location);
        }
        for finding in &mut self.findings {
            finding.location = location::join(prefix, &finding.location);
        }
        for gap in &mut self.gaps {
            gap.location = location::join(prefix, &gap.location);
        }
        self
    }
}

/// Looks into things for one set of values.
pub struct Finder<'m> {
    matcher: &'m Matcher,
    limits: Limits,
    stream: Stream<'m>,
    looked: Looked,
    expanded: u64,
    patterns: Option<Patterns<'m>>,
    /// Names of the archive that is being read, where somebody wants them.
    names: Option<Vec<String>>,
}

impl<'m> Finder<'m> {
    /// A finder with nothing looked at yet.
    #[must_use]
    pub fn new(matcher: &'m Matcher, limits: Limits) -> Self {
        Self {
            matcher,
            limits,
            stream: matcher.stream(),
            looked: Looked::default(),
            expanded: 0,
            patterns: None,
            names: None,
        }
    }

    /// Looks for what looks like a secret, too.
    #[must_use]
    pub fn with_patterns(mut self, patterns: Patterns<'m>) -> Self {
        self.patterns = Some(patterns);
        self
    }

    /// What is searched for.
    #[must_use]
    pub const fn matcher(&self) -> &'m Matcher {
        self.matcher
    }

    /// What was seen since the last call. Limits count on.
    pub fn take(&mut self) -> Looked {
        std::mem::take(&mut self.looked)
    }

    /// Counts one thing as looked at.
    pub const fn count(&mut self) {
        self.looked.objects += 1;
    }

    /// Notes that something was not looked at.
    pub fn gap(&mut self, location: &str, reason: impl Into<String>) {
        let gap = Gap {
            location: self.safe(location),
            reason: self.safe(&reason.into()),
        };
        self.looked.gap(gap);
    }

    /// Searches bytes as they are.
    pub fn bytes(&mut self, location: &str, bytes: &[u8]) {
        self.looked.bytes += bytes.len() as u64;
        for hit in self.matcher.find(bytes) {
            self.found(&hit, &location::at(location, hit.start));
        }
    }

    /// Searches a stream; gzip, zstd, tar and zip inside it are opened, whatever they are called.
    pub fn reader(&mut self, location: &str, source: &mut dyn Read) {
        self.item(location, source, self.limits.depth);
    }

    /// Searches text that has a name of its own as location, such as a variable or an argument.
    pub fn text(&mut self, location: &str, text: &[u8]) {
        self.looked.bytes += text.len() as u64;
        for hit in self.matcher.find(text) {
            self.found(&hit, location);
        }
        self.unplaced(location, text);
    }

    /// Keeps a hit of a search that the caller made itself, at a location of its choice.
    pub fn found(&mut self, hit: &Hit, location: &str) {
        let location = self.safe(location);
        let most = self.limits.locations;
        let exposed = self.looked.exposed.entry(hit.secret).or_default();
        if let Some(known) = exposed
            .at
            .iter_mut()
            .find(|known| known.location == location)
        {
            known.form = known.form.min(hit.form);
        } else if exposed.at.len() < most {
            exposed.at.push(Exposure {
                location,
                form: hit.form,
            });
        } else {
            exposed.more += 1;
        }
    }

    /// A location that may be printed: no values, no control characters.
    fn safe(&self, location: &str) -> String {
        clean(&self.matcher.mask(location))
    }
}

#[cfg(test)]
mod tests;
