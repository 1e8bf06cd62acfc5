//! `identity/group-alias`: by what name an auth mount knows an external group.

use super::aliases::auth_mount;
use super::entities::listing;
use super::record::{Alias, Group, Sort};
use super::store::{ATTEMPTS, Store, Stored, busy, checked};
use super::{Identities, shape};
use crate::clock::Time;
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::request::Call;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    id: Option<String>,
    name: String,
    mount_accessor: String,
    /// The group it belongs to.
    canonical_id: String,
}

pub(super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let mut wanted: Wanted = call.body.parse()?;
    if !call.capture("id").is_empty() {
        wanted.id = Some(call.capture("id").to_owned());
    }
    checked(&wanted.name)?;
    let services = engine.services()?;
    for _ in 0..ATTEMPTS {
        let holder = holder(&services.identity, &wanted).await?;
        if wanted.name.is_empty() {
            return Err(Fault::invalid("missing alias name"));
        }
        if wanted.mount_accessor.is_empty() {
            return Err(Fault::invalid("missing mount_accessor"));
        }
        if let Some((group, alias)) = &holder
            && wanted.is(&group.record, alias)
        {
            return Ok(Outcome::Done);
        }
        let owner = owner(&services.identity, &wanted).await?;
        auth_mount(&services.registry.current(), &wanted.mount_accessor)?;
        let held = holder.as_ref().map(|(_, alias)| &alias.id);
        let taken = services
            .identity
            .group_by_alias(&wanted.mount_accessor, &wanted.name)
            .await?;
        if taken.is_some_and(|taken| taken.record.alias.as_ref().map(|alias| &alias.id) != held) {
            return Err(Fault::invalid(
                "combination of mount and group alias name is already in use",
            ));
        }
        if let Some(answer) = save(&services.identity, &wanted, holder, owner, call.now).await? {
            return Outcome::data(&answer);
        }
    }
    Err(busy())
}

impl Wanted {
    /// Whether it is so already.
    fn is(&self, group: &Group, alias: &Alias) -> bool {
        alias.name == self.name
            && alias.accessor == self.mount_accessor
            && (self.canonical_id.is_empty() || group.id == self.canonical_id)
    }
}

/// The alias that a write is about, with its group; `None`: a new one.
async fn holder(store: &Store, wanted: &Wanted) -> Result<Option<(Stored<Group>, Alias)>, Fault> {
    let Some(id) = &wanted.id else {
        return Ok(None);
    };
    if id.is_empty() {
        return Err(Fault::invalid("empty group alias ID"));
    }
    let found = store.group_by_alias_id(id).await?;
    let found = found.and_then(|group| group.record.alias.clone().map(|alias| (group, alias)));
    found
        .ok_or_else(|| Fault::invalid("invalid group alias ID"))
        .map(Some)
}

/// The group that the alias shall belong to, where the write says so.
async fn owner(store: &Store, wanted: &Wanted) -> Result<Option<Stored<Group>>, Fault> {
    if wanted.canonical_id.is_empty() {
        return Ok(None);
    }
    let found = store.group(&wanted.canonical_id).await?;
    let found = found.ok_or_else(|| Fault::invalid("invalid group ID given in 'canonical_id'"))?;
    if found.record.sort != Sort::External {
        return Err(Fault::invalid("alias can't be set on an internal group"));
    }
    Ok(Some(found))
}

/// What is answered; `None` when something changed meanwhile.
async fn save(
    store: &Store,
    wanted: &Wanted,
    holder: Option<(Stored<Group>, Alias)>,
    owner: Option<Stored<Group>>,
    now: Time,
) -> Result<Option<Value>, Fault> {
    let (before, mut alias) = match holder {
        Some((group, alias)) => (Some(group), alias),
        None => (None, Alias::new(&wanted.mount_accessor, &wanted.name, now)),
    };
    alias.name.clone_from(&wanted.name);
    alias.accessor.clone_from(&wanted.mount_accessor);
    alias.updated = now;
    // Where it goes to, and where it is taken from.
    let (owner, left) = match (owner, before) {
        (Some(owner), Some(before)) if owner.record.id != before.record.id => {
            (Some(owner), Some(before))
        }
        (owner, before) => (owner.or(before), None),
    };
    let mut group = match &owner {
        Some(owner) => owner.record.clone(),
        None => Group::new(String::new(), Sort::External, now),
    };
    let answer = json!({"canonical_id": group.id, "id": alias.id});
    group.alias = Some(alias);
    group.written(now);
    let mut changes = vec![(owner.as_ref(), &group)];
    let emptied = left.as_ref().map(|left| {
        let mut emptied = left.record.clone();
        emptied.alias = None;
        emptied.writes += 1;
        emptied
    });
    if let Some(emptied) = &emptied {
        changes.push((left.as_ref(), emptied));
    }
    Ok(store.save_groups(&changes).await?.then_some(answer))
}

pub(super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let found = services
        .identity
        .group_by_alias_id(call.capture("id"))
        .await?;
    let group = found.ok_or_else(Fault::missing)?.record;
    let alias = group.alias.as_ref().ok_or_else(Fault::missing)?;
    let mut shown = shape::group_alias(&services.registry.current(), &group, alias);
    shown.insert("namespace_id".to_owned(), json!("root"));
    Outcome::data(&shown)
}

pub(super) async fn delete(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    for _ in 0..ATTEMPTS {
        let found = services
            .identity
            .group_by_alias_id(call.capture("id"))
            .await?;
        let Some(found) = found else {
            return Ok(Outcome::Done);
        };
        let mut group = found.record.clone();
        group.alias = None;
        group.writes += 1;
        if services
            .identity
            .save_groups(&[(Some(&found), &group)])
            .await?
        {
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
        if let Some(alias) = &group.alias {
            let shown = shape::listed(&tables, &group.id, alias);
            info.insert(alias.id.clone(), Value::Object(shown));
        }
    }
    listing(&info)
}
