//! KV version 2.

use super::{IN_ORDER, IN_PARTS, NO_QUOTES, Step, delete, get, list, patch, put, scan};
use serde_json::{Value, json};

/// Each script begins on a new mount.
pub(crate) fn all() -> Vec<Vec<Step>> {
    vec![settings(), writing(), versions(), metadata(), paths()]
}

fn settings() -> Vec<Step> {
    vec![
        get("config"),
        put("config", json!({})),
        put("config", json!({"max_versions": "x"})).says(NO_QUOTES),
        put("config", json!({"max_versions": -1}))
            .differs("a negative limit is refused, not wrapped to four billion"),
        put(
            "config",
            json!({"max_versions": 0, "delete_version_after": "90m", "cas_required": "true"}),
        ),
        get("config"),
        put("config", json!({"delete_version_after": -1})),
        get("config"),
        put(
            "config",
            json!({"delete_version_after": "1h30m5s", "metadata_cas_required": true}),
        ),
        get("config"),
        put("config", json!({"delete_version_after": "abc"})).says(NO_QUOTES),
        put("config", json!({"cas_required": "maybe"})).says(NO_QUOTES),
        delete("config"),
        put(
            "config",
            json!({"delete_version_after": 0, "cas_required": false, "metadata_cas_required": 0}),
        ),
        get("config"),
    ]
}

fn writing() -> Vec<Step> {
    let object = "data must be an object: null would store a secret that has none";
    let mut script = vec![
        get("data/a"),
        put("data/a", json!({})),
        put("data/z", json!({"data": null})).differs(object),
        put("data/a", json!({"data": "x"})).says(NO_QUOTES),
        put("data/a", json!({"data": [1]})).says(NO_QUOTES),
        put("data/a", json!({"foo": "x"})),
        put(
            "data/a",
            json!({"data": {"b": 1, "a": {"x": 1.5, "y": [null, true, "ü\n"]}}}),
        ),
        get("data/a"),
        put("data/a", json!({"data": {"b": 2}, "options": "x"})).says(NO_QUOTES),
        put("data/a", json!({"data": {"b": 2}, "options": null})),
        put("data/a", json!({"data": {}})),
        put(
            "data/a",
            json!({"data": {"b": 2}, "options": {"cas": true}}),
        )
        .says("a switch is no number, where OpenBao reads true as 1"),
    ];
    for cas in [
        json!(0),
        json!("1"),
        json!(2.5),
        json!("zz"),
        json!(-1),
        json!(null),
        json!(3),
        json!("4"),
    ] {
        script.push(put(
            "data/a",
            json!({"data": {"b": 3}, "options": {"cas": cas}}),
        ));
    }
    for query in [
        "data/a?version=1",
        "data/a?version=99",
        "data/a?version=-1",
        "data/a?version=0",
        "data/a?version=",
    ] {
        script.push(get(query));
    }
    script.extend([
        get("data/a?version=abc").says(NO_QUOTES),
        patch("data/a", json!({"data": {"c": 5, "d": {"e": 1}}})),
        patch(
            "data/a",
            json!({"data": {"d": {"e": null, "f": [1]}, "b": null, "g": {"h": null}}}),
        ),
        get("data/a"),
        patch("data/a", json!({"data": {"d": 1}, "options": {"cas": 1}})),
        patch("data/a", json!({"data": {"d": 1}, "options": {"cas": 7}})),
        get("data/a"),
        patch("data/a", json!({})),
        patch("data/nope", json!({"data": {"d": 1}})),
        delete("data/a"),
        delete("data/a"),
        delete("data/nope"),
        get("data/a"),
        patch("data/a", json!({"data": {"d": 1}})),
        get("metadata/a"),
    ]);
    script
}

