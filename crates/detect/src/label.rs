//! What a secret is called: the only thing a finding ever says about it.

use serde::Serialize;
use std::fmt;

/// Name of one value: path in the store, version and field. Shown as `path@version#field`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Label {
    /// Path with its mount, as a person types it (`secret/app/DB_PASSWORD`).
    pub path: String,
    /// Version, where the store has versions.
    pub version: Option<u64>,
    /// Field inside the secret.
    pub field: String,
}

impl Label {
    /// A label of its three parts.
    #[must_use]
    pub fn new(path: impl Into<String>, version: Option<u64>, field: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            version,
            field: field.into(),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(version) = self.version {
            write!(f, "@{version}")?;
        }
        write!(f, "#{}", self.field)
    }
}
