//! `login`, and what is checked when a token of this method is renewed.
//!
//! Whether the RoleID is unknown or the SecretID wrong, the answer is the same and the work alike:
//! for an unknown RoleID a decoy role is read, and a SecretID looked for that it cannot have.

use super::AppRole;
use super::key::Key;
use super::role::{self, Role};
use super::secret::{self, SecretId};
use crate::auth::cidr;
use crate::auth::role::{bound, gone};
use cofferdam_core::engine::View;
use cofferdam_core::engine::{Access, Pending, Route};
use cofferdam_core::json::Body;
use cofferdam_core::json::field::Text;
use cofferdam_core::{Alias, Call, Fault, Login, Outcome, Verb, token};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::IpAddr;

pub(super) const ROUTE: Route<AppRole> = Route::new("login", &[(Verb::Write, login)])
    .takes::<Credentials>()
    .access(Access::Anonymous);

/// Names the role in a token's metadata and binding.
const ROLE_NAME: &str = "role_name";

fn refused() -> Fault {
    Fault::invalid("invalid role or secret ID")
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    role_id: Text,
    #[serde(default)]
    secret_id: Text,
}

fn login<'a>(method: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let sent: Credentials = call.body.parse()?;
        let (role_id, secret_id) = (
            sent.role_id.0.expose().trim(),
            sent.secret_id.0.expose().trim(),
        );
        if role_id.is_empty() {
            return Err(Fault::invalid("missing role_id"));
        }
        let key = Key::load(call.view).await?;
        let known = role::by_id(call.view, &key, role_id).await?;
        let real = known.is_some();
        let role = match known {
            Some(stored) => stored,
            None => role::decoy(call.view).await?.ok_or_else(refused)?,
        };
        if !role.role.bind_secret_id {
            admit(&role.role.secret_id_bound_cidrs, &call, "the role")?;
            return Ok(granted(&role.role, None, &call));
        }
        if secret_id.is_empty() {
            return Err(Fault::invalid("missing secret_id"));
        }
        let hash = key.secret_id(&role.role.incarnation, secret_id)?;
        let mut contest = method.contests.enter(call.view.prefix(), &hash);
        loop {
            let found =
                secret::load(call.view, &key, &role.role.incarnation, &hash, call.now).await?;
            let found = found.filter(|_| real).ok_or_else(refused)?;
            admit(&found.secret.cidr_list, &call, "the secret ID")?;
            admit(&role.role.secret_id_bound_cidrs, &call, "the role")?;
            // The use is gone before anything is granted: a crash may waste one, never grant it twice.
            if secret::spend(call.view, &key, &found, call.now).await? {
                return Ok(granted(&role.role, Some(&found.secret), &call));
            }
            contest.lost().await?;
        }
    })
}

/// The name of the role whose RoleID is sent.
pub(super) async fn role_of(view: &View, body: &Body) -> Result<Option<String>, Fault> {
    let sent: Credentials = body.parse()?;
    let key = Key::load(view).await?;
    let known = role::by_id(view, &key, sent.role_id.0.expose().trim()).await?;
    Ok(known.map(|stored| stored.role.name))
}

fn admit(ranges: &[IpNet], call: &Call<'_>, of: &str) -> Result<(), Fault> {
    let address = call.peer.ip();
    if cidr::admits(ranges, address) {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "source address \"{address}\" unauthorized by CIDR restrictions on {of}"
    )))
}

fn granted(role: &Role, secret: Option<&SecretId>, call: &Call<'_>) -> Outcome {
    let mut login = vouched(role, call.peer.ip());
    if let Some(secret) = secret {
        let own = secret
            .metadata
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        // The role's name wins over what a SecretID says of itself.
        login.metadata = own.chain(login.metadata).collect();
        if !secret.token_bound_cidrs.is_empty() {
            login.bound_cidrs.clone_from(&secret.token_bound_cidrs);
        }
    }
    Outcome::Login(Box::new(login))
}

fn vouched(role: &Role, address: IpAddr) -> Login {
    let mut login = role.token.login(address);
    login.alias = Some(Alias::named(&role.role_id));
    let name = || (ROLE_NAME.to_owned(), role.name.clone());
    login.metadata.extend([name()]);
    login.binding.extend([name()]);
    login
}

/// What a renewal may give: by the role as it is now. Without the role, nothing.
pub(super) async fn renewed(view: &View, token: &token::Entry) -> Result<Login, Fault> {
    let role = role::load(view, bound(token, ROLE_NAME)?).await?;
    Ok(role.ok_or_else(gone)?.role.token.renewal())
}
