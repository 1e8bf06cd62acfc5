//! Proxies in front of a listener, as the files name them.

use super::raw::{Section, Setting};
use super::{ConfigError, Warning};
use cofferdam_hcl::Value;
use cofferdam_server::fronts::{Forwarded, Fronts, Header, Listed};

/// More proxies in a row than anybody has.
const MOST_HOPS: i64 = 64;

const BEHAVIOR: &str = "proxy_protocol_behavior";
const PEERS: &str = "proxy_protocol_authorized_addrs";
const PROXIES: &str = "x_forwarded_for_authorized_addrs";
const SKIPS: &str = "x_forwarded_for_hop_skips";
const NOT_AUTHORIZED: &str = "x_forwarded_for_reject_not_authorized";
const NOT_PRESENT: &str = "x_forwarded_for_reject_not_present";

/// What one block means.
pub(super) fn fronts(
    section: &Section,
    warnings: &mut Vec<Warning>,
) -> Result<Fronts, ConfigError> {
    Ok(Fronts {
        header: header(section, warnings)?,
        forwarded: forwarded(section, warnings)?,
    })
}

fn header(section: &Section, warnings: &mut Vec<Warning>) -> Result<Option<Header>, ConfigError> {
    let peers = listed(section, PEERS)?;
    let behavior = section
        .get(BEHAVIOR)
        .map(|setting| Ok((setting, setting.read(Value::string)?)))
        .transpose()?
        .filter(|(_, behavior)| !behavior.is_empty());
    let Some((setting, behavior)) = behavior else {
        without_effect(section, PEERS, "without proxy_protocol_behavior", warnings);
        return Ok(None);
    };
    let peers = || match peers {
        Some(ref peers) => Ok(peers.clone()),
        None => {
            let text = format!("{BEHAVIOR} = \"{behavior}\" needs {PEERS}");
            Err(ConfigError::refused(&setting.place, text))
        }
    };
    match behavior {
        "use_always" => {
            without_effect(
                section,
                PEERS,
                "with use_always: everybody is believed",
                warnings,
            );
            Ok(Some(Header::DangerouslyAnybodys))
        }
        "allow_authorized" => Ok(Some(Header::ListedOnes(peers()?))),
        "deny_unauthorized" => Ok(Some(Header::ListedOnly(peers()?))),
        _ => Err(ConfigError::refused(
            &setting.place,
            "proxy_protocol_behavior is use_always, allow_authorized or deny_unauthorized",
        )),
    }
}

fn forwarded(
    section: &Section,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Forwarded>, ConfigError> {
    let Some(proxies) = listed(section, PROXIES)? else {
        for name in [SKIPS, NOT_AUTHORIZED, NOT_PRESENT] {
            let why = "without x_forwarded_for_authorized_addrs";
            without_effect(section, name, why, warnings);
        }
        return Ok(None);
    };
    // As Vault and OpenBao document it, and not as OpenBao acts: what nobody decided fails closed.
    let flag = |name: &str| {
        let setting = section.get(name);
        setting.map_or(Ok(true), |setting| setting.read(Value::boolean))
    };
    Ok(Some(Forwarded {
        listed: proxies,
        hop_skips: section.get(SKIPS).map_or(Ok(0), skips)?,
        reject_not_authorized: flag(NOT_AUTHORIZED)?,
        reject_not_present: flag(NOT_PRESENT)?,
    }))
}

fn skips(setting: &Setting) -> Result<usize, ConfigError> {
    let wanted = setting.read(Value::integer)?;
    usize::try_from(wanted)
        .ok()
        .filter(|_| wanted <= MOST_HOPS)
        .ok_or_else(|| {
            let text = format!("{SKIPS} is from 0 to {MOST_HOPS}");
            ConfigError::refused(&setting.place, text)
        })
}

/// A list of addresses, in one text with commas or in a list; `None`: nobody.
fn listed(section: &Section, name: &str) -> Result<Option<Listed>, ConfigError> {
    let Some(setting) = section.get(name) else {
        return Ok(None);
    };
    let entries = setting.read(Value::strings)?;
    let entries = entries.iter().flat_map(|text| text.split(','));
    let entries = entries.map(str::trim).filter(|entry| !entry.is_empty());
    let read = entries.map(|entry| {
        Listed::entry(entry).ok_or_else(|| {
            let text = format!(
                "{name} holds IP addresses and networks such as 10.0.0.1 or 10.0.0.0/8; names are not looked up"
            );
            ConfigError::refused(&setting.place, text)
        })
    });
    let networks = read.collect::<Result<Vec<_>, _>>()?;
    Ok((!networks.is_empty()).then(|| Listed::new(networks)))
}

fn without_effect(section: &Section, name: &str, why: &str, warnings: &mut Vec<Warning>) {
    if let Some(setting) = section.get(name) {
        warnings.push(Warning {
            place: setting.place.clone(),
            text: format!("{name} has no effect {why}"),
        });
    }
}
