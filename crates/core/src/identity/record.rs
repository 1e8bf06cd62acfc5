//! Entities and aliases as they are stored: one record, so that both change in one compare.

use crate::clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who stands behind tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Never changes and never comes again.
    pub id: String,
    /// As it was written; unique whatever the case.
    pub name: String,
    /// Shown; for people.
    pub metadata: BTreeMap<String, String>,
    /// Sorted, lower case, without `root`.
    pub policies: Vec<String>,
    /// Its tokens are refused while this holds.
    pub disabled: bool,
    /// When it was made.
    pub created: Time,
    /// When it was last written.
    pub updated: Time,
    /// At most one of a mount.
    pub aliases: Vec<Alias>,
}

/// The name by which an auth mount knows an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Never changes.
    pub id: String,
    /// Of the auth mount.
    pub accessor: String,
    /// Unique for the mount.
    pub name: String,
    /// What the auth method says.
    pub metadata: BTreeMap<String, String>,
    /// What people say.
    pub custom_metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created: Time,
    /// When it was last written.
    pub updated: Time,
}

impl Entity {
    /// A new one of this name.
    #[must_use]
    pub fn new(name: String, now: Time) -> Self {
        Self {
            id: id(),
            name,
            metadata: BTreeMap::new(),
            policies: Vec::new(),
            disabled: false,
            created: now,
            updated: now,
            aliases: Vec::new(),
        }
    }

    /// A new one that nobody has named.
    #[must_use]
    pub fn unnamed(now: Time) -> Self {
        let mut entity = Self::new(String::new(), now);
        let head = id();
        let head = head.split('-').next().unwrap_or_default();
        entity.name = format!("entity_{head}");
        entity
    }

    /// Its alias of a mount.
    #[must_use]
    pub fn alias_of(&self, accessor: &str) -> Option<&Alias> {
        self.aliases.iter().find(|alias| alias.accessor == accessor)
    }
}

impl Alias {
    /// A new one.
    #[must_use]
    pub fn new(accessor: &str, name: &str, now: Time) -> Self {
        Self {
            id: id(),
            accessor: accessor.to_owned(),
            name: name.to_owned(),
            metadata: BTreeMap::new(),
            custom_metadata: BTreeMap::new(),
            created: now,
            updated: now,
        }
    }
}

fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}
