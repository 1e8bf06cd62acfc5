//! `identity/group` and `identity/lookup/group`.

use super::entities::{listing, policies};
use super::record::{Group, Sort};
use super::sought::Sought;
use super::store::{ATTEMPTS, Members, Store, Stored, busy, checked, checked_pairs};
use super::{Identities, shape};
use crate::fault::Fault;
use crate::json::field::{Pairs, Words};
use crate::outcome::Outcome;
use crate::request::Call;
use serde::Deserialize;
use serde_json::{Map, json};
use std::collections::BTreeSet;

/// Members that one write may name: each that comes or goes is a part of one transaction.
const MOST: usize = 10_000;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    id: Option<String>,
    name: Option<String>,
    r#type: Option<String>,
    metadata: Option<Pairs>,
    policies: Option<Words>,
    member_entity_ids: Option<Words>,
    member_group_ids: Option<Words>,
}

pub(super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let mut wanted: Wanted = call.body.parse()?;
    for (name, place) in [("id", &mut wanted.id), ("name", &mut wanted.name)] {
        let captured = call.capture(name);
        if !captured.is_empty() {
            *place = Some(captured.to_owned());
        }
    }
    checked(wanted.name.as_deref().unwrap_or_default())?;
    if let Some(metadata) = &wanted.metadata {
        checked_pairs(&metadata.0)?;
    }
    let policies = wanted.policies.as_ref().map(policies).transpose()?;
    let members = wanted.members()?;
    let services = engine.services()?;
    for _ in 0..ATTEMPTS {
        let old = aimed_at(&services.identity, &call, &wanted).await?;
        let sort = wanted.sort(old.as_ref().map(|old| old.record.sort))?;
        let name = wanted.name.clone().unwrap_or_default();
        let mut group = match &old {
            Some(old) => old.record.clone(),
            None => Group::new(name.clone(), sort, call.now),
        };
        if !name.is_empty() {
            let taken = services.identity.group_by_name(&name).await?;
            if taken.is_some_and(|taken| taken.record.id != group.id) {
                return Err(Fault::invalid("group name is already in use"));
            }
            group.name = name;
        }
        if let Some(policies) = &policies {
            group.policies.clone_from(policies);
        }
        if let Some(metadata) = &wanted.metadata {
            group.metadata.clone_from(&metadata.0);
        }
        group.written(call.now);
        let saved = services.identity.save_group(old.as_ref(), &group, &members);
        if saved.await? {
            return match old {
                Some(_) => Ok(Outcome::Done),
                None => Outcome::data(&json!({"id": group.id, "name": group.name})),
            };
        }
    }
    Err(busy())
}

impl Wanted {
    /// Of which sort the group is, in Vault's words of refusal.
    fn sort(&self, old: Option<Sort>) -> Result<Sort, Fault> {
        let asked = match self.r#type.as_deref() {
            None | Some("") => None,
            Some("internal") => Some(Sort::Internal),
            Some("external") => Some(Sort::External),
            Some(_) if old.is_some() => {
                return Err(Fault::invalid("group type cannot be changed"));
            }
            Some(_) => {
                return Err(Fault::invalid(
                    "invalid group type: it is \"internal\" or \"external\"",
                ));
            }
        };
        let sort = match (old, asked) {
            (Some(old), Some(asked)) if old != asked => {
                return Err(Fault::invalid("group type cannot be changed"));
            }
            (old, asked) => old.or(asked).unwrap_or_default(),
        };
        if sort == Sort::External {
            if self.member_entity_ids.is_some() {
                return Err(Fault::invalid(
                    "member entities can't be set manually for external groups",
                ));
            }
            if self.member_group_ids.is_some() {
                return Err(Fault::invalid(
                    "member groups can't be set for external groups",
                ));
            }
        }
        Ok(sort)
    }

    fn members(&self) -> Result<Members, Fault> {
        let set = |words: &Option<Words>| {
            let words = words.as_ref();
            words.map(|words| words.0.iter().cloned().collect::<BTreeSet<_>>())
        };
        let members = Members {
            entities: set(&self.member_entity_ids),
            groups: set(&self.member_group_ids),
        };
        let sets = [&members.entities, &members.groups];
        if sets.into_iter().flatten().any(|set| set.len() > MOST) {
            return Err(Fault::invalid("members: at most 10000 of each kind"));
        }
        Ok(members)
    }
}

