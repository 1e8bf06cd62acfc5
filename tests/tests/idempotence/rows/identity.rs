//! Entities and groups.

use super::{ROW, Row, Step};
use serde_json::json;

const ENTITY: Step = ("POST", "identity/entity/name/holder", || json!({}));

const KEY: Step = (
    "POST",
    "identity/oidc/key/signs",
    || json!({"algorithm": "EdDSA", "allowed_client_ids": ["*"]}),
);
const OTHER_KEY: Step = (
    "POST",
    "identity/oidc/key/signs-too",
    || json!({"algorithm": "EdDSA", "allowed_client_ids": ["*"]}),
);

pub(super) const ROWS: &[Row] = &[
    Row {
        path: "identity/oidc/config",
        at: "identity/oidc/config",
        read: "identity/oidc/config",
        first: || json!({"issuer": "https://one.example:8200"}),
        other: || json!({"issuer": "https://two.example"}),
        ..ROW
    },
    Row {
        path: "identity/oidc/key/{}",
        at: "identity/oidc/key/one",
        read: "identity/oidc/key/one",
        first: || json!({"algorithm": "ES256", "allowed_client_ids": ["a", "b"], "rotation_period": 7200, "verification_ttl": 3600}),
        other: || json!({"algorithm": "EdDSA", "allowed_client_ids": ["*"], "rotation_period": 7300, "verification_ttl": 3700}),
        ..ROW
    },
    Row {
        path: "identity/oidc/scope/{}",
        at: "identity/oidc/scope/one",
        read: "identity/oidc/scope/one",
        first: || json!({"description": "who", "template": "{\"name\": {{identity.entity.name}}}"}),
        other: || json!({"description": "what", "template": "{\"in\": {{identity.entity.groups.names}}}"}),
        ..ROW
    },
    Row {
        path: "identity/oidc/assignment/{}",
        at: "identity/oidc/assignment/one",
        read: "identity/oidc/assignment/one",
        first: || json!({"entity_ids": ["a", "b"], "group_ids": ["c"]}),
        other: || json!({"entity_ids": ["d"], "group_ids": ["e", "f"]}),
        ..ROW
    },
    Row {
        path: "identity/oidc/client/{}",
        at: "identity/oidc/client/one",
        read: "identity/oidc/client/one",
        before: &[KEY],
        first: || {
            json!({
                "access_token_ttl": 1100, "assignments": ["allow_all"], "authorization_code": true, "client_type": "confidential",
                "id_token_ttl": 1200, "key": "signs", "redirect_uris": ["https://a.example/x", "https://b.example/y"]
            })
        },
        other: || json!({"access_token_ttl": 1300, "assignments": [], "authorization_code": false, "id_token_ttl": 1400, "redirect_uris": ["https://c.example/z"]}),
        fixed: &[
            ("client_type", "a client keeps its sort"),
            ("key", "a client keeps its key"),
        ],
        left: &[(
            "client_credentials",
            "a client gets no tokens about itself here",
        )],
        volatile: &["/client_id", "/client_secret"],
        ..ROW
    },
    Row {
        path: "identity/oidc/client/{}/credentials",
        at: "identity/oidc/client/moved/credentials",
        read: "identity/oidc/client/moved",
        before: &[KEY],
        first: || {
            json!({
                "access_token_ttl": 1100, "assignments": ["allow_all"], "authorization_code": true, "client_type": "confidential",
                "client_id": "fromElsewhere1", "client_secret": "hvo_secret_of_another_server",
                "id_token_ttl": 1200, "key": "signs", "redirect_uris": ["https://a.example/x"]
            })
        },
        other: || json!({"client_id": "fromElsewhere2", "client_secret": "hvo_secret_of_yet_another_one", "access_token_ttl": 1300, "assignments": [], "authorization_code": false, "id_token_ttl": 1400, "redirect_uris": ["https://c.example/z"]}),
        always: &["client_id", "client_secret"],
        fixed: &[
            ("client_type", "a client keeps its sort"),
            ("key", "a client keeps its key"),
        ],
        left: &[(
            "client_credentials",
            "a client gets no tokens about itself here",
        )],
        alone: Some("ours: a client goes on under what another server gave it"),
        ..ROW
    },
    Row {
        path: "identity/oidc/provider/{}",
        at: "identity/oidc/provider/one",
        read: "identity/oidc/provider/one",
        before: &[
            (
                "POST",
                "identity/oidc/scope/s1",
                || json!({"template": "{\"a\": 1}"}),
            ),
            (
                "POST",
                "identity/oidc/scope/s2",
                || json!({"template": "{\"b\": 1}"}),
            ),
        ],
        first: || json!({"allowed_client_ids": ["a", "b"], "scopes_supported": ["s1", "s2"]}),
        other: || json!({"allowed_client_ids": ["*"], "scopes_supported": ["s1"]}),
        left: &[(
            "issuer",
            "read with the path of the provider behind it: tests/tests/identity_login.rs",
        )],
        volatile: &["/issuer"],
        ..ROW
    },
    Row {
        path: "identity/oidc/role/{}",
        at: "identity/oidc/role/one",
        read: "identity/oidc/role/one",
        before: &[KEY, OTHER_KEY],
        first: || json!({"client_id": "c1", "key": "signs", "template": "{\"name\": {{identity.entity.name}}}", "ttl": 1200}),
        other: || json!({"client_id": "c2", "key": "signs-too", "template": "", "ttl": 1300}),
        always: &["key"],
        ..ROW
    },
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
