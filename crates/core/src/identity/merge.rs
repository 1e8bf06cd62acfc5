//! `identity/entity/merge`: several entities turn out to be one.
//!
//! One transaction: aliases, memberships and tokens of the entities that go are those of the one that
//! stays, or nothing happened. As in Vault, policies and metadata are not taken over, and an entity
//! has at most one alias of a mount: which of two stays is said by whoever merges.

use super::Identities;
use super::record::{Alias, Entity};
use super::store::{ATTEMPTS, Stored, busy};
use crate::clock::Time;
use crate::fault::Fault;
use crate::json::field::{Flag, Words};
use crate::outcome::Outcome;
use crate::request::Call;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Entities merged at once.
const MOST: usize = 1000;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    to_entity_id: String,
    from_entity_ids: Words,
    conflicting_alias_ids_to_keep: Words,
    /// Decides about secrets of second factors, of which there are none.
    #[allow(dead_code, reason = "read, so that what is no switch is refused")]
    force: Flag,
}

pub(super) async fn merge(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    if wanted.to_entity_id.is_empty() {
        return Err(Fault::invalid("missing entity id to merge to"));
    }
    let from: BTreeSet<&String> = wanted.from_entity_ids.0.iter().collect();
    if from.is_empty() {
        return Err(Fault::invalid("missing entity ids to merge from"));
    }
    if from.len() > MOST {
        return Err(Fault::invalid("from_entity_ids: at most 1000 at once"));
    }
    let keep = &wanted.conflicting_alias_ids_to_keep.0;
    if from.len() > 1 && keep.len() > 1 {
        return Err(Fault::invalid(
            "aliases conflicts cannot be resolved with multiple from entity ids - merge one entity at a time",
        ));
    }
    let store = &engine.services()?.identity;
    for _ in 0..ATTEMPTS {
        let to = store.load(&wanted.to_entity_id).await?;
        let to = to.ok_or_else(|| Fault::invalid("entity id to merge to is invalid"))?;
        let mut gone = Vec::new();
        for id in &from {
            if **id == to.record.id {
                return Err(Fault::invalid(
                    "to_entity_id should not be present in from_entity_ids",
                ));
            }
            let found = store.load(id).await?;
            gone.push(found.ok_or_else(|| Fault::invalid("entity id to merge from is invalid"))?);
        }
        let merged = merged(&to.record, &gone, keep, call.now)?;
        if store.merge(&to, &merged, &gone).await? {
            return Ok(Outcome::Done);
        }
    }
    Err(busy())
}

/// The entity that stays, with what the others had.
fn merged(
    to: &Entity,
    gone: &[Stored<Entity>],
    keep: &[String],
    now: Time,
) -> Result<Entity, Fault> {
    let mut entity = to.clone();
    for from in gone.iter().map(|from| &from.record) {
        for alias in &from.aliases {
            take_over(&mut entity, from, alias, keep, now)?;
        }
        for group in &from.groups {
            if !entity.groups.contains(group) {
                entity.groups.push(group.clone());
            }
        }
        entity.merged.extend_from_slice(&from.merged);
        entity.merged.push(from.id.clone());
    }
    Ok(entity)
}

fn take_over(
    entity: &mut Entity,
    from: &Entity,
    alias: &Alias,
    keep: &[String],
    now: Time,
) -> Result<(), Fault> {
    if let Some(own) = entity.alias_of(&alias.accessor) {
        let own = own.id.clone();
        if keep.contains(&own) {
            return Ok(());
        }
        if !keep.contains(&alias.id) {
            return Err(Fault::invalid(format!(
                "aliases {own} and {} are of the same mount: name the one that stays in conflicting_alias_ids_to_keep",
                alias.id
            )));
        }
        entity.aliases.retain(|other| other.id != own);
    }
    let mut alias = alias.clone();
    alias.merged_from.push(from.id.clone());
    alias.updated = now;
    entity.aliases.push(alias);
    Ok(())
}
