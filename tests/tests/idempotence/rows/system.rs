//! What is below `sys/`.

use super::{ROW, Row, Step};
use serde_json::json;

const POLICY: &str = "path \"secret/data/a\" { capabilities = [\"read\"] }";
const OTHER_POLICY: &str = "path \"secret/data/b\" { capabilities = [\"read\"] }";

const MOUNTED: Step = ("POST", "sys/mounts/tuned", || json!({"type": "kv"}));

const WIDER: (&str, &str) = (
    "allow_slashes_in_identity_templates",
    "refused: what a template stands for is one segment",
);
const WIDER_TOO: (&str, &str) = (
    "allow_wildcards_in_identity_templates",
    "refused, for the same reason",
);
const CONDITION: (&str, &str) = ("cas", "a condition, not a setting");
const SPAN: (&str, &str) = ("ttl", "another way to say when it ends");

/// A policy, by either of its two paths.
const POLICY_ROW: Row = Row {
    first: || json!({"policy": POLICY, "expiration": "2030-01-02T03:04:05Z", "cas_required": false}),
    other: || json!({"policy": OTHER_POLICY, "expiration": "2031-01-02T03:04:05Z"}),
    always: &["policy"],
    left: &[WIDER, WIDER_TOO, CONDITION, SPAN],
    volatile: &["/modified", "/version"],
    fixed: &[(
        "cas_required",
        "with it no text is written without a version: core/tests/vault/policies.rs",
    )],
    ..ROW
};

