//! `identity/oidc/config`: by what address tokens name their issuer.

use super::store::Shelf;
use crate::fault::Fault;
use crate::identity::Identities;
use crate::json::Data;
use crate::outcome::{Outcome, Response};
use crate::record::encode;
use crate::request::Call;
use crate::vault::Services;
use cofferdam_barrier::Batch;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const KEY: &str = "config";
/// What is told whoever sets an issuer.
const EXPLICIT: &str = "with \"issuer\" set, tokens are checked against that address; empty, it is the server's api_addr";
/// Below the address of the server.
pub(super) const PATH: &str = "/v1/identity/oidc";

#[derive(Default, Serialize, Deserialize)]
struct Config {
    /// Empty: the server's own address.
    issuer: String,
}

/// The issuer of tokens: what is set, or else where the server says it is.
pub(super) async fn issuer(services: &Services, shelf: &Shelf) -> Result<String, Fault> {
    let config = load(shelf).await?;
    let base = base(services, config.issuer);
    Ok(format!("{base}{PATH}"))
}

/// What stands before [`PATH`] where this is set.
pub(super) fn base(services: &Services, issuer: String) -> String {
    if issuer.is_empty() {
        own_address(services)
    } else {
        issuer
    }
}

fn own_address(services: &Services) -> String {
    let settings = services.host.configuration();
    let address = settings.get("api_addr").and_then(Value::as_str);
    address.unwrap_or_default().trim_end_matches('/').to_owned()
}

async fn load(shelf: &Shelf) -> Result<Config, Fault> {
    let kept = shelf.get::<Config>(KEY).await?;
    Ok(kept.map(|kept| kept.record).unwrap_or_default())
}

pub(super) async fn read(engine: &Identities) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let config = load(&Shelf::of(&services)).await?;
    let nowhere = config.issuer.is_empty() && own_address(&services).is_empty();
    let data = Data::of(&json!({ "issuer": config.issuer })).map_err(Fault::internal)?;
    let warnings = nowhere.then(|| {
        "\"issuer\" and the server's api_addr are both empty: nobody can find the keys by the issuer of a token"
            .to_owned()
    });
    Ok(Outcome::Data(
        Response::of(data).warning(warnings.into_iter().collect()),
    ))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    issuer: Option<String>,
}

pub(super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let Wanted { issuer } = call.body.parse()?;
    let Some(issuer) = issuer else {
        return Ok(Outcome::Done);
    };
    checked(&issuer)?;
    let shelf = Shelf::of(&*engine.services()?);
    let config = Config { issuer };
    let batch = Batch::new().put(KEY, encode(&config)?);
    shelf.0.commit(batch).await?.ignore();
    told(&config.issuer)
}

/// An issuer as somebody sets it: an origin, or nothing.
pub(super) fn checked(issuer: &str) -> Result<(), Fault> {
    if issuer.is_empty() || is_origin(issuer) {
        return Ok(());
    }
    Err(Fault::invalid(
        "invalid issuer, which must include only a scheme, host, and optional port (e.g. https://example.com:8200)",
    ))
}

/// The answer to who has set an issuer.
pub(super) fn told(issuer: &str) -> Result<Outcome, Fault> {
    if issuer.is_empty() {
        return Ok(Outcome::Done);
    }
    // OpenBao answers a warning without data, which its clients show.
    let data = Data::of(&json!({})).map_err(Fault::internal)?;
    Ok(Outcome::Data(
        Response::of(data).warning(vec![EXPLICIT.to_owned()]),
    ))
}

/// Scheme, host and perhaps a port, and nothing else.
pub(super) fn is_origin(text: &str) -> bool {
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let Some(host) = host else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.contains(']');
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !bracketed || name.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let name_fits = !name.is_empty()
        && name.chars().all(|c| {
            c.is_ascii_alphanumeric() || "-._".contains(c) || (bracketed && "[]:".contains(c))
        });
    name_fits && port.is_none_or(|port| port.parse::<u16>().is_ok())
}
