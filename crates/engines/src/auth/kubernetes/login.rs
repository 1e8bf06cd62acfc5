//! `login`, and what is checked when a token of this method is renewed.

use super::account::Account;
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

pub(super) const ROUTE: Route<Kubernetes> =
    Route::new("login", &[(Verb::Write, login)]).access(Access::Anonymous);

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
        let (account, audiences) = claimed(&config, &role, &sent.jwt, &call)?;
        let cluster = config.cluster().await?;
        let audiences: Vec<_> = audiences.iter().map(String::as_str).collect();
        let reviewed = method.reviews.ask(&cluster, &sent.jwt.0, &audiences).await;
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

/// What the token says, held to the role; and the audiences that the cluster is asked about.
fn claimed(
    config: &config::Config,
    role: &Role,
    text: &Text,
    call: &Call<'_>,
) -> Result<(Account, Vec<String>), Fault> {
    let refuse = |why: Refused| Fault::denied().noting(why);
    let token = Token::parse(text.0.expose()).map_err(refuse)?;
    let keys = config.keys()?;
    let claims = match keys.is_empty() {
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
        audiences: &wanted,
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
    let fits =
        |list: &[String], text: &str| list.iter().any(|pattern| glob::matches(pattern, text));
    if !fits(&role.names, &account.name) {
        return Err(Fault::denied().noting("service account name not authorized"));
    }
    if !fits(&role.namespaces, &account.namespace) {
        return Err(Fault::denied().noting("namespace not authorized"));
    }
    let own = audiences(&claims)
        .map_err(refuse)?
        .into_iter()
        .map(str::to_owned)
        .collect();
    Ok((account, if wanted.is_empty() { own } else { wanted }))
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
