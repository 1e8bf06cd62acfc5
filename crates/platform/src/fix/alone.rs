//! Files that belong to no Compose project: a Dockerfile by itself, manifests of Kubernetes.

use super::dockerfile::{self, Given};
use super::plan::{Change, Found, Left, Options, Outcome};
use super::tree::{self, Node};
use crate::fix::words::line_at;
use cofferdam_detect::pattern::Scanner;
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::path::Path;

/// A Dockerfile; `files` are those of its directory that a `COPY` may name.
#[must_use]
pub fn dockerfile_alone(
    path: &Path,
    text: &str,
    files: BTreeMap<String, Secret<String>>,
    scanner: &Scanner,
    options: &Options,
) -> Outcome {
    let given = Given {
        also: options.also.clone(),
        not: options.not.clone(),
        files,
        ..Given::default()
    };
    let mut fixed = dockerfile::fix(text, &given, scanner);
    let name = path.display().to_string();
    let mut outcome = Outcome::default();
    let left = std::mem::take(&mut fixed.left).into_iter();
    outcome.left = left
        .map(|(line, what)| Left {
            place: format!("{name} line {line}"),
            what,
        })
        .collect();
    let secrets = std::mem::take(&mut fixed.secrets).into_iter();
    outcome.secrets = secrets
        .map(|(id, value)| Found {
            name: id,
            value,
            seen: vec![name.clone()],
        })
        .collect();
    if outcome
        .secrets
        .iter()
        .any(|secret| !fixed.runtime.contains(&secret.name))
    {
        outcome.builds.insert(name);
    }
    if !fixed.edits.is_empty() {
        let masks = super::plan::merged(std::mem::take(&mut fixed.masks));
        outcome.changes.push(Change {
            path: path.to_owned(),
            text: text.to_owned(),
            edits: fixed.edits,
            masks,
        });
    }
    outcome.read.push(path.to_owned());
    outcome
}

/// Whether a file holds manifests and no Compose project.
#[must_use]
pub fn is_manifest(text: &str) -> bool {
    let top = |key: &str| text.lines().any(|line| line.starts_with(key));
    top("apiVersion:") && top("kind:")
}

/// Secrets of manifests. Nothing in a cluster delivers files of ours yet, and a reference to a
/// `Secret` would only move the value, so none of them is rewritten.
#[must_use]
pub fn kubernetes(path: &Path, text: &str, scanner: &Scanner) -> Outcome {
    let mut outcome = Outcome::default();
    let name = path.display().to_string();
    let mut left = |line: usize, what: String| {
        let left = Left {
            place: format!("{name} line {line}"),
            what,
        };
        if !outcome.left.contains(&left) {
            outcome.left.push(left);
        }
    };
    match tree::read_all(text) {
        Ok(documents) => {
            for root in documents
                .iter()
                .filter_map(|document| document.root.as_ref())
            {
                secret_data(root, &mut left);
            }
        }
        Err(error) => left(error.line, error.what.to_owned()),
    }
    for spot in scanner.spots(text) {
        let line = line_at(text, spot.secret.start);
        let what = format!(
            "a secret in a manifest ({}): put it into the store, and let the cluster fetch it",
            spot.rule.id
        );
        left(line, what);
    }
    outcome.left.sort();
    // A line of a Secret is named once.
    outcome
        .left
        .dedup_by(|later, earlier| later.place == earlier.place);
    outcome.read.push(path.to_owned());
    outcome
}

fn secret_data(root: &Node, left: &mut impl FnMut(usize, String)) {
    let kind = root.get("kind");
    let is_secret = kind.is_some_and(|kind| kind.value.node.text() == Some("Secret"));
    for area in ["data", "stringData"] {
        let entries = root.get(area).filter(|_| is_secret);
        for entry in entries.iter().flat_map(|area| area.value.node.entries()) {
            let what = format!(
                "{}: a Secret with its value in the file: put it into the store, and let the cluster fetch it",
                entry.key
            );
            left(entry.line, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_reported_by_line_and_never_changed() {
        let text = "apiVersion: v1\nkind: Secret\ndata:\n  password: a1I3eCFtUTJ2THA5\n---\napiVersion: apps/v1\nkind: Deployment\nspec:\n  env:\n  - name: DB_PASSWORD\n    value: kR7x!mQ2vLp9\n";
        assert!(is_manifest(text) && !is_manifest("services: {}\n"));
        let outcome = kubernetes(Path::new("k.yml"), text, &Scanner::new());
        let places: Vec<&str> = outcome
            .left
            .iter()
            .map(|left| left.place.as_str())
            .collect();
        assert_eq!(
            places,
            ["k.yml line 11", "k.yml line 4"],
            "{:?}",
            outcome.left
        );
        assert!(outcome.changes.is_empty());
        assert!(!format!("{:?}", outcome.left).contains("kR7x"));
    }
}
