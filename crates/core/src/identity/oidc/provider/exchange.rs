//! `provider/:name/token`: a client shows who it is and a code, and gets tokens.

use super::access::Access;
use super::answer::{Judged, refuse};
use super::client::{Client, Sort};
use super::code::{Challenge, Grant};
use super::settings::Provider;
use super::{claims, client_of, code, may_log_in, settings};
use crate::clock::Time;
use crate::fault::Fault;
use crate::identity::Identities;
use crate::identity::oidc::key::{self, NamedKey};
use crate::identity::oidc::signing::Algorithm;
use crate::identity::oidc::store::{Shelf, name};
use crate::identity::oidc::template::RESERVED;
use crate::identity::store::Subject;
use crate::json::Data;
use crate::json::field::Text;
use crate::outcome::Outcome;
use crate::request::Call;
use crate::vault::Services;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_secret::{Secret, constant_time_eq};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use std::time::Duration;

/// What a client sends. Its secret stands in the header or here (`server` reads both).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Wanted {
    grant_type: String,
    code: Text,
    redirect_uri: String,
    code_verifier: Text,
    client_id: String,
    client_secret: Text,
}

pub(in super::super) async fn exchange(
    engine: &Identities,
    call: Call<'_>,
) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let services = engine.services()?;
    match judge(&services, &call, &wanted).await? {
        Err(refusal) => refusal.outcome(None),
        Ok(data) => Ok(Outcome::Bare(data)),
    }
}

async fn judge(services: &Services, call: &Call<'_>, wanted: &Wanted) -> Judged<Data> {
    let (shelf, called, now) = (Shelf::of(services), name(call)?, call.now);
    let Some(provider) = settings::load(&shelf, called).await? else {
        refuse!("invalid_request", "provider not found");
    };
    if wanted.client_id.is_empty() {
        refuse!("invalid_request", "client_id parameter is required");
    }
    let client = client_of(&shelf, &wanted.client_id).await?;
    let Some(client) = client.filter(|client| client.proves(&wanted.client_secret.0)) else {
        refuse!("invalid_client", "client failed to authenticate");
    };
    if !provider.allows(&client.client_id) {
        refuse!(
            "invalid_client",
            "client is not authorized to use the provider"
        );
    }
    let Some((key, _)) = key::load(&shelf, &client.key, now).await? else {
        return Err(Fault::internal("a client's key is gone"));
    };
    if !key.allows(&client.client_id) {
        refuse!("invalid_client", "client is not authorized to use the key");
    }
    if wanted.grant_type != "authorization_code" {
        refuse!(
            "unsupported_grant_type",
            "unsupported grant_type or parameter is empty value"
        );
    }
    if !client.authorization_code {
        refuse!(
            "invalid_grant",
            "client is not authorized to use given credentials flow"
        );
    }
    if wanted.code.is_empty() {
        refuse!("invalid_request", "code parameter is required");
    }
    // From here on the code is spent, whatever else is wrong.
    let Some(grant) = code::take(&shelf, &wanted.code.0, now).await? else {
        refuse!("invalid_grant", "authorization grant is invalid or expired");
    };
    let subject = match agreed(services, &shelf, wanted, &client, called, &grant).await? {
        Ok(subject) => subject,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let told = match claims(&shelf, &grant.scopes, &subject, now).await? {
        Ok(told) => told,
        Err(_) => refuse!(
            "invalid_request",
            "found scopes with conflicting top-level claims"
        ),
    };
    let issued = Issue {
        issuer: Provider::called(&provider, services, called),
        client: &client,
        key: &key,
        now,
    };
    Ok(Ok(issued
        .tokens(&shelf, &wanted.code.0, &grant, told)
        .await?))
}

/// Whether the code is for this client, this provider, this address and this verifier, and whoever
/// agreed may still log in there.
async fn agreed(
    services: &Services,
    shelf: &Shelf,
    wanted: &Wanted,
    client: &Client,
    provider: &str,
    grant: &Grant,
) -> Judged<Subject> {
    if grant.client_id != client.client_id {
        refuse!(
            "invalid_grant",
            "authorization code was not issued to the client"
        );
    }
    if grant.provider != provider {
        refuse!(
            "invalid_grant",
            "authorization code was not issued by the provider"
        );
    }
    if wanted.redirect_uri.is_empty() {
        refuse!("invalid_request", "redirect_uri parameter is required");
    }
    if grant.redirect_uri != wanted.redirect_uri {
        refuse!(
            "invalid_grant",
            "redirect_uri does not match the redirect_uri used in the authorization request"
        );
    }
    let standing = services.identity.standing(&grant.entity_id).await?;
    let Some(subject) = standing.subject.filter(|_| standing.live) else {
        refuse!(
            "invalid_request",
            "identity entity associated with the request not found"
        );
    };
    if !may_log_in(shelf, client, &subject).await? {
        refuse!(
            "invalid_request",
            "identity entity not authorized by client assignment"
        );
    }
    match (&grant.challenge, wanted.code_verifier.is_empty()) {
        (None, _) if client.sort == Sort::Public => {
            refuse!("invalid_request", "PKCE is required for public clients")
        }
        (None, true) => {}
        (None, false) => refuse!(
            "invalid_request",
            "unexpected code_verifier for token exchange"
        ),
        (Some(_), true) => refuse!(
            "invalid_request",
            "expected code_verifier for token exchange"
        ),
        (Some(challenge), false) if !answers(challenge, &wanted.code_verifier.0) => {
            refuse!("invalid_grant", "invalid code_verifier for token exchange")
        }
        (Some(_), false) => {}
    }
    Ok(Ok(subject))
}

/// RFC 7636, section 4.6.
pub(super) fn answers(challenge: &Challenge, verifier: &Secret<String>) -> bool {
    let verifier = verifier.expose().as_bytes();
    let expected = challenge.value.as_bytes();
    if challenge.hashed {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        constant_time_eq(hash.as_bytes(), expected)
    } else {
        constant_time_eq(verifier, expected)
    }
}

struct Issue<'a> {
    issuer: String,
    client: &'a Client,
    key: &'a NamedKey,
    now: Time,
}

