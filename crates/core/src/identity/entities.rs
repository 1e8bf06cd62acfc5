//! `identity/entity` and `identity/lookup/entity`.

use super::record::Entity;
use super::sought::Sought;
use super::store::{ATTEMPTS, Store, Stored, busy, checked, checked_pairs};
use super::{Identities, shape};
use crate::fault::Fault;
use crate::json::field::{Flag, Pairs, Words};
use crate::outcome::Outcome;
use crate::path::Name;
use crate::request::Call;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    id: String,
    name: String,
    metadata: Option<Pairs>,
    policies: Option<Words>,
    disabled: Option<Flag>,
}

pub(super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let mut wanted: Wanted = call.body.parse()?;
    if !call.capture("id").is_empty() {
        call.capture("id").clone_into(&mut wanted.id);
    }
    if !call.capture("name").is_empty() {
        call.capture("name").clone_into(&mut wanted.name);
        // A path with a name is about that name, whatever the body says: policy has looked at the path.
        wanted.id.clear();
    }
    checked(&wanted.name)?;
    if let Some(metadata) = &wanted.metadata {
        checked_pairs(&metadata.0)?;
    }
    let policies = wanted.policies.as_ref().map(policies).transpose()?;
    let services = engine.services()?;
    for _ in 0..ATTEMPTS {
        let old = aimed_at(&services.identity, &wanted).await?;
        let mut entity = match &old {
            Some(old) => old.record.clone(),
            None if wanted.name.is_empty() => Entity::unnamed(call.now),
            None => Entity::new(wanted.name.clone(), call.now),
        };
        if !wanted.name.is_empty() {
            entity.name.clone_from(&wanted.name);
        }
        if let Some(metadata) = &wanted.metadata {
            entity.metadata.clone_from(&metadata.0);
        }
        if let Some(policies) = &policies {
            entity.policies.clone_from(policies);
        }
        if let Some(disabled) = wanted.disabled {
            entity.disabled = disabled.0;
        }
        entity.updated = call.now;
        if services.identity.save(old.as_ref(), &entity).await? {
            return match old {
                Some(_) => Ok(Outcome::Done),
                None => {
                    Outcome::data(&json!({"aliases": null, "id": entity.id, "name": entity.name}))
                }
            };
        }
    }
    Err(busy())
}

/// The entity that a write is about; `None`: a new one.
async fn aimed_at(store: &Store, wanted: &Wanted) -> Result<Option<Stored<Entity>>, Fault> {
    let mut old = None;
    if !wanted.id.is_empty() {
        let found = store.load(&wanted.id).await?;
        old = Some(found.ok_or_else(|| Fault::invalid("entity not found from id"))?);
    }
    if !wanted.name.is_empty()
        && let Some(named) = store.by_name(&wanted.name).await?
    {
        match &old {
            Some(old) if old.record.id != named.record.id => {
                return Err(Fault::invalid("entity name is already in use"));
            }
            _ => old = Some(named),
        }
    }
    Ok(old)
}

/// Names of policies, in the form they are kept in.
pub(super) fn policies(words: &Words) -> Result<Vec<String>, Fault> {
    let mut names = Vec::new();
    for word in &words.0 {
        let name = Name::policy(word).map_err(|_| {
            if word.eq_ignore_ascii_case(Name::ROOT) {
                Fault::invalid("policies cannot contain root")
            } else {
                Fault::invalid(
                    "field policies: a policy name has letters, digits, '-', '_' and '.' only",
                )
            }
        })?;
        if name.as_str() == Name::ROOT {
            return Err(Fault::invalid("policies cannot contain root"));
        }
        names.push(name.as_str().to_owned());
    }
    names.sort();
    names.dedup();
    Ok(names)
}

async fn named(store: &Store, call: &Call<'_>) -> Result<Option<Stored<Entity>>, Fault> {
    match call.capture("id") {
        "" => store.by_name(call.capture("name")).await,
        id => store.load(id).await,
    }
}

pub(super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let found = named(&services.identity, &call).await?;
    let found = found.ok_or_else(Fault::missing)?;
    let subject = services.identity.subject(found.record).await?;
    Outcome::data(&shape::entity(&services.registry.current(), &subject))
}

pub(super) async fn delete(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    for _ in 0..ATTEMPTS {
        let Some(found) = named(&services.identity, &call).await? else {
            return Ok(Outcome::Done);
        };
        if services.identity.remove(&found).await? {
            return Ok(Outcome::Done);
        }
    }
    Err(busy())
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Many {
    entity_ids: Words,
}

pub(super) async fn delete_many(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let Many { entity_ids } = call.body.parse()?;
    if entity_ids.0.is_empty() {
        return Err(Fault::invalid("missing entity ids to delete"));
    }
    let services = engine.services()?;
    for id in &entity_ids.0 {
        let mut left = ATTEMPTS;
        while let Some(found) = services.identity.load(id).await? {
            if services.identity.remove(&found).await? {
                break;
            }
            left = left.checked_sub(1).ok_or_else(busy)?;
        }
    }
    Ok(Outcome::Done)
}

pub(super) async fn ids(engine: &Identities) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let tables = services.registry.current();
    let mut info = Map::new();
    for entity in services.identity.all().await? {
        let alias = |alias| {
            let mut shown = shape::mounted(&tables, alias);
            shown.insert("id".to_owned(), json!(alias.id));
            Value::Object(shown)
        };
        let aliases: Vec<_> = entity.aliases.iter().map(alias).collect();
        info.insert(entity.id, json!({"aliases": aliases, "name": entity.name}));
    }
    listing(&info)
}

/// Keys with what is known of each.
pub(super) fn listing(info: &Map<String, Value>) -> Result<Outcome, Fault> {
    if info.is_empty() {
        return Err(Fault::missing());
    }
    let keys: Vec<_> = info.keys().collect();
    Outcome::data(&json!({"keys": keys, "key_info": info}))
}

pub(super) async fn names(engine: &Identities) -> Result<Outcome, Fault> {
    let all = engine.services()?.identity.all().await?;
    let mut names: Vec<_> = all.into_iter().map(|entity| entity.name).collect();
    names.sort();
    Outcome::keys(&names)
}

pub(super) async fn lookup(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let half = "both 'alias_name' and 'alias_mount_accessor' need to be set";
    let sought = Sought::of(call.body, half)?;
    let services = engine.services()?;
    let store = &services.identity;
    let found = match sought {
        Sought::Id(id) => store.load(&id).await?,
        Sought::Name(name) => store.by_name(&name).await?,
        Sought::AliasId(id) => store.by_alias_id(&id).await?,
        Sought::Alias { accessor, name } => store.by_alias(&accessor, &name).await?,
    };
    let Some(found) = found else {
        return Ok(Outcome::Done);
    };
    let subject = store.subject(found.record).await?;
    Outcome::data(&shape::entity(&services.registry.current(), &subject))
}
