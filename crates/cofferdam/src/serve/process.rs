//! What the vault is told of this process ([`Host`]): its loggers, its configuration, its machine.

use super::log::Voice;
use super::{figures, machine};
use crate::config::{self, Log, Resolved, Security, Storage};
use cofferdam_core::host::{Figure, Host, Level, NoLogger, NoSeat};
use cofferdam_core::monitor::Listener;
use cofferdam_server::fronts::{Fronts, Header, Listed};
use cofferdam_store::metered::Timings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// This process.
pub(super) struct Process {
    log: Voice,
    configuration: Value,
    store: Arc<Timings>,
}

impl Process {
    pub(super) fn new(log: Voice, resolved: &Resolved, store: Arc<Timings>) -> Self {
        Self {
            log,
            store,
            configuration: sanitized(resolved),
        }
    }
}

impl Host for Process {
    fn loggers(&self) -> BTreeMap<&'static str, Level> {
        self.log.levels.all()
    }

    fn set_level(&self, logger: Option<&str>, level: Option<Level>) -> Result<(), NoLogger> {
        self.log.levels.set(logger, level)
    }

    fn listen(&self, level: Level, json: bool) -> Result<Listener, NoSeat> {
        self.log.ears.listen(level, json)
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
        "api_addr": nobodys(resolved.api_addr.as_deref().unwrap_or_default()),
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

/// An address without the name and the password that some write into one.
fn nobodys(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{rest}")
}

fn listener(listener: &config::Listener) -> Value {
    match listener {
        config::Listener::Tcp {
            address,
            security,
            fronts,
            ..
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
            let mut config = json!({
                "address": address,
                "tls_disable": matches!(security, Security::DangerouslyPlain),
                "tls_cert_file": files.map(|(certificate, ..)| certificate),
                "tls_key_file": files.map(|(_, key, _)| key),
                "tls_client_ca_file": files.and_then(|(.., clients)| clients.authority()),
                "tls_require_and_verify_client_cert": files.is_some_and(|(.., clients)| clients.authority().is_some()),
            });
            if let Value::Object(config) = &mut config {
                config.extend(proxies(fronts));
            }
            json!({"type": "tcp", "config": config})
        }
        config::Listener::Unix { path, mode, .. } => json!({
            "type": "unix",
            "config": {"address": path, "socket_mode": format!("{mode:04o}")},
        }),
    }
}

/// What is said of proxies in front, where anything is.
fn proxies(fronts: &Fronts) -> Map<String, Value> {
    let shown = |listed: &Listed| listed.networks().map(ToString::to_string).collect();
    let mut said: Vec<(&str, Value)> = Vec::new();
    if let Some(header) = &fronts.header {
        let (behavior, listed) = match header {
            Header::DangerouslyAnybodys => ("use_always", None),
            Header::ListedOnes(listed) => ("allow_authorized", Some(listed)),
            Header::ListedOnly(listed) => ("deny_unauthorized", Some(listed)),
        };
        said.push(("proxy_protocol_behavior", behavior.into()));
        if let Some(listed) = listed {
            said.push(("proxy_protocol_authorized_addrs", shown(listed)));
        }
    }
    if let Some(forwarded) = &fronts.forwarded {
        said.extend([
            ("x_forwarded_for_authorized_addrs", shown(&forwarded.listed)),
            ("x_forwarded_for_hop_skips", forwarded.hop_skips.into()),
            (
                "x_forwarded_for_reject_not_authorized",
                forwarded.reject_not_authorized.into(),
            ),
            (
                "x_forwarded_for_reject_not_present",
                forwarded.reject_not_present.into(),
            ),
        ]);
    }
    let named = said.into_iter();
    named
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::nobodys;

    #[test]
    fn an_address_is_shown_without_who_it_is_for() {
        for (address, expected) in [
            (
                "https://me:hunter2@a.example:8200/x@y",
                "https://a.example:8200/x@y",
            ),
            ("https://me:p@ss@a.example", "https://a.example"),
            ("https://a.example:8200", "https://a.example:8200"),
            ("", ""),
        ] {
            assert_eq!(nobodys(address), expected);
        }
    }
}
