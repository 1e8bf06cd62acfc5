//! Variables that Vault and OpenBao document for a server, under both prefixes: what is read here, and
//! what is not. Those that are set and have no effect are named in one warning.
//!
//! A variable wins over the files and a flag over both, as in Vault. Variables of clients
//! (`VAULT_ADDR`, `VAULT_TOKEN` …) are not the server's affair.

use super::{Log, Resolved, level_named};
use cofferdam_api::places::Environment;

const LOG_LEVEL: &[&str] = &["LOG_LEVEL"];
const LOG_FORMAT: &[&str] = &["LOG_FORMAT"];
/// Of these the first wins.
const API_ADDR: &[&str] = &["API_ADDR", "REDIRECT_ADDR", "ADVERTISE_ADDR"];

/// Read with the seals that they belong to (`super::seal`), where the file says nothing.
#[cfg(test)]
const SEALS: &[&str] = &[
    "AWSKMS_SEAL_KEY_ID",
    "TRANSIT_SEAL_KEY_NAME",
    "TRANSIT_SEAL_MOUNT_PATH",
];

/// What is read, for the page of the book.
#[cfg(test)]
pub(super) const READ: &[(&[&str], &str)] = &[
    (LOG_LEVEL, "`log_level`"),
    (LOG_FORMAT, "`log_format`"),
    (API_ADDR, "`api_addr`"),
    (SEALS, "keys of seals, as said there; the file wins"),
];

/// What is documented and has no effect: the names are those that OpenBao 2.7 reads, and those that
/// Vault documents for servers and seals.
pub(super) const IDLE: &[&str] = &[
    "ALLOW_PENDING_REMOVAL_MOUNTS",
    "AZUREKEYVAULT_KEY_NAME",
    "AZUREKEYVAULT_VAULT_NAME",
    "CLUSTER_ADDR",
    "DISABLE_KV_GAUGE",
    "DISABLE_LOCAL_AUTH_MOUNT_ENTITIES",
    "DISABLE_PUBLIC_ACME",
    "DISABLE_SERVER_SIDE_CONSISTENT_TOKENS",
    "DISABLE_USER_LOCKOUT",
    "ENABLE_FILE_PERMISSIONS_CHECK",
    "EXPERIMENTS",
    "GCPCKMS_SEAL_CRYPTO_KEY",
    "GCPCKMS_SEAL_KEY_RING",
    "GRPC_LOGGING",
    "GRPC_MAX_STREAMS",
    "HSM_GENERATE_KEY",
    "HSM_HMAC_KEY_LABEL",
    "HSM_HMAC_MECHANISM",
    "HSM_KEY_LABEL",
    "HSM_LIB",
    "HSM_MECHANISM",
    "HSM_PIN",
    "HSM_SLOT",
    "K8S_NAMESPACE",
    "K8S_POD_NAME",
    "KMIP_SEAL_KEY_ID",
    "LEASE_REVOCATION_WORKERS",
    "LICENSE",
    "LICENSE_PATH",
    "OCIKMS_CRYPTO_ENDPOINT",
    "OCIKMS_MANAGEMENT_ENDPOINT",
    "OCIKMS_SEAL_KEY_ID",
    "PLUGIN_AUTOMTLS_ENABLED",
    "PLUGIN_MULTIPLEXING_OPT_OUT",
    "POSTUNSEAL_FUNC_CONCURRENCY",
    "RAFT_AUTOPILOT_DISABLE",
    "RAFT_DISABLE_MAP_POPULATE",
    "RAFT_FREELIST_SYNC",
    "RAFT_FREELIST_TYPE",
    "RAFT_INITIAL_MMAP_SIZE",
    "RAFT_NODE_ID",
    "RAFT_PATH",
    "RAFT_RETRY_JOIN_AS_NON_VOTER",
    "ROLLBACK_WORKERS",
    "SEAL_TYPE",
    "SKIP_LOGGING_LEASE_EXPIRATIONS",
    "STATIC_SEAL_CURRENT_KEY",
    "STATIC_SEAL_CURRENT_KEY_ID",
    "STATIC_SEAL_PREVIOUS_KEY",
    "STATIC_SEAL_PREVIOUS_KEY_ID",
    "TRANSIT_SEAL_ADDR",
    "TRANSIT_SEAL_DISABLE_RENEWAL",
    "TRANSIT_SEAL_TOKEN",
    "UI",
];

