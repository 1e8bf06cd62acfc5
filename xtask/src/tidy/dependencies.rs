//! Every dependency comes from the registry, is not banned, and may be used under a licence we accept.
//!
//! The same rules are in `deny.toml` for cargo-deny, which knows more (advisories, duplicates) and is run
//! where it is installed; these hold everywhere, without anything to install.

use crate::sh;
use anyhow::{Context as _, Result};
use serde::Deserialize;

/// Licences that go with `MIT OR Apache-2.0`, by their SPDX names.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What must not come in, not even below a dependency, and what does its work.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "TLS is rustls with aws-lc-rs"),
    ("openssl-sys", "TLS is rustls with aws-lc-rs"),
    ("native-tls", "TLS is rustls with aws-lc-rs"),
    ("serde_yaml", "unmaintained: serde_yaml_ng"),
    ("atty", "std::io::IsTerminal"),
];

/// The only place dependencies come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// `None`: a crate of this workspace.
    source: Option<String>,
}

pub(super) fn check() -> Result<Vec<String>> {
    let arguments = [
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ];
    let text = sh::output(sh::command("cargo", arguments))?;
    let metadata: Metadata = serde_json::from_str(&text).context("cargo metadata")?;
    Ok(metadata.packages.iter().flat_map(refusals).collect())
}

fn refusals(package: &Package) -> Vec<String> {
    let mut wrong = Vec::new();
    if !package.license.as_deref().is_some_and(accepted) {
        let licence = package.license.as_deref().unwrap_or("none named");
        wrong.push(format!("licence not accepted: {licence}"));
    }
    if let Some((_, instead)) = BANNED.iter().find(|(name, _)| *name == package.name) {
        wrong.push(format!("banned: {instead}"));
    }
    if package
        .source
        .as_deref()
        .is_some_and(|source| source != REGISTRY)
    {
        wrong.push("does not come from crates.io".to_owned());
    }
    let named =
        |reason: String| format!("dependency {} {}: {reason}", package.name, package.version);
    wrong.into_iter().map(named).collect()
}

/// Whether an SPDX expression can be met: one of its alternatives, with all of its parts.
fn accepted(expression: &str) -> bool {
    let flat = expression.replace('/', " OR ");
    match enclosed(&flat) {
        Some(inner) => accepted(inner),
        None => match split(&flat, " AND ") {
            Some((left, right)) => accepted(left) && accepted(right),
            None => match split(&flat, " OR ") {
                Some((left, right)) => accepted(left) || accepted(right),
                None => ACCEPTED.contains(&flat.trim()),
            },
        },
    }
}

/// What stands between parentheses that enclose the whole.
fn enclosed(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0_i32;
    for c in inner.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth < 0 {
            return None;
        }
    }
    Some(inner)
}

/// Splits at the first separator outside parentheses. `AND` binds tighter than `OR` in SPDX; splitting
/// at it first demands more than the expression does, never less.
fn split<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let outside = |at: usize| {
        let head = text.get(..at).unwrap_or_default();
        head.matches('(').count() == head.matches(')').count()
    };
    let (at, found) = text.match_indices(separator).find(|(at, _)| outside(*at))?;
    Some((text.get(..at)?, text.get(at + found.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn an_expression_is_accepted_when_it_can_be_met() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "ISC AND (Apache-2.0 OR ISC)",
        ] {
            assert!(accepted(good), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "",
            "(MIT OR Apache-2.0) AND AGPL-3.0",
        ] {
            assert!(!accepted(bad), "{bad}");
        }
    }
}
