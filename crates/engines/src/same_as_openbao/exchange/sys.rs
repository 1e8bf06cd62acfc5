//! What is below `sys/` beside mounts, policies and seals.

use super::{NO_QUOTES, Step, delete, get, list, put};
use serde_json::json;

/// Why ours is another process.
const OUR_ROOMS: &str = "loggers are the rooms of each program";

/// One script: it is about one server.
pub(crate) fn all() -> Vec<Step> {
    [tools(), loggers(), inside()]
        .into_iter()
        .flatten()
        .collect()
}

fn tools() -> Vec<Step> {
    let hello = "aGVsbG8=";
    let mut steps: Vec<Step> = [
        "sha2-224", "sha2-256", "sha2-384", "sha2-512", "sha3-224", "sha3-256", "sha3-384",
        "sha3-512",
    ]
    .into_iter()
    .map(|name| put(format!("tools/hash/{name}"), json!({"input": hello})))
    .collect();
    steps.extend([
        put("tools/hash", json!({"input": hello})),
        put(
            "tools/hash",
            json!({"input": hello, "algorithm": "sha3-512", "format": "base64"}),
        ),
        put(
            "tools/hash/sha2-512",
            json!({"input": hello, "algorithm": "md5"}),
        ),
        put("tools/hash", json!({})),
        put("tools/hash", json!({"input": "!!"})).says(NO_QUOTES),
        put("tools/hash", json!({"input": hello, "format": "x"})).says(NO_QUOTES),
        put("tools/hash", json!({"input": hello, "algorithm": "md5"})).says(NO_QUOTES),
        get("tools/hash"),
        put("tools/random", json!({})).random(),
        put("tools/random/20", json!({"format": "hex"})).random(),
        put("decode-token", json!({"encoded_token": "Bxg", "otp": "ef"})),
        put("decode-token", json!({"encoded_token": "Bxg"})),
        put("decode-token", json!({})),
        put("decode-token", json!({"encoded_token": "!!", "otp": "a"})).says(NO_QUOTES),
        put(
            "decode-token",
            json!({"encoded_token": "Bxg", "otp": "abc"}),
        )
        .says(NO_QUOTES),
    ]);
    steps
}

fn loggers() -> Vec<Step> {
    vec![
        put("loggers", json!({})),
        put("loggers", json!({"level": "loud"})).says(NO_QUOTES),
        put("loggers/core", json!({"level": "loud"})).says(NO_QUOTES),
        put("loggers/nobody", json!({"level": "debug"})).says(NO_QUOTES),
        delete("loggers/nobody").says(NO_QUOTES),
        get("loggers/nobody"),
        put("loggers/core", json!({"level": "notice"})),
        get("loggers/core"),
        put("loggers/core", json!({"level": "err"})),
        get("loggers/core"),
        put("loggers", json!({"level": "WARN"})),
        get("loggers/policy"),
        delete("loggers/policy"),
        get("loggers/policy"),
        get("loggers").differs(OUR_ROOMS),
        delete("loggers"),
        get("loggers/core"),
    ]
}

fn inside() -> Vec<Step> {
    vec![
        get("internal/ui/resultant-acl"),
        get("internal/counters/requests")
            .says("OpenBao has taken the counts away and keeps the path"),
        list("version-history").differs("each has versions of its own"),
        get("version-history"),
        get("policies/detailed/acl"),
        list("policies/detailed/acl").differs("policies have no versions here"),
        get("host-info").differs("figures move, and ours are fewer"),
        get("config/state/sanitized").differs("each has settings of its own"),
    ]
}

/// Below a mount of KV version 2.
pub(crate) fn detailed_metadata() -> Vec<Step> {
    vec![
        list("detailed-metadata"),
        list("detailed-metadata/a"),
        put("data/a/b", json!({"data": {"k": "v"}})),
        put("data/a/c/d", json!({"data": {"k": "v"}})),
        put("data/z", json!({"data": {"k": "v"}})),
        put(
            "metadata/z",
            json!({"max_versions": 3, "custom_metadata": {"owner": "me"}}),
        ),
        list("detailed-metadata"),
        list("detailed-metadata/"),
        list("detailed-metadata/a"),
        list("detailed-metadata/a/"),
        list("detailed-metadata/a?limit=1"),
        list("detailed-metadata?after=a/"),
        list("detailed-metadata/z"),
        get("detailed-metadata/a").differs("ours tells users of version 1 where things are"),
        delete("data/z"),
        list("detailed-metadata"),
    ]
}
