//! Paths of this repository that documents mention must exist, and each page of the book must be
//! linked where its pages are listed.

use crate::sh;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// Where the pages of the book are listed.
const INDEX: &str = "docs/book/README.md";

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
    unlisted(&root, &mut wrong)?;
    Ok(wrong)
}

fn unlisted(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let index = root.join(INDEX);
    let list = std::fs::read_to_string(&index).with_context(|| format!("cannot read {INDEX}"))?;
    let mut pages = Vec::new();
    markdown(index.parent().unwrap_or(root), &mut pages)?;
    for page in pages.iter().filter(|page| **page != index) {
        let name = page.file_name().unwrap_or_default().to_string_lossy();
        if !list.contains(&format!("]({name})")) {
            wrong.push(format!("{INDEX} does not link {name}"));
        }
    }
    Ok(())
}

fn markdown(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let unlisted = || format!("cannot list {}", directory.display());
    let entries = std::fs::read_dir(directory).with_context(unlisted)?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<_>>>()?;
    // So are the complaints in order.
    paths.sort();
    for path in paths {
        if path.is_dir() {
            markdown(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(())
}
