//! Secret engines.

use super::{ROW, Row, SECRET};
use serde_json::{Value, json};

pub(super) const ROWS: &[Row] = &[
    Row {
        path: "secret/config",
        at: "secret/config",
        read: "secret/config",
        first: || json!({"cas_required": true, "delete_version_after": "30m", "max_versions": 5, "metadata_cas_required": true}),
        other: || json!({"cas_required": false, "delete_version_after": "40m", "max_versions": 6, "metadata_cas_required": false}),
        ..ROW
    },
    Row {
        path: "secret/metadata/{}",
        at: "secret/metadata/web",
        read: "secret/metadata/web",
        before: &[(
            "POST",
            "secret/config",
            || json!({"cas_required": false, "metadata_cas_required": false, "delete_version_after": "0s", "max_versions": 0}),
        )],
        first: || json!({"cas_required": true, "custom_metadata": {"owner": "ann"}, "delete_version_after": "30m", "max_versions": 5, "metadata_cas_required": false}),
        other: || json!({"cas_required": false, "custom_metadata": {"owner": "bob", "site": "x"}, "delete_version_after": "40m", "max_versions": 6}),
        left: &[
            ("after", "of a list"),
            ("limit", "of a list"),
            ("metadata_cas", "a condition, not a setting"),
        ],
        volatile: &[
            "/created_time",
            "/updated_time",
            "/current_metadata_version",
        ],
        fixed: &[(
            "metadata_cas_required",
            "with it nothing is written without a number; read back by secret/config above",
        )],
        ..ROW
    },
    Row {
        path: "secret/data/{}",
        at: "secret/data/web",
        read: "secret/data/web",
        before: &[("DELETE", "secret/metadata/web", || Value::Null)],
        first: || json!({"data": {"user": "ann", "port": 5432, "on": true, "list": [1, null], "in": {"a": "b"}}}),
        other: || json!({"data": {"user": "bob"}}),
        left: &[
            ("options", "conditions, not settings"),
            ("version", "of a reading"),
        ],
        volatile: &["/metadata/created_time", "/metadata/version"],
        ..ROW
    },
    Row {
        path: "cubbyhole/{}",
        at: "cubbyhole/mine",
        read: "cubbyhole/mine",
        first: || json!({"user": "ann", "port": 5432}),
        other: || json!({"user": "bob", "port": 5433}),
        ..ROW
    },
    Row {
        path: "totp/keys/{}",
        at: "totp/keys/one",
        read: "totp/keys/one",
        first: || {
            json!({
                "account_name": "ann", "algorithm": "SHA256", "digits": 8, "issuer": "Shop",
                "key": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "period": 60
            })
        },
        other: || json!({"key": "MZXW6YTBOJUWU23MMNUXI33OMZXW6YTB", "account_name": "bob", "algorithm": "SHA1", "digits": 6, "issuer": "Other", "period": 30}),
        always: &["key", "account_name", "issuer"],
        hidden: &[("key", SECRET)],
        left: &[
            ("exported", "of keys that are made here"),
            ("generate", "of keys that are made here"),
            ("key_size", "of keys that are made here"),
            ("qr_size", "of keys that are made here"),
            ("skew", "of keys that are made here"),
            ("url", "instead of the fields"),
        ],
        ..ROW
    },
    Row {
        path: "transit/config/keys",
        at: "transit/config/keys",
        read: "transit/config/keys",
        first: || json!({"disable_upsert": true}),
        other: || json!({"disable_upsert": false}),
        ..ROW
    },
    Row {
        path: "transit/keys/{}",
        at: "transit/keys/one",
        read: "transit/keys/one",
        first: || {
            json!({
                "type": "aes256-gcm96", "derived": true, "convergent_encryption": true, "exportable": true,
                "allow_plaintext_backup": true, "auto_rotate_period": 3600
            })
        },
        hidden: &[(
            "convergent_encryption",
            "read as supports_… and convergent_encryption_version where it is on",
        )],
        left: &[
            ("context", "of a reading"),
            (
                "external_key_ref",
                "keys of hardware modules are the seal's affair",
            ),
            ("key_size", "of HMAC keys"),
        ],
        volatile: &["/keys"],
        once: true,
        ..ROW
    },
    Row {
        path: "transit/keys/{}/config",
        at: "transit/keys/set/config",
        read: "transit/keys/set",
        before: &[
            (
                "POST",
                "transit/config/keys",
                || json!({"disable_upsert": false}),
            ),
            ("POST", "transit/keys/set", || json!({})),
            ("POST", "transit/keys/set/rotate", || json!({})),
            ("POST", "transit/keys/set/rotate", || json!({})),
        ],
        first: || {
            json!({
                "allow_plaintext_backup": true, "auto_rotate_period": 3600, "deletion_allowed": true,
                "exportable": true, "min_decryption_version": 1, "min_encryption_version": 2
            })
        },
        other: || json!({"auto_rotate_period": 7200, "deletion_allowed": false, "min_decryption_version": 2, "min_encryption_version": 3}),
        volatile: &["/keys"],
        fixed: &[
            ("allow_plaintext_backup", "cannot be taken back"),
            ("exportable", "cannot be taken back"),
        ],
        ..ROW
    },
];
