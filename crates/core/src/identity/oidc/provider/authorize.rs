//! `provider/:name/authorize`: somebody with a token of ours lets a client know who they are.

use super::answer::{Judged, Refusal, refuse};
use super::client::Sort;
use super::code::{Challenge, Grant};
use super::scope::OPENID;
use super::{client_of, code, may_log_in, redirect, settings};
use crate::fault::Fault;
use crate::identity::Identities;
use crate::identity::oidc::store::{Shelf, name};
use crate::json::Data;
use crate::json::field::Whole;
use crate::operation::Operation;
use crate::outcome::Outcome;
use crate::request::Call;
use crate::vault::Services;
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Length of a challenge (RFC 7636, section 4.2).
const CHALLENGE: std::ops::RangeInclusive<usize> = 43..=128;

/// What a client asks for, in the address or in the body.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Wanted {
    state: String,
    client_id: String,
    redirect_uri: String,
    scope: String,
    response_type: String,
    nonce: String,
    code_challenge: Option<String>,
    code_challenge_method: String,
    max_age: Option<Whole>,
    request: Option<String>,
    request_uri: Option<String>,
}

/// Names of the parameters, for the address.
pub(in super::super) const NAMES: &[&str] = &[
    "state",
    "client_id",
    "redirect_uri",
    "scope",
    "response_type",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "request",
    "request_uri",
];

impl Wanted {
    fn of(call: &Call<'_>) -> Result<Self, Fault> {
        if call.operation != Operation::Read {
            return Ok(call.body.parse()?);
        }
        let said = |name: &str| call.query.get(name).map(str::to_owned);
        let text = |name: &str| said(name).unwrap_or_default();
        let max_age = said("max_age").map(|text| text.parse().map(Whole));
        Ok(Self {
            state: text("state"),
            client_id: text("client_id"),
            redirect_uri: text("redirect_uri"),
            scope: text("scope"),
            response_type: text("response_type"),
            nonce: text("nonce"),
            code_challenge: said("code_challenge"),
            code_challenge_method: text("code_challenge_method"),
            max_age: max_age
                .transpose()
                .map_err(|_| Fault::invalid("max_age: a whole number"))?,
            request: said("request"),
            request_uri: said("request_uri"),
        })
    }
}

pub(in super::super) async fn authorize(
    engine: &Identities,
    call: Call<'_>,
) -> Result<Outcome, Fault> {
    let wanted = Wanted::of(&call)?;
    let services = engine.services()?;
    let shelf = Shelf::of(&services);
    match judge(&services, &shelf, &call, &wanted).await? {
        Err(refusal) => refusal.with_state(&wanted.state),
        Ok(code) => {
            let data = Data::object()
                .text("code", code.expose())
                .text("state", &wanted.state);
            Ok(Outcome::Bare(data.finish()))
        }
    }
}

async fn judge(
    services: &Services,
    shelf: &Shelf,
    call: &Call<'_>,
    wanted: &Wanted,
) -> Judged<Secret<String>> {
    if wanted.client_id.is_empty() {
        refuse!("invalid_client_id", "client_id parameter is required");
    }
    let Some(client) = client_of(shelf, &wanted.client_id).await? else {
        refuse!("invalid_client_id", "client with client_id not found");
    };
    if !client.authorization_code {
        refuse!(
            "invalid_grant",
            "client not allowed to perform authorization code credential flow"
        );
    }
    if wanted.redirect_uri.is_empty() {
        refuse!("invalid_request", "redirect_uri parameter is required");
    }
    if !redirect::allowed(&wanted.redirect_uri, &client.redirect_uris) {
        refuse!(
            "invalid_redirect_uri",
            "redirect_uri is not allowed for the client"
        );
    }
    let called = name(call)?;
    let Some(provider) = settings::load(shelf, called).await? else {
        refuse!("invalid_request", "provider not found");
    };
    if !provider.allows(&client.client_id) {
        refuse!(
            "unauthorized_client",
            "client is not authorized to use the provider"
        );
    }
    if wanted.request.is_some() {
        refuse!(
            "request_not_supported",
            "request parameter is not supported"
        );
    }
    if wanted.request_uri.is_some() {
        refuse!(
            "request_uri_not_supported",
            "request_uri parameter is not supported"
        );
    }
    let asked: BTreeSet<_> = wanted.scope.split(' ').collect();
    if !asked.contains(OPENID) {
        refuse!(
            "invalid_request",
            "scope parameter must contain the \"openid\" value"
        );
    }
    match wanted.response_type.as_str() {
        "code" => {}
        "" => refuse!("invalid_request", "response_type parameter is required"),
        _ => refuse!(
            "unsupported_response_type",
            "unsupported response_type value"
        ),
    }
    let token = call.caller.token();
    let Some(token) = token.filter(|token| !token.entity_id.is_empty()) else {
        refuse!(
            "access_denied",
            "identity entity must be associated with the request"
        );
    };
    let standing = services.identity.standing(&token.entity_id).await?;
    let Some(subject) = standing.subject.filter(|_| standing.live) else {
        refuse!(
            "access_denied",
            "identity entity associated with the request not found"
        );
    };
    if !may_log_in(shelf, &client, &subject).await? {
        refuse!(
            "access_denied",
            "identity entity not authorized by client assignment"
        );
    }
    let challenge = match challenge(wanted, client.sort) {
        Ok(challenge) => challenge,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut auth_time = None;
    if let Some(Whole(most)) = wanted.max_age {
        let age = call.now.since(token.created).as_secs();
        match u64::try_from(most) {
            Ok(most) if most > 0 && age > most => refuse!(
                "max_age_violation",
                "active re-authentication is required by max_age"
            ),
            Ok(most) if most > 0 => auth_time = Some(token.created.seconds()),
            _ => refuse!("invalid_request", "max_age must be greater than zero"),
        }
    }
    let scopes = provider.scopes_supported.iter();
    let grant = Grant {
        provider: called.to_owned(),
        client_id: client.client_id,
        entity_id: subject.entity.id,
        redirect_uri: wanted.redirect_uri.clone(),
        nonce: wanted.nonce.clone(),
        scopes: scopes
            .filter(|scope| asked.contains(scope.as_str()))
            .cloned()
            .collect(),
        challenge,
        auth_time,
        expires: code::end(call.now),
    };
    Ok(Ok(code::give(shelf, &grant).await?))
}

fn challenge(wanted: &Wanted, sort: Sort) -> Result<Option<Challenge>, Refusal> {
    let refuse = |why| Refusal::new("invalid_request", why);
    let Some(value) = &wanted.code_challenge else {
        return match sort {
            Sort::Public => Err(refuse("PKCE is required for public clients")),
            Sort::Confidential => Ok(None),
        };
    };
    let hashed = match wanted.code_challenge_method.as_str() {
        "S256" => true,
        "plain" | "" => false,
        _ => return Err(refuse("invalid code_challenge_method")),
    };
    if !CHALLENGE.contains(&value.len()) {
        return Err(refuse("invalid code_challenge"));
    }
    Ok(Some(Challenge {
        value: value.clone(),
        hashed,
    }))
}
