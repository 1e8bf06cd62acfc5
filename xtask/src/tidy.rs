//! Holds the code against its written rules: crate edges, sites that expose secrets, names that
//! documents mention, and tests that the page of proofs names. Sizes are a report, not a rule.

mod dependencies;
mod documents;
mod edges;
mod exposure;
mod proofs;
mod sizes;

use crate::sh;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if arguments == ["--bless"] {
        return exposure::bless();
    }
    let wrong: Vec<String> = [
        edges::check()?,
        exposure::check()?,
        documents::check()?,
        dependencies::check()?,
        proofs::check()?,
    ]
    .concat();
    sizes::report()?;
    if wrong.is_empty() {
        sh::say("tidy: crate edges, exposed sites, document names and proofs are as written");
        return Ok(());
    }
    bail!("tidy:\n  {}", wrong.join("\n  "))
}

/// A Rust file of production code: its path from the root, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The text up to the tests at its end.
    fn production(&self) -> &str {
        self.text.split("#[cfg(test)]").next().unwrap_or_default()
    }
}

/// All production code, in path order.
fn sources() -> Result<Vec<Source>> {
    let root = sh::root();
    let mut files = Vec::new();
    for directory in ["crates", "xtask"] {
        collect(&root.join(directory), &mut files)?;
    }
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let path = path
            .strip_prefix(&root)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned();
        Ok(Source { path, text })
    };
    files.iter().map(read).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory)
        .with_context(|| format!("cannot list {}", directory.display()))?
    {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir()
            && !matches!(
                name.as_str(),
                "tests" | "target" | "examples" | "benches" | "transcripts"
            )
        {
            collect(&path, files)?;
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
    Ok(())
}
