//! Paths of this repository that documents mention must exist.

use crate::sh;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// What begins like this in backticks is a path from the root.
const ROOTS: &[&str] = &[
    "crates/",
    "docs/",
    "xtask/",
    "tests/",
    "examples/",
    "fuzz/",
    ".ci/",
    "corpora/",
    "packaging/",
];

pub(super) fn check() -> Result<Vec<String>> {
    let root = sh::root();
    let mut files: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ]
    .iter()
    .map(|name| root.join(name))
    .collect();
    markdown(&root.join("docs"), &mut files)?;
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        for word in text.split('`').skip(1).step_by(2) {
            let plain =
                !word.contains([' ', '*', '<', '{', '\n', ':', 'N']) || word.ends_with(".rs");
            if plain
                && ROOTS.iter().any(|prefix| word.starts_with(prefix))
                && !root.join(word).exists()
            {
                wrong.push(format!(
                    "{} names {word}, which does not exist",
                    file.strip_prefix(&root).unwrap_or(&file).display()
                ));
            }
        }
    }
    Ok(wrong)
}

fn markdown(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory)
        .with_context(|| format!("cannot list {}", directory.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            markdown(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(())
}
