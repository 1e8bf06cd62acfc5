//! What the vault is told of this process ([`Host`]): its loggers, its configuration, its machine.

use super::log::Levels;
use super::{figures, machine};
use crate::config::{Listener, Log, Resolved, Security, Storage};
use cofferdam_core::host::{Figure, Host, Level, NoLogger};
use cofferdam_store::metered::Timings;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// This process.
pub(super) struct Process {
    levels: Arc<Levels>,
    configuration: Value,
    store: Arc<Timings>,
}

impl Process {
    pub(super) fn new(levels: Arc<Levels>, resolved: &Resolved, store: Arc<Timings>) -> Self {
        Self {
            levels,
            store,
            configuration: sanitized(resolved),
        }
    }
}

impl Host for Process {
    fn loggers(&self) -> BTreeMap<&'static str, Level> {
        self.levels.all()
    }

    fn set_level(&self, logger: Option<&str>, level: Option<Level>) -> Result<(), NoLogger> {
        self.levels.set(logger, level)
    }

    fn configuration(&self) -> Value {
        self.configuration.clone()
    }

    fn figures(&self) -> Vec<Figure> {
        let mut all = figures::of_process();
        all.extend(figures::of_store(&self.store));
        all
    }

    fn machine(&self) -> Value {
        machine::figures()
    }
}

/// The configuration by Vault's names. Files are named and never shown.
fn sanitized(resolved: &Resolved) -> Value {
    let seconds = |span: Option<std::time::Duration>| span.map_or(0, |span| span.as_secs());
    let storage = match &resolved.storage {
        Storage::Memory => json!({"type": "inmem"}),
        Storage::Embedded { path } => json!({"type": "embedded", "path": path}),
    };
    let seal = json!({"type": resolved.seal.name(), "disabled": false});
    let Log { level, json, file } = &resolved.log;
    json!({
        "api_addr": resolved.api_addr.as_deref().unwrap_or_default(),
        "cluster_name": resolved.cluster_name.as_deref().unwrap_or_default(),
        "default_lease_ttl": seconds(resolved.default_lease_ttl),
        "max_lease_ttl": seconds(resolved.max_lease_ttl),
        "disable_mlock": !resolved.lock_memory,
        "listeners": resolved.listeners.iter().map(listener).collect::<Vec<_>>(),
        "log_file": file.as_deref(),
        "log_format": if *json { "json" } else { "standard" },
        "log_level": level.as_deref().unwrap_or("info"),
        "pid_file": resolved.pid_file.as_deref(),
        "raw_storage_endpoint": false,
        "introspection_endpoint": false,
        "enable_ui": false,
        "seals": [seal],
        "storage": storage,
    })
}

fn listener(listener: &Listener) -> Value {
    match listener {
        Listener::Tcp {
            address, security, ..
        } => {
            let files = match security {
                Security::Files {
                    certificate,
                    key,
                    clients,
                    ..
                } => Some((certificate, key, clients)),
                Security::DangerouslyPlain | Security::Own { .. } => None,
            };
            let config = json!({
                "address": address,
                "tls_disable": matches!(security, Security::DangerouslyPlain),
                "tls_cert_file": files.map(|(certificate, ..)| certificate),
                "tls_key_file": files.map(|(_, key, _)| key),
                "tls_client_ca_file": files.and_then(|(.., clients)| clients.authority()),
                "tls_require_and_verify_client_cert": files.is_some_and(|(.., clients)| clients.authority().is_some()),
            });
            json!({"type": "tcp", "config": config})
        }
        Listener::Unix { path, mode, .. } => json!({
            "type": "unix",
            "config": {"address": path, "socket_mode": format!("{mode:04o}")},
        }),
    }
}
