//! `provider/:name/userinfo`: what a client may know of who logged in, for the access token.

use super::access::Access;
use super::answer::{Judged, refuse};
use super::{claims, client_of, may_log_in, settings};
use crate::fault::Fault;
use crate::identity::Identities;
use crate::identity::oidc::store::{Shelf, name};
use crate::outcome::Outcome;
use crate::request::Call;
use crate::vault::Services;
use serde_json::{Map, Value, json};

pub(in super::super) async fn userinfo(
    engine: &Identities,
    call: Call<'_>,
) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    match judge(&services, &call).await? {
        Ok(claims) => Outcome::bare(&claims),
        Err(refusal) => {
            let forbidden = refusal.error == "access_denied";
            refusal.outcome(forbidden.then_some(403))
        }
    }
}

async fn judge(services: &Services, call: &Call<'_>) -> Judged<Map<String, Value>> {
    let (shelf, called) = (Shelf::of(services), name(call)?);
    let Some(provider) = settings::load(&shelf, called).await? else {
        refuse!("invalid_request", "provider not found");
    };
    let Some(token) = call.presented else {
        refuse!(
            "invalid_token",
            "access token must be sent as a Bearer token"
        );
    };
    let access = Access::open(&shelf, token, call.now).await?;
    let Some(access) = access.filter(|access| access.provider == called) else {
        refuse!(
            "invalid_token",
            "access token is malformed, invalid or expired"
        );
    };
    let Some(client) = client_of(&shelf, &access.client_id).await? else {
        refuse!("access_denied", "client not found");
    };
    let standing = services.identity.standing(&access.entity_id).await?;
    let Some(subject) = standing.subject.filter(|_| standing.live) else {
        refuse!(
            "access_denied",
            "identity entity associated with the request not found"
        );
    };
    if !may_log_in(&shelf, &client, &subject).await? {
        refuse!(
            "access_denied",
            "identity entity not authorized by client assignment"
        );
    }
    if !provider.allows(&client.client_id) {
        refuse!(
            "access_denied",
            "client is not authorized to use the provider"
        );
    }
    let scopes = access.scopes.into_iter();
    let scopes: Vec<_> = scopes
        .filter(|scope| provider.scopes_supported.contains(scope))
        .collect();
    let Ok(mut told) = claims(&shelf, &scopes, &subject, call.now).await? else {
        refuse!(
            "invalid_request",
            "found scopes with conflicting top-level claims"
        );
    };
    told.insert("sub".to_owned(), json!(subject.entity.id));
    Ok(Ok(told))
}
