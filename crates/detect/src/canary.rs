//! Canary values: random secrets planted in a store so that tests can look for them everywhere else.

use crate::label::Label;
use crate::matcher::Matcher;
use crate::needles::Needles;
use crate::redact::{Masks, Style};
use cofferdam_secret::{Secret, random_base62};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Length of a canary: about 190 bits.
const LENGTH: usize = 32;

/// Planted values and the matcher that finds them in any form.
pub struct Canaries {
    values: Vec<Secret<String>>,
    matcher: Matcher,
}

impl Canaries {
    /// Makes `count` random values. They are named `canary/0` and so on.
    ///
    /// # Errors
    /// When the system gives no entropy.
    pub fn new(count: usize) -> io::Result<Self> {
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(random_base62(LENGTH)?);
        }
        let mut needles = Needles::new();
        for (number, value) in values.iter().enumerate() {
            let bytes = value.duplicate().into_bytes();
            needles
                .add(
                    Label::new(format!("canary/{number}"), None, "value"),
                    &bytes,
                )
                .map_err(io::Error::other)?;
        }
        Ok(Self {
            values,
            matcher: Matcher::new(needles),
        })
    }

    /// The values to plant, in order.
    #[must_use]
    pub fn values(&self) -> &[Secret<String>] {
        &self.values
    }

    /// The redactor of these values.
    ///
    /// # Errors
    /// When there are too many.
    pub fn masks(&self) -> io::Result<Arc<Masks>> {
        let mut needles = Needles::for_redaction();
        for (number, value) in self.values.iter().enumerate() {
            let label = Label::new(format!("canary/{number}"), None, "value");
            let bytes = value.duplicate().into_bytes();
            needles.add(label, &bytes).map_err(io::Error::other)?;
        }
        Ok(Arc::new(Masks::new(needles, &Style::default())))
    }

    /// Looks for all canaries in one text; one line for each hit, without the value.
    #[must_use]
    pub fn search(&self, place: &str, text: &[u8]) -> Vec<String> {
        let named = |hit: &crate::Hit| {
            let label = self
                .matcher
                .needles()
                .label(hit.secret)
                .map(ToString::to_string);
            let label = label.unwrap_or_default();
            format!("{place}: {label} as {} at byte {}", hit.form, hit.start)
        };
        self.matcher.find(text).iter().map(named).collect()
    }

    /// Looks into every regular file under `directory`.
    ///
    /// # Errors
    /// When a file cannot be read: a place not looked at must not pass for clean.
    pub fn search_directory(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut open = vec![directory.to_owned()];
        while let Some(next) = open.pop() {
            for entry in std::fs::read_dir(&next)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    open.push(entry.path());
                } else if kind.is_file() {
                    let text = std::fs::read(entry.path())?;
                    found.extend(self.search(&entry.path().display().to_string(), &text));
                }
            }
        }
        // A file system lists names as it likes.
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_canary_is_found_by_name_and_never_printed() {
        let canaries = Canaries::new(20).unwrap();
        let value = canaries.values()[7].expose();
        let log = format!("level=debug token={value} ok");
        let found = canaries.search("server.log", log.as_bytes());
        assert_eq!(found, ["server.log: canary/7#value as raw at byte 18"]);
        assert!(canaries.search("server.log", b"level=debug ok").is_empty());
    }
}
