//! The server about itself: `sys/host-info`, `sys/config/state/sanitized`, `sys/in-flight-req`,
//! `sys/metrics`, `sys/replication/status`, `sys/version-history` and `sys/internal/counters`.

use super::System;
use crate::engine::{Access, Route};
use crate::fault::Fault;
use crate::json::Data;
use crate::operation::Verb::{List, Read};
use crate::outcome::Outcome;
use crate::pipeline::exempt::unknown_format;
use crate::request::Call;
use crate::vault::versions;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

pub(super) const HOST_INFO: Route<System> =
    Route::new("host-info", &[(Read, |e, c| Box::pin(host_info(e, c)))]).access(Access::Sudo);
pub(super) const CONFIGURATION: Route<System> = Route::new(
    "config/state/sanitized",
    &[(Read, |e, _| Box::pin(configuration(e)))],
)
.access(Access::Sudo);
pub(super) const IN_FLIGHT: Route<System> =
    Route::new("in-flight-req", &[(Read, |e, _| Box::pin(in_flight(e)))]).access(Access::Sudo);
pub(super) const METRICS: Route<System> =
    Route::new("metrics", &[(Read, |e, c| Box::pin(metrics(e, c)))]).asks(&["format"]);
/// From Vault's API, where nobody needs a token for it; `sys/health` says the same.
pub(super) const REPLICATION: Route<System> = Route::new(
    "replication/status",
    &[(Read, |_, _| Box::pin(replication()))],
)
.access(Access::Known);
pub(super) const VERSIONS: Route<System> = Route::new(
    "version-history",
    &[(List, |e, _| Box::pin(version_history(e)))],
);
pub(super) const TOKENS: Route<System> = Route::new(
    "internal/counters/tokens",
    &[(Read, |e, _| Box::pin(tokens(e)))],
);

pub(super) const ENTITIES: Route<System> = Route::new(
    "internal/counters/entities",
    &[(Read, |e, _| Box::pin(entities(e)))],
);

/// Reading about processors and disks may wait for the kernel: not on a thread that serves.
async fn host_info(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let host = engine.services()?.host.clone();
    let machine = tokio::task::spawn_blocking(move || host.machine()).await;
    let mut machine = machine.map_err(Fault::internal)?;
    if let Some(fields) = machine.as_object_mut() {
        fields.insert("timestamp".to_owned(), json!(call.now.rfc3339()));
    }
    Outcome::data(&machine)
}

async fn configuration(engine: &System) -> Result<Outcome, Fault> {
    Outcome::data(&engine.services()?.host.configuration())
}

/// What is under way, this request included, outside of the usual envelope.
async fn in_flight(engine: &System) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let data = Data::of(&services.under_way.shown()).map_err(Fault::internal)?;
    Ok(Outcome::Bare(data))
}

async fn metrics(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    match call.query.get("format").unwrap_or_default() {
        "prometheus" => Ok(Outcome::Text(services.prometheus().await)),
        "" => {
            let data = Data::of(&services.telemetry().await).map_err(Fault::internal)?;
            Ok(Outcome::Bare(data))
        }
        _ => Err(unknown_format()),
    }
}

/// Replicas are equal and share a store: none replicates another.
async fn replication() -> Result<Outcome, Fault> {
    let none = json!({"mode": "disabled"});
    Outcome::data(&json!({"mode": "disabled", "dr": none, "performance": none}))
}

async fn version_history(engine: &System) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Info<'a> {
        commit_date: &'static str,
        previous_version: Option<&'a str>,
        timestamp_installed: String,
    }
    #[derive(Serialize)]
    struct Shape<'a> {
        key_info: BTreeMap<&'a str, Info<'a>>,
        keys: Vec<&'a str>,
    }
    let all = versions::all(engine.services()?.barrier()).await?;
    let mut previous = None;
    let mut shape = Shape {
        key_info: BTreeMap::new(),
        keys: Vec::new(),
    };
    for installed in &all {
        let info = Info {
            // Not told: it would make builds differ.
            commit_date: "",
            previous_version: previous,
            timestamp_installed: installed.at.rfc3339(),
        };
        shape.key_info.insert(&installed.version, info);
        shape.keys.push(&installed.version);
        previous = Some(&installed.version);
    }
    Outcome::data(&shape)
}

async fn tokens(engine: &System) -> Result<Outcome, Fault> {
    let total = engine.services()?.tokens.count().await?;
    Outcome::data(&json!({"counters": {"service_tokens": {"total": total}}}))
}

async fn entities(engine: &System) -> Result<Outcome, Fault> {
    let total = engine.services()?.identity.count().await?;
    Outcome::data(&json!({"counters": {"entities": {"total": total}}}))
}
