//! What is shown of entities and aliases, field by field as OpenBao does.

use super::record::{Alias, Entity};
use crate::registry::Tables;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn entity(tables: &Tables, entity: &Entity) -> Value {
    let aliases: Vec<_> = entity
        .aliases
        .iter()
        .map(|alias| self::alias(tables, entity, alias))
        .collect();
    json!({
        "aliases": aliases,
        "creation_time": entity.created.rfc3339(),
        "direct_group_ids": [],
        "disabled": entity.disabled,
        "group_ids": [],
        "id": entity.id,
        "inherited_group_ids": [],
        "last_update_time": entity.updated.rfc3339(),
        "merged_entity_ids": null,
        "metadata": pairs(&entity.metadata),
        "name": entity.name,
        "namespace_id": "root",
        "policies": entity.policies,
    })
}

pub(super) fn alias(tables: &Tables, entity: &Entity, alias: &Alias) -> Value {
    let mut shown = listed(tables, entity, alias);
    shown.extend([
        ("creation_time".to_owned(), json!(alias.created.rfc3339())),
        ("id".to_owned(), json!(alias.id)),
        (
            "last_update_time".to_owned(),
            json!(alias.updated.rfc3339()),
        ),
        ("merged_from_canonical_ids".to_owned(), Value::Null),
    ]);
    Value::Object(shown)
}

/// What a list says of an alias.
pub(super) fn listed(tables: &Tables, entity: &Entity, alias: &Alias) -> Map<String, Value> {
    let mut shown = mounted(tables, alias);
    shown.extend([
        ("canonical_id".to_owned(), json!(entity.id)),
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

fn pairs(pairs: &BTreeMap<String, String>) -> Value {
    if pairs.is_empty() {
        Value::Null
    } else {
        json!(pairs)
    }
}
