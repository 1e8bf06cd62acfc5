//! `sys/mounts` and `sys/auth`: what is mounted where.

use super::{System, tune};
use crate::fault::Fault;
use crate::json::Data;
use crate::json::field::{Flag, Pairs, Ttl, Words};
use crate::lockout;
use crate::mount::{Class, Mount, MountConfig, describe};
use crate::outcome::{Outcome, Response};
use crate::path::{Name, Path};
use crate::registry::Registry;
use crate::request::Call;
use crate::token::retired;
use crate::vault::erase;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) async fn list_secrets(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    list(engine, &call, Class::Secret).await
}

pub(super) async fn list_auth(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    list(engine, &call, Class::Auth).await
}

pub(super) async fn read_secret(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    read(engine, &call, Class::Secret).await
}

pub(super) async fn read_auth(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    read(engine, &call, Class::Auth).await
}

pub(super) async fn enable_secret(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    write(engine, &call, Class::Secret).await
}

pub(super) async fn enable_auth(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    write(engine, &call, Class::Auth).await
}

pub(super) async fn disable_secret(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    disable(engine, &call, Class::Secret).await
}

pub(super) async fn disable_auth(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    disable(engine, &call, Class::Auth).await
}

/// The mount's full path, and whether the request is about its settings.
pub(super) fn target(call: &Call<'_>, class: Class) -> Result<(Path, bool, Class), Fault> {
    let (text, tuning) = match call.capture("tuned") {
        "" => (call.capture("path"), false),
        text => (text, true),
    };
    let full = if class == Class::Auth {
        format!("auth/{text}")
    } else {
        text.to_owned()
    };
    let path = Path::parse(&full).map_err(|error| Fault::invalid(error.to_string()))?;
    // Vault's own client tunes auth methods at `sys/mounts/auth/NAME/tune`.
    let class = match full.strip_prefix("auth/") {
        Some(_) if tuning => Class::Auth,
        _ => class,
    };
    Ok((path, tuning, class))
}

/// Engines of which there is exactly one mount.
const BUILT_IN: &[&str] = &["system", "token", "cubbyhole", "identity"];

/// The version that engines show: they are part of the program.
const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"), "+builtin");

/// A mount as Vault shows it.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    accessor: &'a str,
    config: ShownConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecation_status: Option<&'static str>,
    description: &'a str,
    external_entropy_access: bool,
    local: bool,
    options: Option<&'a BTreeMap<String, String>>,
    plugin_version: &'static str,
    running_plugin_version: &'static str,
    running_sha256: &'static str,
    seal_wrap: bool,
    r#type: &'a str,
    uuid: &'a str,
}

#[derive(Serialize)]
struct ShownConfig<'a> {
    default_lease_ttl: u64,
    max_lease_ttl: u64,
    #[serde(flatten)]
    common: tune::Common<'a>,
}

pub(super) fn show(mount: &Mount) -> Shown<'_> {
    let config = &mount.config;
    let built_in = BUILT_IN.contains(&mount.kind.as_str());
    Shown {
        accessor: &mount.accessor,
        config: ShownConfig {
            default_lease_ttl: config.default_lease_ttl,
            max_lease_ttl: config.max_lease_ttl,
            common: tune::Common::of(mount),
        },
        deprecation_status: (!built_in).then_some("supported"),
        description: &mount.description,
        external_entropy_access: false,
        local: mount.local,
        // What is always there has none; what somebody mounted may have had some.
        options: (!built_in || !config.options.is_empty()).then_some(&config.options),
        plugin_version: "",
        running_plugin_version: VERSION,
        running_sha256: "",
        seal_wrap: mount.seal_wrap,
        r#type: &mount.kind,
        uuid: &mount.uuid,
    }
}

/// The name under which lists show a mount: without `auth/`, with a slash at the end.
pub(super) fn listed_name(mount: &Mount) -> String {
    let name = if mount.class == Class::Auth {
        mount.path.strip_prefix("auth/").unwrap_or(&mount.path)
    } else {
        &mount.path
    };
    format!("{name}/")
}

async fn list(engine: &System, _call: &Call<'_>, class: Class) -> Result<Outcome, Fault> {
    let tables = engine.services()?.registry.fresh().await?;
    let mounts: BTreeMap<_, _> = tables
        .mounts()
        .iter()
        .filter(|mount| mount.class == class)
        .map(|mount| (listed_name(mount), show(mount)))
        .collect();
    Outcome::data(&mounts)
}

