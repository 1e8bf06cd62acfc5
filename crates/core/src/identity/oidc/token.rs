//! `identity/oidc/token/:name`: a token about the entity of whoever asks, as a role says.

use super::store::{Shelf, name};
use super::template::{RESERVED, Template};
use super::{config, key, role};
use crate::fault::Fault;
use crate::identity::Identities;
use crate::json::Data;
use crate::outcome::{Outcome, Response};
use crate::request::Call;
use serde_json::{Map, Value, json};

pub(super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let shelf = Shelf::of(&services);
    let found = role::load(&shelf, name(&call)?).await?;
    let role = found
        .ok_or_else(|| Fault::invalid("role not found"))?
        .record;
    let found = key::load(&shelf, &role.key, call.now).await?;
    let (key, _) = found.ok_or_else(|| Fault::invalid("key of the role not found"))?;
    if !key.allows(&role.client_id) {
        return Err(Fault::invalid(
            "the key of the role does not list the client ID of the role as an allowed client ID",
        ));
    }
    let holder = call.caller.token().map(|entry| entry.entity_id.as_str());
    let holder = holder.filter(|id| !id.is_empty());
    let holder =
        holder.ok_or_else(|| Fault::invalid("no entity associated with the request's token"))?;
    let standing = services.identity.standing(holder).await?;
    let Some(subject) = standing.subject.filter(|_| standing.live) else {
        return Err(Fault::denied().noting("the entity is disabled or gone"));
    };
    let pairs = key.pairs.as_ref();
    let pairs = pairs.ok_or_else(|| Fault::invalid("the key has never been used: rotate it"))?;
    let now = call.now.seconds();
    let lifetime = role.ttl.min(key.verification_ttl);
    let mut claims: Map<String, Value> = Map::from_iter([
        ("aud".to_owned(), json!(role.client_id)),
        ("exp".to_owned(), json!(now.saturating_add(lifetime))),
        ("iat".to_owned(), json!(now)),
        (
            "iss".to_owned(),
            json!(config::issuer(&services, &shelf).await?),
        ),
        ("namespace".to_owned(), json!("root")),
        ("sub".to_owned(), json!(subject.entity.id)),
    ]);
    let template = Template::stored(&role.template)?;
    let added = template.fill(&subject, call.now).into_iter();
    claims.extend(added.filter(|(name, _)| !RESERVED.contains(&name.as_str())));
    let token = pairs.signing.sign(&claims)?;
    let data = Data::object()
        .text("client_id", &role.client_id)
        .text("token", token.expose())
        .value("ttl", &role.ttl)
        .map_err(Fault::internal)?;
    Ok(Outcome::Data(Response::of(data.finish())))
}
