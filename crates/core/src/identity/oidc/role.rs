//! `identity/oidc/role`: what stands in a token, and which key signs it.

use super::key;
use super::store::{Kept, ROLES, Shelf, name};
use super::template::{Template, decoded};
use crate::fault::Fault;
use crate::identity::Identities;
use crate::json::field::Ttl;
use crate::outcome::Outcome;
use crate::record::encode;
use crate::request::Call;
use cofferdam_barrier::Batch;
use serde::{Deserialize, Serialize};
use serde_json::json;

const DAY: u64 = 24 * 60 * 60;
/// Length of a client id that nobody has chosen.
const CLIENT_ID: usize = 26;
const OUTLIVES: &str =
    "a role's token ttl cannot be longer than the verification_ttl of the key it references";

/// A role.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) key: String,
    pub(super) template: String,
    pub(super) client_id: String,
    /// Seconds.
    pub(super) ttl: u64,
}

pub(super) async fn load(shelf: &Shelf, name: &str) -> Result<Option<Kept<Role>>, Fault> {
    shelf.get(&format!("{ROLES}{name}")).await
}

pub(super) async fn exists(engine: &Identities, call: &Call<'_>) -> Result<bool, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    Ok(load(&shelf, call.capture("name")).await?.is_some())
}

pub(super) async fn list(engine: &Identities) -> Result<Outcome, Fault> {
    Outcome::keys(&Shelf::of(&*engine.services()?).names(ROLES).await?)
}

pub(super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    let found = load(&shelf, name(&call)?).await?;
    let role = found.ok_or_else(Fault::missing)?.record;
    Outcome::data(&json!({
        "client_id": role.client_id,
        "key": role.key,
        "template": role.template,
        "ttl": role.ttl,
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    key: Option<String>,
    template: Option<String>,
    client_id: Option<String>,
    ttl: Option<Ttl>,
}

pub(super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let (name, now) = (name(&call)?, call.now);
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{ROLES}{name}");
    shelf
        .change(|| async {
            let old = load(&shelf, name).await?;
            let revision = old.as_ref().map(|old| old.revision);
            let role = settle(old.map(|old| old.record), &wanted)?;
            let found = key::load(&shelf, &role.key, now).await?;
            let key =
                found.ok_or_else(|| Fault::invalid("cannot find the key that the role names"))?;
            if role.ttl > key.0.verification_ttl {
                return Err(Fault::invalid(OUTLIVES));
            }
            let batch = Batch::new()
                .expect(at.clone(), revision)
                .put(at.clone(), encode(&role)?);
            let batch = key::ready(batch, &role.key, key, now).await?;
            Ok(Some((batch, Outcome::Done)))
        })
        .await
}

fn settle(old: Option<Role>, wanted: &Wanted) -> Result<Role, Fault> {
    let mut role = old.unwrap_or_else(|| Role {
        key: String::new(),
        template: String::new(),
        client_id: String::new(),
        ttl: DAY,
    });
    if let Some(key) = &wanted.key {
        role.key.clone_from(key);
    }
    if role.key.is_empty() {
        return Err(Fault::invalid("the key parameter is required"));
    }
    if let Some(template) = &wanted.template {
        role.template = decoded(template);
    }
    Template::parse(&role.template).map_err(|bad| Fault::invalid(bad.text()))?;
    if let Some(ttl) = wanted.ttl {
        role.ttl = ttl.seconds();
    }
    if let Some(client_id) = &wanted.client_id {
        role.client_id.clone_from(client_id);
    }
    if role.client_id.is_empty() {
        let id = cofferdam_secret::random_base62(CLIENT_ID).map_err(Fault::internal)?;
        // A name, not a secret: it stands in every token.
        role.client_id.clone_from(id.expose());
    }
    Ok(role)
}

pub(super) async fn delete(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let name = name(&call)?;
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{ROLES}{name}");
    shelf
        .change(|| async {
            let found = load(&shelf, name).await?;
            Ok(found.map(|kept| {
                let batch = Batch::new().expect_at(at.clone(), kept.revision);
                (batch.delete(at.clone()), Outcome::Done)
            }))
        })
        .await
}
