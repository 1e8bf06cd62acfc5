//! Every site that takes the content out of a `Secret`, file by file, compared with a checked-in
//! list: a new one is seen in review.

use super::sources;
use crate::sh;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn list() -> PathBuf {
    sh::root().join("xtask/expose.txt")
}

fn count() -> Result<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for source in sources()?
        .iter()
        .filter(|source| source.path.starts_with("crates/"))
    {
        let code = source
            .production()
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.starts_with("//"));
        let sites: usize = code
            .map(|line| line.matches(".expose()").count() + line.matches(".expose_mut()").count())
            .sum();
        if sites > 0 {
            found.insert(source.path.clone(), sites);
        }
    }
    Ok(found)
}

pub(super) fn check() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(list()).context("cannot read xtask/expose.txt")?;
    let listed: BTreeMap<String, usize> = text
        .lines()
        .filter_map(|line| {
            let (count, path) = line.split_once(' ')?;
            Some((path.to_owned(), count.parse().ok()?))
        })
        .collect();
    let found = count()?;
    let differs = |path: &&String| listed.get(*path) != found.get(*path);
    let mut paths: Vec<_> = listed.keys().chain(found.keys()).filter(differs).collect();
    paths.sort();
    paths.dedup();
    let sites = |from: &BTreeMap<String, usize>, path: &str| from.get(path).copied().unwrap_or(0);
    Ok(paths.into_iter().map(|path| {
        format!("{path} exposes secrets at {} sites, the list says {}: review, then cargo xtask tidy --bless", sites(&found, path), sites(&listed, path))
    }).collect())
}

pub(super) fn bless() -> Result<()> {
    let lines: String = count()?
        .iter()
        .map(|(path, count)| format!("{count} {path}\n"))
        .collect();
    std::fs::write(list(), lines).context("cannot write xtask/expose.txt")
}
