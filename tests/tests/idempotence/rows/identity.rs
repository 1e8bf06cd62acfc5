//! Entities and groups.

use super::{ROW, Row, Step};
use serde_json::json;

const ENTITY: Step = ("POST", "identity/entity/name/holder", || json!({}));

pub(super) const ROWS: &[Row] = &[
    Row {
        path: "identity/entity",
        at: "identity/entity",
        read: "identity/entity/name/one",
        first: || json!({"name": "one", "metadata": {"team": "blue"}, "policies": ["a", "b"], "disabled": true}),
        other: || json!({"metadata": {"site": "north"}, "policies": ["c"], "disabled": false}),
        always: &["name"],
        left: &[("id", "of an entity that is there; its row is below")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
            "/bucket_key_hash",
        ],
        fixed: &[("name", "the entity is found by it")],
        ..ROW
    },
    Row {
        path: "identity/entity/name/{}",
        at: "identity/entity/name/two",
        read: "identity/entity/name/two",
        first: || json!({"metadata": {"team": "blue"}, "policies": ["a", "b"], "disabled": true}),
        other: || json!({"metadata": {"site": "north"}, "policies": ["c"], "disabled": false}),
        left: &[("id", "the entity is named by the path")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
            "/bucket_key_hash",
        ],
        ..ROW
    },
    Row {
        path: "identity/entity/id/{}",
        at: "identity/entity/id/|@identity/entity/name/holder#/id",
        read: "identity/entity/id/|@identity/entity/name/holder#/id",
        before: &[ENTITY],
        first: || json!({"metadata": {"team": "blue"}, "policies": ["a", "b"], "disabled": false}),
        other: || json!({"metadata": {"site": "north"}, "policies": ["c"], "disabled": true}),
        left: &[("name", "the path of this row finds the entity by it")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
            "/bucket_key_hash",
        ],
        ..ROW
    },
    Row {
        path: "identity/group",
        at: "identity/group",
        read: "identity/group/name/g1",
        before: &[ENTITY],
        first: || {
            json!({
                "name": "g1", "type": "internal", "metadata": {"k": "v"}, "policies": ["a"],
                "member_entity_ids": ["@identity/entity/name/holder#/id"], "member_group_ids": []
            })
        },
        other: || json!({"metadata": {"l": "w"}, "policies": ["b", "c"], "member_entity_ids": []}),
        always: &["name"],
        left: &[("id", "of a group that is there; its row is below")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
            "/member_entity_ids",
        ],
        hidden: &[(
            "member_entity_ids",
            "ids are each server's own; compared in core/tests/vault/groups.rs",
        )],
        fixed: &[
            ("name", "the group is found by it"),
            ("type", "is said once"),
            (
                "member_group_ids",
                "ids are each server's own: core/tests/vault/groups.rs",
            ),
        ],
        ..ROW
    },
    Row {
        path: "identity/group/name/{}",
        at: "identity/group/name/g2",
        read: "identity/group/name/g2",
        first: || json!({"type": "internal", "metadata": {"k": "v"}, "policies": ["a"], "member_entity_ids": [], "member_group_ids": []}),
        other: || json!({"metadata": {"l": "w"}, "policies": ["b", "c"]}),
        left: &[("id", "the group is named by the path")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
        ],
        fixed: &[
            ("type", "is said once"),
            ("member_entity_ids", "in the row above"),
            (
                "member_group_ids",
                "ids are each server's own: core/tests/vault/groups.rs",
            ),
        ],
        ..ROW
    },
    Row {
        path: "identity/group/id/{}",
        at: "identity/group/id/|@identity/group/name/g3#/id",
        read: "identity/group/id/|@identity/group/name/g3#/id",
        before: &[("POST", "identity/group/name/g3", || json!({}))],
        first: || json!({"type": "internal", "metadata": {"k": "v"}, "policies": ["a"], "member_entity_ids": [], "member_group_ids": []}),
        other: || json!({"metadata": {"l": "w"}, "policies": ["b", "c"]}),
        left: &[("name", "the path of this row finds the group by it")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
        ],
        fixed: &[
            ("type", "is said once"),
            ("member_entity_ids", "in the row above"),
            (
                "member_group_ids",
                "ids are each server's own: core/tests/vault/groups.rs",
            ),
        ],
        ..ROW
    },
];