/// The group that a write is about; `None`: a new one.
async fn aimed_at(
    store: &Store,
    call: &Call<'_>,
    wanted: &Wanted,
) -> Result<Option<Stored<Group>>, Fault> {
    // A path with a name is about that name, whatever the body says.
    let id = wanted
        .id
        .as_ref()
        .filter(|_| call.capture("name").is_empty());
    match (id, &wanted.name) {
        (Some(id), _) if id.is_empty() => Err(Fault::invalid("empty group ID")),
        (Some(id), _) => {
            let found = store.group(id).await?;
            found
                .ok_or_else(|| Fault::invalid("invalid group ID"))
                .map(Some)
        }
        (None, Some(name)) if name.is_empty() => Err(Fault::invalid("empty group name")),
        (None, Some(name)) => store.group_by_name(name).await,
        (None, None) => Ok(None),
    }
}

async fn named(store: &Store, call: &Call<'_>) -> Result<Option<Stored<Group>>, Fault> {
    match call.capture("id") {
        "" => store.group_by_name(call.capture("name")).await,
        id => store.group(id).await,
    }
}

async fn shown(engine: &Identities, group: &Group) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let entities = services.identity.members(&group.id).await?;
    let groups = services.identity.subgroups(&group.id).await?;
    let tables = services.registry.current();
    Outcome::data(&shape::group(&tables, group, &entities, &groups))
}

pub(super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let found = named(&engine.services()?.identity, &call).await?;
    let found = found.ok_or_else(Fault::missing)?;
    shown(engine, &found.record).await
}

pub(super) async fn delete(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    for _ in 0..ATTEMPTS {
        let Some(found) = named(&services.identity, &call).await? else {
            return Ok(Outcome::Done);
        };
        if services.identity.remove_group(&found).await? {
            return Ok(Outcome::Done);
        }
    }
    Err(busy())
}

pub(super) async fn ids(engine: &Identities) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let tables = services.registry.current();
    let mut info = Map::new();
    for group in services.identity.all_groups().await? {
        let members = services.identity.members(&group.id).await?.len();
        let mut shown = json!({
            "name": group.name,
            "num_member_entities": members,
            "num_parent_groups": group.parents.len(),
        });
        if let (Some(alias), Some(fields)) = (&group.alias, shown.as_object_mut()) {
            let mut alias_shown = shape::mounted(&tables, alias);
            alias_shown.insert("id".to_owned(), json!(alias.id));
            fields.insert("alias".to_owned(), alias_shown.into());
        }
        info.insert(group.id, shown);
    }
    listing(&info)
}

pub(super) async fn names(engine: &Identities) -> Result<Outcome, Fault> {
    let all = engine.services()?.identity.all_groups().await?;
    let mut names: Vec<_> = all.into_iter().map(|group| group.name).collect();
    names.sort();
    Outcome::keys(&names)
}

pub(super) async fn lookup(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let half = "both 'alias_name' and 'alias_mount_accessor' needs to be set";
    let sought = Sought::of(call.body, half)?;
    let services = engine.services()?;
    let store = &services.identity;
    let found = match sought {
        Sought::Id(id) => store.group(&id).await?,
        Sought::Name(name) => store.group_by_name(&name).await?,
        Sought::AliasId(id) => store.group_by_alias_id(&id).await?,
        Sought::Alias { accessor, name } => store.group_by_alias(&accessor, &name).await?,
    };
    match found {
        Some(found) => shown(engine, &found.record).await,
        None => Ok(Outcome::Done),
    }
}
