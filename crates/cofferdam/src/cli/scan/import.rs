//! Findings of other scanners, taken over.

use super::{LONGEST, Search, reason};
use crate::cli::Failure;
use cofferdam_detect::findings::{NotFindings, import};
use cofferdam_detect::pattern::Finding;
use cofferdam_secret::Secret;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

impl Search {
    /// All findings of some documents.
    pub(super) fn import(&self, files: &[PathBuf]) -> Result<Vec<Finding>, Failure> {
        let mut all = Vec::new();
        for file in files {
            let document = document(file)?;
            let found = import(document.expose(), &self.scanner, &self.key);
            all.extend(found.map_err(|refused| not_findings(file, &refused))?);
        }
        Ok(all)
    }
}

/// A report, which holds the values that were found.
fn document(path: &Path) -> Result<Secret<Vec<u8>>, Failure> {
    let mut document = Secret::new(Vec::new());
    let file = File::open(path).map_err(|error| unreadable(path, &reason(&error)))?;
    file.take(LONGEST * 16 + 1)
        .read_to_end(document.expose_mut())
        .map_err(|error| unreadable(path, &reason(&error)))?;
    if document.expose().len() as u64 > LONGEST * 16 {
        return Err(unreadable(path, "longer than 256 MiB"));
    }
    Ok(document)
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::local(format!("cannot read {}: {why}", path.display()))
}

fn not_findings(path: &Path, refused: &NotFindings) -> Failure {
    let failure = Failure::local(format!("cannot import {}: {refused}", path.display()));
    match refused {
        NotFindings::Unknown => failure.hint(
            "write one with: gitleaks dir . -f json -r report.json, or: trufflehog filesystem . --json > report.json",
        ),
        _ => failure.hint("write the report once more; this one may have been cut"),
    }
}
