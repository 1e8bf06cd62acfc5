//! `role/NAME/secret-id…`: making, listing, looking up and destroying SecretIDs.

use super::key::Key;
use super::role::{self, Stored};
use super::secret::{self, SecretId};
use super::{AppRole, roles};
use crate::auth::{cidr, token};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::fields::Kind;
use cofferdam_core::json::Data;
use cofferdam_core::json::field::{Count, Text, Ttl, Words};
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::Secret;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const ROUTE: Route<AppRole> = Route::new(
    "role/~name/secret-id",
    &[(Verb::Write, generate), (Verb::List, list)],
)
.takes::<Request>()
.captures(&[("name", "role_name")])
.with_slash();

pub(super) const CUSTOM: Route<AppRole> =
    Route::new("role/~name/custom-secret-id", &[(Verb::Write, custom)])
        .takes::<Request>()
        .takes_each(&[("secret_id", Kind::Text)])
        .captures(&[("name", "role_name")]);

pub(super) const LOOKUP: Route<AppRole> =
    Route::new("role/~name/secret-id/lookup", &[(Verb::Write, lookup)])
        .takes_each(&[("secret_id", Kind::Text)])
        .captures(&[("name", "role_name")])
        .with_slash();

pub(super) const DESTROY: Route<AppRole> = Route::new(
    "role/~name/secret-id/destroy",
    &[(Verb::Write, destroy), (Verb::Delete, destroy)],
)
.takes_each(&[("secret_id", Kind::Text)])
.captures(&[("name", "role_name")])
.with_slash();

/// SecretIDs looked at in passing whenever one is made, and removed when expired: so those nobody
/// comes back for stay few without a task of their own.
const IN_PASSING: usize = 8;

#[derive(Deserialize)]
struct Request {
    metadata: Option<String>,
    cidr_list: Option<Words>,
    token_bound_cidrs: Option<Words>,
    num_uses: Option<Count>,
    ttl: Option<Ttl>,
}

fn generate<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { create(&call, Secret::new(uuid::Uuid::new_v4().to_string())).await })
}

fn custom<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { create(&call, named(&call, "secret_id")?).await })
}

/// A text field of the body, or of the query for DELETE, that must be there.
pub(super) fn named(call: &Call<'_>, field: &'static str) -> Result<Secret<String>, Fault> {
    let sent = call
        .body
        .raw(field)
        .map(cofferdam_core::json::Raw::parse::<Text>)
        .transpose()?;
    let sent = sent.map(|text| text.0).or_else(|| {
        call.query
            .get(field)
            .map(|text| Secret::new(text.to_owned()))
    });
    sent.filter(|text| !text.is_empty())
        .ok_or_else(|| Fault::invalid(format!("missing {field}")))
}

async fn create(call: &Call<'_>, secret_id: Secret<String>) -> Result<Outcome, Fault> {
    let request: Request = call.body.parse()?;
    let key = Key::load(call.view).await?;
    let name = role::name(call.capture("name"))?;
    // The role may change meanwhile, so that other rules hold; then judge again.
    for _ in 0..8 {
        let role = role::load(call.view, &name)
            .await?
            .ok_or_else(|| role::absent(&name))?;
        let secret = request.secret(&role.role, call)?;
        let hash = key.secret_id(&role.role.incarnation, secret_id.expose())?;
        if secret::load(call.view, &key, &role.role.incarnation, &hash, call.now)
            .await?
            .is_some()
        {
            return Err(Fault::invalid(
                "failed to store secret_id: SecretID is already registered",
            ));
        }
        // In passing: what is the matter with a neighbour is nothing to whoever makes a new one.
        if let Err(fault) = sweep_some(call, &key, &role, &hash).await {
            tracing::warn!(
                mount = call.mount.path,
                reason = fault.internal_text(),
                "cannot remove expired SecretIDs"
            );
        }
        if secret::create(call.view, &key, &role, hash, &secret).await? {
            return Ok(Outcome::Data(Response::of(made(call, &secret_id, &secret))));
        }
    }
    Err(Fault::unavailable(
        "the role changes too often; try again",
        "lost every round against changes of a role",
    ))
}

/// The one answer that holds a SecretID.
fn made(call: &Call<'_>, secret_id: &Secret<String>, secret: &SecretId) -> Data {
    let ttl = lifetime(call, secret.ttl).map_or(0, |span| span.as_secs());
    Data::object()
        .text("secret_id", secret_id.expose())
        .text("secret_id_accessor", &secret.accessor)
        .number("secret_id_num_uses", secret.uses)
        .number("secret_id_ttl", i64::try_from(ttl).unwrap_or(i64::MAX))
        .finish()
}

/// How long a SecretID lives: never longer than the mount's maximum; `None`: without end.
fn lifetime(call: &Call<'_>, seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds).min(call.mount.max_ttl()))
}

impl Request {
    fn secret(&self, role: &role::Role, call: &Call<'_>) -> Result<SecretId, Fault> {
        if !role.bind_secret_id {
            return Err(Fault::invalid("bind_secret_id is not set on the role"));
        }
        let ttl = self.ttl(role)?;
        Ok(SecretId {
            accessor: uuid::Uuid::new_v4().to_string(),
            uses: self.uses(role)?,
            ttl,
            created: call.now,
            expires: lifetime(call, ttl).map(|span| call.now.after(span)),
            updated: call.now,
            metadata: metadata(self.metadata.as_deref().unwrap_or_default())?,
            cidr_list: Self::ranges(
                self.cidr_list.as_ref(),
                &role.secret_id_bound_cidrs,
                "failed to validate CIDR blocks: invalid CIDR address",
            )?,
            token_bound_cidrs: Self::ranges(
                self.token_bound_cidrs.as_ref(),
                &role.token.bound_cidrs,
                "failed to validate token CIDR blocks: invalid CIDR address",
            )?,
        })
    }

