//! What a login says of who somebody is, and of which groups.

use super::change::Change;
use super::{ATTEMPTS, Store, Stored, busy, checked};
use crate::clock::Time;
use crate::fault::Fault;
use crate::identity::record::{Alias, Entity, Group, Sort};
use std::collections::BTreeMap;

/// What an auth mount vouches for.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Of the mount.
    pub(crate) accessor: &'a str,
    /// By which it knows somebody.
    pub(crate) name: &'a str,
    /// Kept with the alias.
    pub(crate) metadata: &'a BTreeMap<String, String>,
    /// By which it knows the groups of somebody; most are nobody's here.
    pub(crate) groups: &'a [String],
}

/// What became of the groups that a mount names.
struct Refreshed {
    /// Of the entity, by id.
    ids: Vec<String>,
    /// Joined now.
    joined: Vec<Stored<Group>>,
    /// Names that are a group's.
    valid: Vec<String>,
}

impl Store {
    /// Somebody proved to be `known` at an auth mount: the id of the entity, made now if there is
    /// none, and those of the names of groups that are one's here. The entity is in just these groups
    /// of the mount from now on.
    ///
    /// # Errors
    /// [`crate::Kind::Denied`] when the entity is disabled.
    pub(crate) async fn logged_in(
        &self,
        known: Known<'_>,
        now: Time,
    ) -> Result<(String, Vec<String>), Fault> {
        checked(known.name)?;
        for _ in 0..ATTEMPTS {
            let found = self.by_alias(known.accessor, known.name).await?;
            let mut entity = match &found {
                Some(stored) => stored.record.clone(),
                None => Entity::unnamed(now),
            };
            if entity.disabled {
                return Err(Fault::denied().noting(format!("entity {} is disabled", entity.id)));
            }
            alias(&mut entity, known, now);
            let refreshed = self
                .refreshed(&entity, known.accessor, known.groups)
                .await?;
            if self
                .refresh(found.as_ref(), &mut entity, &refreshed)
                .await?
            {
                return Ok((entity.id, refreshed.valid));
            }
        }
        Err(busy())
    }

    /// The same for the groups only, of an entity that is known: at a renewal.
    ///
    /// # Errors
    /// When the store fails, or is too busy.
    pub(crate) async fn renewed(
        &self,
        entity: &str,
        accessor: &str,
        groups: &[String],
    ) -> Result<(), Fault> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.holder(entity).await? else {
                return Ok(());
            };
            let mut entity = found.record.clone();
            let refreshed = self.refreshed(&entity, accessor, groups).await?;
            if self.refresh(Some(&found), &mut entity, &refreshed).await? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// Which groups an entity is in when a mount names these.
    async fn refreshed(
        &self,
        entity: &Entity,
        accessor: &str,
        names: &[String],
    ) -> Result<Refreshed, Fault> {
        let mut refreshed = Refreshed {
            ids: Vec::new(),
            joined: Vec::new(),
            valid: Vec::new(),
        };
        let mut named = BTreeMap::new();
        for name in names {
            if let Some(group) = self.group_by_alias(accessor, name).await? {
                refreshed.valid.push(name.clone());
                named.insert(group.record.id.clone(), group);
            }
        }
        for id in &entity.groups {
            let Some(group) = self.group(id).await? else {
                continue;
            };
            let stays = match (group.record.sort, &group.record.alias) {
                (Sort::Internal, _) => true,
                (Sort::External, Some(alias)) if alias.accessor != accessor => true,
                _ => named.contains_key(id),
            };
            named.remove(id);
            if stays {
                refreshed.ids.push(id.clone());
            }
        }
        refreshed.ids.extend(named.keys().cloned());
        refreshed.joined.extend(named.into_values());
        Ok(refreshed)
    }

    /// Saves what changed, if anything did; `false` when something changed meanwhile.
    async fn refresh(
        &self,
        old: Option<&Stored<Entity>>,
        entity: &mut Entity,
        refreshed: &Refreshed,
    ) -> Result<bool, Fault> {
        entity.groups.clone_from(&refreshed.ids);
        if old.is_some_and(|old| old.record == *entity) {
            return Ok(true);
        }
        let mut change = Change::default().record(old, Some(entity))?;
        for group in &refreshed.joined {
            change = change.unchanged(group);
        }
        self.commit(change).await
    }
}

/// The entity with the alias as the mount knows it now.
fn alias(entity: &mut Entity, known: Known<'_>, now: Time) {
    let is_it = |alias: &&mut Alias| alias.accessor == known.accessor && alias.name == known.name;
    match entity.aliases.iter_mut().find(is_it) {
        Some(alias) if alias.metadata == *known.metadata => {}
        Some(alias) => {
            alias.metadata.clone_from(known.metadata);
            alias.updated = now;
        }
        None => {
            let mut alias = Alias::new(known.accessor, known.name, now);
            alias.metadata.clone_from(known.metadata);
            entity.aliases.push(alias);
        }
    }
}
