//! Writes that nothing reads back, and why.

const UNREAD: &[(&str, &[&str])] = &[
    (
        "a login",
        &[
            "auth/approle/login",
            "auth/userpass/login/{}",
            "auth/jwt/login",
            "auth/jwt/oidc/auth_url",
            "auth/kubernetes/login",
            "auth/cert/login",
            "auth/aws/login",
            "auth/docker/attest",
        ],
    ),
    (
        "makes, finds or ends a SecretID, which is shown once: crates/engines/src/auth/approle/tests.rs",
        &[
            "auth/approle/role/{}/secret-id",
            "auth/approle/role/{}/secret-id/destroy",
            "auth/approle/role/{}/secret-id/lookup",
            "auth/approle/role/{}/custom-secret-id",
            "auth/approle/role/{}/secret-id-accessor/destroy",
            "auth/approle/role/{}/secret-id-accessor/lookup",
            "auth/approle/tidy/secret-id",
        ],
    ),
    (
        "a password is never shown again: tests/tests/userpass.rs",
        &["auth/userpass/users/{}/password"],
    ),
    (
        "makes, finds, renews or ends tokens: crates/core/tests/vault/tokens.rs",
        &[
            "auth/token/create",
            "auth/token/create/{}",
            "auth/token/create-orphan",
            "auth/token/lookup",
            "auth/token/lookup-accessor",
            "auth/token/lookup-self",
            "auth/token/renew",
            "auth/token/renew-accessor",
            "auth/token/renew-self",
            "auth/token/revoke",
            "auth/token/revoke-accessor",
            "auth/token/revoke-orphan",
            "auth/token/revoke-self",
            "auth/token/tidy",
        ],
    ),
    (
        "turns a key, or judges a token: crates/core/tests/vault/identity_tokens.rs and tests/tests/identity_tokens.rs",
        &[
            "identity/oidc/key/{}/rotate",
            "identity/oidc/introspect",
            "identity/oidc/provider/{}/authorize",
            "identity/oidc/provider/{}/token",
            "identity/oidc/provider/{}/userinfo",
        ],
    ),
    (
        "needs ids of both servers in every field: crates/core/tests/vault/identity.rs and groups.rs, and the comparison with OpenBao in crates/engines/src/same_as_openbao",
        &[
            "identity/entity-alias",
            "identity/entity-alias/id/{}",
            "identity/group-alias",
            "identity/group-alias/id/{}",
        ],
    ),
    (
        "finds, joins or removes",
        &[
            "identity/entity/batch-delete",
            "identity/entity/merge",
            "identity/lookup/entity",
            "identity/lookup/group",
        ],
    ),
    (
        "of our own: a history is brought along, and read as versions: tests/tests/kv_versions.rs",
        &["secret/import/{}"],
    ),
    (
        "removes or brings back versions",
        &[
            "secret/delete/{}",
            "secret/destroy/{}",
            "secret/undelete/{}",
        ],
    ),
    (
        "answers where the mount of the first version would have the path",
        &["secret/{}"],
    ),
    (
        "computes, and keeps nothing",
        &[
            "sys/audit-hash/{}",
            "sys/capabilities",
            "sys/capabilities-accessor",
            "sys/capabilities-self",
            "sys/decode-token",
            "sys/tools/hash",
            "sys/tools/hash/{}",
            "sys/tools/random",
            "sys/tools/random/{}",
            "sys/tools/random/{}/{}",
            "sys/tools/version-ids",
            "sys/wrapping/lookup",
            "sys/wrapping/rewrap",
            "sys/wrapping/unwrap",
            "sys/wrapping/wrap",
            "transit/datakey/{}/{}",
            "transit/keys/{}/csr",
            "transit/decrypt/{}",
            "transit/encrypt/{}",
            "transit/hash/{}",
            "transit/hmac/{}/{}",
            "transit/random/{}",
            "transit/rewrap/{}",
            "transit/sign/{}/{}",
            "transit/verify/{}/{}",
            "totp/code/{}",
        ],
    ),
    (
        "of our own: core/tests/vault/records.rs, leaks.rs and fingerprints.rs",
        &[
            "sys/config/records/{}",
            "sys/fingerprints/export",
            "sys/fingerprints/rotate",
            "sys/leaks/reports",
            "sys/records/{}/{}",
        ],
    ),
    (
        "a ceremony in steps: core/tests/vault, tests/tests/pgp",
        &[
            "sys/generate-root",
            "sys/generate-root/attempt",
            "sys/generate-root/update",
            "sys/generate-root-token/attempt",
            "sys/generate-root-token/update",
            "sys/rekey/init",
            "sys/rekey/update",
            "sys/rekey/verify",
            "sys/rekey-recovery-key/init",
            "sys/rekey-recovery-key/update",
            "sys/rekey-recovery-key/verify",
            "sys/rotate/recovery/init",
            "sys/rotate/recovery/update",
            "sys/rotate/recovery/verify",
            "sys/rotate/root/init",
            "sys/rotate/root/update",
            "sys/rotate/root/verify",
        ],
    ),
    (
        "a list of revoked certificates is read as its serial numbers: tests/tests/cert.rs",
        &["auth/cert/crls/{}"],
    ),
    (
        "certificates of a key come back as they were given: tests/tests/transit_certificates.rs",
        &["transit/keys/{}/set-certificate"],
    ),
    (
        "happens once",
        &[
            "sys/init",
            "sys/seal",
            "sys/unseal",
            "sys/remount",
            "sys/rotate",
            "sys/rotate/root",
            "sys/rotate/keyring",
        ],
    ),
    (
        "ends or renews leases",
        &[
            "sys/leases/lookup",
            "sys/leases/renew/{}",
            "sys/leases/revoke-force/{}",
            "sys/leases/revoke-prefix/{}",
            "sys/leases/revoke/{}",
            "sys/leases/tidy",
            "sys/renew/{}",
            "sys/revoke/{}",
            "sys/revoke-force/{}",
            "sys/revoke-prefix/{}",
        ],
    ),
    ("unlocks a name", &["sys/locked-users/{}/unlock/{}"]),
    (
        "how much the parts of the log say has other names here: tests/tests/sys_settings.rs",
        &["sys/loggers", "sys/loggers/{}"],
    ),
    (
        "what is kept decoded is not set by a number of entries: crates/engines/src/secrets/transit/config.rs",
        &["transit/cache-config"],
    ),
    (
        "makes versions or brings keys along: crates/engines/src/secrets/transit/tests.rs",
        &[
            "transit/derive-key/{}",
            "transit/keys/{}/import",
            "transit/keys/{}/import_version",
            "transit/keys/{}/rotate",
            "transit/keys/{}/soft-delete-restore",
            "transit/keys/{}/trim",
            "transit/restore/{}",
        ],
    ),
];

/// Why nothing reads this back.
pub(crate) fn reason(path: &str) -> Option<&'static str> {
    let found = UNREAD.iter().find(|(_, paths)| paths.contains(&path));
    found.map(|(why, _)| *why)
}

/// All paths that have a reason.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    UNREAD.iter().flat_map(|(_, paths)| paths.iter().copied())
}
