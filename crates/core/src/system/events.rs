//! `sys/events/subscribe/TYPE`: being told of changes, in the shape of Vault's event notifications.

use super::System;
use crate::events::{Subscription, Wanted};
use crate::fault::Fault;
use crate::outcome::Outcome;
use crate::path::Path;
use crate::request::Call;

pub(super) async fn subscribe(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let pattern = call.capture("type");
    if !matches!(
        call.query.get("json"),
        Some("true" | "1" | "t" | "T" | "TRUE" | "True")
    ) {
        return Err(Fault::unsupported(
            "events are served as JSON only; add json=true",
        ));
    }
    if call
        .query
        .get("namespaces")
        .is_some_and(|text| !text.is_empty())
    {
        return Err(Fault::unsupported(
            "namespaces are not served; leave the parameter namespaces away",
        ));
    }
    let wanted = Wanted::parse(pattern, call.query.get("filter").unwrap_or_default())?;
    let place = Path::parse(&format!("{}/{}", call.mount.path, call.path.as_str()))
        .map_err(Fault::internal)?;
    let services = engine.services()?;
    let opened = Subscription::open(&services, call.caller.clone(), call.now, place, wanted);
    Ok(Outcome::Stream(Box::new(opened.await?)))
}
