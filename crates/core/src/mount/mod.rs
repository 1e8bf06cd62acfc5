//! Mounts: which engine answers below which path, and with what settings.
//!
//! One table holds secret engines and auth methods (`auth/…`), so that no two can overlap. It is
//! stored as one entry under a compare, and read as an immutable snapshot ([`Table`]).

mod table;

pub use table::{Table, TableError, describe};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

/// Lifetimes where a mount says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// The usual one.
    pub default: Duration,
    /// The longest one.
    pub max: Duration,
}

impl Default for Lifetimes {
    /// 768 hours both, as in Vault.
    fn default() -> Self {
        Self {
            default: Duration::from_hours(768),
            max: Duration::from_hours(768),
        }
    }
}

static SYSTEM: OnceLock<Lifetimes> = OnceLock::new();

/// Sets the lifetimes of this process, from its configuration and before a vault opens; `false`
/// when they are set already.
#[must_use]
pub fn set_system_lifetimes(lifetimes: Lifetimes) -> bool {
    SYSTEM.set(lifetimes).is_ok()
}

/// The lifetimes of this process.
#[must_use]
pub fn system_lifetimes() -> Lifetimes {
    SYSTEM.get().copied().unwrap_or_default()
}

/// What kind of thing a mount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A secret engine.
    Secret,
    /// An auth method.
    Auth,
}

/// Settings of a mount, as `tune` reads and writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountConfig {
    /// Seconds; 0: the system's.
    pub default_lease_ttl: u64,
    /// Seconds; 0: the system's.
    pub max_lease_ttl: u64,
    /// Accepted and shown; listing is never cached here.
    pub force_no_cache: bool,
    /// `unauth` or empty: whether `internal/ui/mounts` shows it to everybody.
    pub listing_visibility: String,
    /// Keys of request data that audit records show in clear.
    pub audit_non_hmac_request_keys: Vec<String>,
    /// Keys of response data that audit records show in clear.
    pub audit_non_hmac_response_keys: Vec<String>,
    /// Accepted and shown.
    pub passthrough_request_headers: Vec<String>,
    /// Accepted and shown.
    pub allowed_response_headers: Vec<String>,
    /// `service` or `batch`, whatever a role says; `default-service` or `default-batch` where it says
    /// nothing. Empty for `default-service`.
    pub token_type: String,
    /// When wrong passwords lock a name; of auth methods.
    pub user_lockout: crate::lockout::Settings,
    /// Engine options (`version` = `2`).
    pub options: BTreeMap<String, String>,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Canonical, without slashes at the ends (`secret`, `auth/approle`).
    pub path: String,
    /// Secret engine or auth method.
    pub class: Class,
    /// The engine's name (`kv`, `approle`).
    pub kind: String,
    /// What people wrote about it.
    pub description: String,
    /// Names it in identity and audit (`kv_1a2b3c4d`).
    pub accessor: String,
    /// Names its storage; never reused.
    pub uuid: String,
    /// Accepted and shown; there is no replication that it would exclude from.
    pub local: bool,
    /// Accepted and shown; everything is encrypted alike.
    pub seal_wrap: bool,
    /// Settings.
    pub config: MountConfig,
    /// What an earlier version of the engine stored is being brought into the form of the version
    /// that the options name: until then nothing else is served.
    #[serde(default)]
    pub upgrading: bool,
}

impl Mount {
    /// Lifetime of what it issues where nothing else is said.
    #[must_use]
    pub fn default_ttl(&self) -> Duration {
        given(self.config.default_lease_ttl, system_lifetimes().default).min(self.max_ttl())
    }

    /// The longest lifetime of what it issues.
    #[must_use]
    pub fn max_ttl(&self) -> Duration {
        given(self.config.max_lease_ttl, system_lifetimes().max)
    }

    /// Where its storage lies in the barrier.
    #[must_use]
    pub fn storage(&self) -> String {
        format!("mount/{}/", self.uuid)
    }
}

const fn given(seconds: u64, otherwise: Duration) -> Duration {
    if seconds == 0 {
        otherwise
    } else {
        Duration::from_secs(seconds)
    }
}
