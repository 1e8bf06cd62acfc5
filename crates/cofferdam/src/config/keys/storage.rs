//! Keys of the store, and the kinds of it that are not here.

use super::Block::Storage;
use super::Effect::{Honoured, None as NoEffect, Refused};
use super::{Key, key};

pub(super) const ROWS: &[Key] = &[
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
];

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
