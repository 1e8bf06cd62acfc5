//! The routes that answer outside the pipeline: they must work while the vault is sealed, when there
//! is no token, no policy and no audit device to ask. None of them returns anything stored.
//!
//! The list is closed: a test compares it with the documentation. Only the exact spelling is exempt;
//! any other form of these paths goes through the pipeline and is refused there.

use crate::fault::Fault;
use crate::fields::{Fields, Form, Reader};
use crate::json::{Body, Data, texts};
use crate::operation::Verb;
use crate::reply::{Answer, Reply, Standing};
use crate::request::Arrival;
use crate::vault::{InitRequest, Initialized, Vault};
use cofferdam_barrier::seal::shamir;
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One exempt route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exempt {
    /// `sys/health`.
    Health,
    /// `sys/seal-status`.
    SealStatus,
    /// `sys/init`, reading.
    InitStatus,
    /// `sys/init`, once.
    Init,
    /// `sys/unseal`.
    Unseal,
    /// `sys/leader`.
    Leader,
    /// `sys/metrics`, where the listener lets anybody ask.
    Metrics,
    /// `sys/in-flight-req`, the same.
    InFlight,
}

/// The whole list: what is asked, and what serves it.
pub(crate) const ROUTES: &[(Verb, &str, Exempt)] = &[
    (Verb::Read, "sys/health", Exempt::Health),
    (Verb::Read, "sys/seal-status", Exempt::SealStatus),
    (Verb::Read, "sys/init", Exempt::InitStatus),
    (Verb::Write, "sys/init", Exempt::Init),
    (Verb::Write, "sys/unseal", Exempt::Unseal),
    (Verb::Read, "sys/leader", Exempt::Leader),
];

/// The parameters of the route at `path`.
pub(crate) fn fields(path: &str) -> &'static Fields {
    const INIT: &Fields = &Fields::UNSAID.reading(Reader::of::<InitRequest>());
    const UNSEAL: &Fields = &Fields::UNSAID.reading(Reader::of::<UnsealRequest>());
    const HEALTH: &Fields = &Fields::UNSAID.form(Form::Named);
    match path {
        "sys/init" => INIT,
        "sys/unseal" => UNSEAL,
        _ => HEALTH,
    }
}

/// The exempt route of a request, if it is one.
#[must_use]
pub(crate) fn route(arrival: &Arrival) -> Option<Exempt> {
    if let Some(asked) = opened(arrival) {
        return Some(asked);
    }
    ROUTES
        .iter()
        .find(|(verb, path, _)| *verb == arrival.verb && *path == arrival.path)
        .map(|(.., exempt)| *exempt)
}

/// What the configuration of the listener opens. Who shows a token is served by the pipeline.
fn opened(arrival: &Arrival) -> Option<Exempt> {
    if arrival.verb != Verb::Read || arrival.token.is_some() {
        return None;
    }
    match arrival.path.as_str() {
        "sys/metrics" if arrival.open.metrics => Some(Exempt::Metrics),
        "sys/in-flight-req" if arrival.open.in_flight => Some(Exempt::InFlight),
        _ => None,
    }
}

/// Serves it.
pub(crate) async fn serve(vault: &Vault, route: Exempt, arrival: Arrival) -> Reply {
    let id = Uuid::new_v4().to_string();
    let answer = match answer(vault, route, arrival).await {
        Ok(answer) => answer,
        Err(fault) => Answer::Fault(fault),
    };
    Reply::new(id, answer)
}

async fn answer(vault: &Vault, route: Exempt, arrival: Arrival) -> Result<Answer, Fault> {
    match route {
        Exempt::Health => health(vault).await,
        Exempt::SealStatus => body(&vault.seal_status().await?),
        Exempt::InitStatus => {
            let initialized = vault.seal_status().await?.initialized;
            body(&serde_json::json!({ "initialized": initialized }))
        }
        Exempt::Init => init(vault, arrival.body).await,
        Exempt::Unseal => unseal(vault, arrival.body).await,
        Exempt::Leader => leader(),
        Exempt::Metrics => {
            let format = arrival.query.iter().find(|(name, _)| name == "format");
            match format.map_or("", |(_, format)| format.as_str()) {
                "prometheus" => Ok(Answer::Text(vault.prometheus().await)),
                "" => body(&vault.telemetry().await),
                _ => Err(unknown_format()),
            }
        }
        Exempt::InFlight => body(&vault.in_flight()),
    }
}

