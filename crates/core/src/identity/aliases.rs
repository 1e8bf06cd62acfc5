//! `identity/entity-alias`.

use super::entities::listing;
use super::record::{Alias, Entity};
use super::store::{ATTEMPTS, Store, Stored, busy, checked, checked_pairs};
use super::{Identities, shape};
use crate::fault::Fault;
use crate::json::field::Pairs;
use crate::mount::Mount;
use crate::outcome::Outcome;
use crate::registry::Tables;
use crate::request::Call;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    id: String,
    name: String,
    /// The entity it belongs to.
    canonical_id: String,
    /// The same, by the name it had before.
    entity_id: String,
    mount_accessor: String,
    custom_metadata: Option<Pairs>,
}

pub(super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let mut wanted: Wanted = call.body.parse()?;
    if !call.capture("id").is_empty() {
        call.capture("id").clone_into(&mut wanted.id);
    }
    if wanted.canonical_id.is_empty() {
        wanted.canonical_id = std::mem::take(&mut wanted.entity_id);
    }
    checked(&wanted.name)?;
    let services = engine.services()?;
    if !wanted.mount_accessor.is_empty() {
        auth_mount(&services.registry.current(), &wanted.mount_accessor)?;
    }
    if let Some(metadata) = &wanted.custom_metadata {
        checked_pairs(&metadata.0)?;
    }
    for _ in 0..ATTEMPTS {
        let (old, known) = aimed_at(&services.identity, &wanted).await?;
        let mut entity = match &old {
            Some(old) => old.record.clone(),
            None => Entity::unnamed(call.now),
        };
        let mut alias = match known {
            Some(known) => known,
            None => Alias::new(&wanted.mount_accessor, &wanted.name, call.now),
        };
        if !wanted.name.is_empty() {
            alias.name.clone_from(&wanted.name);
        }
        if !wanted.mount_accessor.is_empty() {
            alias.accessor.clone_from(&wanted.mount_accessor);
        }
        if let Some(metadata) = &wanted.custom_metadata {
            alias.custom_metadata.clone_from(&metadata.0);
        }
        alias.updated = call.now;
        entity.aliases.retain(|other| other.id != alias.id);
        if entity.alias_of(&alias.accessor).is_some() {
            return Err(Fault::invalid(
                "Alias already exists for requested entity and mount accessor",
            ));
        }
        let taken = services.identity.by_alias(&alias.accessor, &alias.name);
        if taken
            .await?
            .is_some_and(|other| other.record.id != entity.id)
        {
            return Err(Fault::invalid(
                "alias with combination of mount accessor and name already exists",
            ));
        }
        let answer = json!({"canonical_id": entity.id, "id": alias.id});
        entity.aliases.push(alias);
        if services.identity.save(old.as_ref(), &entity).await? {
            return Outcome::data(&answer);
        }
    }
    Err(busy())
}

/// Refuses an accessor that no auth mount has.
pub(super) fn auth_mount(tables: &Tables, accessor: &str) -> Result<(), Fault> {
    let is_it = |mount: &Mount| mount.accessor == accessor && mount.path.starts_with("auth/");
    if tables.mounts().iter().any(is_it) {
        Ok(())
    } else {
        Err(Fault::invalid("invalid mount accessor"))
    }
}

/// The entity and the alias that a write is about; `None`: to be made.
async fn aimed_at(
    store: &Store,
    wanted: &Wanted,
) -> Result<(Option<Stored<Entity>>, Option<Alias>), Fault> {
    let holder = if wanted.id.is_empty() {
        if wanted.name.is_empty() || wanted.mount_accessor.is_empty() {
            return Err(Fault::invalid(
                "'id' or 'mount_accessor' and 'name' must be provided",
            ));
        }
        store.by_alias(&wanted.mount_accessor, &wanted.name).await?
    } else {
        let found = store.by_alias_id(&wanted.id).await?;
        Some(found.ok_or_else(|| Fault::invalid("invalid alias ID"))?)
    };
    let is_it = |alias: &&Alias| {
        if wanted.id.is_empty() {
            alias.accessor == wanted.mount_accessor && alias.name == wanted.name
        } else {
            alias.id == wanted.id
        }
    };
    if wanted.canonical_id.is_empty() {
        let alias = holder
            .as_ref()
            .and_then(|holder| holder.record.aliases.iter().find(is_it).cloned());
        return Ok((holder, alias));
    }
    let entity = store
        .load(&wanted.canonical_id)
        .await?
        .ok_or_else(|| Fault::invalid("given 'canonical_id' is not associated with an entity"))?;
    match holder {
        Some(holder) if holder.record.id != entity.record.id => Err(Fault::invalid(
            "the alias belongs to another entity; delete it there first",
        )),
        _ => {
            let alias = entity.record.aliases.iter().find(is_it).cloned();
            Ok((Some(entity), alias))
        }
    }
}

pub(super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let id = call.capture("id");
    let found = services.identity.by_alias_id(id).await?;
    let found = found.ok_or_else(Fault::missing)?.record;
    let alias = found.aliases.iter().find(|alias| alias.id == id);
    let alias = alias.ok_or_else(Fault::missing)?;
    let mut shown = shape::alias(&services.registry.current(), &found, alias);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("namespace_id".to_owned(), json!("root"));
    }
    Outcome::data(&shown)
}

pub(super) async fn delete(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let id = call.capture("id");
    for _ in 0..ATTEMPTS {
        let Some(found) = services.identity.by_alias_id(id).await? else {
            return Ok(Outcome::Done);
        };
        let mut entity = found.record.clone();
        entity.aliases.retain(|alias| alias.id != id);
        entity.updated = call.now;
        if services.identity.save(Some(&found), &entity).await? {
            return Ok(Outcome::Done);
        }
    }
    Err(busy())
}

pub(super) async fn ids(engine: &Identities) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let tables = services.registry.current();
    let mut info = Map::new();
    for entity in services.identity.all().await? {
        for alias in &entity.aliases {
            let shown = shape::listed(&tables, &entity.id, alias);
            info.insert(alias.id.clone(), Value::Object(shown));
        }
    }
    listing(&info)
}
