//! The search by what things look like, as a part of every look.

use super::{Finder, Looked};
use crate::pattern::{DigestKey, Finding, Names, Piece, Scanner, Seen, Windows};
use std::io::{self, Read};
use std::path::Path;

/// What a [`Finder`] needs to look for patterns.
pub struct Patterns<'m> {
    scanner: &'m Scanner,
    key: &'m DigestKey,
    windows: Windows,
    /// What is known of the names of the thing that is looked at; none if its location is its name.
    names: Option<Names>,
}

/// The version of a text from which another one was made.
pub(super) struct Before<'b> {
    pub(super) seen: &'b Seen,
    pub(super) length: usize,
    pub(super) pieces: &'b [Piece],
}

impl<'m> Patterns<'m> {
    /// With rules and the key of digests.
    #[must_use]
    pub const fn new(scanner: &'m Scanner, key: &'m DigestKey) -> Self {
        Self {
            scanner,
            key,
            windows: Windows::new(),
            names: None,
        }
    }

    pub(super) fn read(
        &mut self,
        location: &str,
        source: &mut dyn Read,
        also: impl FnMut(&[u8]),
        looked: &mut Looked,
    ) -> (u64, io::Result<()>) {
        let (scanner, key, names) = (self.scanner, self.key, self.names);
        self.windows.read(scanner, source, also, |sighting| {
            let finding = Finding::new(scanner, key, location, sighting);
            keep(scanner, names, looked, finding);
        })
    }
}

fn keep(scanner: &Scanner, names: Option<Names>, looked: &mut Looked, finding: Finding) {
    let kept = match names {
        // What the place says is asked again when it is known.
        Some(names) if finding.location.is_empty() => names.keep(&finding),
        Some(_) => finding.fits(),
        None => finding.fits() && scanner.imported().keeps(&finding),
    };
    if kept {
        looked.finding(finding);
    }
}

impl Finder<'_> {
    /// Patterns in a whole text that has lines.
    pub(super) fn patterns(&mut self, location: &str, text: &[u8]) {
        let Some(patterns) = &self.patterns else {
            return;
        };
        let looked = &mut self.looked;
        Windows::whole(patterns.scanner, text, |sighting| {
            let finding = Finding::new(patterns.scanner, patterns.key, location, sighting);
            keep(patterns.scanner, patterns.names, looked, finding);
        });
    }

    /// Patterns in a text whose location says all: a variable, a string of a document.
    pub(super) fn unplaced(&mut self, location: &str, text: &[u8]) {
        let Some(patterns) = &self.patterns else {
            return;
        };
        let looked = &mut self.looked;
        Windows::whole(patterns.scanner, text, |sighting| {
            let finding = Finding::new(patterns.scanner, patterns.key, location, sighting);
            let finding = Finding {
                line: None,
                column: None,
                ..finding
            };
            keep(patterns.scanner, patterns.names, looked, finding);
        });
    }

    /// From now on things have no location; where they lie is found out later. `names` is what is known.
    pub(super) const fn unnamed(&mut self, names: Names) {
        if let Some(patterns) = &mut self.patterns {
            patterns.names = Some(names);
        }
    }

    /// A text of which another version may have been searched before, with all searches.
    pub(super) fn version(&mut self, text: &[u8], before: Option<&Before<'_>>) -> Option<Seen> {
        if self.matcher.shapes() > 0 {
            self.bytes("", text);
        } else {
            self.looked.bytes += text.len() as u64;
        }
        if Scanner::is_wide(text) {
            self.patterns("", text);
            return None;
        }
        let patterns = self.patterns.as_ref()?;
        let (scanner, looked) = (patterns.scanner, &mut self.looked);
        let seen = match before {
            None => scanner.look(text),
            Some(before) => scanner.look_again(text, before.seen, before.length, before.pieces),
        };
        Scanner::tell(text, &seen, &mut |sighting| {
            let finding = Finding::new(scanner, patterns.key, "", sighting);
            keep(scanner, patterns.names, looked, finding);
        });
        Some(seen)
    }

    /// A whole text that is in memory, with all searches.
    pub(super) fn whole(&mut self, location: &str, text: &[u8]) {
        if self.matcher.shapes() > 0 {
            self.bytes(location, text);
        } else {
            self.looked.bytes += text.len() as u64;
        }
        self.patterns(location, text);
    }

    /// Rules about the names of files alone.
    pub(super) fn name_of_file(&mut self, location: &str, path: &Path) {
        let Some(patterns) = &self.patterns else {
            return;
        };
        let path = path.to_string_lossy();
        for rule in patterns.scanner.imported().about_name(&path) {
            let finding = Finding::of_file(patterns.key, rule, location);
            keep(patterns.scanner, None, &mut self.looked, finding);
        }
    }
}
