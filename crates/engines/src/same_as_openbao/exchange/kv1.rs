//! KV version 1, and the way to version 2.

use super::{IN_ORDER, IN_PARTS, NO_QUOTES, Step, delete, get, list, patch, put, scan};
use serde_json::{Value, json};

/// Each script begins on a new mount.
pub(crate) fn all() -> Vec<Vec<Step>> {
    vec![values(), lifetimes(), paths()]
}

fn values() -> Vec<Step> {
    vec![
        get("a"),
        list(""),
        put("a", json!({})),
        put("a", Value::Null),
        put(
            "a",
            json!({"x": "y", "n": {"l": [1, 2.5, null, true]}, "": "ü\n"}),
        ),
        get("a"),
        get("a?version=3").warned(),
        put("a", json!({"data": {"x": 1}, "options": {"cas": 7}})),
        get("a"),
        patch("a", json!({"x": 2})),
        delete("a"),
        delete("a"),
        get("a"),
    ]
}

fn lifetimes() -> Vec<Step> {
    let mut script = Vec::new();
    for secret in [
        json!({"ttl": "30m", "x": 1}),
        json!({"ttl": 90, "lease": "5m"}),
        json!({"lease": "60"}),
        json!({"lease": "5m", "ttl": "x"}),
        json!({"lease": "x"}),
        json!({"ttl": -5}),
        json!({"ttl": "-1h"}),
        json!({"ttl": 0}),
        json!({"ttl": ""}),
        json!({"ttl": "1d"}),
        json!({"ttl": "90s30"}),
        json!({"ttl": "1500ms"}),
        json!({"ttl": true}),
        json!({"ttl": {"a": 1}}),
        json!({"ttl": [1]}),
        json!({"ttl": null}),
        json!({"Ttl": 5}),
    ] {
        script.push(put("a", secret));
        script.push(get("a"));
    }
    script
}

fn paths() -> Vec<Step> {
    let slash = "a path ends in a slash only to list: no two spellings of one name";
    vec![
        get(""),
        put("", json!({"x": 1})),
        delete(""),
        put("config", json!({"max_versions": 3})),
        get("config"),
        put("data/a", json!({"x": 1})),
        put("d/e/f", json!({"x": 1})),
        put("d", json!({"x": 2})),
        get("d"),
        get("d/e"),
        list(""),
        list("d"),
        list("d/"),
        list("d/e/"),
        list("d/e/f"),
        list("none/"),
        scan("").differs(IN_ORDER),
        scan("d"),
        scan("d/"),
        scan("d/e/"),
        scan("d/e/f"),
        scan("none/"),
        scan("d/?after=e/f&limit=1").differs(IN_PARTS),
        put("d/", json!({"x": 1})).says(slash),
        get("d/").differs(slash),
        delete("d/").differs(slash),
        delete("d"),
        list(""),
        get("d/e/f"),
        get("metadata/d"),
        list("metadata"),
    ]
}

/// A mount `up` of version 1 becomes one of version 2; `plain` has no version yet. Whole paths.
#[allow(dead_code, reason = "for whole servers only")]
pub(crate) fn upgrading() -> Vec<Step> {
    let fill = |mount: &str| {
        let mut steps: Vec<_> = (0..40)
            .map(|number| put(format!("{mount}/team/s{number}"), json!({"n": number})))
            .collect();
        steps.push(put(
            format!("{mount}/a"),
            json!({"ttl": "30m", "data": {"x": "y"}}),
        ));
        steps.push(put(format!("{mount}/config"), json!({"max_versions": 2})));
        steps
    };
    let wrong = "it says which versions there are, and never quotes input";
    let mut script = fill("up");
    script.extend(fill("plain"));
    script.extend([
        put("sys/mounts/up/tune", json!({"options": {"version": "3"}})).says(wrong),
        put("sys/mounts/up/tune", json!({"options": {"version": "x"}})).says(NO_QUOTES),
        put("sys/mounts/up/tune", json!({"options": {"version": "1"}})),
        get("up/a"),
        put("sys/mounts/up/tune", json!({"options": {"version": "2"}}))
            .says("theirs counts both versions as 0"),
        put("sys/mounts/plain/tune", json!({"options": {"version": 2}}))
            .says("theirs counts both versions as 0"),
    ]);
    for mount in ["up", "plain"] {
        script.extend([
            get(format!("sys/mounts/{mount}/tune")),
            get(format!("{mount}/config")),
            get(format!("{mount}/data/a")),
            get(format!("{mount}/data/config")),
            get(format!("{mount}/metadata/a")),
            get(format!("{mount}/data/team/s0")),
            get(format!("{mount}/data/team/s39")),
            list(format!("{mount}/metadata")),
            list(format!("{mount}/metadata/team")),
            get(format!("{mount}/a")),
            put(
                format!("{mount}/data/a"),
                json!({"data": {"x": 2}, "options": {"cas": 0}}),
            ),
            put(
                format!("{mount}/data/a"),
                json!({"data": {"x": 2}, "options": {"cas": 1}}),
            ),
            get(format!("{mount}/data/a?version=1")),
            put(
                format!("sys/mounts/{mount}/tune"),
                json!({"options": {"version": "1"}}),
            ),
            put(
                format!("sys/mounts/{mount}/tune"),
                json!({"options": {"version": "2"}}),
            ),
        ]);
    }
    script
}