    fn uses(&self, role: &role::Role) -> Result<u32, Fault> {
        let limit = role.secret_id_num_uses;
        let Some(count) = self.num_uses else {
            return Ok(limit);
        };
        let uses = token::uses(count, "num_uses")?;
        if limit > 0 && (uses == 0 || uses > limit) {
            return Err(Fault::invalid(
                "num_uses cannot be higher than the role's secret_id_num_uses",
            ));
        }
        Ok(uses)
    }

    fn ttl(&self, role: &role::Role) -> Result<u64, Fault> {
        let limit = role.secret_id_ttl;
        let Some(ttl) = self.ttl.map(Ttl::seconds) else {
            return Ok(limit);
        };
        if limit > 0 && (ttl == 0 || ttl > limit) {
            return Err(Fault::invalid(
                "ttl cannot be longer than the role's secret_id_ttl",
            ));
        }
        Ok(ttl)
    }

    fn ranges(
        words: Option<&Words>,
        of_role: &[IpNet],
        refusal: &'static str,
    ) -> Result<Vec<IpNet>, Fault> {
        let ranges = cidr::ranges(words.map_or(&[], |words| &words.0), refusal)?;
        if cidr::within(&ranges, of_role) {
            return Ok(ranges);
        }
        Err(Fault::invalid(
            "failed to verify subset relationship between CIDR blocks on the role and on the secret ID",
        ))
    }
}

/// Metadata as Vault takes it: a JSON object as text, that in base64, or `name=value,…`.
fn metadata(text: &str) -> Result<BTreeMap<String, String>, Fault> {
    let text = text.trim();
    let json = |bytes: &[u8]| serde_json::from_slice::<BTreeMap<String, String>>(bytes).ok();
    let decoded = || STANDARD.decode(text).ok().and_then(|bytes| json(&bytes));
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    if let Some(pairs) = json(text.as_bytes()).or_else(decoded) {
        return Ok(pairs);
    }
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    let pairs: Option<_> = text.split(',').map(pair).collect();
    pairs.ok_or_else(|| {
        Fault::invalid(
            "failed to parse metadata: failed to parse the input: invalid <key,value> format",
        )
    })
}

/// Removes expired SecretIDs among the neighbours of a hash, which are a random few.
async fn sweep_some(call: &Call<'_>, key: &Key, role: &Stored, hash: &str) -> Result<(), Fault> {
    let place = secret::place(&role.role.incarnation);
    let page = call
        .view
        .range(&place, Some(&format!("{place}{hash}")), IN_PASSING)
        .await?;
    secret::remove_some(call.view, key, page.entries, |secret| {
        secret.expired(call.now)
    })
    .await
    .map(drop)
}

/// A SecretID as answers show it.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    cidr_list: &'a [IpNet],
    creation_time: String,
    expiration_time: String,
    last_updated_time: String,
    metadata: &'a BTreeMap<String, String>,
    secret_id_accessor: &'a str,
    secret_id_num_uses: u32,
    secret_id_ttl: u64,
    token_bound_cidrs: &'a [IpNet],
}

impl<'a> From<&'a SecretId> for Shown<'a> {
    fn from(secret: &'a SecretId) -> Self {
        Self {
            cidr_list: &secret.cidr_list,
            creation_time: secret.created.rfc3339(),
            // Go's zero time, which Vault shows where there is none.
            expiration_time: secret
                .expires
                .map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), Time::rfc3339),
            last_updated_time: secret.updated.rfc3339(),
            metadata: &secret.metadata,
            secret_id_accessor: &secret.accessor,
            secret_id_num_uses: secret.uses,
            secret_id_ttl: secret.ttl,
            token_bound_cidrs: &secret.token_bound_cidrs,
        }
    }
}

/// The role of the called path, for requests about its SecretIDs.
pub(super) async fn role_of(call: &Call<'_>) -> Result<Stored, Fault> {
    roles::called(call)
        .await?
        .ok_or_else(|| role::absent(call.capture("name")))
}

async fn find(call: &Call<'_>, key: &Key) -> Result<Option<secret::Stored>, Fault> {
    let secret_id = named(call, "secret_id")?;
    let role = role_of(call).await?.role;
    let hash = key.secret_id(&role.incarnation, secret_id.expose())?;
    secret::load(call.view, key, &role.incarnation, &hash, call.now).await
}

fn lookup<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = Key::load(call.view).await?;
        match find(&call, &key).await? {
            Some(found) => Outcome::data(&Shown::from(&found.secret)),
            // Vault answers without a body.
            None => Ok(Outcome::Done),
        }
    })
}

fn destroy<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = Key::load(call.view).await?;
        while let Some(found) = find(&call, &key).await? {
            if secret::remove(call.view, &key, &found).await? {
                break;
            }
        }
        Ok(Outcome::Done)
    })
}

fn list<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let role = role_of(&call).await?.role;
        Outcome::keys(&secret::accessors(call.view, &role.incarnation, call.now).await?)
    })
}
