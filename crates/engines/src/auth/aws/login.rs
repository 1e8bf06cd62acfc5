//! `login`, and what is checked when a token of this method is renewed.

use super::answer::Caller;
use super::arn::Principal;
use super::binding::belongs;
use super::role::Role;
use super::signed::Sent;
use super::sts::Doubt;
use super::{Aws, config, identity};
use crate::auth::cidr;
use crate::auth::role::{bound, gone, name};
use crate::auth::roles;
use cofferdam_core::engine::{Access, Pending, Route, View};
use cofferdam_core::{Alias, Call, Fault, Kind, Login, Outcome, Verb, token};
use serde::Deserialize;
use std::net::IpAddr;

pub(super) const ROUTE: Route<Aws> = Route::new("login", &[(Verb::Write, login)])
    .takes::<Beside>()
    .takes::<Sent>()
    .access(Access::Anonymous);

/// What a token is bound to.
const ROLE: &str = "role";
const ROLE_ID: &str = "role_id";
const ARN: &str = "canonical_arn";
const UNIQUE_ID: &str = "client_user_id";

/// What is beside the signed request.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside {
    role: String,
    identity: String,
    signature: String,
    pkcs7: String,
}

fn login<'a>(method: &'a Aws, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let beside: Beside = call.body.parse()?;
        let of_instance = [&beside.identity, &beside.signature, &beside.pkcs7];
        if of_instance.iter().any(|text| !text.is_empty()) {
            return Err(Fault::invalid(
                "not served: logins with an EC2 identity document; let the instance log in with its IAM role",
            ));
        }
        let sent: Sent = call.body.parse()?;
        let config = config::load(call.view).await?;
        // A role that is named is looked at before anybody is asked.
        let named = match beside.role.as_str() {
            "" => None,
            text => Some(admitting(&call, text).await?),
        };
        let signed = sent
            .judge(&config, call.now)
            .map_err(|flaw| Fault::invalid(flaw.to_string()))?;
        let refuse = |doubt: Doubt| {
            let reason = doubt.to_string();
            let fault = doubt.fault();
            // What is no refusal is logged where every failure is.
            if fault.kind() == Kind::Denied {
                tracing::info!(reason, mount = call.mount.path, "an AWS login was refused");
            }
            fault
        };
        let caller = method.line.who(&signed, config.retries()).await;
        let caller = caller.map_err(refuse)?;
        let role = match named {
            Some(role) => role,
            None => admitting(&call, &caller.principal.name).await?,
        };
        let (principal, id) = (&caller.principal, &caller.unique_id);
        belongs(&method.line, &config, &role, principal, id)
            .await
            .map_err(refuse)?;
        let identity = identity::load(call.view).await?;
        let login = vouched(&role, &caller, &identity, call.peer.ip());
        Ok(Outcome::Login(Box::new(login)))
    })
}

/// The role of this name, if it may be used from where the caller is.
async fn admitting(call: &Call<'_>, text: &str) -> Result<Role, Fault> {
    let unknown = || Fault::invalid("entry for role not found");
    let name = name(text).map_err(|_| unknown())?;
    let stored = roles::load::<Role>(call.view, &name).await?;
    let role = stored.ok_or_else(unknown)?.record;
    match cidr::admits(&role.token.bound_cidrs, call.peer.ip()) {
        true => Ok(role),
        false => Err(Fault::denied()),
    }
}

fn vouched(role: &Role, caller: &Caller, identity: &identity::Config, address: IpAddr) -> Login {
    let known = identity.metadata(caller);
    let mut login = role.token.login(address);
    login.display_name.clone_from(&caller.principal.name);
    login.metadata.clone_from(&known);
    login.metadata.insert(ROLE_ID.to_owned(), role.id.clone());
    login.alias = Some(Alias {
        name: identity.alias(role, caller),
        metadata: known,
    });
    login.binding = [
        (ROLE, role.name.clone()),
        (ROLE_ID, role.id.clone()),
        (ARN, caller.principal.canonical()),
        (UNIQUE_ID, caller.unique_id.clone()),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into();
    login
}

/// What a renewal may give: by the role as it is now, and while it is for whoever logged in.
pub(super) async fn renewed(
    method: &Aws,
    view: &View,
    token: &token::Entry,
) -> Result<Login, Fault> {
    let role = roles::load::<Role>(view, bound(token, ROLE)?).await?;
    let role = role.ok_or_else(gone)?.record;
    if role.id != bound(token, ROLE_ID)? {
        return Err(gone());
    }
    let principal = Principal::parse(bound(token, ARN)?);
    let principal = principal
        .ok_or_else(|| Fault::internal("a token that is bound to something else than an ARN"))?;
    let config = config::load(view).await?;
    belongs(
        &method.line,
        &config,
        &role,
        &principal,
        bound(token, UNIQUE_ID)?,
    )
    .await
    .map_err(Doubt::fault)?;
    Ok(role.token.renewal())
}
