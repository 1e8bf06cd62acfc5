//! The search by what things look like, as a part of every look.

use super::{Finder, Looked};
use crate::pattern::{DigestKey, Finding, Scanner, Windows};
use std::io::{self, Read};
use std::path::Path;

/// What a [`Finder`] needs to look for patterns.
pub struct Patterns<'m> {
    scanner: &'m Scanner,
    key: &'m DigestKey,
    windows: Windows,
}

impl<'m> Patterns<'m> {
    /// With rules and the key of digests.
    #[must_use]
    pub const fn new(scanner: &'m Scanner, key: &'m DigestKey) -> Self {
        Self {
            scanner,
            key,
            windows: Windows::new(),
        }
    }

    pub(super) fn read(
        &mut self,
        location: &str,
        source: &mut dyn Read,
        also: impl FnMut(&[u8]),
        looked: &mut Looked,
    ) -> (u64, io::Result<()>) {
        let (scanner, key) = (self.scanner, self.key);
        self.windows.read(scanner, source, also, |sighting| {
            keep(
                scanner,
                looked,
                Finding::new(scanner, key, location, sighting),
            );
        })
    }
}

fn keep(scanner: &Scanner, looked: &mut Looked, finding: Finding) {
    if finding.fits() && scanner.imported().keeps(&finding) {
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
            keep(patterns.scanner, looked, finding);
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
            keep(patterns.scanner, looked, finding);
        });
    }

    /// A whole text that is in memory, with all searches.
    pub(super) fn whole(&mut self, location: &str, text: &[u8]) {
        if self.matcher.needles().shapes() > 0 {
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
            keep(patterns.scanner, &mut self.looked, finding);
        }
    }
}
