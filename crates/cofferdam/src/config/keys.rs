//! Every key that Vault or OpenBao documents for a server, and what it does here.
//!
//! One table: the reader warns and refuses by it, and the documentation is printed from it.

use cofferdam_server::limits::{self, Unit};

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Outside of all blocks.
    Top,
    /// `listener "tcp"`.
    Tcp,
    /// `listener "unix"`.
    Unix,
    /// `storage`, of any kind.
    Storage,
    /// `seal`, of any kind.
    Seal,
}

impl Block {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::Top, Self::Tcp, Self::Unix, Self::Storage, Self::Seal];

    /// As it is written.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Top => "top level",
            Self::Tcp => "listener \"tcp\"",
            Self::Unix => "listener \"unix\"",
            Self::Storage => "storage",
            Self::Seal => "seal",
        }
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// What Vault documents, or what its text says.
    Honoured,
    /// Nothing; a warning says why.
    None,
    /// The server does not start with it, because ignoring it would promise something untrue.
    Refused,
    /// As [`Self::Refused`], unless it is false, zero or empty, which is what we do anyway.
    RefusedIfSet,
}

/// One row.
pub(crate) struct Key {
    pub(crate) block: Block,
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    pub(crate) text: &'static str,
}

const fn key(block: Block, name: &'static str, effect: Effect, text: &'static str) -> Key {
    Key {
        block,
        name,
        effect,
        text,
    }
}

use Block::{Seal, Storage, Tcp, Top, Unix};
use Effect::{Honoured, None as NoEffect, Refused, RefusedIfSet};

