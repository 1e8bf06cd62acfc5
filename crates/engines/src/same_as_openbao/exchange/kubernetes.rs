//! Kubernetes: settings, and logins at a stand-in for the cluster that both servers ask.

use super::signer::Signer;
use super::{NO_QUOTES, Step, delete, get, list, put};
use serde_json::{Value, json};

/// Each script begins on a new mount.
pub(crate) fn all() -> Vec<Vec<Step>> {
    vec![config(), roles()]
}

/// Why a status may differ.
const OUR_FAULT: &str = "a caller's mistake is not a 500";

/// A CA that signs nothing.
pub(crate) const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIBgDCCASWgAwIBAgIUczy1X+ZMiL3bx/HqWvtDwIExKKswCgYIKoZIzj0EAwIw\nFDESMBAGA1UEAwwJYSBjbHVzdGVyMCAXDTI2MTEyNjAyMTkxM1oYDzIxMjYxMTAy\nMDIxOTEzWjAUMRIwEAYDVQQDDAlhIGNsdXN0ZXIwWTATBgcqhkjOPQIBBggqhkjO\nPQMBBwNCAASj5o4+jUc4OAj9dyypWbTMKqtQZKHoWDj3rGcT/TeWSSTg65fxKEit\nwEWZyPH2TRFzDUJ0+pMj3I3I0B5zoIvHo1MwUTAdBgNVHQ4EFgQUNqsUD5LnGcPY\nPXGq4JhNQbTeHCEwHwYDVR0jBBgwFoAUNqsUD5LnGcPYPXGq4JhNQbTeHCEwDwYD\nVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAsh66LM5GUQ7yhoqEh2h3\noQ8pZaWxZWMaf2UVXuP/zvgCIQCRknU3adrX83Gx/aS7PcC0Rt/c6ZDcSMwENUbv\nLvJsDw==\n-----END CERTIFICATE-----";

fn config() -> Vec<Step> {
    let keys = json!([Signer::rsa().pem()]);
    let with = |more: Value| {
        let mut body =
            json!({"kubernetes_host": "https://10.0.0.1:6443", "kubernetes_ca_cert": CA});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        put("config", body)
    };
    vec![
        get("config"),
        put("config", json!({})),
        put("config", json!({"kubernetes_host": ""})),
        put(
            "config",
            json!({"kubernetes_host": "https://10.0.0.1", "disable_local_ca_jwt": true}),
        ),
        with(json!({"pem_keys": "no key"})).says(NO_QUOTES),
        get("config"),
        with(json!({"token_reviewer_jwt": "a.b.c", "pem_keys": keys})),
        get("config"),
        with(json!({"issuer": "https://k8s.example", "disable_iss_validation": false})),
        get("config"),
        with(json!({"kubernetes_host": "10.0.0.1:6443", "disable_local_ca_jwt": true})),
        get("config"),
        delete("config"),
        put(
            "config",
            json!({"kubernetes_host": "https://10.0.0.1:6443"}),
        )
        .says(NO_QUOTES),
    ]
}

fn roles() -> Vec<Step> {
    let role = |more: Value| {
        let mut body = json!({"bound_service_account_names": "web", "bound_service_account_namespaces": "shop"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    vec![
        list("role"),
        get("role/web"),
        put("role/web", json!({})),
        put("role/web", json!({"bound_service_account_names": "web"})),
        put("role/web", json!({"bound_service_account_namespaces": "shop"})),
        put("role/web", role(json!({"bound_service_account_names": "a,*"}))),
        put("role/web", role(json!({"bound_service_account_namespaces": ["*", "b"]}))),
        put("role/web", role(json!({"alias_name_source": "pod"}))),
        put("role/web", role(json!({"token_ttl": "2h", "token_max_ttl": "1h"}))),
        put("role/Web", role(json!({}))),
        get("role/web"),
        get("role/WEB"),
        put("role/web", role(json!({
            "bound_service_account_names": ["web-*", "api"], "bound_service_account_namespaces": "*", "audience": "vault",
            "alias_name_source": "serviceaccount_name", "token_policies": "p,q", "token_ttl": "5m", "token_num_uses": 2,
        }))),
        get("role/web"),
        put("role/web", json!({"token_ttl": "3m"})),
        get("role/web"),
        put("role/old", role(json!({"policies": "p", "ttl": "5m", "max_ttl": "10m", "num_uses": 4, "period": "1m", "bound_cidrs": "10.0.0.0/8"}))),
        get("role/old"),
        put("role/selector", json!({"bound_service_account_names": "web", "bound_service_account_namespace_selector": "{\"matchLabels\":{\"a\":\"b\"}}"}))
            .differs("labels of namespaces are not asked for: said, and not half done"),
        delete("role/selector"),
        list("role"),
        delete("role/old"),
        delete("role/old"),
        list("role"),
        put("login", json!({})),
        put("login", json!({"role": "web"})),
        put("login", json!({"role": "nobody", "jwt": "a.b.c"})).says(NO_QUOTES),
        put("login", json!({"role": "web", "jwt": "a.b.c"})).differs(OUR_FAULT),
    ]
}

/// Tokens that the cluster knows by these names (see the test), at its address and with its CA.
#[allow(dead_code, reason = "only the test of the engine has a cluster")]
pub(crate) fn logins(
    host: &str,
    ca: &str,
    signer: &Signer,
    token: impl Fn(&str) -> String,
) -> Vec<Step> {
    let with = |role: &str, name: &str| put("login", json!({"role": role, "jwt": token(name)}));
    let config = json!({
        "kubernetes_host": host, "kubernetes_ca_cert": ca, "token_reviewer_jwt": "reviewer", "pem_keys": signer.pem(),
        "disable_local_ca_jwt": true,
    });
    let mut unsigned = config.clone();
    unsigned["pem_keys"] = json!([]);
    let ours = "one word for all that is wrong with a token";
    vec![
        put(
            "role/web",
            json!({"bound_service_account_names": "web", "bound_service_account_namespaces": "shop", "token_policies": "p"}),
        ),
        with("web", "web").differs(OUR_FAULT),
        put("config", config),
        put(
            "role/any",
            json!({"bound_service_account_names": "*", "bound_service_account_namespaces": "*"}),
        ),
        put(
            "role/glob",
            json!({"bound_service_account_names": "w*", "bound_service_account_namespaces": "sh*,api"}),
        ),
        put(
            "role/audience",
            json!({"bound_service_account_names": "*", "bound_service_account_namespaces": "*", "audience": "vault"}),
        ),
        put(
            "role/elsewhere",
            json!({"bound_service_account_names": "*", "bound_service_account_namespaces": "*", "token_bound_cidrs": "10.0.0.0/8"}),
        ),
        with("web", "web"),
        with("WEB", "web").differs("a role's name is its lower-case form everywhere"),
        with("glob", "web"),
        with("any", "legacy"),
        with("audience", "web"),
        with("audience", "cluster-only").says(ours),
        with("any", "cluster-only"),
        with("web", "other-name").says(ours),
        with("web", "other-namespace").says(ours),
        with("any", "other-name"),
        with("any", "deleted"),
        with("any", "made-again"),
        with("any", "person"),
        with("any", "expired").says(ours),
        with("any", "stranger"),
        with("any", "no-account").differs(OUR_FAULT),
        with("elsewhere", "web"),
        put("login", json!({"role": "web", "jwt": "x"})),
        put("config", unsigned),
        with("web", "web"),
        // Without keys the cluster says it.
        with("any", "stranger"),
        with("any", "deleted"),
    ]
}