fn versions() -> Vec<Step> {
    let mut script: Vec<_> = (1..=4)
        .map(|n| put("data/a", json!({"data": {"n": n}})))
        .collect();
    for path in ["delete/a", "undelete/a", "destroy/a"] {
        script.push(put(path, json!({})));
        script.push(put(path, json!({"versions": []})));
        script.push(put(path, json!({"versions": "x"})).says(NO_QUOTES));
        script.push(get(path));
    }
    script.extend([
        put("delete/a", json!({"versions": [1, 2, 99, -1]})),
        put("delete/nope", json!({"versions": [1]})),
        put("undelete/a", json!({"versions": ["2", "99"]})),
        put("undelete/nope", json!({"versions": "1"})),
        put("destroy/a", json!({"versions": 3})),
        put("destroy/a", json!({"versions": "3,1"})),
        put("destroy/nope", json!({"versions": 3})),
        put("undelete/a", json!({"versions": "3"})),
        get("data/a?version=1"),
        get("data/a?version=2"),
        get("data/a?version=3"),
        get("data/a"),
        get("metadata/a"),
        put("destroy/a", json!({"versions": 4})),
        get("data/a"),
        delete("data/a"),
        patch("data/a", json!({"data": {}})),
        get("metadata/a"),
    ]);
    // Limits: the greater counts, lowering drops, raising does not bring back.
    for max in [3, 1, 6] {
        script.push(put("metadata/a", json!({"max_versions": max})));
        script.extend((0..3).map(|n| put("data/a", json!({"data": {"n": n}}))));
        script.push(get("metadata/a"));
    }
    script.push(put("config", json!({"max_versions": 8})));
    script.extend((0..5).map(|n| put("data/a", json!({"data": {"n": n}}))));
    script.push(get("metadata/a"));
    script.push(get("data/a?version=12"));
    script.extend((0..12).map(|n| put("data/b", json!({"data": {"n": n}}))));
    script.push(get("metadata/b"));
    script
}