/// The table. Budgets of listeners come on top: see [`budgets`].
pub(crate) const KEYS: &[Key] = &[
    key(
        Top,
        "listener",
        Honoured,
        "`tcp` or `unix`; may repeat; without any: 127.0.0.1:8200 with TLS",
    ),
    key(
        Top,
        "storage",
        Honoured,
        "`embedded`, `file`, `raft` or `inmem`; see below",
    ),
    key(Top, "backend", Honoured, "old name of `storage`"),
    key(
        Top,
        "seal",
        Honoured,
        "`shamir` (default), `machine`, `static`, `transit` or `awskms`; see below",
    ),
    key(
        Top,
        "api_addr",
        Honoured,
        "address that clients are told; its host goes into our own certificate",
    ),
    key(
        Top,
        "cluster_addr",
        NoEffect,
        "replicas meet in the store and open no port for each other",
    ),
    key(
        Top,
        "cluster_name",
        Honoured,
        "name that health answers show",
    ),
    key(
        Top,
        "disable_mlock",
        Honoured,
        "memory is locked where the system allows it, and never fatal; true does not try",
    ),
    key(
        Top,
        "default_lease_ttl",
        Honoured,
        "lifetime of tokens where nothing else says so; 768h",
    ),
    key(
        Top,
        "max_lease_ttl",
        Honoured,
        "no token is renewed past it; 768h",
    ),
    key(
        Top,
        "default_max_request_duration",
        Honoured,
        "`max_request_duration` of listeners that do not set it",
    ),
    key(
        Top,
        "log_level",
        Honoured,
        "trace, debug, info, warn or error",
    ),
    key(Top, "log_format", Honoured, "standard or json"),
    key(
        Top,
        "log_file",
        Honoured,
        "appended to, mode 0600, instead of stderr",
    ),
    key(
        Top,
        "pid_file",
        Honoured,
        "written when listeners are bound, removed at the end",
    ),
    key(Top, "ui", NoEffect, "there is no web interface yet"),
    key(
        Top,
        "cache_size",
        NoEffect,
        "caches have bounds of their own",
    ),
    key(
        Top,
        "disable_cache",
        NoEffect,
        "no secret values are cached; tokens and transit keys are, until the store says that they changed",
    ),
    key(
        Top,
        "telemetry",
        NoEffect,
        "figures are asked for at sys/metrics, and sent to nobody",
    ),
    key(
        Top,
        "plugin_directory",
        NoEffect,
        "there are no plugin processes",
    ),
    key(
        Top,
        "plugin_tmpdir",
        NoEffect,
        "there are no plugin processes",
    ),
    key(
        Top,
        "plugin_file_uid",
        NoEffect,
        "there are no plugin processes",
    ),
    key(
        Top,
        "plugin_file_permissions",
        NoEffect,
        "there are no plugin processes",
    ),
    key(
        Top,
        "user_lockout",
        NoEffect,
        "lockout is set on each mount: sys/auth/PATH/tune",
    ),
    key(
        Top,
        "service_registration",
        NoEffect,
        "the server registers itself nowhere",
    ),
    key(
        Top,
        "disable_clustering",
        NoEffect,
        "replicas open no port for each other",
    ),
    key(
        Top,
        "disable_performance_standby",
        NoEffect,
        "every replica serves reads and writes",
    ),
    key(
        Top,
        "disable_standby_reads",
        NoEffect,
        "every replica serves reads and writes",
    ),
    key(
        Top,
        "disable_sealwrap",
        NoEffect,
        "everything is encrypted once, by the barrier",
    ),
    key(
        Top,
        "detect_deadlocks",
        NoEffect,
        "a debugging aid of another program",
    ),
    key(
        Top,
        "enable_response_header_hostname",
        NoEffect,
        "answers never name the host",
    ),
    key(
        Top,
        "enable_response_header_raft_node_id",
        NoEffect,
        "there are no raft nodes",
    ),
    key(
        Top,
        "enable_post_unseal_trace",
        NoEffect,
        "a debugging aid of another program",
    ),
    key(
        Top,
        "post_unseal_trace_directory",
        NoEffect,
        "a debugging aid of another program",
    ),
    key(
        Top,
        "log_requests_level",
        NoEffect,
        "requests are in the audit log",
    ),
    key(
        Top,
        "log_rotate_duration",
        NoEffect,
        "our log is not rotated here: use logrotate, and send SIGHUP",
    ),
    key(
        Top,
        "log_rotate_bytes",
        NoEffect,
        "our log is not rotated here: use logrotate, and send SIGHUP",
    ),
    key(
        Top,
        "log_rotate_max_files",
        NoEffect,
        "our log is not rotated here: use logrotate, and send SIGHUP",
    ),
    key(Top, "license_path", NoEffect, "there is nothing to license"),
    key(Top, "reporting", NoEffect, "nothing is reported to anybody"),
    key(Top, "experiments", NoEffect, "there are none"),
    key(Top, "feature_flags", NoEffect, "there are none"),
    key(
        Top,
        "imprecise_lease_role_tracking",
        NoEffect,
        "there are no quotas of leases yet",
    ),
    key(
        Top,
        "remove_irrevocable_lease_after",
        NoEffect,
        "there are no irrevocable leases",
    ),
    key(
        Top,
        "allow_audit_log_prefixing",
        NoEffect,
        "audit records are never prefixed",
    ),
    key(
        Top,
        "unsafe_allow_api_audit_creation",
        NoEffect,
        "audit devices are enabled through the API, which policy guards",
    ),
    key(
        Top,
        "ha_storage",
        Refused,
        "the store itself carries replicas; remove the block",
    ),
    key(
        Top,
        "ha_backend",
        Refused,
        "the store itself carries replicas; remove the block",
    ),
    key(
        Top,
        "hsm",
        Refused,
        "a PKCS#11 seal is not served here; use seal \"shamir\", \"machine\", \"static\", \"transit\" or \"awskms\"",
    ),
    key(
        Top,
        "kms_library",
        Refused,
        "a PKCS#11 seal is not served here; use seal \"shamir\", \"machine\", \"static\", \"transit\" or \"awskms\"",
    ),
    key(
        Top,
        "entropy",
        Refused,
        "only the kernel's entropy is used; remove the block",
    ),
    key(
        Top,
        "replication",
        Refused,
        "replication between clusters is not served here",
    ),
    key(
        Top,
        "sentinel",
        Refused,
        "Sentinel policies are not served here, and leaving them out would allow more",
    ),
    key(
        Top,
        "enable_multiseal",
        RefusedIfSet,
        "one seal at a time is served here",
    ),
    key(
        Top,
        "administrative_namespace_path",
        Refused,
        "namespaces are not served here",
    ),
    key(
        Top,
        "initialize",
        Refused,
        "initialize through the API: cofferdam operator init",
    ),
    key(
        Top,
        "audit",
        Refused,
        "enable audit devices through the API: cofferdam audit enable",
    ),
    key(
        Top,
        "raw_storage_endpoint",
        RefusedIfSet,
        "sys/raw would hand out what the barrier protects",
    ),
    key(
        Top,
        "introspection_endpoint",
        RefusedIfSet,
        "sys/internal/inspect is not served here",
    ),
    key(
        Tcp,
        "address",
        Honoured,
        "IP:PORT; `:8200` means all addresses; `localhost` is 127.0.0.1; 127.0.0.1:8200",
    ),
    key(
        Tcp,
        "tls_disable",
        Honoured,
        "true: tokens and secrets are readable on the wire",
    ),
    key(
        Tcp,
        "tls_cert_file",
        Honoured,
        "PEM chain; without it and tls_key_file a CA of our own is used",
    ),
    key(Tcp, "tls_key_file", Honoured, "PEM key without passphrase"),
    key(
        Tcp,
        "tls_min_version",
        Honoured,
        "tls12 (default) or tls13; older versions are refused",
    ),
    key(
        Tcp,
        "tls_names",
        Honoured,
        "ours: more names and addresses for the certificate of our own CA",
    ),
    key(
        Tcp,
        "tls_require_and_verify_client_cert",
        Honoured,
        "clients need a certificate from tls_client_ca_file",
    ),
    key(
        Tcp,
        "tls_client_ca_file",
        Honoured,
        "PEM CA for client certificates",
    ),
    key(
        Tcp,
        "tls_disable_client_certs",
        Honoured,
        "clients are not asked for a certificate: nobody can log in with one",
    ),
    key(
        Tcp,
        "tls_max_version",
        NoEffect,
        "TLS 1.3 is always offered",
    ),
    key(
        Tcp,
        "tls_cipher_suites",
        NoEffect,
        "only authenticated ciphers with forward secrecy are offered",
    ),
    key(
        Tcp,
        "tls_prefer_server_cipher_suites",
        NoEffect,
        "only good ciphers are offered",
    ),
    key(
        Tcp,
        "tls_acme_domains",
        Refused,
        "certificates are not fetched by ACME here; use tls_cert_file",
    ),
    key(
        Tcp,
        "cluster_address",
        NoEffect,
        "replicas open no port for each other",
    ),
    key(
        Tcp,
        "purpose",
        NoEffect,
        "every listener serves the whole API",
    ),
    key(
        Tcp,
        "proxy_protocol_behavior",
        Refused,
        "the PROXY protocol is not spoken here",
    ),
    key(
        Tcp,
        "proxy_protocol_authorized_addrs",
        Refused,
        "the PROXY protocol is not spoken here",
    ),
    key(
        Tcp,
        "x_forwarded_for_authorized_addrs",
        NoEffect,
        "CIDR rules and audit see the address of the connection: that of the proxy",
    ),
    key(
        Tcp,
        "x_forwarded_for_hop_skips",
        NoEffect,
        "see x_forwarded_for_authorized_addrs",
    ),
    key(
        Tcp,
        "x_forwarded_for_reject_not_authorized",
        NoEffect,
        "see x_forwarded_for_authorized_addrs",
    ),
    key(
        Tcp,
        "x_forwarded_for_reject_not_present",
        NoEffect,
        "see x_forwarded_for_authorized_addrs",
    ),
    key(
        Tcp,
        "x_forwarded_for_client_cert_header",
        NoEffect,
        "see x_forwarded_for_authorized_addrs",
    ),
    key(
        Tcp,
        "x_forwarded_for_client_cert_header_decoders",
        NoEffect,
        "see x_forwarded_for_authorized_addrs",
    ),
    key(
        Tcp,
        "require_request_header",
        RefusedIfSet,
        "the header X-Vault-Request is not enforced here",
    ),
    key(
        Tcp,
        "chroot_namespace",
        Refused,
        "namespaces are not served here",
    ),
    key(
        Tcp,
        "custom_response_headers",
        NoEffect,
        "answers have fixed headers",
    ),
    key(
        Tcp,
        "telemetry",
        Honoured,
        "`unauthenticated_metrics_access = true`: anybody who reaches the listener may read sys/metrics",
    ),
    key(
        Tcp,
        "profiling",
        Honoured,
        "`unauthenticated_in_flight_request_access = true`: the same for sys/in-flight-req; profiles are not served",
    ),
    key(
        Tcp,
        "inflight_requests_logging",
        NoEffect,
        "requests under way are asked for at sys/in-flight-req, and not logged",
    ),
    key(
        Tcp,
        "disable_request_limiter",
        NoEffect,
        "max_requests_in_flight is the limit",
    ),
    key(Tcp, "max_json_depth", NoEffect, "JSON has fixed budgets"),
    key(
        Tcp,
        "max_json_string_value_length",
        NoEffect,
        "JSON has fixed budgets",
    ),
    key(
        Tcp,
        "max_json_object_entry_count",
        NoEffect,
        "JSON has fixed budgets",
    ),
    key(
        Tcp,
        "max_json_array_element_count",
        NoEffect,
        "JSON has fixed budgets",
    ),
    key(
        Tcp,
        "max_request_json_memory",
        NoEffect,
        "JSON has fixed budgets",
    ),
    key(
        Tcp,
        "max_request_json_strings",
        NoEffect,
        "JSON has fixed budgets",
    ),
    key(
        Tcp,
        "redact_addresses",
        NoEffect,
        "unauthenticated answers never hold addresses",
    ),
    key(
        Tcp,
        "redact_cluster_name",
        NoEffect,
        "unauthenticated answers say what Vault's say",
    ),
    key(
        Tcp,
        "redact_version",
        NoEffect,
        "unauthenticated answers say what Vault's say",
    ),
    key(
        Tcp,
        "disable_replication_status_endpoints",
        NoEffect,
        "there are none",
    ),
    key(
        Tcp,
        "disable_unauthed_rekey_endpoints",
        NoEffect,
        "rekey always wants a token",
    ),
    key(
        Unix,
        "address",
        Honoured,
        "path of the socket; root and the server's owner are admin on it without a token",
    ),
    key(
        Unix,
        "socket_mode",
        Honoured,
        "octal, 0600 by default; with more, other users may connect and need a token",
    ),
    key(
        Unix,
        "socket_user",
        NoEffect,
        "the socket belongs to the server's user",
    ),
    key(
        Unix,
        "socket_group",
        NoEffect,
        "the socket belongs to the server's group",
    ),
    key(
        Storage,
        "path",
        Honoured,
        "directory of the store, 0700; of `embedded`, `file` and `raft`",
    ),
    key(Storage, "node_id", NoEffect, "there are no raft nodes"),
    key(
        Storage,
        "retry_join",
        Refused,
        "raft clusters are not served here; one server uses one directory",
    ),
    key(
        Storage,
        "performance_multiplier",
        NoEffect,
        "there is no raft",
    ),
    key(Storage, "snapshot_threshold", NoEffect, "there is no raft"),
    key(Storage, "trailing_logs", NoEffect, "there is no raft"),
    key(Storage, "snapshot_interval", NoEffect, "there is no raft"),
    key(
        Storage,
        "max_entry_size",
        NoEffect,
        "requests have a limit: max_request_size",
    ),
    key(
        Storage,
        "max_transaction_size",
        NoEffect,
        "requests have a limit: max_request_size",
    ),
    key(
        Storage,
        "autopilot_reconcile_interval",
        NoEffect,
        "there is no raft",
    ),
    key(
        Storage,
        "autopilot_update_interval",
        NoEffect,
        "there is no raft",
    ),
    key(
        Storage,
        "autopilot_upgrade_version",
        NoEffect,
        "there is no raft",
    ),
    key(
        Storage,
        "autopilot_redundancy_zone",
        NoEffect,
        "there is no raft",
    ),
    key(Storage, "raft_wal", NoEffect, "there is no raft"),
    key(
        Storage,
        "raft_log_verifier_enabled",
        NoEffect,
        "there is no raft",
    ),
    key(
        Seal,
        "key_file",
        Honoured,
        "of `machine`: where its key is, outside the data directory",
    ),
    key(
        Seal,
        "current_key_id",
        Honoured,
        "of `static`: name of the key that closes",
    ),
    key(
        Seal,
        "current_key",
        Honoured,
        "of `static`: 32 bytes in base64 or hex, or `file://` or `env://` with where they are",
    ),
    key(
        Seal,
        "previous_key_id",
        Honoured,
        "of `static`: name of the key before",
    ),
    key(
        Seal,
        "previous_key",
        Honoured,
        "of `static`: the key before, which still opens",
    ),
    key(
        Seal,
        "address",
        Honoured,
        "of `transit`: the other server; `BAO_ADDR`",
    ),
    key(
        Seal,
        "token",
        Honoured,
        "of `transit`: of the other server; `BAO_TOKEN`, better than the file; renewed when it is used",
    ),
    key(
        Seal,
        "mount_path",
        Honoured,
        "of `transit`: path of its transit engine",
    ),
    key(Seal, "key_name", Honoured, "of `transit`: name of the key"),
    key(
        Seal,
        "namespace",
        Honoured,
        "of `transit`: where the other server has namespaces",
    ),
    key(
        Seal,
        "tls_ca_cert",
        Honoured,
        "of `transit`: PEM file of its CA; else the system's",
    ),
    key(
        Seal,
        "tls_server_name",
        Honoured,
        "of `transit`: name in its certificate",
    ),
    key(
        Seal,
        "tls_client_cert",
        Refused,
        "of `transit`: client certificates are not served here",
    ),
    key(
        Seal,
        "tls_client_key",
        Refused,
        "of `transit`: client certificates are not served here",
    ),
    key(
        Seal,
        "tls_skip_verify",
        RefusedIfSet,
        "of `transit`: who is not verified could open nothing, and see everything",
    ),
    key(
        Seal,
        "disable_renewal",
        NoEffect,
        "of `transit`: the token is renewed when it is used, and not in between",
    ),
    key(Seal, "region", Honoured, "of `awskms`; `AWS_REGION`"),
    key(
        Seal,
        "kms_key_id",
        Honoured,
        "of `awskms`: id, ARN or alias; `BAO_AWSKMS_SEAL_KEY_ID`",
    ),
    key(
        Seal,
        "endpoint",
        Honoured,
        "of `awskms`: another address than the region's; `AWS_KMS_ENDPOINT`",
    ),
    key(
        Seal,
        "access_key",
        Honoured,
        "of `awskms`; `AWS_ACCESS_KEY_ID`; the metadata service of clouds is not asked",
    ),
    key(
        Seal,
        "secret_key",
        Honoured,
        "of `awskms`; `AWS_SECRET_ACCESS_KEY`, better than the file",
    ),
    key(
        Seal,
        "session_token",
        Honoured,
        "of `awskms`; `AWS_SESSION_TOKEN`",
    ),
    key(
        Seal,
        "disabled",
        Honoured,
        "of the seal that the store is moved away from, beside the new one: [Seals](seals.md)",
    ),
    key(
        Seal,
        "priority",
        NoEffect,
        "one seal at a time is served here",
    ),
    key(Seal, "name", NoEffect, "one seal at a time is served here"),
];

