//! Entities with their aliases, and groups, as they are stored: who is what changes in one compare.

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
    /// Groups it is in itself, by id. May name groups that are gone: their ids never come again.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Ids of entities that were merged into it: their tokens are its tokens.
    #[serde(default)]
    pub merged: Vec<String>,
}

/// The name by which an auth mount knows an entity, or a group.
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
    /// Entities it belonged to before they were merged.
    #[serde(default)]
    pub merged_from: Vec<String>,
}

/// Entities with something in common: its policies are theirs.
///
/// Who is in it stands with the members: an entity names its groups, a group the groups it is in. So
/// somebody joins without a write to a record that others join at the same moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Never changes and never comes again.
    pub id: String,
    /// As it was written; unique whatever the case.
    pub name: String,
    /// Who decides about its members.
    pub sort: Sort,
    /// Shown; for people.
    pub metadata: BTreeMap<String, String>,
    /// Sorted, lower case, without `root`.
    pub policies: Vec<String>,
    /// Groups it is in, by id: their policies are its members' too.
    pub parents: Vec<String>,
    /// The name by which an auth mount knows it; of external ones only.
    pub alias: Option<Alias>,
    /// When it was made.
    pub created: Time,
    /// When it was last written.
    pub updated: Time,
    /// How often it was written.
    pub writes: u64,
}

/// Who decides about the members of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// People, here.
    #[default]
    Internal,
    /// An auth method, at each login.
    External,
}

impl Sort {
    /// Vault's word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
        }
    }
}

impl Group {
    /// A new one; without a name it gets one.
    #[must_use]
    pub fn new(name: String, sort: Sort, now: Time) -> Self {
        Self {
            id: id(),
            name: if name.is_empty() {
                format!("group_{}", short())
            } else {
                name
            },
            sort,
            metadata: BTreeMap::new(),
            policies: Vec::new(),
            parents: Vec::new(),
            alias: None,
            created: now,
            updated: now,
            writes: 0,
        }
    }

    /// The group as it is after a write.
    pub fn written(&mut self, now: Time) {
        self.updated = now;
        self.writes += 1;
    }
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
            groups: Vec::new(),
            merged: Vec::new(),
        }
    }

    /// A new one that nobody has named.
    #[must_use]
    pub fn unnamed(now: Time) -> Self {
        Self::new(format!("entity_{}", short()), now)
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
            merged_from: Vec::new(),
        }
    }
}

/// Eight characters for the name of what nobody has named.
fn short() -> String {
    let mut id = id();
    id.truncate(8);
    id
}

fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}