async fn read(engine: &System, call: &Call<'_>, class: Class) -> Result<Outcome, Fault> {
    let (path, tuning, class) = target(call, class)?;
    let tables = engine.services()?.registry.fresh().await?;
    let mount = tables
        .mounts()
        .get(path.as_str())
        .filter(|mount| mount.class == class);
    let mount = mount.ok_or_else(|| {
        Fault::invalid("no mount at this path; list them with: cofferdam secrets list")
    })?;
    let data = if tuning {
        Data::of(&tune::show(mount))
    } else {
        Data::of(&show(mount))
    };
    Ok(Outcome::Data(Response::of(data.map_err(Fault::internal)?)))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Enable {
    r#type: String,
    description: String,
    config: WantedConfig,
    options: Option<Pairs>,
    local: Flag,
    seal_wrap: Flag,
    external_entropy_access: Flag,
    plugin_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WantedConfig {
    default_lease_ttl: Ttl,
    max_lease_ttl: Ttl,
    force_no_cache: Flag,
    listing_visibility: String,
    audit_non_hmac_request_keys: Words,
    audit_non_hmac_response_keys: Words,
    passthrough_request_headers: Words,
    allowed_response_headers: Words,
    token_type: String,
    plugin_name: String,
    options: Option<Pairs>,
    user_lockout_config: Option<tune::WantedLockout>,
}

async fn write(engine: &System, call: &Call<'_>, class: Class) -> Result<Outcome, Fault> {
    let (path, tuning, class) = target(call, class)?;
    let services = engine.services()?;
    if tuning {
        return tune::write(&services, call, class, &path).await;
    }
    let mount = wanted(call, class, &path)?;
    let offer = services
        .registry
        .offer(class, &mount.kind)
        .ok_or_else(|| unknown_kind(&services.registry, class))?;
    if BUILT_IN.contains(&offer.kind) {
        return Err(Fault::invalid(
            "there is exactly one mount of this type, and it is built in",
        ));
    }
    if mount.config.user_lockout != lockout::Settings::default() {
        tune::lockable(&services.registry, class, &mount.kind)?;
    }
    services
        .registry
        .change_mounts(|table| {
            table
                .add(mount.clone())
                .map_err(|error| Fault::invalid(error.to_string()))
        })
        .await?;
    let view = services.barrier().view(mount.storage());
    if let Err(fault) = offer.engine.mount(&view, &mount.config).await {
        services
            .registry
            .change_mounts(|table| Ok(table.remove(&mount.path).is_ok()))
            .await?;
        erase(services.barrier(), &mount.storage()).await?;
        return Err(fault);
    }
    Ok(Outcome::Done)
}

fn wanted(call: &Call<'_>, class: Class, path: &Path) -> Result<Mount, Fault> {
    let wanted: Enable = call.body.parse()?;
    for segment in path.segments() {
        Name::parse(segment).map_err(|_| {
            Fault::invalid("a mount path has letters, digits, '-', '_' and '.' only")
        })?;
    }
    let config = wanted.config;
    let kind = [wanted.r#type, wanted.plugin_name, config.plugin_name]
        .into_iter()
        .find(|kind| !kind.is_empty());
    let kind =
        kind.ok_or_else(|| Fault::invalid("field type: missing; it names the engine to enable"))?;
    if wanted.external_entropy_access.0 {
        return Err(Fault::unsupported(
            "field external_entropy_access: not served",
        ));
    }
    let mut options = wanted
        .options
        .or(config.options)
        .map(|pairs| pairs.0)
        .unwrap_or_default();
    // Vault's name for version 2 of its key-value engine.
    let kind = if kind == "kv-v2" {
        options.insert("version".to_owned(), "2".to_owned());
        "kv".to_owned()
    } else {
        kind
    };
    let config = MountConfig {
        default_lease_ttl: config.default_lease_ttl.0.as_secs(),
        max_lease_ttl: config.max_lease_ttl.0.as_secs(),
        force_no_cache: config.force_no_cache.0,
        listing_visibility: tune::visibility(config.listing_visibility)?,
        audit_non_hmac_request_keys: config.audit_non_hmac_request_keys.0,
        audit_non_hmac_response_keys: config.audit_non_hmac_response_keys.0,
        passthrough_request_headers: config.passthrough_request_headers.0,
        allowed_response_headers: config.allowed_response_headers.0,
        token_type: tune::token_type(config.token_type)?,
        user_lockout: tune::lockout_of(config.user_lockout_config, class)?,
        options,
    };
    tune::check(&config)?;
    let mut mount = describe(
        path.as_str(),
        class,
        &kind,
        tune::description(wanted.description)?,
        config,
    );
    mount.local = wanted.local.0;
    mount.seal_wrap = wanted.seal_wrap.0;
    Ok(mount)
}

fn unknown_kind(registry: &Registry, class: Class) -> Fault {
    let mut kinds: Vec<_> = registry
        .offers()
        .filter(|offer| offer.class == class)
        .map(|offer| offer.kind)
        .collect();
    kinds.retain(|kind| !matches!(*kind, "system" | "token" | "cubbyhole"));
    Fault::unsupported(format!(
        "field type: not an engine this server has; it has: {}",
        kinds.join(", ")
    ))
}

async fn disable(engine: &System, call: &Call<'_>, class: Class) -> Result<Outcome, Fault> {
    let (path, _, class) = target(call, class)?;
    // Settings are changed, never removed.
    if path.as_str().ends_with("/tune") {
        return Err(Fault::unsupported("unsupported operation"));
    }
    let services = engine.services()?;
    let tables = services.registry.fresh().await?;
    // As in Vault: disabling what is not there is done already.
    if tables
        .mounts()
        .get(path.as_str())
        .is_none_or(|mount| mount.class != class)
    {
        return Ok(Outcome::Done);
    }
    let removed = services
        .registry
        .retire_mount(|table| {
            table
                .remove(path.as_str())
                .map_err(|error| Fault::invalid(error.to_string()))
        })
        .await?;
    retired::finish(&services).await?;
    // From here on nobody reaches the data. What a crash leaves of it, the next start removes.
    erase(services.barrier(), &removed.storage()).await?;
    Ok(Outcome::Done)
}