impl Issue<'_> {
    async fn tokens(
        &self,
        shelf: &Shelf,
        code: &Secret<String>,
        grant: &Grant,
        told: Map<String, Value>,
    ) -> Result<Data, Fault> {
        let access = Access {
            provider: grant.provider.clone(),
            client_id: grant.client_id.clone(),
            entity_id: grant.entity_id.clone(),
            scopes: grant.scopes.clone(),
            expires: self
                .now
                .after(Duration::from_secs(self.client.access_token_ttl)),
        };
        let access = access.seal(shelf).await?;
        let now = self.now.seconds();
        let end = now.saturating_add(self.client.id_token_ttl);
        let algorithm = self.key.algorithm;
        let mut claims = Map::from_iter([
            ("aud".to_owned(), json!(grant.client_id)),
            ("exp".to_owned(), json!(end)),
            ("iat".to_owned(), json!(now)),
            ("iss".to_owned(), json!(self.issuer)),
            ("namespace".to_owned(), json!("root")),
            ("sub".to_owned(), json!(grant.entity_id)),
            ("at_hash".to_owned(), json!(half_hash(algorithm, &access))),
            ("c_hash".to_owned(), json!(half_hash(algorithm, code))),
        ]);
        if !grant.nonce.is_empty() {
            claims.insert("nonce".to_owned(), json!(grant.nonce));
        }
        if let Some(moment) = grant.auth_time {
            claims.insert("auth_time".to_owned(), json!(moment));
        }
        let told = told.into_iter();
        claims.extend(told.filter(|(name, _)| !RESERVED.contains(&name.as_str())));
        let pairs = self.key.pairs.as_ref();
        let pairs = pairs.ok_or_else(|| Fault::internal("a client's key was never made"))?;
        let object = Data::object()
            .text("access_token", access.expose())
            .value("expires_in", &self.client.access_token_ttl)
            .map_err(Fault::internal)?
            .text("id_token", pairs.signing.sign(&claims)?.expose())
            .text("token_type", "Bearer");
        Ok(object.finish())
    }
}

/// The left half of a hash (OpenID Connect Core, section 3.1.3.6).
pub(super) fn half_hash(algorithm: Algorithm, text: &Secret<String>) -> String {
    let bytes = text.expose().as_bytes();
    let hash = match algorithm {
        Algorithm::RS256 | Algorithm::ES256 => Sha256::digest(bytes).to_vec(),
        Algorithm::RS384 | Algorithm::ES384 => Sha384::digest(bytes).to_vec(),
        Algorithm::RS512 | Algorithm::ES512 | Algorithm::EdDSA => Sha512::digest(bytes).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(hash.get(..hash.len() / 2).unwrap_or_default())
}
