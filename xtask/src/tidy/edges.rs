//! The whole list of dependencies between our crates. A new edge is a reviewed change of this table
//! and of `ARCHITECTURE.md`.

use crate::sh;
use anyhow::{Context as _, Result};
use serde::Deserialize;

/// Who may use whom, in production code.
const EDGES: &[(&str, &[&str])] = &[
    ("secret", &[]),
    ("hcl", &[]),
    // R: for other people's programs, so it may depend on nothing.
    ("file-env", &[]),
    // Seals and the scanner both sign requests to AWS.
    ("aws-signature", &["secret"]),
    // R: keys that others give are read and judged here alone.
    ("openpgp", &["secret"]),
    ("store", &[]),
    ("barrier", &["secret", "store"]),
    ("core", &["barrier", "hcl", "openpgp", "secret"]),
    // Seals that another server opens are the barrier's kind of plug.
    ("engines", &["aws-signature", "barrier", "core", "secret"]),
    ("api", &["secret"]),
    ("detect", &["aws-signature", "secret"]),
    ("server", &["core", "secret"]),
    ("agent", &["api", "detect", "secret"]),
    // R: for other people's programs.
    ("redact-tracing", &["detect", "secret"]),
    ("platform", &["agent", "api", "detect", "secret"]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

pub(super) fn check() -> Result<Vec<String>> {
    let text = sh::output(sh::command(
        "cargo",
        ["metadata", "--no-deps", "--format-version", "1"],
    ))?;
    let metadata: Metadata = serde_json::from_str(&text).context("cargo metadata")?;
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let Some(name) = package.name.strip_prefix("cofferdam-") else {
            continue;
        };
        let Some((_, allowed)) = EDGES.iter().find(|(crate_name, _)| *crate_name == name) else {
            wrong.push(format!(
                "crate {name} is not in the list of edges (xtask/src/tidy/edges.rs)"
            ));
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind.is_none())
        {
            if let Some(used) = dependency
                .name
                .strip_prefix("cofferdam-")
                .filter(|used| !allowed.contains(used))
            {
                wrong.push(format!(
                    "new edge {name} -> {used}: forbidden unless the list of edges says so"
                ));
            }
        }
    }
    Ok(wrong)
}