pub(crate) fn unknown_format() -> Fault {
    Fault::invalid("metric response format is none, for JSON, or prometheus")
}

async fn health(vault: &Vault) -> Result<Answer, Fault> {
    #[derive(Serialize)]
    struct Health<'a> {
        initialized: bool,
        sealed: bool,
        standby: bool,
        performance_standby: bool,
        replication_performance_mode: &'static str,
        replication_dr_mode: &'static str,
        server_time_utc: u64,
        version: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cluster_name: Option<&'a str>,
    }
    let standing = match vault.standing().await {
        // Another replica may have initialized meanwhile.
        Standing::Uninitialized if vault.seal_status().await?.initialized => Standing::Sealed,
        standing => standing,
    };
    let active = standing == Standing::Active;
    let data = Data::of(&Health {
        initialized: standing != Standing::Uninitialized,
        sealed: !active,
        standby: false,
        performance_standby: false,
        replication_performance_mode: if active { "disabled" } else { "unknown" },
        replication_dr_mode: if active { "disabled" } else { "unknown" },
        server_time_utc: vault.now().seconds(),
        version: &vault.info().version,
        cluster_name: active.then_some(vault.info().cluster_name.as_str()),
    });
    Ok(Answer::Health(
        standing,
        data.map_err(Fault::internal)?.into_bytes(),
    ))
}

/// What Vault answers without high availability, sealed or not: its client draws "HA Enabled" from it.
fn leader() -> Result<Answer, Fault> {
    body(&serde_json::json!({
        "ha_enabled": false,
        "is_self": false,
        "active_time": "0001-01-01T00:00:00Z",
        "leader_address": "",
        "leader_cluster_address": "",
        "performance_standby": false,
        "performance_standby_last_remote_wal": 0,
    }))
}

async fn init(vault: &Vault, bytes: Secret<Vec<u8>>) -> Result<Answer, Fault> {
    let request: InitRequest = checked(vault, bytes)?.parse()?;
    let Initialized {
        shares,
        recovery,
        root_token,
    } = vault.initialize(&request).await?;
    let hex: Vec<_> = shares.iter().map(shamir::to_hex).collect();
    let base64: Vec<_> = shares.iter().map(shamir::to_base64).collect();
    let (keys, keys_base64) = (texts(&hex), texts(&base64));
    let object = if recovery {
        let none = texts(&[]);
        Data::object()
            .raw("keys", none.expose())
            .raw("keys_base64", none.expose())
            .raw("recovery_keys", keys.expose())
            .raw("recovery_keys_base64", keys_base64.expose())
    } else {
        Data::object()
            .raw("keys", keys.expose())
            .raw("keys_base64", keys_base64.expose())
    };
    Ok(Answer::Body(
        object
            .text("root_token", root_token.expose())
            .finish()
            .into_bytes(),
    ))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UnsealRequest {
    key: Option<Secret<String>>,
    reset: crate::json::field::Flag,
    migrate: crate::json::field::Flag,
}

async fn unseal(vault: &Vault, bytes: Secret<Vec<u8>>) -> Result<Answer, Fault> {
    let request: UnsealRequest = checked(vault, bytes)?.parse()?;
    if request.reset.0 {
        return body(&vault.reset_unseal().await?);
    }
    let key = request.key.filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| {
        Fault::invalid("'key' must be specified in request body as JSON, or 'reset' set to true")
    })?;
    body(&vault.unseal(&key, request.migrate.0).await?)
}

fn checked(vault: &Vault, bytes: Secret<Vec<u8>>) -> Result<Body, Fault> {
    Body::checked(bytes, vault.budget()).map_err(|refusal| Fault::invalid(refusal.to_string()))
}

fn body(value: &impl Serialize) -> Result<Answer, Fault> {
    Ok(Answer::Body(
        Data::of(value).map_err(Fault::internal)?.into_bytes(),
    ))
}
