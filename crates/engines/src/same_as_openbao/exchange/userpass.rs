//! Userpass.

use super::{NO_QUOTES, Step, delete, get, list, put};
use serde_json::json;

/// Each script begins on a new mount.
pub(crate) fn all() -> Vec<Vec<Step>> {
    vec![users(), logins()]
}

/// Why a status may differ.
const OUR_FAULT: &str = "a caller's mistake is not a 500";

fn users() -> Vec<Step> {
    vec![
        list("users"),
        get("users/bob"),
        put("users/Bob", json!({})),
        put("users/Bob", json!({"password": ""})),
        put("users/Bob", json!({"password": "a", "password_hash": "b"})),
        put("users/Bob", json!({"password_hash": "b"})),
        put(
            "users/Bob",
            json!({"password": "a", "policies": "x,Y", "ttl": "5m", "max_ttl": "10m", "bound_cidrs": "127.0.0.0/8"}),
        ),
        get("users/bob"),
        get("users/BOB"),
        put(
            "users/bob",
            json!({"token_policies": "z", "token_ttl": "3m"}),
        ),
        get("users/bob"),
        put(
            "users/bob",
            json!({"token_bound_cidrs": "127.0.0.1", "token_max_ttl": 0}),
        ),
        get("users/bob"),
        put(
            "users/bob",
            json!({"token_ttl": "2h", "token_max_ttl": "1h"}),
        ),
        put("users/bob", json!({"token_ttl": -1})).says(NO_QUOTES),
        put("users/bob", json!({"token_type": "foo"})).says(NO_QUOTES),
        put("users/eve", json!({"password": "a", "token_type": "batch"})),
        get("users/eve"),
        put("users/eve", json!({"token_period": "5m"})),
        put("users/eve", json!({"token_num_uses": 5})),
        put("login/eve", json!({"password": "a"})),
        put("users/eve", json!({"token_type": "default"})),
        put("users/bob/policies", json!({"policies": "p"})),
        get("users/bob"),
        put("users/bob/policies", json!({"token_policies": "p,q"})),
        get("users/bob"),
        put("users/bob/policies", json!({})),
        get("users/bob"),
        put("users/bob/password", json!({})),
        put("users/nobody/password", json!({"password": "x"})).differs(OUR_FAULT),
        put("users/nobody/policies", json!({"policies": "x"})).differs(OUR_FAULT),
        put("users/long", json!({"password": "x".repeat(80)})).differs(OUR_FAULT),
        put("users/eve", json!({"password": "a"})),
        put("users/a%20b", json!({"password": "x"})),
        put("users/.a", json!({"password": "x"})),
        put("users/a.-_b", json!({"password": "x"})),
        list("users"),
        list("users/"),
        delete("users/a.-_b"),
        delete("users/a.-_b"),
        list("users"),
    ]
}

fn logins() -> Vec<Step> {
    vec![
        put(
            "users/bob",
            json!({"password": "right", "token_policies": "p", "token_num_uses": 5}),
        ),
        put("login/bob", json!({"password": "right"})),
        put("login/BOB", json!({"password": "right"})),
        put("login/bob", json!({"password": "wrong"})),
        put("login/bob", json!({})).differs(OUR_FAULT),
        put("login/bob", json!({"password": ""})).differs(OUR_FAULT),
        put("login/nobody", json!({"password": "wrong"})),
        get("login/bob"),
        put("users/bob/password", json!({"password": "other"})),
        put("login/bob", json!({"password": "right"})),
        put("login/bob", json!({"password": "other"})),
        put("users/bob", json!({"token_bound_cidrs": "10.0.0.0/8"})),
        put("login/bob", json!({"password": "other"})),
        put("users/bob", json!({"token_bound_cidrs": ""})),
        put("login/bob", json!({"password": "1"})),
        put("login/bob", json!({"password": "2"})),
        put("login/bob", json!({"password": "3"})),
        put("login/bob", json!({"password": "4"})),
        put("login/bob", json!({"password": "5"})),
        put("login/bob", json!({"password": "6"}))
            .differs("a locked name is answered like a wrong password"),
        put("login/bob", json!({"password": "other"}))
            .differs("a locked name is answered like a wrong password"),
        delete("users/bob"),
        put("login/bob", json!({"password": "other"}))
            .differs("the lockout of a removed user goes with it"),
    ]
}
