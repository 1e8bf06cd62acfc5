//! What the configuration means.

use super::raw::{Raw, Setting};
use super::seal::{self, AwsKms, Transit};
use super::{ConfigError, Warning, listener, storage};
use cofferdam_barrier::seal::tpm::Pcrs;
use cofferdam_hcl::Value;
use cofferdam_server::tls::{Clients, Oldest};
use cofferdam_server::{Fronts, Limits};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where secrets are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Gone when the server stops.
    Memory,
    /// A directory.
    Embedded {
        /// Absolute.
        path: PathBuf,
    },
}

/// How the root key is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SealKind {
    /// By shares that people hold.
    Shamir,
    /// By a key file of this machine.
    Machine {
        /// `None`: the usual place.
        key_file: Option<PathBuf>,
    },
    /// By a key that is given at each start.
    Static {
        current: seal::Key,
        previous: Option<seal::Key>,
    },
    /// By another server like this one.
    Transit(Transit),
    /// By AWS.
    AwsKms(AwsKms),
    /// By the TPM of this machine.
    Tpm {
        /// A device, or a socket.
        device: PathBuf,
        /// What the machine's start left in them must be the same.
        pcrs: Pcrs,
    },
    /// By a key that systemd gives its unit.
    SystemdCreds {
        /// `$CREDENTIALS_DIRECTORY`.
        directory: Option<PathBuf>,
        /// Name of the credential.
        credential: String,
    },
}

impl SealKind {
    /// As it is written.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Shamir => "shamir",
            Self::Machine { .. } => "machine",
            Self::Static { .. } => "static",
            Self::Transit(_) => "transit",
            Self::AwsKms(_) => "awskms",
            Self::Tpm { .. } => "tpm",
            Self::SystemdCreds { .. } => "systemd-creds",
        }
    }
}

/// How a TCP listener is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// `tls_disable`.
    DangerouslyPlain,
    /// Certificate and key from files.
    Files {
        certificate: PathBuf,
        key: PathBuf,
        oldest: Oldest,
        /// What is wanted of clients.
        clients: Clients,
    },
    /// A certificate of our own CA.
    Own {
        /// More names for it.
        names: Vec<String>,
        oldest: Oldest,
        /// What is wanted of clients; none of them needs a certificate here.
        clients: Clients,
    },
}

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Tcp {
        address: SocketAddr,
        security: Security,
        fronts: Fronts,
        limits: Limits,
    },
    Unix {
        path: PathBuf,
        mode: u32,
        limits: Limits,
    },
}

/// How the server logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// trace, debug, info, warn or error; `None`: info.
    pub(crate) level: Option<String>,
    pub(crate) json: bool,
    /// `None`: stderr.
    pub(crate) file: Option<PathBuf>,
}

/// A configuration that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) storage: Storage,
    pub(crate) seal: SealKind,
    /// The seal that the store is moved away from.
    pub(crate) former_seal: Option<SealKind>,
    pub(crate) api_addr: Option<String>,
    pub(crate) cluster_name: Option<String>,
    pub(crate) lock_memory: bool,
    pub(crate) default_lease_ttl: Option<Duration>,
    pub(crate) max_lease_ttl: Option<Duration>,
    pub(crate) log: Log,
    pub(crate) pid_file: Option<PathBuf>,
}

impl Resolved {
    /// The listener of a server that nobody configured: loopback, with TLS of our own CA.
    pub(crate) fn default_listener() -> Listener {
        Listener::Tcp {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8200)),
            security: Security::Own {
                names: Vec::new(),
                oldest: Oldest::default(),
                clients: Clients::default(),
            },
            fronts: Fronts::default(),
            limits: Limits::default(),
        }
    }
}

/// Gives what the files say its meaning.
pub(super) fn resolve(
    raw: &Raw,
    mut warnings: Vec<Warning>,
) -> Result<(Resolved, Vec<Warning>), ConfigError> {
    let reader = Reader(raw);
    let request_time = reader.duration("default_max_request_duration")?;
    let mut listeners = Vec::new();
    for section in &raw.listeners {
        listeners.push(listener::listener(section, request_time, &mut warnings)?);
    }
    if listeners.is_empty() {
        listeners.push(Resolved::default_listener());
    }
    let storage = storage::storage(raw, &mut warnings)?;
    let (seal, former_seal) = seal::seals(raw, &storage, &cofferdam_api::places::environment)?;
    let resolved = Resolved {
        listeners,
        seal,
        former_seal,
        storage,
        api_addr: reader.text("api_addr")?,
        cluster_name: reader.text("cluster_name")?,
        lock_memory: !reader.flag("disable_mlock")?,
        default_lease_ttl: reader.duration("default_lease_ttl")?,
        max_lease_ttl: reader.duration("max_lease_ttl")?,
        log: Log {
            level: level(&reader)?,
            json: format(&reader)?,
            file: reader.text("log_file")?.map(PathBuf::from),
        },
        pid_file: reader.text("pid_file")?.map(PathBuf::from),
    };
    let longer = resolved
        .default_lease_ttl
        .zip(resolved.max_lease_ttl)
        .is_some_and(|(default, max)| default > max);
    match raw.settings.get("default_lease_ttl") {
        Some(setting) if longer => Err(ConfigError::refused(
            &setting.place,
            "default_lease_ttl is longer than max_lease_ttl",
        )),
        _ => Ok((resolved, warnings)),
    }
}

/// Reads top-level settings; empty texts and zero durations count as absent, as in Vault.
struct Reader<'a>(&'a Raw);

impl Reader<'_> {
    fn setting(&self, name: &str) -> Option<&Setting> {
        self.0.settings.get(name)
    }

    fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let text = self
            .setting(name)
            .map(|setting| setting.read(Value::string))
            .transpose()?;
        Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
    }

    fn flag(&self, name: &str) -> Result<bool, ConfigError> {
        self.setting(name)
            .map_or(Ok(false), |setting| setting.read(Value::boolean))
    }

    fn duration(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        let duration = self
            .setting(name)
            .map(|setting| setting.read(Value::duration))
            .transpose()?;
        Ok(duration.filter(|duration| !duration.is_zero()))
    }
}

/// A level's name as tracing knows it.
pub(crate) fn level_named(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "trace" => Some("trace"),
        "debug" => Some("debug"),
        "info" | "notice" => Some("info"),
        "warn" | "warning" => Some("warn"),
        "error" | "err" => Some("error"),
        _ => None,
    }
}

fn level(reader: &Reader<'_>) -> Result<Option<String>, ConfigError> {
    let (Some(text), Some(setting)) = (reader.text("log_level")?, reader.setting("log_level"))
    else {
        return Ok(None);
    };
    let level = level_named(&text).ok_or_else(|| {
        ConfigError::refused(
            &setting.place,
            "log_level is trace, debug, info, warn or error",
        )
    })?;
    Ok(Some(level.to_owned()))
}

fn format(reader: &Reader<'_>) -> Result<bool, ConfigError> {
    let (Some(text), Some(setting)) = (reader.text("log_format")?, reader.setting("log_format"))
    else {
        return Ok(false);
    };
    match text.as_str() {
        "json" => Ok(true),
        "standard" => Ok(false),
        _ => Err(ConfigError::refused(
            &setting.place,
            "log_format is standard or json",
        )),
    }
}
