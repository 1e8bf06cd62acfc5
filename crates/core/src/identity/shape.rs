//! What is shown of entities and aliases, field by field as OpenBao does.

use super::record::{Alias, Entity, Group};
use super::store::Subject;
use crate::registry::Tables;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn entity(tables: &Tables, subject: &Subject) -> Value {
    let entity = &subject.entity;
    let aliases: Vec<_> = entity
        .aliases
        .iter()
        .map(|alias| self::alias(tables, entity, alias))
        .collect();
    let ids = |groups: &[Arc<Group>]| -> Vec<String> {
        groups.iter().map(|group| group.id.clone()).collect()
    };
    let (direct, inherited) = (ids(&subject.direct), ids(&subject.inherited));
    let all = [direct.clone(), inherited.clone()].concat();
    json!({
        "aliases": aliases,
        "creation_time": entity.created.rfc3339(),
        "direct_group_ids": direct,
        "disabled": entity.disabled,
        "group_ids": all,
        "id": entity.id,
        "inherited_group_ids": inherited,
        "last_update_time": entity.updated.rfc3339(),
        "merged_entity_ids": words(&entity.merged),
        "metadata": pairs(&entity.metadata),
        "name": entity.name,
        "namespace_id": "root",
        "policies": entity.policies,
    })
}

/// A group with who is in it.
pub(super) fn group(
    tables: &Tables,
    group: &Group,
    entities: &[String],
    groups: &[String],
) -> Value {
    let alias = group.alias.as_ref().map(|alias| {
        let mut shown = mounted(tables, alias);
        shown.extend(stamped(&group.id, alias));
        shown.insert("metadata".to_owned(), pairs(&alias.metadata));
        shown
    });
    json!({
        "alias": alias.unwrap_or_default(),
        "creation_time": group.created.rfc3339(),
        "id": group.id,
        "last_update_time": group.updated.rfc3339(),
        "member_entity_ids": words(entities),
        "member_group_ids": words(groups),
        "metadata": pairs(&group.metadata),
        "modify_index": group.writes,
        "name": group.name,
        "namespace_id": "root",
        "parent_group_ids": words(&group.parents),
        "policies": words(&group.policies),
        "type": group.sort.word(),
    })
}

pub(super) fn alias(tables: &Tables, entity: &Entity, alias: &Alias) -> Value {
    let mut shown = listed(tables, &entity.id, alias);
    shown.extend(stamped(&entity.id, alias));
    Value::Object(shown)
}

/// What is shown of an alias by itself, beside its name and mount.
fn stamped(owner: &str, alias: &Alias) -> Map<String, Value> {
    let fields = [
        ("canonical_id", json!(owner)),
        ("creation_time", json!(alias.created.rfc3339())),
        ("id", json!(alias.id)),
        ("last_update_time", json!(alias.updated.rfc3339())),
        ("merged_from_canonical_ids", words(&alias.merged_from)),
    ];
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// An alias of a group by itself.
pub(super) fn group_alias(tables: &Tables, group: &Group, alias: &Alias) -> Map<String, Value> {
    let mut shown = listed(tables, &group.id, alias);
    shown.extend(stamped(&group.id, alias));
    shown
}

/// What a list says of an alias.
pub(super) fn listed(tables: &Tables, owner: &str, alias: &Alias) -> Map<String, Value> {
    let mut shown = mounted(tables, alias);
    shown.extend([
        ("canonical_id".to_owned(), json!(owner)),
        ("custom_metadata".to_owned(), pairs(&alias.custom_metadata)),
        ("local".to_owned(), json!(false)),
        ("metadata".to_owned(), pairs(&alias.metadata)),
    ]);
    shown
}

/// Name and mount; the mount by where it is now.
pub(super) fn mounted(tables: &Tables, alias: &Alias) -> Map<String, Value> {
    let mount = tables
        .mounts()
        .iter()
        .find(|mount| mount.accessor == alias.accessor);
    let (path, kind) = mount.map_or_else(Default::default, |mount| {
        (format!("{}/", mount.path), mount.kind.clone())
    });
    Map::from_iter([
        ("mount_accessor".to_owned(), json!(alias.accessor)),
        ("mount_path".to_owned(), json!(path)),
        ("mount_type".to_owned(), json!(kind)),
        ("name".to_owned(), json!(alias.name)),
    ])
}

fn words(words: &[String]) -> Value {
    if words.is_empty() {
        Value::Null
    } else {
        json!(words)
    }
}

fn pairs(pairs: &BTreeMap<String, String>) -> Value {
    if pairs.is_empty() {
        Value::Null
    } else {
        json!(pairs)
    }
}
