//! Where entities and groups live, and what keeps names and aliases apart on any number of replicas:
//! each change is one transaction ([`Change`]) that compares every record with what was read and
//! finds the new names free.
//!
//! Keys, below the identity view: `entity/ID` and `group/ID` the records; the ways to them are listed
//! at [`Record::indexes`].

mod change;
mod groups;
mod login;
mod standing;

pub(super) use groups::Members;
pub(crate) use login::Known;
pub(crate) use standing::{Found, Subject};

use super::record::{Alias, Entity, Group};
use crate::fault::Fault;
use crate::record::decode;
use change::Change;
use cofferdam_barrier::{Commit, Revision, View};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, Weak};

/// Where entities are stored, as the barrier names them.
pub(crate) const ENTITIES: &str = "identity/entity/";
/// Where groups are stored, as the barrier names them.
pub(crate) const GROUPS: &str = "identity/group/";
/// How often a lost race is tried again.
pub(super) const ATTEMPTS: usize = 64;
/// Longest name of an entity, a group or an alias.
const LONGEST: usize = 512;
/// Bounds of metadata, as in Vault.
const MOST_PAIRS: usize = 64;
const LONGEST_KEY: usize = 128;

/// The store of entities and groups.
pub(crate) struct Store {
    view: View,
    /// Groups that some token in the cache knows, so that its many members share one.
    known: Mutex<HashMap<String, (Revision, Weak<Group>)>>,
}

/// A record as it was read.
#[derive(Clone)]
pub(crate) struct Stored<R> {
    pub(crate) record: R,
    pub(super) revision: Revision,
}

/// What is stored as one record with ways to it.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// What stands before its id in its key.
    const BELOW: &'static str;

    fn id(&self) -> &str;

    /// Every key that leads to it. Names are there as the hex of their bytes: no name can be read as
    /// a path.
    fn indexes(&self) -> Vec<String>;

    fn key(&self) -> String {
        format!("{}{}", Self::BELOW, self.id())
    }
}

impl Record for Entity {
    const BELOW: &'static str = "entity/";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes(&self) -> Vec<String> {
        let aliases = self
            .aliases
            .iter()
            .flat_map(|alias| [named("alias/", alias), format!("alias-id/{}", alias.id)]);
        let groups = self.groups.iter().map(|group| member_key(group, &self.id));
        let merged = self.merged.iter().map(|id| format!("merged/{id}"));
        let name = [name_key("name/", &self.name)];
        aliases.chain(groups).chain(merged).chain(name).collect()
    }
}

impl Record for Group {
    const BELOW: &'static str = "group/";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes(&self) -> Vec<String> {
        let alias = self.alias.iter().flat_map(|alias| {
            [
                named("group-alias/", alias),
                format!("group-alias-id/{}", alias.id),
            ]
        });
        let parents = self.parents.iter();
        let parents = parents.map(|parent| format!("group-child/{parent}/{}", self.id));
        let name = [name_key("group-name/", &self.name)];
        alias.chain(parents).chain(name).collect()
    }
}

fn name_key(below: &str, name: &str) -> String {
    format!("{below}{}", hex::encode(name.to_lowercase()))
}

fn alias_key(below: &str, accessor: &str, name: &str) -> String {
    format!("{below}{}/{}", hex::encode(accessor), hex::encode(name))
}

fn named(below: &str, alias: &Alias) -> String {
    alias_key(below, &alias.accessor, &alias.name)
}

fn member_key(group: &str, entity: &str) -> String {
    format!("group-entity/{group}/{entity}")
}

pub(super) fn busy() -> Fault {
    Fault::unavailable(
        "identity is too busy; try again",
        "a change of identity lost every race",
    )
}

/// Refuses what cannot be a name.
pub(super) fn checked(name: &str) -> Result<(), Fault> {
    if name.len() > LONGEST || name.chars().any(char::is_control) {
        return Err(Fault::invalid(
            "field name: at most 512 bytes without control characters",
        ));
    }
    Ok(())
}

/// Refuses metadata beyond Vault's bounds.
pub(super) fn checked_pairs(pairs: &BTreeMap<String, String>) -> Result<(), Fault> {
    let fits = |(key, value): (&String, &String)| {
        (1..=LONGEST_KEY).contains(&key.len()) && value.len() <= LONGEST
    };
    if pairs.len() > MOST_PAIRS || !pairs.iter().all(fits) {
        return Err(Fault::invalid(
            "metadata: at most 64 pairs, keys of 1 to 128 bytes, values of at most 512 bytes",
        ));
    }
    Ok(())
}

impl Store {
    /// Over the view of identity.
    pub(crate) fn new(view: View) -> Self {
        Self {
            view,
            known: Mutex::default(),
        }
    }

