//! `identity/oidc/scope`: what a client is told of somebody who agrees to it.

use super::settings::Provider;
use crate::fault::Fault;
use crate::identity::Identities;
use crate::identity::oidc::store::{PROVIDERS, SCOPES, Shelf, name};
use crate::identity::oidc::template::{Template, decoded};
use crate::outcome::Outcome;
use crate::record::encode;
use crate::request::Call;
use cofferdam_barrier::Batch;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The scope that says that this is OpenID Connect; it is always there and tells nothing.
pub(super) const OPENID: &str = "openid";

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Scope {
    pub(super) template: String,
    description: String,
}

pub(in super::super) async fn exists(engine: &Identities, call: &Call<'_>) -> Result<bool, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{SCOPES}{}", call.capture("name"));
    Ok(shelf.get::<Scope>(&at).await?.is_some())
}

pub(in super::super) async fn list(engine: &Identities) -> Result<Outcome, Fault> {
    Outcome::keys(&Shelf::of(&*engine.services()?).names(SCOPES).await?)
}

pub(in super::super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{SCOPES}{}", name(&call)?);
    let found = shelf.get::<Scope>(&at).await?;
    let scope = found.ok_or_else(Fault::missing)?.record;
    Outcome::data(&json!({"description": scope.description, "template": scope.template}))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Wanted {
    template: Option<String>,
    description: Option<String>,
}

pub(in super::super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let name = name(&call)?;
    if name == OPENID {
        return Err(Fault::invalid("the \"openid\" scope name is reserved"));
    }
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{SCOPES}{name}");
    shelf
        .change(|| async {
            let old = shelf.get::<Scope>(&at).await?;
            let revision = old.as_ref().map(|old| old.revision);
            let mut record = old.map(|old| old.record).unwrap_or_default();
            if let Some(template) = &wanted.template {
                record.template = decoded(template);
            }
            if let Some(description) = &wanted.description {
                record.description.clone_from(description);
            }
            Template::parse(&record.template).map_err(|bad| Fault::invalid(bad.text()))?;
            let batch = Batch::new().expect(at.clone(), revision);
            Ok(Some((
                batch.put(at.clone(), encode(&record)?),
                Outcome::Done,
            )))
        })
        .await
}

pub(in super::super) async fn delete(
    engine: &Identities,
    call: Call<'_>,
) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    let shelf = Shelf::of(&*engine.services()?);
    shelf
        .change(|| async {
            let refers =
                |provider: &Provider| provider.scopes_supported.iter().any(|one| one == name);
            shelf
                .unreferenced("scope", (PROVIDERS, "providers"), refers)
                .await?;
            Ok(Some((
                Batch::new().delete(format!("{SCOPES}{name}")),
                Outcome::Done,
            )))
        })
        .await
}
