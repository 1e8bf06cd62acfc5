//! `sys/config/cors` and `sys/config/auditing/request-headers`: settings that every request meets.
//! What they mean is in [`crate::settings`].

use super::System;
use crate::engine::{Access, Route};
use crate::fault::Fault;
use crate::json::field::Words;
use crate::operation::Verb::{Delete, Read, Write};
use crate::outcome::Outcome;
use crate::record::encode;
use crate::request::Call;
use crate::settings::{self, Cors, stored};
use crate::vault::Services;
use cofferdam_barrier::{Batch, Commit};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) const CORS: Route<System> = Route::new(
    "config/cors",
    &[
        (Read, |e, _| Box::pin(read_cors(e))),
        (Write, |e, c| Box::pin(write_cors(e, c))),
        (Delete, |e, _| Box::pin(delete_cors(e))),
    ],
)
.takes::<WantedCors>()
.lifted()
.access(Access::Sudo);
pub(super) const HEADERS: Route<System> = Route::new(
    "config/auditing/request-headers",
    &[(Read, |e, _| Box::pin(list_headers(e)))],
)
.lifted()
.access(Access::Sudo);
pub(super) const HEADER: Route<System> = Route::new(
    "config/auditing/request-headers/:header",
    &[
        (Read, |e, c| Box::pin(read_header(e, c))),
        (Write, |e, c| Box::pin(write_header(e, c))),
        (Delete, |e, c| Box::pin(delete_header(e, c))),
    ],
)
.takes::<WantedHeader>()
.lifted()
.access(Access::Sudo);

/// Headers at most: each is looked for in every request.
const MOST: usize = 64;

/// Commits, and returns when it is in force.
pub(super) async fn commit(services: &Services, batch: Batch) -> Result<bool, Fault> {
    match services.barrier().commit(batch).await? {
        Commit::Done(_) => services.registry.fresh().await.map(|_| true),
        _ => Ok(false),
    }
}

async fn read_cors(engine: &System) -> Result<Outcome, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        enabled: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        allowed_origins: Option<&'a [String]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        allowed_headers: Option<Vec<&'a str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        allow_credentials: Option<bool>,
    }
    let tables = engine.services()?.registry.fresh().await?;
    let cors = tables.settings().cors();
    Outcome::data(&Shape {
        enabled: cors.is_some(),
        allowed_origins: cors.map(|cors| cors.origins.as_slice()),
        allowed_headers: cors.map(|cors| cors.headers().collect()),
        allow_credentials: cors.map(Cors::credentials),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WantedCors {
    allowed_origins: Words,
    allowed_headers: Words,
    allow_credentials: crate::json::field::Flag,
}

async fn write_cors(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: WantedCors = call.body.parse()?;
    let origins = wanted.allowed_origins.0;
    if origins.is_empty() {
        return Err(Fault::invalid(
            "at least one origin or the wildcard must be provided",
        ));
    }
    if origins.len() > 1 && origins.iter().any(|origin| origin == "*") {
        return Err(Fault::invalid(
            "to allow all origins the '*' must be the only value for allowed_origins",
        ));
    }
    let credentials = wanted.allow_credentials.0;
    if credentials && origins.iter().any(|origin| origin == "*") {
        return Err(Fault::invalid(
            "allow_credentials needs origins by name: with '*' every page could act for its visitor",
        ));
    }
    let plain = |text: &String| text.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    let headers = wanted.allowed_headers.0;
    if !origins.iter().chain(&headers).all(plain) {
        return Err(Fault::invalid(
            "origins and headers are of visible ASCII characters",
        ));
    }
    let headers = headers
        .into_iter()
        .filter(|header| {
            let known = |always: &&str| always.eq_ignore_ascii_case(header);
            !settings::cors::ALWAYS.iter().any(known)
        })
        .collect();
    let cors = Cors {
        origins,
        headers,
        credentials,
    };
    let batch = Batch::new().put(settings::CORS, encode(&cors)?);
    commit(&*engine.services()?, batch).await?;
    Ok(Outcome::Done)
}

async fn delete_cors(engine: &System) -> Result<Outcome, Fault> {
    commit(&*engine.services()?, Batch::new().delete(settings::CORS)).await?;
    Ok(Outcome::Done)
}

async fn list_headers(engine: &System) -> Result<Outcome, Fault> {
    let tables = engine.services()?.registry.fresh().await?;
    let all: BTreeMap<_, _> = tables
        .settings()
        .headers()
        .iter()
        .map(|(name, hashed)| (name, json!({"hmac": hashed})))
        .collect();
    Outcome::data(&json!({"headers": all}))
}

/// The name as it is compared: header names have no case.
fn header(call: &Call<'_>) -> Result<String, Fault> {
    let name = call.capture("header").to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(token) {
        return Err(Fault::invalid("this is no name of an HTTP header"));
    }
    Ok(name)
}

async fn read_header(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = header(&call)?;
    let tables = engine.services()?.registry.fresh().await?;
    let hashed = tables.settings().headers().get(&name);
    let hashed = hashed.ok_or_else(|| Fault::invalid("Could not find header in config"))?;
    // By the name it was asked for.
    let asked = call.capture("header");
    Outcome::data(&BTreeMap::from([(asked, json!({"hmac": hashed}))]))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WantedHeader {
    hmac: crate::json::field::Flag,
}

async fn write_header(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = header(&call)?;
    // These are credentials: in the clear they would be in every log of every request.
    if matches!(
        name.as_str(),
        "x-vault-token" | "authorization" | "cookie" | "x-vault-unseal-key"
    ) {
        return Err(Fault::invalid(
            "this header carries credentials and is never in audit records",
        ));
    }
    let wanted: WantedHeader = call.body.parse()?;
    change_headers(engine, |headers| {
        headers.insert(name.clone(), wanted.hmac.0);
    })
    .await
}

async fn delete_header(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = header(&call)?;
    change_headers(engine, |headers| {
        headers.remove(&name);
    })
    .await
}

async fn change_headers(
    engine: &System,
    change: impl Fn(&mut BTreeMap<String, bool>),
) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    for _ in 0..32 {
        let found = services.barrier().get(settings::HEADERS).await?;
        let revision = found.map(|found| found.revision);
        let mut headers: BTreeMap<String, bool> = stored(services.barrier(), settings::HEADERS)
            .await?
            .unwrap_or_default();
        change(&mut headers);
        if headers.len() > MOST {
            return Err(Fault::invalid("at most 64 headers are recorded"));
        }
        let batch = Batch::new()
            .expect(settings::HEADERS, revision)
            .put(settings::HEADERS, encode(&headers)?);
        if commit(&services, batch).await? {
            return Ok(Outcome::Done);
        }
    }
    Err(Fault::unavailable(
        "too many changes at once; try again",
        "lost every round of a contest",
    ))
}
