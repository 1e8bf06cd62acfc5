//! Where entities live, and what keeps names and aliases apart on any number of replicas: each
//! change is one transaction that compares the entity with what was read and finds the new names
//! free.
//!
//! Keys, below the identity view: `entity/ID` the record with its aliases, `name/HEX` and
//! `alias/ACCESSOR/HEX` the ways to it from names (their bytes in hex: no name can be read as a
//! path), `alias-id/ID` the way from an alias.

use super::record::{Alias, Entity};
use crate::clock::Time;
use crate::fault::Fault;
use cofferdam_barrier::{Batch, Commit, Revision, View};
use cofferdam_secret::Secret;
use std::collections::BTreeMap;

/// Where entities are stored, as the barrier names them.
pub(crate) const ENTITIES: &str = "identity/entity/";
/// How often a lost race is tried again.
pub(super) const ATTEMPTS: usize = 64;
/// Longest name of an entity or alias.
const LONGEST: usize = 512;

/// The store of entities.
pub(crate) struct Store {
    view: View,
}

/// An entity as it was read.
pub(crate) struct Stored {
    pub(crate) entity: Entity,
    revision: Revision,
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

impl Store {
    /// Over the view of identity.
    pub(crate) const fn new(view: View) -> Self {
        Self { view }
    }

    /// The entity of this id.
    pub(crate) async fn load(&self, id: &str) -> Result<Option<Stored>, Fault> {
        if uuid::Uuid::parse_str(id).is_err() {
            return Ok(None);
        }
        let Some(opened) = self.view.get(&entity_key(id)).await? else {
            return Ok(None);
        };
        Ok(Some(Stored {
            entity: decode(&opened.value)?,
            revision: opened.revision,
        }))
    }

    async fn follow(&self, index: &str) -> Result<Option<Stored>, Fault> {
        let Some(opened) = self.view.get(index).await? else {
            return Ok(None);
        };
        let id = std::str::from_utf8(opened.value.expose()).map_err(Fault::internal)?;
        self.load(id).await
    }

    /// The entity of this name, in any case.
    pub(super) async fn by_name(&self, name: &str) -> Result<Option<Stored>, Fault> {
        self.follow(&name_key(name)).await
    }

    /// The entity that has this alias.
    pub(super) async fn by_alias(
        &self,
        accessor: &str,
        name: &str,
    ) -> Result<Option<Stored>, Fault> {
        self.follow(&alias_key(accessor, name)).await
    }

    /// The entity whose alias has this id.
    pub(super) async fn by_alias_id(&self, id: &str) -> Result<Option<Stored>, Fault> {
        if uuid::Uuid::parse_str(id).is_err() {
            return Ok(None);
        }
        self.follow(&alias_id_key(id)).await
    }

    /// All entities, in the order of their ids.
    pub(super) async fn all(&self) -> Result<Vec<Entity>, Fault> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.view.range("entity/", after.as_deref(), 512).await?;
            for opened in &page.entries {
                all.push(decode(&opened.value)?);
            }
            after = page.entries.last().map(|last| last.key.clone());
            if !page.more || after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Puts `new` in the place of `old`; `false` when something changed meanwhile, or a name is
    /// taken by now.
    pub(super) async fn save(&self, old: Option<&Stored>, new: &Entity) -> Result<bool, Fault> {
        let key = entity_key(&new.id);
        let mut batch = Batch::new()
            .expect(key.clone(), old.map(|old| old.revision))
            .put(key, encode(new)?);
        let before = indexes(old.map(|old| &old.entity));
        let after = indexes(Some(new));
        for index in before.difference(&after) {
            batch = batch.delete(index.clone());
        }
        for index in after.difference(&before) {
            batch = batch
                .expect_absent(index.clone())
                .put(index.clone(), Secret::new(new.id.clone().into_bytes()));
        }
        Ok(matches!(self.view.commit(batch).await?, Commit::Done(_)))
    }

    /// Removes an entity with its names; `false` when it changed meanwhile.
    pub(super) async fn remove(&self, old: &Stored) -> Result<bool, Fault> {
        let key = entity_key(&old.entity.id);
        let mut batch = Batch::new()
            .expect(key.clone(), Some(old.revision))
            .delete(key);
        for index in indexes(Some(&old.entity)) {
            batch = batch.delete(index);
        }
        Ok(matches!(self.view.commit(batch).await?, Commit::Done(_)))
    }

    /// Somebody proved to be `name` at an auth mount: the id of the entity, made now if there is
    /// none.
    ///
    /// # Errors
    /// [`crate::Kind::Denied`] when the entity is disabled.
    pub(crate) async fn logged_in(
        &self,
        accessor: &str,
        name: &str,
        metadata: &BTreeMap<String, String>,
        now: Time,
    ) -> Result<String, Fault> {
        checked(name)?;
        for _ in 0..ATTEMPTS {
            let found = self.by_alias(accessor, name).await?;
            let mut entity = match &found {
                Some(stored) => stored.entity.clone(),
                None => Entity::unnamed(now),
            };
            if entity.disabled {
                return Err(Fault::denied().noting(format!("entity {} is disabled", entity.id)));
            }
            let mut alias = match entity.alias_of(accessor) {
                Some(alias) if alias.metadata == *metadata => return Ok(entity.id),
                Some(alias) => alias.clone(),
                None => Alias::new(accessor, name, now),
            };
            alias.metadata.clone_from(metadata);
            alias.updated = now;
            entity.aliases.retain(|other| other.id != alias.id);
            entity.aliases.push(alias);
            if self.save(found.as_ref(), &entity).await? {
                return Ok(entity.id);
            }
        }
        Err(busy())
    }
}

/// Every key that leads to an entity.
fn indexes(entity: Option<&Entity>) -> std::collections::BTreeSet<String> {
    let Some(entity) = entity else {
        return std::collections::BTreeSet::new();
    };
    let aliases = entity.aliases.iter().flat_map(|alias| {
        [
            alias_key(&alias.accessor, &alias.name),
            alias_id_key(&alias.id),
        ]
    });
    aliases.chain([name_key(&entity.name)]).collect()
}

fn entity_key(id: &str) -> String {
    format!("entity/{id}")
}

fn name_key(name: &str) -> String {
    format!("name/{}", hex::encode(name.to_lowercase()))
}

fn alias_key(accessor: &str, name: &str) -> String {
    format!("alias/{}/{}", hex::encode(accessor), hex::encode(name))
}

fn alias_id_key(id: &str) -> String {
    format!("alias-id/{id}")
}

fn encode(entity: &Entity) -> Result<Secret<Vec<u8>>, Fault> {
    serde_json::to_vec(entity)
        .map(Secret::new)
        .map_err(Fault::internal)
}

fn decode(value: &Secret<Vec<u8>>) -> Result<Entity, Fault> {
    serde_json::from_slice(value.expose())
        .map_err(|error| Fault::internal(format!("stored entity: {:?}", error.classify())))
}
