//! Every dependency may be used under a licence we accept.

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

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
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
    let refused = metadata
        .packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(accepted));
    Ok(refused
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("none named");
            format!(
                "{} {}: licence not in the list of xtask/src/tidy/licences.rs: {licence}",
                package.name, package.version
            )
        })
        .collect())
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
