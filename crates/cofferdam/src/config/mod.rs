//! Configuration of `cofferdam server`: Vault's files, in HCL or JSON.
//!
//! Two steps. [`raw`] reads what the files say, against the table in [`keys`], and collects
//! warnings with their places; [`resolve`] makes of it what it means ([`Resolved`]), or refuses.
//! The documentation is the same table (`docs/book/server-configuration.md`).
//!
//! Several files add up: of a single value the last file's wins, listeners are collected. A
//! directory stands for its files that end in `.hcl` or `.json`, in order of their names, as in
//! Vault. Relative paths inside a file are relative to the working directory, as in Vault too.

#[cfg(test)]
mod book;
pub(crate) mod environment;
mod fronts;
mod keys;
mod listener;
mod raw;
mod resolve;
mod seal;
mod storage;

pub(crate) use resolve::{Listener, Log, Resolved, SealKind, Security, Storage, level_named};
pub(crate) use seal::Key;
pub(crate) use storage::foreign;

use std::fmt;
use std::path::{Path, PathBuf};

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    file: PathBuf,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file.display(), self.line)
    }
}

/// Something that has no effect, or not the one that was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) place: Place,
    pub(crate) text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.text)
    }
}

/// A configuration that cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file or directory cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is neither HCL nor JSON, or a value is not of its type.
    #[error("{path}:{}: {}", error.position().line, error.problem())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where, and what is wrong there.
        error: cofferdam_hcl::Error,
    },
    /// A setting that is understood and refused.
    #[error("{place}: {text}")]
    Refused {
        /// Where it stands.
        place: Place,
        /// Why, and what to write instead.
        text: String,
    },
    /// Something that has to be there is not.
    #[error("{0}")]
    Incomplete(String),
}

impl ConfigError {
    fn refused(place: &Place, text: impl Into<String>) -> Self {
        Self::Refused {
            place: place.clone(),
            text: text.into(),
        }
    }
}

/// Reads the files and directories, in order.
pub(crate) fn load(paths: &[PathBuf]) -> Result<(Resolved, Vec<Warning>), ConfigError> {
    let mut raw = raw::Raw::default();
    for path in paths {
        for file in files(path)? {
            let text = std::fs::read_to_string(&file).map_err(|source| ConfigError::Read {
                path: file.clone(),
                source,
            })?;
            raw.add(&file, &text)?;
        }
    }
    let warnings = std::mem::take(&mut raw.warnings);
    resolve::resolve(&raw, warnings)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let failed = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        // Editors leave `.x.hcl.swp` and `x.hcl~` behind; neither ends as a configuration does.
        let hidden = file
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden
            && file
                .extension()
                .is_some_and(|extension| extension == "hcl" || extension == "json")
        {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(ConfigError::Incomplete(format!(
            "no .hcl or .json file in: {}",
            path.display()
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