/// Of one name under both prefixes, in the order in which they win.
fn names(name: &str) -> [String; 2] {
    [format!("BAO_{name}"), format!("VAULT_{name}")]
}

fn value(names_: &[&str], environment: Environment<'_>) -> Option<(String, String)> {
    names_.iter().flat_map(|name| names(name)).find_map(|name| {
        let value = environment(&name)?;
        Some((name, value))
    })
}

/// Lets what is set win over the log's settings of the files.
///
/// # Errors
/// The variable whose value is none that it can have, by its name alone.
pub(crate) fn log(log: &mut Log, environment: Environment<'_>) -> Result<(), String> {
    if let Some((name, text)) = value(LOG_LEVEL, environment) {
        let level = level_named(&text)
            .ok_or_else(|| format!("{name} is trace, debug, info, warn or error"))?;
        log.level = Some(level.to_owned());
    }
    if let Some((name, text)) = value(LOG_FORMAT, environment) {
        log.json = match text.as_str() {
            "json" => true,
            "standard" => false,
            _ => return Err(format!("{name} is standard or json")),
        };
    }
    Ok(())
}

/// Lets what is set win over the files.
///
/// # Errors
/// As [`log`].
pub(crate) fn apply(resolved: &mut Resolved, environment: Environment<'_>) -> Result<(), String> {
    log(&mut resolved.log, environment)?;
    if let Some((_, address)) = value(API_ADDR, environment) {
        resolved.api_addr = Some(address);
    }
    Ok(())
}

/// One sentence about all variables that are set for a server and do nothing here; `None`: there are
/// none. Names only: a value may be a key.
pub(crate) fn warning(environment: Environment<'_>) -> Option<String> {
    let set: Vec<String> = IDLE
        .iter()
        .flat_map(|name| names(name))
        .filter(|name| environment(name).is_some())
        .collect();
    (!set.is_empty()).then(|| {
        format!(
            "environment: without effect on this server: {}",
            set.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_win_over_files_and_idle_ones_are_named_once_without_values() {
        let set = |name: &str| {
            let all = [
                ("VAULT_LOG_LEVEL", "TRACE"),
                ("BAO_LOG_FORMAT", "json"),
                ("VAULT_LOG_FORMAT", "standard"),
                ("VAULT_REDIRECT_ADDR", "https://old.example"),
                ("VAULT_RAFT_NODE_ID", "canary-node"),
                ("BAO_HSM_PIN", "canary-pin"),
                ("VAULT_TOKEN", "canary-token"),
            ];
            let found = all.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let mut settings = Log::default();
        log(&mut settings, &set).unwrap();
        assert_eq!(
            (settings.level.as_deref(), settings.json),
            (Some("trace"), true)
        );
        let address = value(&["API_ADDR", "REDIRECT_ADDR"], &set);
        assert_eq!(address.unwrap().1, "https://old.example");
        let warned = warning(&set).unwrap();
        assert_eq!(
            warned,
            "environment: without effect on this server: BAO_HSM_PIN, VAULT_RAFT_NODE_ID"
        );
        assert_eq!(warning(&|_| None), None);
        let wrong = |name: &str| (name == "BAO_LOG_LEVEL").then(|| "canary".to_owned());
        let refused = log(&mut settings, &wrong).unwrap_err();
        assert_eq!(
            refused,
            "BAO_LOG_LEVEL is trace, debug, info, warn or error"
        );
    }

    #[test]
    fn the_list_is_sorted_and_no_name_is_both() {
        assert!(IDLE.is_sorted());
        let read = || READ.iter().flat_map(|(names, _)| *names);
        assert!(read().all(|name| !IDLE.contains(name)));
        // Seals read theirs by name.
        let quoted = include_str!("seal.rs").split('"');
        let of_seals = quoted.filter_map(|word| word.strip_prefix("BAO_"));
        let wrong: Vec<_> = of_seals.filter(|name| IDLE.contains(name)).collect();
        assert!(wrong.is_empty(), "read, and warned of: {wrong:?}");
    }
}
