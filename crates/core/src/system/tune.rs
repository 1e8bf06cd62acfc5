//! Settings of a mount: `sys/mounts/…/tune` and `sys/auth/…/tune`.

use super::upgrade;
use crate::engine::UPGRADED;
use crate::fault::Fault;
use crate::json::Data;
use crate::json::field::{Count, Flag, Pairs, Ttl, Words};
use crate::lockout;
use crate::mount::{Class, Mount, MountConfig, system_lifetimes};
use crate::outcome::{Outcome, Response};
use crate::path::Path;
use crate::registry::Registry;
use crate::request::Call;
use crate::vault::Services;
use cofferdam_barrier::Batch;
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long the answer waits for an upgrade, so that what follows a short one finds it done.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a mount's settings show here and in the list of mounts alike.
#[derive(Serialize)]
pub(super) struct Common<'a> {
    force_no_cache: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    listing_visibility: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    audit_non_hmac_request_keys: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    audit_non_hmac_response_keys: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    passthrough_request_headers: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    allowed_response_headers: &'a [String],
}

impl<'a> Common<'a> {
    pub(super) fn of(mount: &'a Mount) -> Self {
        let config = &mount.config;
        let token_type = if config.token_type.is_empty() {
            "default-service"
        } else {
            &config.token_type
        };
        Self {
            force_no_cache: config.force_no_cache,
            listing_visibility: &config.listing_visibility,
            token_type: (mount.class == Class::Auth).then_some(token_type),
            audit_non_hmac_request_keys: &config.audit_non_hmac_request_keys,
            audit_non_hmac_response_keys: &config.audit_non_hmac_response_keys,
            passthrough_request_headers: &config.passthrough_request_headers,
            allowed_response_headers: &config.allowed_response_headers,
        }
    }
}

/// Settings as Vault reads them back: the system's values filled in.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    default_lease_ttl: u64,
    description: &'a str,
    max_lease_ttl: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<&'a BTreeMap<String, String>>,
    #[serde(flatten)]
    common: Common<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_lockout_threshold: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_lockout_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_lockout_counter_reset_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_lockout_disable: Option<bool>,
}

pub(super) fn show(mount: &Mount) -> Shown<'_> {
    let config = &mount.config;
    Shown {
        default_lease_ttl: mount.default_ttl().as_secs(),
        description: &mount.description,
        max_lease_ttl: mount.max_ttl().as_secs(),
        options: (!config.options.is_empty()).then_some(&config.options),
        common: Common::of(mount),
        user_lockout_threshold: config.user_lockout.threshold,
        user_lockout_duration: config.user_lockout.duration,
        user_lockout_counter_reset_duration: config.user_lockout.counter_reset,
        user_lockout_disable: config.user_lockout.disable,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    default_lease_ttl: Option<Ttl>,
    max_lease_ttl: Option<Ttl>,
    description: Option<String>,
    listing_visibility: Option<String>,
    options: Option<Pairs>,
    token_type: Option<String>,
    audit_non_hmac_request_keys: Option<Words>,
    audit_non_hmac_response_keys: Option<Words>,
    passthrough_request_headers: Option<Words>,
    allowed_response_headers: Option<Words>,
    user_lockout_config: Option<WantedLockout>,
}

/// What is said of lockout, by the names that Vault's API gives it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WantedLockout {
    lockout_threshold: Option<Count>,
    lockout_duration: Option<Ttl>,
    /// Vault's documentation and its client spell it in two ways.
    #[serde(alias = "lockout_counter_reset_duration")]
    lockout_counter_reset: Option<Ttl>,
    lockout_disable: Option<Flag>,
}

impl WantedLockout {
    fn apply(self, to: &mut lockout::Settings, class: Class) -> Result<(), Fault> {
        if class != Class::Auth {
            return Err(Fault::invalid(
                "user_lockout_config: only auth methods have logins to lock",
            ));
        }
        if let Some(Count(threshold)) = self.lockout_threshold {
            if threshold == 0 {
                return Err(Fault::invalid(
                    "lockout_threshold: at least 1; to switch it off set lockout_disable",
                ));
            }
            to.threshold = Some(threshold);
        }
        if let Some(span) = self.lockout_duration {
            to.duration = Some(span.seconds());
        }
        if let Some(span) = self.lockout_counter_reset {
            to.counter_reset = Some(span.seconds());
        }
        if let Some(Flag(disable)) = self.lockout_disable {
            to.disable = Some(disable);
        }
        Ok(())
    }
}

/// Refuses settings of lockout where they would do nothing.
///
/// # Errors
/// That.
pub(super) fn lockable(registry: &Registry, class: Class, kind: &str) -> Result<(), Fault> {
    let locks = registry.offer(class, kind);
    if locks.is_some_and(|offer| offer.engine.locks()) {
        return Ok(());
    }
    Err(Fault::invalid(
        "user_lockout_config: the logins of this auth method lock no names",
    ))
}

/// The settings of a new mount.
pub(super) fn lockout_of(
    wanted: Option<WantedLockout>,
    class: Class,
) -> Result<lockout::Settings, Fault> {
    let mut settings = lockout::Settings::default();
    if let Some(wanted) = wanted {
        wanted.apply(&mut settings, class)?;
    }
    Ok(settings)
}

