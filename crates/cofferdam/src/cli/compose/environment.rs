//! Variables as Compose sees them: the caller's, then those of `.env`.

use crate::cli::Failure;
use crate::cli::import::dotenv;
use cofferdam_platform::compose::command::ComposeCommand;
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A `.env` that is longer is none.
const MAX_FILE: usize = 1 << 20;

/// The variables of `.env` files. Most of them are none of our business and some are secrets.
pub(super) struct Environment {
    files: BTreeMap<String, Secret<String>>,
}

impl Environment {
    /// Reads what `--env-file` names, else `.env` in the project's directory.
    pub(super) fn read(command: &ComposeCommand, directory: &Path) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        if command.env_files.is_empty() {
            let path = directory.join(".env");
            if path.is_file() {
                add(&path, &mut files)?;
            }
        }
        for path in &command.env_files {
            add(path, &mut files)?;
        }
        Ok(Self { files })
    }

    /// One variable.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let own = std::env::var(name).ok();
        own.or_else(|| self.files.get(name).map(|value| value.expose().clone()))
    }

    /// One that counts as absent when it is empty.
    pub(super) fn filled(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// `COMPOSE_FILE`.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let separator = self.filled("COMPOSE_PATH_SEPARATOR");
        let separator = separator.as_deref().unwrap_or(":");
        let files = self.filled("COMPOSE_FILE").unwrap_or_default();
        let files = files.split(separator).filter(|file| !file.is_empty());
        files.map(PathBuf::from).collect()
    }
}

fn add(path: &Path, all: &mut BTreeMap<String, Secret<String>>) -> Result<(), Failure> {
    let shown = path.display();
    let read =
        std::fs::File::open(path).and_then(|file| crate::cli::terminal::read_all(file, MAX_FILE));
    let bytes = read.map_err(|error| Failure::local(format!("cannot read {shown}: {error}")))?;
    let text = bytes
        .into_text()
        .ok_or_else(|| Failure::local(format!("not text: {shown}")))?;
    let variables = dotenv::parse(text.expose())
        .map_err(|mistake| Failure::usage(format!("{shown}: {mistake}")).hint(mistake.hint()))?;
    for variable in variables {
        all.insert(variable.name, variable.value);
    }
    Ok(())
}
