//! AppRole, users and roles of tokens: who is known here.

use super::{OLD, ROW, Row, SECRET, Step};
use serde_json::json;

const APPROLE: Step = (
    "POST",
    "auth/approle/role/part",
    || json!({"token_bound_cidrs": ["10.0.0.0/8"]}),
);

/// A field of an AppRole role that has an endpoint of its own.
macro_rules! part {
    ($end:literal, $field:literal, $one:expr, $two:expr, $left:expr) => {
        Row {
            path: concat!("auth/approle/role/{}/", $end),
            at: concat!("auth/approle/role/part/", $end),
            read: concat!("auth/approle/role/part/", $end),
            before: &[APPROLE],
            first: || json!({$field: $one}),
            other: || json!({$field: $two}),
            left: $left,
            ..ROW
        }
    };
}

pub(super) const ROWS: &[Row] = &[
    strict!("auth/approle/role/{}", "auth/approle/role/strict", "token_period": 600),
    Row {
        hidden: &[("password", SECRET)],
        ..strict!("auth/userpass/users/{}", "auth/userpass/users/strict", "password": "correct horse")
    },
    Row {
        path: "auth/approle/role/{}",
        at: "auth/approle/role/web",
        read: "auth/approle/role/web",
        first: || {
            with_token! {
                "bind_secret_id": true, "role_id": "the-role",
                "secret_id_bound_cidrs": ["10.0.0.0/8"], "secret_id_num_uses": 5, "secret_id_ttl": 3600
            }
        },
        other: || {
            other_token! {
                "bind_secret_id": false, "secret_id_bound_cidrs": ["10.1.0.0/16"],
                "secret_id_num_uses": 6, "secret_id_ttl": 1800
            }
        },
        hidden: &[("role_id", "read at role/NAME/role-id")],
        left: &[
            ("bound_cidr_list", "an old name of secret_id_bound_cidrs"),
            ("period", OLD),
            ("policies", OLD),
        ],
        fixed: &[("role_id", "read by its own path, whose row is below")],
        ..ROW
    },
    Row {
        path: "auth/approle/role/{}",
        at: "auth/approle/role/local",
        read: "auth/approle/role/local",
        first: || json!({"local_secret_ids": true}),
        once: true,
        ..ROW
    },
    Row {
        alone: Some("OpenBao lists it, and answers that the path is unsupported"),
        ..part!("bind-secret-id", "bind_secret_id", true, false, &[])
    },
    part!(
        "bound-cidr-list",
        "bound_cidr_list",
        ["10.0.0.0/8"],
        ["10.1.0.0/16"],
        &[]
    ),
    part!("period", "token_period", 600, 700, &[("period", OLD)]),
    part!(
        "policies",
        "token_policies",
        ["a", "b"],
        ["c"],
        &[("policies", OLD)]
    ),
    part!("role-id", "role_id", "a-role", "b-role", &[]),
    part!(
        "secret-id-bound-cidrs",
        "secret_id_bound_cidrs",
        ["10.0.0.0/8"],
        ["10.1.0.0/16"],
        &[]
    ),
    part!("secret-id-num-uses", "secret_id_num_uses", 5, 6, &[]),
    part!("secret-id-ttl", "secret_id_ttl", 600, 700, &[]),
    part!(
        "token-bound-cidrs",
        "token_bound_cidrs",
        ["10.0.0.0/8"],
        ["10.1.0.0/16"],
        &[]
    ),
    part!("token-max-ttl", "token_max_ttl", 600, 700, &[]),
    part!("token-num-uses", "token_num_uses", 5, 6, &[]),
    part!("token-ttl", "token_ttl", 300, 400, &[]),
    Row {
        path: "auth/userpass/users/{}",
        at: "auth/userpass/users/ann",
        read: "auth/userpass/users/ann",
        first: || with_token! { "password": "correct horse battery" },
        other: || other_token! { "password": "another horse battery" },
        hidden: &[("password", SECRET)],
        left: &[
            ("password_hash", "instead of a password"),
            ("bound_cidrs", OLD),
            ("max_ttl", OLD),
            ("policies", OLD),
            ("ttl", OLD),
        ],
        ..ROW
    },
    Row {
        path: "auth/userpass/users/{}/policies",
        at: "auth/userpass/users/bob/policies",
        read: "auth/userpass/users/bob",
        before: &[(
            "POST",
            "auth/userpass/users/bob",
            || json!({"password": "correct horse"}),
        )],
        first: || json!({"token_policies": ["one", "two"]}),
        other: || json!({"token_policies": ["three"]}),
        left: &[("policies", OLD)],
        ..ROW
    },
    Row {
        path: "auth/token/roles/{}",
        at: "auth/token/roles/web",
        read: "auth/token/roles/web",
        first: || {
            json!({
                "allowed_entity_aliases": ["a*"], "allowed_policies": ["one"],
                "allowed_policies_glob": ["o*"], "disallowed_policies": ["root"],
                "disallowed_policies_glob": ["r*"], "orphan": true, "path_suffix": "end",
                "renewable": false, "token_bound_cidrs": ["10.0.0.0/8"],
                "token_explicit_max_ttl": 900, "token_no_default_policy": true,
                "token_num_uses": 3, "token_period": 300, "token_type": "service"
            })
        },
        other: || {
            json!({
                "allowed_entity_aliases": ["b*"], "allowed_policies": ["two"],
                "allowed_policies_glob": ["t*"], "disallowed_policies": ["x"],
                "disallowed_policies_glob": ["x*"], "orphan": false, "path_suffix": "other",
                "renewable": true, "token_bound_cidrs": ["10.1.0.0/16"],
                "token_explicit_max_ttl": 901, "token_no_default_policy": false,
                "token_num_uses": 4, "token_period": 301, "token_type": "default-service"
            })
        },
        left: &[
            ("bound_cidrs", OLD),
            ("explicit_max_ttl", OLD),
            ("period", OLD),
        ],
        ..ROW
    },
];