fn metadata() -> Vec<Step> {
    let many: Value = (0..65)
        .map(|n| (n.to_string(), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let custom = |value: Value| json!({"custom_metadata": value});
    vec![
        get("metadata/a"),
        put("metadata/a", json!({})),
        get("metadata/a"),
        put("data/a", json!({"data": {}})),
        put(
            "metadata/a",
            json!({"max_versions": 3, "custom_metadata": {"a": "b", "n": 5, "t": true, "f": false}}),
        ),
        get("metadata/a"),
        put("data/a", json!({"data": {"z": 1}})),
        get("data/a"),
        put("metadata/a", custom(json!({"a": ""}))),
        put("metadata/a", custom(json!({"": "x"}))),
        put("metadata/a", custom(json!({"a": "x\u{1}"}))),
        put("metadata/a", custom(json!({"a\u{1}": "x"}))).says(NO_QUOTES),
        put("metadata/a", custom(json!({"a": {"b": "c"}}))).says(NO_QUOTES),
        put("metadata/a", custom(json!({"a": "x".repeat(513)}))),
        put("metadata/a", custom(json!({"k".repeat(129): "x"}))).says(NO_QUOTES),
        put(
            "metadata/a",
            custom(json!({"k".repeat(128): "v".repeat(512)})),
        ),
        put("metadata/a", custom(many)),
        put("metadata/a", custom(json!("x"))).says(NO_QUOTES),
        put("metadata/a", custom(json!({"a": null}))),
        put("metadata/a", custom(json!(null))),
        get("metadata/a"),
        put("metadata/a", json!({"max_versions": "x"})).says(NO_QUOTES),
        put("metadata/a", json!({"delete_version_after": -1})).says(NO_QUOTES),
        put("metadata/a", json!({"delete_version_after": "1h30m5s"})),
        put("metadata/a", json!({"foo": 1})),
        patch("metadata/a", custom(json!({"a": "1", "b": "2"}))),
        patch("metadata/a", custom(json!({"a": null, "c": "3"}))),
        get("metadata/a"),
        patch("metadata/a", custom(json!({"a": ""}))),
        patch(
            "metadata/a",
            json!({"max_versions": null, "cas_required": true}),
        ),
        get("metadata/a"),
        patch("metadata/a", custom(json!(null))),
        patch("metadata/a", json!({})),
        patch("metadata/nope", json!({"max_versions": 1})),
        patch(
            "metadata/a",
            json!({"cas_required": null, "delete_version_after": "5m"}),
        ),
        get("metadata/a"),
        patch("metadata/a", json!({"metadata_cas_required": true})),
        patch("metadata/a", json!({"max_versions": 7})),
        patch("metadata/a", json!({"max_versions": 7, "metadata_cas": 1})),
        put("metadata/a", json!({"max_versions": 7})),
        put("metadata/a", json!({"max_versions": 7, "metadata_cas": 1})),
        get("metadata/a"),
        put(
            "metadata/new",
            json!({"max_versions": 7, "metadata_cas": 1}),
        ),
        put(
            "metadata/new",
            json!({"max_versions": 7, "metadata_cas": 0}),
        ),
        get("metadata/new"),
        get("data/new"),
        delete("data/new"),
        patch("data/new", json!({"data": {}})),
        get("subkeys/new"),
        put("config", json!({"cas_required": true})),
        put("data/q", json!({"data": {}})),
        put("data/q", json!({"data": {}, "options": {}})),
        put("data/q", json!({"data": {}, "options": {"cas": 0}})),
        patch("data/q", json!({"data": {}})),
        put("metadata/q", json!({"cas_required": false})),
        patch("metadata/q", json!({"cas_required": false})),
        delete("metadata/q"),
        delete("metadata/q"),
        get("metadata/q"),
        put(
            "config",
            json!({"cas_required": false, "delete_version_after": "1h"}),
        ),
        put("data/w", json!({"data": {}})),
        get("data/w"),
        put("metadata/w", json!({"delete_version_after": "10m"})),
        put("data/w", json!({"data": {}})),
        delete("data/w"),
        put("undelete/w", json!({"versions": [2]})),
        get("metadata/w"),
    ]
}

fn paths() -> Vec<Step> {
    let nested = json!({"a": {"b": {"c": 1}, "e": {}}, "l": [1, {"x": 1}], "s": "x"});
    let slash = "the rule of every trailing slash: refused, not read as something else";
    let mut script = vec![put("data/n", json!({"data": nested}))];
    for query in [
        "",
        "?depth=1",
        "?depth=2",
        "?depth=2&version=1",
        "?depth=-1",
        "?version=9",
    ] {
        script.push(get(format!("subkeys/n{query}")));
    }
    script.extend([
        get("subkeys/n?depth=x").says(NO_QUOTES),
        get("subkeys/nope"),
        delete("data/n"),
        get("subkeys/n"),
        put("data/d/e/f", json!({"data": {"z": 1}})),
        put("data/d/e", json!({"data": {"z": 1}})),
        put("data/z", json!({"data": {"z": 1}})),
        list("metadata"),
        list("metadata/"),
        list("metadata/d"),
        list("metadata/d/"),
        list("metadata/z"),
        list("metadata/nope"),
        list("metadata/?after=d/&limit=1"),
        scan("metadata").differs(IN_ORDER),
        scan("metadata/").differs(IN_ORDER),
        scan("metadata/d/?after=&limit=0"),
        scan("metadata/d?limit=-1"),
        scan("metadata?limit=x").says(NO_QUOTES),
        scan("metadata?limit=1").differs(IN_PARTS),
        scan("metadata?after=d/e").differs(IN_PARTS),
        scan("metadata/d"),
        scan("metadata/d/"),
        scan("metadata/d/e"),
        scan("metadata/d/e/f"),
        scan("metadata/z"),
        scan("metadata/nope"),
        scan("detailed-metadata").differs(IN_ORDER),
        scan("detailed-metadata/d/"),
        scan("detailed-metadata/nope"),
        put("data/d/a/x", json!({"data": {"z": 1}})),
        put("data/d/b/x", json!({"data": {"z": 1}})),
        scan("metadata/d").differs(IN_ORDER),
        scan("detailed-metadata/d").differs(IN_ORDER),
        delete("metadata/d/a/x"),
        delete("metadata/d/b/x"),
        scan("data/"),
        scan("data/d"),
        scan("subkeys/d"),
        scan("app"),
        scan(""),
        list("data/"),
        list(""),
        get("metadata"),
        get("data"),
        put("data", json!({"data": {}})),
        put("delete", json!({"versions": [1]})),
        get("data/d/").differs(slash),
        put("data/d/", json!({"data": {}})).says(slash),
        get("a"),
        put("a", json!({"b": 1})),
        patch("a", json!({"b": 1})),
        delete("a"),
        list("a"),
        get(""),
        delete("metadata/d/e"),
        get("data/d/e"),
        get("data/d/e/f"),
        list("metadata/d"),
    ]);
    script
}
