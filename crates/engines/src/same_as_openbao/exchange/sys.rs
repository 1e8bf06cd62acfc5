//! What is below `sys/` beside mounts, policies and seals.

use super::{NO_QUOTES, Step, delete, get, list, put};
use serde_json::json;

/// Why ours is another process.
const OUR_ROOMS: &str = "loggers are the rooms of each program";

/// One script: it is about one server.
pub(crate) fn all() -> Vec<Step> {
    [tools(), loggers(), inside(), cors(), headers(), quotas()]
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

/// Why ours is 400: nothing of ours failed.
const OUR_STATUS: &str = "what the caller got wrong is 400 here";

fn cors() -> Vec<Step> {
    let two = "https://a.example,https://b.example";
    vec![
        get("config/cors"),
        put(
            "config/cors",
            json!({"allowed_origins": two, "allowed_headers": "X-Custom"}),
        ),
        get("config/cors"),
        put(
            "config/cors",
            json!({"allowed_origins": ["https://c.example"]}),
        ),
        get("config/cors"),
        put("config/cors", json!({})).differs(OUR_STATUS),
        put(
            "config/cors",
            json!({"allowed_origins": "*,https://a.example"}),
        )
        .differs(OUR_STATUS),
        delete("config/cors"),
        get("config/cors"),
    ]
}

fn headers() -> Vec<Step> {
    let all = "config/auditing/request-headers";
    let one = |name: &str| format!("{all}/{name}");
    vec![
        get(all),
        put(one("X-Foo"), json!({"hmac": true})),
        put(one("x-bar"), json!({})),
        get(all),
        get(one("x-foo")),
        get(one("X-FOO")),
        get(one("nobody")),
        delete(one("x-foo")),
        delete(one("nobody")),
        get(all),
        delete(one("x-bar")),
    ]
}

fn quotas() -> Vec<Step> {
    let one = |name: &str| format!("quotas/rate-limit/{name}");
    vec![
        get("quotas/config"),
        get("quotas/rate-limit"),
        list("quotas/rate-limit"),
        put(one("bad"), json!({})),
        put(one("bad"), json!({"rate": 0})),
        put(one("bad"), json!({"rate": -1})),
        put(one("bad"), json!({"rate": 1, "path": "nothing/there"})).says(NO_QUOTES),
        put(
            one("role"),
            json!({"rate": 1, "path": "auth/token", "role": "x"}),
        )
        .says(NO_QUOTES),
        put(one("all"), json!({"rate": 100000})),
        get(one("all")),
        put(
            one("all"),
            json!({"rate": "100000.5", "interval": "1m", "block_interval": "5s"}),
        ),
        get(one("all")),
        put(one("again"), json!({"rate": 1})).says(NO_QUOTES),
        put(one("mount"), json!({"rate": 100000, "path": "cubbyhole"})),
        get(one("mount")),
        put(
            one("path"),
            json!({"rate": 100000, "path": "cubbyhole/a/b", "inheritable": true}),
        ),
        get(one("path")),
        put(
            one("short"),
            json!({"rate": 100000, "path": "cubbyhole/c", "interval": "100ms"}),
        ),
        get(one("short")),
        get(one("nobody")),
        delete(one("nobody")),
        list("quotas/rate-limit").unordered(),
        delete(one("all")),
        delete(one("mount")),
        delete(one("path")),
        delete(one("short")),
        list("quotas/rate-limit"),
        put(
            "quotas/config",
            json!({"enable_rate_limit_response_headers": true, "rate_limit_exempt_paths": ["sys/health", "a/b"]}),
        ),
        get("quotas/config"),
        put(
            "quotas/config",
            json!({"enable_rate_limit_response_headers": false, "rate_limit_exempt_paths": []}),
        ),
        get("quotas/config"),
        get("quotas/lease-count").differs("limits of leases are served here"),
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