/// Budgets that both kinds of listener take.
pub(crate) fn budgets() -> &'static [limits::Budget] {
    limits::TABLE
}

/// The row of a key.
pub(crate) fn find(block: Block, name: &str) -> Option<&'static Key> {
    KEYS.iter()
        .find(|key| key.block == block && key.name == name)
}

/// Whether a listener takes this name as a budget.
pub(crate) fn is_budget(block: Block, name: &str) -> bool {
    matches!(block, Tcp | Unix) && budgets().iter().any(|budget| budget.name == name)
}

/// A budget's number as people read it.
pub(crate) fn amount(unit: Unit, value: u64) -> String {
    match unit {
        Unit::Count => value.to_string(),
        Unit::Seconds => format!("{value}s"),
        Unit::Bytes if value >= 1 << 20 && value.is_multiple_of(1 << 20) => {
            format!("{} MiB", value >> 20)
        }
        Unit::Bytes if value.is_multiple_of(1 << 10) => format!("{} KiB", value >> 10),
        Unit::Bytes => format!("{value} bytes"),
    }
}

/// Kinds of storage that Vault and OpenBao have and this server refuses by name.
pub(crate) const FOREIGN_STORAGE: &[&str] = &[
    "aerospike",
    "alicloudoss",
    "azure",
    "cassandra",
    "cockroachdb",
    "consul",
    "couchdb",
    "dynamodb",
    "etcd",
    "etcd2",
    "etcd3",
    "foundationdb",
    "gcs",
    "manta",
    "mssql",
    "mysql",
    "oci",
    "postgresql",
    "s3",
    "spanner",
    "swift",
    "zookeeper",
];
