//! Listeners, as the files name them.

use super::raw::{Section, Setting};
use super::resolve::{Listener, Security};
use super::{ConfigError, Warning, keys};
use cofferdam_core::Open;
use cofferdam_hcl::Value;
use cofferdam_server::Limits;
use cofferdam_server::limits::Unit;
use cofferdam_server::tls::{Clients, Oldest};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Port that Vault's documentation uses.
const PORT: u16 = 8200;

/// What one block means.
pub(super) fn listener(
    section: &Section,
    request_time: Option<Duration>,
    warnings: &mut Vec<Warning>,
) -> Result<Listener, ConfigError> {
    let mut limits = limits(section, request_time)?;
    limits.open = open(section, warnings)?;
    if section.kind == "unix" {
        return local(section, limits);
    }
    let address = match section.get("address") {
        Some(setting) => address(setting)?,
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
    };
    let security = security(section)?;
    if matches!(security, Security::DangerouslyPlain) {
        let text = format!("tls_disable: tokens and secrets can be read on the way to {address}");
        warnings.push(Warning {
            place: section.place.clone(),
            text,
        });
    }
    Ok(Listener::Tcp {
        address,
        security,
        fronts: super::fronts::fronts(section, warnings)?,
        limits,
    })
}

/// What strangers may ask: one flag in each of two blocks, as Vault has them.
fn open(section: &Section, warnings: &mut Vec<Warning>) -> Result<Open, ConfigError> {
    let mut flag = |block: &str, name: &str| -> Result<bool, ConfigError> {
        let Some(setting) = section.get(block) else {
            return Ok(false);
        };
        let body = setting.read(Value::object)?;
        let mut set = false;
        for entry in body.entries() {
            if entry.key.text == name {
                set = setting.inner(&entry.value).read(Value::boolean)?;
            } else {
                warnings.push(Warning {
                    place: setting.place.clone(),
                    text: format!(
                        "{} in {block} has no effect: it is not served here",
                        shown(&entry.key.text)
                    ),
                });
            }
        }
        Ok(set)
    };
    Ok(Open {
        metrics: flag("telemetry", "unauthenticated_metrics_access")?,
        in_flight: flag("profiling", "unauthenticated_in_flight_request_access")?,
    })
}

/// A key may be anything that was pasted in the wrong place.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn security(section: &Section) -> Result<Security, ConfigError> {
    let flag = |name: &str| {
        section
            .get(name)
            .map_or(Ok(false), |setting| setting.read(Value::boolean))
    };
    let file = |name: &str| {
        section
            .get(name)
            .map(|setting| setting.read(Value::string).map(PathBuf::from))
            .transpose()
    };
    if flag("tls_disable")? {
        return Ok(Security::DangerouslyPlain);
    }
    let oldest = oldest(section)?;
    let clients = if flag("tls_require_and_verify_client_cert")? {
        let text = "tls_require_and_verify_client_cert needs tls_client_ca_file";
        Clients::Demanded(
            file("tls_client_ca_file")?
                .ok_or_else(|| ConfigError::refused(&section.place, text))?,
        )
    } else if flag("tls_disable_client_certs")? {
        Clients::Unasked
    } else {
        Clients::Asked
    };
    match (file("tls_cert_file")?, file("tls_key_file")?) {
        (Some(certificate), Some(key)) => Ok(Security::Files {
            certificate,
            key,
            oldest,
            clients,
        }),
        (None, None) if clients.authority().is_some() => Err(ConfigError::refused(
            &section.place,
            "client certificates need tls_cert_file and tls_key_file",
        )),
        (None, None) => Ok(Security::Own {
            names: names(section)?,
            oldest,
            clients,
        }),
        _ => Err(ConfigError::refused(
            &section.place,
            "tls_cert_file and tls_key_file belong together; set both or none",
        )),
    }
}

fn names(section: &Section) -> Result<Vec<String>, ConfigError> {
    let Some(setting) = section.get("tls_names") else {
        return Ok(Vec::new());
    };
    Ok(setting
        .read(Value::strings)?
        .into_iter()
        .map(str::to_owned)
        .collect())
}

fn oldest(section: &Section) -> Result<Oldest, ConfigError> {
    let Some(setting) = section.get("tls_min_version") else {
        return Ok(Oldest::default());
    };
    match setting.read(Value::string)? {
        "" | "tls12" => Ok(Oldest::Tls12),
        "tls13" => Ok(Oldest::Tls13),
        _ => Err(ConfigError::refused(
            &setting.place,
            "tls_min_version is tls12 or tls13; older versions are not spoken",
        )),
    }
}

/// `IP:PORT`, `:PORT`, `IP`, `localhost:PORT`. Names are not looked up: an answer of the resolver
/// would decide who can reach the server.
fn address(setting: &Setting) -> Result<SocketAddr, ConfigError> {
    let text = setting.read(Value::string)?.trim();
    let refused = || {
        ConfigError::refused(
            &setting.place,
            "address is IP:PORT, such as 127.0.0.1:8200 or [::1]:8200; names and templates are not resolved",
        )
    };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(host) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(host, PORT));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "8200"));
    let port = port.parse().map_err(|_| refused())?;
    match host {
        "" => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        "localhost" => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        _ => Err(refused()),
    }
}

fn local(section: &Section, limits: Limits) -> Result<Listener, ConfigError> {
    let Some(setting) = section.get("address") else {
        return Err(ConfigError::refused(
            &section.place,
            "a unix listener needs an address: the path of its socket",
        ));
    };
    let path = PathBuf::from(setting.read(Value::string)?);
    let mode = match section.get("socket_mode") {
        None => 0o600,
        Some(setting) => {
            let text = setting.read(Value::string)?.trim_start_matches("0o");
            let wrong = || {
                ConfigError::refused(
                    &setting.place,
                    "socket_mode is an octal number such as 0600",
                )
            };
            if text.is_empty() {
                0o600
            } else {
                u32::from_str_radix(text, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o777)
                    .ok_or_else(wrong)?
            }
        }
    };
    Ok(Listener::Unix { path, mode, limits })
}

fn limits(section: &Section, request_time: Option<Duration>) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    if let Some(time) = request_time {
        limits.request_time = time;
    }
    for budget in keys::budgets() {
        let Some(setting) = section.get(budget.name) else {
            continue;
        };
        let range = || {
            let (least, most) = budget.range;
            let text = format!(
                "{} is from {} to {}; no limit at all is not served here",
                budget.name,
                keys::amount(budget.unit, least),
                keys::amount(budget.unit, most)
            );
            ConfigError::refused(&setting.place, text)
        };
        let value = match budget.unit {
            Unit::Seconds => setting.read(Value::duration)?.as_secs(),
            Unit::Bytes | Unit::Count => {
                u64::try_from(setting.read(Value::integer)?).map_err(|_| range())?
            }
        };
        if !budget.set(&mut limits, value) {
            return Err(range());
        }
    }
    Ok(limits)
}
