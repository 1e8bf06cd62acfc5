//! Parameters that have no effect. Whole paths, below the mounts `warned-kv` (version 2), `warned-one`
//! (version 1), `warned-transit`, `warned-totp`, `auth/warned-approle` and `auth/warned-userpass`.

use super::{Step, delete, get, list, put};
use serde_json::{Value, json};

/// One script.
pub(crate) fn all() -> Vec<Step> {
    [kv(), engines(), methods(), identity(), system()]
        .into_iter()
        .flatten()
        .collect()
}

/// With two names that nobody knows, out of order, and one with signs in it.
fn with(mut body: Value) -> Value {
    for name in ["zz", "aa", "a \"[b]\n<c>é"] {
        body[name] = json!("value");
    }
    body
}

fn kv() -> Vec<Step> {
    vec![
        put(
            "warned-kv/data/a",
            with(json!({"data": {"x": "y", "zz": 1}})),
        )
        .random(),
        put(
            "warned-kv/data/a",
            json!({"data": {}, "path": "b", "version": 3}),
        )
        .random(),
        put(
            "warned-kv/data/a",
            json!({"data": {}, "path": null, "zz": null}),
        )
        .random(),
        get("warned-kv/data/a?version=1&zz=1&zz=2").random(),
        get("warned-kv/data/a?path=b").random(),
        list("warned-kv/metadata?zz=1"),
        list("warned-kv/metadata?after=0&limit=5"),
        put("warned-kv/metadata/a", with(json!({"max_versions": 3}))),
        get("warned-kv/metadata/a?zz=1").random(),
        put("warned-kv/delete/a", with(json!({"versions": [1]}))),
        // Gone, and still an answer.
        get("warned-kv/data/a?version=1&zz=1").random(),
        delete("warned-kv/data/a?zz=1"),
        get("warned-kv/data/none?zz=1"),
        put("warned-one/a", with(json!({"path": "b"}))),
        get("warned-one/a?zz=1"),
        list("warned-one/?zz=1"),
        put("cubbyhole/warned", with(json!({"path": "b"}))),
        get("cubbyhole/warned?zz=1"),
    ]
}

fn engines() -> Vec<Step> {
    vec![
        put(
            "warned-transit/keys/k",
            with(json!({"type": "aes256-gcm96"})),
        )
        .random(),
        put(
            "warned-transit/keys/k/config",
            with(json!({"deletion_allowed": true})),
        )
        .random(),
        put(
            "warned-transit/encrypt/k",
            with(json!({"plaintext": "aGVsbG8=", "name": "other"})),
        )
        .random(),
        put(
            "warned-transit/encrypt/k",
            json!({"batch_input": [{"plaintext": "aGVsbG8=", "zz": 1}]}),
        )
        .random(),
        put(
            "warned-transit/encrypt/k?zz=1",
            json!({"plaintext": "aGVsbG8="}),
        )
        .random(),
        put(
            "warned-transit/encrypt/k",
            with(json!({"plaintext": "no base64"})),
        ),
        put(
            "warned-transit/hash/sha2-256",
            with(json!({"input": "aGVsbG8="})),
        ),
        put("warned-transit/hmac/k", with(json!({"input": "aGVsbG8="}))).random(),
        get("warned-transit/keys/k?zz=1").random(),
        list("warned-transit/keys?zz=1"),
        delete("warned-transit/keys/k?zz=1"),
        put(
            "warned-totp/keys/k",
            with(json!({"generate": true, "issuer": "i", "account_name": "a"})),
        )
        .loose(),
        put("warned-totp/code/k", with(json!({"code": "000000"}))).random(),
    ]
}

fn methods() -> Vec<Step> {
    vec![
        put(
            "auth/warned-approle/role/r",
            with(json!({"token_ttl": 60, "role_name": "other"})),
        ),
        put(
            "auth/warned-approle/role/r",
            with(json!({"token_ttl": "x"})),
        )
        .says("ours names what it takes"),
        get("auth/warned-approle/role/r?zz=1"),
        put(
            "auth/warned-approle/role/r/secret-id",
            with(json!({"role_name": "other"})),
        )
        .random(),
        put(
            "auth/warned-approle/login",
            with(json!({"role_id": "none"})),
        )
        .says("one answer to every login that fails"),
        delete("auth/warned-approle/role/r?zz=1"),
        put(
            "auth/warned-userpass/users/u",
            with(json!({"password": "one", "username": "other"})),
        ),
        put(
            "auth/warned-userpass/login/u",
            with(json!({"password": "one", "username": "other"})),
        )
        .random(),
        put("auth/token/create", with(json!({"ttl": "1h"}))).random(),
    ]
}

fn identity() -> Vec<Step> {
    vec![
        put("identity/entity", with(json!({"name": "warned"}))).random(),
        put("identity/entity", with(json!({"name": "warned"}))),
        put("identity/lookup/entity", with(json!({"name": "warned"}))).random(),
        delete("identity/entity/name/warned?zz=1"),
    ]
}

fn system() -> Vec<Step> {
    vec![
        put(
            "sys/policies/acl/warned",
            with(json!({"policy": "path \"a\" { capabilities = [\"read\"] }", "name": "other"})),
        ),
        get("sys/policies/acl/warned?zz=1").random(),
        delete("sys/policies/acl/warned?zz=1"),
        put("sys/capabilities-self", with(json!({"paths": ["a"]}))),
        put(
            "sys/tools/hash/sha2-256",
            with(json!({"input": "aGVsbG8=", "urlalgorithm": "sha2-512"})),
        ),
        put(
            "sys/mounts/warned-one/tune",
            with(json!({"description": "one"})),
        ),
        get("sys/mounts/warned-one/tune?zz=1"),
    ]
}
