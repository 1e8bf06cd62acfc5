//! Baselines: what was known at a time, as keyed digests. Without the key nobody can try guesses on them.

use super::text_of;
use crate::cli::Failure;
use cofferdam_detect::findings::Findings;
use cofferdam_detect::pattern::{Digest, DigestKey};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;

/// The form of the file.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Baseline {
    cofferdam_baseline: u32,
    /// Which key the digests were made with.
    key: String,
    known: Vec<Known>,
}

#[derive(Serialize, Deserialize)]
struct Known {
    digest: String,
    /// For people; a value that moves stays known.
    fingerprint: String,
}

pub(super) fn read(path: &Path, key: &DigestKey) -> Result<HashSet<Digest>, Failure> {
    let shown = path.display();
    let no_baseline = || {
        Failure::local(format!("not a baseline: {shown}")).hint(format!(
            "write one with: cofferdam scan -write-baseline={shown}"
        ))
    };
    let baseline: Baseline = serde_json::from_str(&text_of(path)?).map_err(|_| no_baseline())?;
    if baseline.cofferdam_baseline != VERSION {
        return Err(no_baseline());
    }
    if baseline.key != key.id().to_string() {
        return Err(
            Failure::local(format!("{shown} was written with another key"))
                .hint("name the key it was written with: -key-file=FILE"),
        );
    }
    let digests = baseline
        .known
        .iter()
        .map(|known| Digest::parse(&known.digest));
    digests.collect::<Option<_>>().ok_or_else(no_baseline)
}

pub(super) fn write(path: &Path, key: &DigestKey, findings: &Findings) -> Result<(), Failure> {
    let known = findings.findings.iter().map(|finding| Known {
        digest: finding.digest.to_string(),
        fingerprint: finding.fingerprint(),
    });
    let baseline = Baseline {
        cofferdam_baseline: VERSION,
        key: key.id().to_string(),
        known: known.collect(),
    };
    let text = serde_json::to_string_pretty(&baseline)
        .map_err(|_| Failure::local("the document broke down"))?;
    std::fs::write(path, text + "\n").map_err(|error| {
        Failure::local(format!(
            "cannot write {}: {}",
            path.display(),
            super::reason(&error)
        ))
    })
}
