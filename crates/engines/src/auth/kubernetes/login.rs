//! `login`, and what is checked when a token of this method is renewed.
//!
//! A cluster that cannot be asked is no refusal: the caller is told to come again, where OpenBao says
//! that permission is denied and agents throw good tokens away. So that this tells nobody whom a role
//! is for, what an unsigned token claims is held to the role only after the cluster was asked.

use super::account::Account;
use super::review::Doubt;
use super::role::{Role, Source};
use super::{Kubernetes, config};
use crate::auth::jose::{Algorithm, Expected, KeySet, Refused, Token, audiences};
use crate::auth::role::{bound, gone, name};
use crate::auth::roles;
use crate::auth::{cidr, glob};
use cofferdam_core::engine::{Access, Pending, Route, View};
use cofferdam_core::json::field::Text;
use cofferdam_core::{Alias, Call, Fault, Login, Outcome, Verb, token};
use serde::Deserialize;
use std::net::IpAddr;

pub(super) const ROUTE: Route<Kubernetes> = Route::new("login", &[(Verb::Write, login)])
    .takes::<Sent>()
    .access(Access::Anonymous);

/// Names the role in a token's binding and metadata.
const ROLE: &str = "role";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    role: String,
    jwt: Text,
}

fn login<'a>(method: &'a Kubernetes, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let sent: Sent = call.body.parse()?;
        if sent.role.is_empty() {
            return Err(Fault::invalid("missing role"));
        }
        if sent.jwt.is_empty() {
            return Err(Fault::invalid("missing jwt"));
        }
        let unknown = || Fault::invalid("invalid role name");
        let name = name(&sent.role).map_err(|_| unknown())?;
        let role = roles::load::<Role>(call.view, &name)
            .await?
            .ok_or_else(unknown)?
            .record;
        if !cidr::admits(&role.token.bound_cidrs, call.peer.ip()) {
            return Err(Fault::denied());
        }
        let config = config::load(call.view).await?;
        let config = config
            .ok_or_else(|| Fault::invalid("could not load backend configuration"))?
            .record;
        let Claimed {
            account,
            audiences,
            signed,
            fits,
        } = claimed(&config, &role, &sent.jwt, &call)?;
        if signed {
            fits.clone()?;
        }
        let cluster = config.cluster().await?;
        let audiences: Vec<_> = audiences.iter().map(String::as_str).collect();
        let reviewed = method.reviews.ask(&cluster, &sent.jwt.0, &audiences).await;
        if let Some(fault) = reviewed.as_ref().err().and_then(Doubt::passing) {
            return Err(fault);
        }
        fits?;
        match reviewed {
            Ok(reviewed) if reviewed.is(&account) => Ok(Outcome::Login(Box::new(vouched(
                &role,
                &account,
                call.peer.ip(),
            )))),
            Ok(_) => {
                Err(Fault::denied().noting("the cluster says that the token is another account's"))
            }
            Err(doubt) => {
                tracing::info!(reason = %doubt, mount = call.mount.path, "a Kubernetes login was refused");
                Err(Fault::denied().noting(doubt))
            }
        }
    })
}

/// What a token says.
struct Claimed {
    account: Account,
    /// That the cluster is asked about.
    audiences: Vec<String>,
    /// By a key of the configuration: so it is true.
    signed: bool,
    /// Whether the role is for this account.
    fits: Result<(), Fault>,
}

/// What the token says, and how that stands to the role. A token is refused at once for what is wrong
/// with it under any role.
fn claimed(
    config: &config::Config,
    role: &Role,
    text: &Text,
    call: &Call<'_>,
) -> Result<Claimed, Fault> {
    let refuse = |why: Refused| Fault::denied().noting(why);
    let token = Token::parse(text.0.expose()).map_err(refuse)?;
    let keys = config.keys()?;
    let signed = !keys.is_empty();
    let claims = match !signed {
        // The cluster checks the signature. What is read until then decides nothing but whom to ask.
        true => token.unverified().map_err(refuse)?.into_claims(),
        false => KeySet::of(keys)
            .verify(&token, &Algorithm::ALL)
            .map_err(refuse)?,
    };
    let wanted: Vec<_> = Some(role.audience.clone())
        .filter(|text| !text.is_empty())
        .into_iter()
        .collect();
    let expected = Expected {
        issuer: config.issuer(),
        ..Expected::default()
    };
    // Tokens that lie in secrets have no times.
    let timed = ["exp", "nbf", "iat"]
        .iter()
        .any(|name| claims.contains_key(*name));
    match expected.check(&claims, call.now) {
        Err(Refused::Timeless) if !timed => {}
        other => other.map_err(refuse)?,
    }
    let account = Account::of(&claims);
    if !account.is_whole() {
        return Err(Fault::denied().noting("the token names no service account"));
    }
    let own: Vec<_> = audiences(&claims)
        .map_err(refuse)?
        .into_iter()
        .map(str::to_owned)
        .collect();
    Ok(Claimed {
        fits: fits(role, &account, &own),
        account,
        audiences: if wanted.is_empty() { own } else { wanted },
        signed,
    })
}

/// Whether a role is for this account, with a token for these audiences.
fn fits(role: &Role, account: &Account, audiences: &[String]) -> Result<(), Fault> {
    let among =
        |list: &[String], text: &str| list.iter().any(|pattern| glob::matches(pattern, text));
    if !role.audience.is_empty() && !audiences.contains(&role.audience) {
        return Err(Fault::denied().noting(Refused::Audience));
    }
    if !among(&role.names, &account.name) {
        return Err(Fault::denied().noting("service account name not authorized"));
    }
    if !among(&role.namespaces, &account.namespace) {
        return Err(Fault::denied().noting("namespace not authorized"));
    }
    Ok(())
}

fn vouched(role: &Role, account: &Account, address: IpAddr) -> Login {
    let mut login = role.token.login(address);
    login.display_name = format!("{}-{}", account.namespace, account.name);
    login.metadata = [
        (ROLE, &role.name),
        ("service_account_uid", &account.uid),
        ("service_account_name", &account.name),
        ("service_account_namespace", &account.namespace),
        ("service_account_secret_name", &account.secret),
    ]
    .map(|(name, text)| (name.to_owned(), text.clone()))
    .into();
    let mut known = login.metadata.clone();
    known.remove(ROLE);
    login.alias = Some(Alias {
        name: alias(role, account),
        metadata: known,
    });
    login.binding = [(ROLE.to_owned(), role.name.clone())].into();
    login
}

/// What an account is called beyond this method.
fn alias(role: &Role, account: &Account) -> String {
    match role.alias {
        Source::Uid => account.uid.clone(),
        Source::Name => format!("{}/{}", account.namespace, account.name),
    }
}

/// What a renewal may give: by the role as it is now. Without the role, nothing.
pub(super) async fn renewed(view: &View, token: &token::Entry) -> Result<Login, Fault> {
    let role = roles::load::<Role>(view, bound(token, ROLE)?).await?;
    Ok(role.ok_or_else(gone)?.record.token.renewal())
}
