//! `login`, and what is checked when a token of this method is renewed.
//!
//! The order is Vault's: the role first, then the signature, then what is claimed. A caller learns no
//! more of a role than that there is none of that name, which Vault tells, too.

use super::claims::{self, Identity};
use super::role::{Role, Sort};
use super::{Jwt, config, keys};
use crate::auth::cidr;
use crate::auth::jose::{Expected, Token, audiences};
use crate::auth::role::{bound, gone, name};
use crate::auth::roles;
use cofferdam_core::engine::{Access, Pending, Route, View};
use cofferdam_core::json::Body;
use cofferdam_core::json::field::Text;
use cofferdam_core::{Alias, Call, Fault, Login, Outcome, Verb, token};
use serde::Deserialize;
use std::net::IpAddr;

pub(super) const ROUTE: Route<Jwt> = Route::new("login", &[(Verb::Write, login)])
    .takes::<Sent>()
    .access(Access::Anonymous);

/// Names the role in a token's binding.
const ROLE: &str = "role";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    role: String,
    jwt: Text,
}

/// The role that a caller asked for, or the mount's usual one.
pub(super) async fn chosen(
    call: &Call<'_>,
    asked: &str,
    config: &config::Config,
) -> Result<Role, Fault> {
    let asked = match asked {
        "" => config.default_role.as_str(),
        asked => asked,
    };
    if asked.is_empty() {
        return Err(Fault::invalid("missing role"));
    }
    let unknown = || Fault::invalid("role could not be found");
    // A name that no role can have is one that none has.
    let name = name(asked).map_err(|_| unknown())?;
    let stored = roles::load::<Role>(call.view, &name).await?;
    stored.map(|stored| stored.record).ok_or_else(unknown)
}

/// The name of the role that is asked for, or the mount's usual one.
pub(super) async fn role_of(view: &View, body: &Body) -> Result<Option<String>, Fault> {
    let sent: Sent = body.parse()?;
    let asked = match sent.role.as_str() {
        "" => config::load(view)
            .await?
            .map(|stored| stored.record.default_role),
        asked => Some(asked.to_owned()),
    };
    let asked = asked.filter(|asked| !asked.is_empty());
    Ok(asked.and_then(|asked| name(&asked).ok()))
}

fn login<'a>(method: &'a Jwt, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let sent: Sent = call.body.parse()?;
        let stored = config::load(call.view)
            .await?
            .ok_or_else(|| Fault::invalid("could not load configuration"))?;
        let config = &stored.record;
        let role = chosen(&call, &sent.role, config).await?;
        if role.sort == Sort::Oidc {
            return Err(Fault::invalid("role with oidc role_type is not allowed"));
        }
        if sent.jwt.is_empty() {
            return Err(Fault::invalid("missing token"));
        }
        if !cidr::admits(&role.token.bound_cidrs, call.peer.ip()) {
            return Err(Fault::denied());
        }
        let token = Token::parse(sent.jwt.0.expose()).map_err(keys::refused)?;
        let allowed = config.algorithms();
        let claims = method
            .keys
            .verify(call.view, &stored, &token, allowed, call.steady);
        let claims = claims.await?;
        let expected = Expected {
            issuer: &config.bound_issuer,
            subject: &role.bound_subject,
            audiences: role.audiences(),
            leeways: role.leeways(),
        };
        expected.check(&claims, call.now).map_err(keys::refused)?;
        if role.audiences().is_empty() && !audiences(&claims).is_ok_and(|found| found.is_empty()) {
            return Err(Fault::invalid(
                "audience claim found in JWT but no audiences bound to the role",
            ));
        }
        let identity = claims::identify(&role, &claims)?;
        claims::check_bound(&role, &claims)?;
        Ok(Outcome::Login(Box::new(vouched(
            &role,
            identity,
            call.peer.ip(),
        ))))
    })
}

/// What the method vouches for.
pub(super) fn vouched(role: &Role, identity: Identity, address: IpAddr) -> Login {
    let mut login = role.token.login(address);
    login.alias = Some(Alias {
        name: identity.name.clone(),
        metadata: identity.metadata.clone(),
    });
    login.groups = identity.groups;
    login.display_name = identity.name;
    login.metadata = identity.metadata;
    login.binding.insert(ROLE.to_owned(), role.name.clone());
    login
}

/// What a renewal may give: by the role as it is now. Without the role, nothing.
pub(super) async fn renewed(view: &View, token: &token::Entry) -> Result<Login, Fault> {
    let role = roles::load::<Role>(view, bound(token, ROLE)?).await?;
    Ok(role.ok_or_else(gone)?.record.token.renewal())
}
