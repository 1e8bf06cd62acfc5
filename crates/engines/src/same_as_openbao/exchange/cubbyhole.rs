//! The cubbyhole.

use super::{Step, delete, get, list, put};
use serde_json::json;

/// The script.
pub(crate) fn all() -> Vec<Step> {
    let our_fault = "a caller's mistake is not a 500";
    vec![
        get("a"),
        list("a"),
        put("a", json!({})).differs(our_fault),
        put("a", json!({"k": "v", "n": 1, "o": {"x": [1, null]}})),
        get("a"),
        put("a/b", json!({"k": "v", "ttl": "1h"})),
        get("a/b"),
        list("a"),
        list("a/"),
        put("a/", json!({"a": 1})).says("the rule of every trailing slash"),
        delete("a"),
        delete("a"),
        get("a"),
        get("a/b"),
    ]
}