pub(super) const ROWS: &[Row] = &[
    Row {
        path: "sys/audit/{}",
        at: "sys/audit/one",
        read: "sys/audit",
        below: Some("/one~1"),
        first: || json!({"type": "file", "description": "first", "local": false, "options": {"file_path": "$HERE/audit.log"}}),
        once: true,
        alone: Some("OpenBao takes audit devices from its configuration only"),
        ..ROW
    },
    Row {
        path: "sys/auth/{}",
        at: "sys/auth/made",
        read: "sys/auth",
        below: Some("/made~1"),
        first: || {
            json!({
                "type": "approle", "description": "first", "local": true, "seal_wrap": true,
                "config": {"default_lease_ttl": 600, "max_lease_ttl": 1200, "force_no_cache": false, "token_type": "service", "listing_visibility": "unauth"}
            })
        },
        hidden: &[("config", "compared with OpenBao's, which fills it up")],
        left: &[
            ("external_entropy_access", "of Vault's enterprise edition"),
            ("options", "no method here has any"),
            ("plugin_name", "there are no plugin processes"),
            ("plugin_version", "there are no plugin processes"),
        ],
        volatile: &["/accessor", "/uuid", "/running_plugin_version"],
        once: true,
        ..ROW
    },
    Row {
        path: "sys/mounts/{}",
        at: "sys/mounts/made",
        read: "sys/mounts",
        below: Some("/made~1"),
        first: || {
            json!({
                "type": "kv", "description": "first", "local": true, "seal_wrap": true, "options": {"version": "2"},
                "config": {"default_lease_ttl": 600, "max_lease_ttl": 1200, "force_no_cache": true, "listing_visibility": "unauth"}
            })
        },
        hidden: &[("config", "compared with OpenBao's, which fills it up")],
        left: &[
            ("external_entropy_access", "of Vault's enterprise edition"),
            ("plugin_name", "there are no plugin processes"),
            ("plugin_version", "there are no plugin processes"),
        ],
        volatile: &["/accessor", "/uuid", "/running_plugin_version"],
        once: true,
        ..ROW
    },
    Row {
        path: "sys/mounts/{}/tune",
        at: "sys/mounts/tuned/tune",
        read: "sys/mounts/tuned/tune",
        before: &[MOUNTED],
        first: || {
            json!({
                "allowed_response_headers": ["X-A"], "audit_non_hmac_request_keys": ["a"],
                "audit_non_hmac_response_keys": ["b"], "default_lease_ttl": 600, "description": "one",
                "listing_visibility": "unauth", "max_lease_ttl": 1200, "passthrough_request_headers": ["X-B"]
            })
        },
        other: || {
            json!({
                "allowed_response_headers": ["X-C"], "audit_non_hmac_request_keys": ["c"],
                "audit_non_hmac_response_keys": ["d"], "default_lease_ttl": 601, "description": "two",
                "listing_visibility": "hidden", "max_lease_ttl": 1201, "passthrough_request_headers": ["X-D"]
            })
        },
        left: &[
            (
                "options",
                "raises the version of a KV mount: tests/tests/kv_versions.rs",
            ),
            ("plugin_version", "there are no plugin processes"),
            ("token_type", "of auth methods"),
            ("user_lockout_config", "of auth methods"),
        ],
        ..ROW
    },
    Row {
        path: "sys/auth/{}/tune",
        at: "sys/auth/userpass/tune",
        read: "sys/auth/userpass/tune",
        first: || {
            json!({
                "allowed_response_headers": ["X-A"], "audit_non_hmac_request_keys": ["a"],
                "audit_non_hmac_response_keys": ["b"], "default_lease_ttl": 600, "description": "one",
                "listing_visibility": "unauth", "max_lease_ttl": 1200, "passthrough_request_headers": ["X-B"],
                "token_type": "service"
            })
        },
        other: || {
            json!({
                "allowed_response_headers": ["X-C"], "audit_non_hmac_request_keys": ["c"],
                "audit_non_hmac_response_keys": ["d"], "default_lease_ttl": 601, "description": "two",
                "listing_visibility": "hidden", "max_lease_ttl": 1201, "passthrough_request_headers": ["X-D"],
                "token_type": "default-service"
            })
        },
        left: &[
            ("options", "no method here has any"),
            ("plugin_version", "there are no plugin processes"),
            (
                "user_lockout_config",
                "read by other names: tests/tests/userpass.rs",
            ),
        ],
        ..ROW
    },
    Row {
        path: "sys/config/auditing/request-headers/{}",
        at: "sys/config/auditing/request-headers/X-One",
        read: "sys/config/auditing/request-headers/X-One",
        below: Some("/X-One"),
        first: || json!({"hmac": true}),
        other: || json!({"hmac": false}),
        ..ROW
    },
    Row {
        path: "sys/config/cors",
        at: "sys/config/cors",
        read: "sys/config/cors",
        first: || json!({"allow_credentials": true, "allowed_headers": ["X-One"], "allowed_origins": ["https://one.example"]}),
        other: || json!({"allow_credentials": false, "allowed_headers": ["X-Two"], "allowed_origins": ["https://two.example"]}),
        always: &["allowed_origins"],
        hidden: &[(
            "allowed_headers",
            "read together with those that are always allowed",
        )],
        left: &[("enable", "written is enabled, deleted is not")],
        ..ROW
    },
    Row {
        path: "sys/policies/acl/{}",
        at: "sys/policies/acl/web",
        read: "sys/policies/acl/web",
        ..POLICY_ROW
    },
    Row {
        path: "sys/policy/{}",
        at: "sys/policy/old",
        read: "sys/policy/old",
        renamed: &[("policy", "rules")],
        left: &[
            WIDER,
            WIDER_TOO,
            CONDITION,
            SPAN,
            ("rules", "an old name of policy"),
        ],
        ..POLICY_ROW
    },
    Row {
        path: "sys/policies/password/{}",
        at: "sys/policies/password/long",
        read: "sys/policies/password/long",
        first: || json!({"policy": "length = 20\nrule \"charset\" { charset = \"abcdefghij\" }"}),
        other: || json!({"policy": "length = 24\nrule \"charset\" { charset = \"abcdefghijkl\" }"}),
        always: &["policy"],
        ..ROW
    },
    Row {
        path: "sys/quotas/config",
        at: "sys/quotas/config",
        read: "sys/quotas/config",
        first: || json!({"enable_rate_limit_audit_logging": true, "enable_rate_limit_response_headers": true, "rate_limit_exempt_paths": ["sys/health", "secret/a"]}),
        other: || json!({"enable_rate_limit_audit_logging": false, "enable_rate_limit_response_headers": false, "rate_limit_exempt_paths": ["sys/health"]}),
        ..ROW
    },
    Row {
        path: "sys/quotas/rate-limit/{}",
        at: "sys/quotas/rate-limit/one",
        read: "sys/quotas/rate-limit/one",
        first: || json!({"block_interval": 60, "interval": 10, "path": "secret/", "rate": 1000.5, "type": "rate-limit"}),
        other: || json!({"block_interval": 61, "interval": 11, "path": "secret/a", "rate": 2000}),
        always: &["rate", "path"],
        fixed: &[("type", "there is one type")],
        ..ROW
    },
    Row {
        path: "sys/quotas/rate-limit/{}",
        at: "sys/quotas/rate-limit/all",
        read: "sys/quotas/rate-limit/all",
        first: || json!({"path": "", "rate": 1000, "inheritable": true}),
        other: || json!({"rate": 2000}),
        always: &["rate", "path"],
        fixed: &[
            (
                "path",
                "the limit is found by its name and moved by it in the row above",
            ),
            ("inheritable", "of the root path"),
        ],
        ..ROW
    },
    Row {
        path: "sys/quotas/rate-limit/{}",
        at: "sys/quotas/rate-limit/role",
        read: "sys/quotas/rate-limit/role",
        first: || json!({"path": "auth/jwt/", "rate": 1000, "role": "web"}),
        other: || json!({"rate": 2000, "role": "other"}),
        always: &["rate", "path"],
        alone: Some("OpenBao 2.7.2 ends the connection without an answer"),
        fixed: &[("path", "roles are of this method")],
        ..ROW
    },
    Row {
        path: "sys/quotas/lease-count/{}",
        at: "sys/quotas/lease-count/one",
        read: "sys/quotas/lease-count/one",
        first: || json!({"path": "secret/", "max_leases": 1000, "inheritable": false, "role": ""}),
        other: || json!({"path": "secret/a", "max_leases": 2000}),
        always: &["max_leases", "path"],
        alone: Some("OpenBao 2.7.2 has no limits of leases"),
        fixed: &[
            ("inheritable", "of the root path"),
            ("role", "of an auth method, in the row below"),
        ],
        ..ROW
    },
    Row {
        path: "sys/quotas/lease-count/{}",
        at: "sys/quotas/lease-count/role",
        read: "sys/quotas/lease-count/role",
        first: || json!({"path": "auth/jwt/", "max_leases": 1000, "role": "web"}),
        other: || json!({"max_leases": 2000, "role": "other"}),
        always: &["max_leases", "path"],
        alone: Some("OpenBao 2.7.2 has no limits of leases"),
        fixed: &[("path", "roles are of this method")],
        ..ROW
    },
    Row {
        path: "sys/rotate/config",
        at: "sys/rotate/config",
        read: "sys/rotate/config",
        first: || json!({"enabled": false, "interval": "25h", "max_operations": 2_000_000}),
        other: || json!({"enabled": true, "interval": "30h", "max_operations": 3_000_000}),
        ..ROW
    },
    Row {
        path: "sys/rotate/keyring/config",
        at: "sys/rotate/keyring/config",
        read: "sys/rotate/keyring/config",
        first: || json!({"enabled": false, "interval": "25h", "max_operations": 2_000_000}),
        other: || json!({"enabled": true, "interval": "30h", "max_operations": 3_000_000}),
        ..ROW
    },
];
