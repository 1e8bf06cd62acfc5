//! Batch tokens, roles of tokens, and leases. Whole paths.

use super::{Step, delete, get, list, put};
use serde_json::json;

/// Why we refuse what they leave out.
const NOT_IGNORED: &str = "what has no effect is refused, not ignored";

/// One script: it is about one server.
pub(crate) fn all() -> Vec<Step> {
    [batch(), roles(), leases()].into_iter().flatten().collect()
}

fn batch() -> Vec<Step> {
    let asked = |more: (&str, serde_json::Value)| {
        let mut body = json!({"type": "batch", "policies": ["default"], "ttl": "10m"});
        body[more.0] = more.1;
        put("auth/token/create", body)
    };
    vec![
        put("auth/token/create", json!({"type": "batch"})),
        put("auth/token/create", json!({"type": "x"})),
        put("auth/token/create", json!({"type": "default-batch"})),
        put(
            "auth/token/create-orphan",
            json!({"type": "batch", "policies": "default"}),
        ),
        asked(("meta", json!({"a": "b"}))),
        asked(("renewable", json!(true))),
        asked(("num_uses", json!(3))),
        asked(("num_uses", json!(0))),
        asked(("period", json!("5m"))),
        asked(("explicit_max_ttl", json!("5m"))),
        asked(("explicit_max_ttl", json!("0"))),
        asked(("id", json!("mine"))).differs(NOT_IGNORED),
        put("auth/token/lookup", json!({"token": "hvb.AAAA"}))
            .says("a token that is none gets the words of every refusal"),
    ]
}

fn roles() -> Vec<Step> {
    let fixed = json!({"token_type": "batch", "orphan": true, "renewable": false});
    let but = |name: &str, value: serde_json::Value| {
        let mut body = fixed.clone();
        body[name] = value;
        put("auth/token/roles/but", body)
    };
    let mut script = vec![
        put("auth/token/roles/fixed", fixed.clone()),
        get("auth/token/roles/fixed"),
        but("orphan", json!(false)),
        but("renewable", json!(true)),
        but("token_period", json!("1h")),
        but("token_explicit_max_ttl", json!("1h")),
        but("token_num_uses", json!(3)).differs(NOT_IGNORED),
        put(
            "auth/token/roles/usual",
            json!({"token_type": "default-batch"}),
        ),
        get("auth/token/roles/usual"),
        put("auth/token/roles/plain", json!({"token_type": "service"})),
        get("auth/token/roles/plain"),
    ];
    for role in ["fixed", "usual", "plain"] {
        for kind in ["service", "batch"] {
            script.push(put(
                format!("auth/token/create/{role}"),
                json!({"type": kind, "policies": "default"}),
            ));
        }
        script.push(delete(format!("auth/token/roles/{role}")));
    }
    script.push(put("sys/auth/token/tune", json!({"token_type": "batch"})));
    script.push(put(
        "sys/mounts/secret/tune",
        json!({"token_type": "batch"}),
    ));
    script
}

fn leases() -> Vec<Step> {
    let none = json!({"lease_id": "auth/token/create/hxx"});
    let mut script = vec![
        list("sys/leases/lookup"),
        list("sys/leases/lookup/auth/token"),
        list("sys/leases/lookup/nothing"),
        get("sys/leases/lookup/auth"),
        get("sys/leases/count"),
        get("sys/leases/count?type=irrevocable"),
        get("sys/leases?type=irrevocable"),
        get("sys/leases?type=irrevocable&limit=10"),
        get("sys/leases"),
        put("sys/leases/revoke-prefix/nothing", json!({"sync": true})),
        put("sys/leases/revoke-force/nothing", json!({})),
        put("sys/leases/revoke-prefix", json!({})),
    ];
    for path in ["lookup", "renew", "revoke"] {
        script.push(put(format!("sys/leases/{path}"), json!({})));
        script.push(put(format!("sys/leases/{path}"), none.clone()));
    }
    script.push(put("sys/leases/tidy", json!({})).differs("it is done when it is answered"));
    script
}