pub(super) async fn write(
    services: &Arc<Services>,
    call: &Call<'_>,
    class: Class,
    path: &Path,
) -> Result<Outcome, Fault> {
    let registry = &services.registry;
    let upgrades = registry
        .change_mounts_with(|table| {
            let mount = table
                .get_mut(path.as_str())
                .filter(|mount| mount.class == class);
            let mount = mount.ok_or_else(|| {
                Fault::invalid("no mount at this path; list them with: cofferdam secrets list")
            })?;
            let upgrades = apply(registry, mount, call.body.parse()?)?;
            if !upgrades {
                return Ok((false, Batch::new()));
            }
            mount.upgrading = true;
            // In the same transaction: from the moment the table says so, nobody writes as before.
            let storage = services.barrier().view(mount.storage());
            let mark = storage.batch().put(UPGRADED, Secret::new(Vec::new()));
            Ok((true, mark))
        })
        .await?;
    if !upgrades {
        return Ok(Outcome::Done);
    }
    let services = services.clone();
    let work = tokio::spawn(async move { upgrade::run(&services).await });
    // Whatever comes of it: it goes on without us, and after a crash with the next start.
    let _: Result<_, _> = tokio::time::timeout(PATIENCE, work).await;
    let nothing = Data::from_raw(Secret::new(b"null".to_vec()));
    // Vault's sentence.
    Ok(Outcome::Data(Response::of(nothing).warning(vec![
        "Upgrading mount from version 1 to version 2. This mount will be unavailable for a brief \
         period and will resume service shortly."
            .to_owned(),
    ])))
}

/// Whether what is stored has to be upgraded.
fn apply(registry: &Registry, mount: &mut Mount, wanted: Wanted) -> Result<bool, Fault> {
    if let Some(text) = wanted.description {
        mount.description = description(text)?;
    }
    let class = mount.class;
    let mut upgrades = false;
    let config = &mut mount.config;
    if let Some(lockout) = wanted.user_lockout_config {
        lockout.apply(&mut config.user_lockout, class)?;
        lockable(registry, class, &mount.kind)?;
    }
    if let Some(ttl) = wanted.default_lease_ttl {
        config.default_lease_ttl = ttl.0.as_secs();
    }
    if let Some(ttl) = wanted.max_lease_ttl {
        config.max_lease_ttl = ttl.0.as_secs();
    }
    if let Some(text) = wanted.listing_visibility {
        config.listing_visibility = visibility(text)?;
    }
    if let Some(text) = wanted.token_type {
        if class != Class::Auth {
            return Err(Fault::invalid(
                "'token_type' can only be modified on auth mounts",
            ));
        }
        if mount.kind == "token" {
            return Err(Fault::invalid(
                "'token_type' cannot be set for 'token' or 'ns_token' auth mounts",
            ));
        }
        config.token_type = token_type(text)?;
    }
    if let Some(Pairs(options)) = wanted.options {
        if let Some(offer) = registry.offer(class, &mount.kind) {
            upgrades = offer.engine.retune(config, &options)?;
        }
        for (name, value) in options {
            // As in Vault: an option that is set to nothing is gone.
            if value.is_empty() {
                config.options.remove(&name);
            } else {
                config.options.insert(name, value);
            }
        }
    }
    let lists = [
        (
            wanted.audit_non_hmac_request_keys,
            &mut config.audit_non_hmac_request_keys,
        ),
        (
            wanted.audit_non_hmac_response_keys,
            &mut config.audit_non_hmac_response_keys,
        ),
        (
            wanted.passthrough_request_headers,
            &mut config.passthrough_request_headers,
        ),
        (
            wanted.allowed_response_headers,
            &mut config.allowed_response_headers,
        ),
    ];
    for (wanted, list) in lists {
        if let Some(Words(words)) = wanted {
            *list = words;
        }
    }
    check(config)?;
    Ok(upgrades)
}

pub(super) fn check(config: &MountConfig) -> Result<(), Fault> {
    let system = system_lifetimes().max.as_secs();
    let max = if config.max_lease_ttl == 0 {
        system
    } else {
        config.max_lease_ttl
    };
    if config.default_lease_ttl > max {
        return Err(Fault::invalid(
            "default_lease_ttl is longer than max_lease_ttl",
        ));
    }
    Ok(())
}

pub(super) fn visibility(text: String) -> Result<String, Fault> {
    match text.as_str() {
        "" | "hidden" | "unauth" => Ok(text),
        _ => Err(Fault::invalid(
            "field listing_visibility: expected hidden or unauth",
        )),
    }
}

pub(super) fn token_type(text: String) -> Result<String, Fault> {
    match text.as_str() {
        "" | "service" | "batch" | "default-service" | "default-batch" => Ok(text),
        _ => Err(Fault::invalid("invalid value for 'token_type'")),
    }
}

pub(super) fn description(text: String) -> Result<String, Fault> {
    if text.len() > 1024 {
        Err(Fault::invalid("field description: at most 1024 bytes"))
    } else {
        Ok(text)
    }
}