    async fn record<R: Record>(&self, id: &str) -> Result<Option<Stored<R>>, Fault> {
        if uuid::Uuid::parse_str(id).is_err() {
            return Ok(None);
        }
        let Some(opened) = self.view.get(&format!("{}{id}", R::BELOW)).await? else {
            return Ok(None);
        };
        Ok(Some(Stored {
            record: decode(&opened.value)?,
            revision: opened.revision,
        }))
    }

    /// The record that an index leads to.
    async fn follow<R: Record>(&self, index: &str) -> Result<Option<Stored<R>>, Fault> {
        match self.led_to(index).await? {
            Some(id) => self.record(&id).await,
            None => Ok(None),
        }
    }

    async fn led_to(&self, index: &str) -> Result<Option<String>, Fault> {
        let Some(opened) = self.view.get(index).await? else {
            return Ok(None);
        };
        let id = std::str::from_utf8(opened.value.expose()).map_err(Fault::internal)?;
        Ok(Some(id.to_owned()))
    }

    async fn every<R: Record>(&self) -> Result<Vec<R>, Fault> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.view.range(R::BELOW, after.as_deref(), 512).await?;
            for opened in &page.entries {
                all.push(decode(&opened.value)?);
            }
            after = page.entries.last().map(|last| last.key.clone());
            if !page.more || after.is_none() {
                return Ok(all);
            }
        }
    }

    /// The names one level below `prefix`.
    async fn below(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        Ok(self.view.list(prefix, None, usize::MAX).await?.names)
    }

    /// The entity of this id.
    pub(crate) async fn load(&self, id: &str) -> Result<Option<Stored<Entity>>, Fault> {
        self.record(id).await
    }

    /// The entity of this id, or the one it was merged into.
    pub(super) async fn holder(&self, id: &str) -> Result<Option<Stored<Entity>>, Fault> {
        match self.load(id).await? {
            Some(found) => Ok(Some(found)),
            None if uuid::Uuid::parse_str(id).is_err() => Ok(None),
            None => self.follow(&format!("merged/{id}")).await,
        }
    }

    /// The entity of this name, in any case.
    pub(super) async fn by_name(&self, name: &str) -> Result<Option<Stored<Entity>>, Fault> {
        self.follow(&name_key("name/", name)).await
    }

    /// The entity that has this alias.
    pub(super) async fn by_alias(
        &self,
        accessor: &str,
        name: &str,
    ) -> Result<Option<Stored<Entity>>, Fault> {
        self.follow(&alias_key("alias/", accessor, name)).await
    }

    /// The entity whose alias has this id.
    pub(super) async fn by_alias_id(&self, id: &str) -> Result<Option<Stored<Entity>>, Fault> {
        if uuid::Uuid::parse_str(id).is_err() {
            return Ok(None);
        }
        self.follow(&format!("alias-id/{id}")).await
    }

    /// How many entities there are.
    pub(crate) async fn count(&self) -> Result<usize, Fault> {
        let found = self.view.list("entity/", None, usize::MAX).await?;
        Ok(found.names.len())
    }

    /// All entities, in the order of their ids.
    pub(super) async fn all(&self) -> Result<Vec<Entity>, Fault> {
        self.every().await
    }

    /// Puts `new` in the place of `old`; `false` when something changed meanwhile, or a name is
    /// taken by now.
    pub(super) async fn save(
        &self,
        old: Option<&Stored<Entity>>,
        new: &Entity,
    ) -> Result<bool, Fault> {
        self.commit(Change::default().record(old, Some(new))?).await
    }

    /// Removes an entity with its names; `false` when it changed meanwhile.
    pub(super) async fn remove(&self, old: &Stored<Entity>) -> Result<bool, Fault> {
        self.commit(Change::default().record(Some(old), None)?)
            .await
    }

    /// Puts `new` in the place of `to` and of all that are `gone`; `false` when something changed
    /// meanwhile.
    pub(super) async fn merge(
        &self,
        to: &Stored<Entity>,
        new: &Entity,
        gone: &[Stored<Entity>],
    ) -> Result<bool, Fault> {
        let mut change = Change::default().record(Some(to), Some(new))?;
        let mut groups = BTreeSet::new();
        for from in gone {
            change = change.record(Some(from), None)?;
            groups.extend(&from.record.groups);
        }
        // A write of a group's members that has read them before this would not know who they are now.
        for id in groups {
            if let Some(old) = self.group(id).await? {
                let mut group = old.record.clone();
                group.writes += 2;
                change = change.record(Some(&old), Some(&group))?;
            }
        }
        self.commit(change).await
    }

    async fn commit(&self, change: Change) -> Result<bool, Fault> {
        Ok(matches!(
            self.view.commit(change.finish()).await?,
            Commit::Done(_)
        ))
    }
}

/// What is shared of a group by all tokens that are in it.
type Shared = Arc<Group>;
