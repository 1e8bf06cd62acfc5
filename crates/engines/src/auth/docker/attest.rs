//! `attest`: a host says which container asks, and gets that container's token.
//!
//! The host is believed: it is the local admin, or holds a token whose policies allow this path.
//! What keeps one host from attesting for the containers of all is `bound_hosts` of the role,
//! compared with what the host's own token says in its metadata (`host`), never with the request.

use super::Docker;
use super::container::Container;
use super::role::{self, LOCAL, Role};
use crate::auth::role::{bound, name};
use crate::auth::roles;
use cofferdam_core::engine::{Pending, Route, View};
use cofferdam_core::{Alias, Call, Caller, Fault, Login, Outcome, Verb, token};
use std::net::IpAddr;
use std::time::Duration;

pub(super) const ROUTE: Route<Docker> =
    Route::new("attest", &[(Verb::Write, attest)]).takes::<Container>();

/// The label by which a container chooses among several roles that are for it. It grants nothing.
const CHOICE: &str = "cofferdam.role";

/// Lifetime of a token whose role says none. The host renews it while the
/// container runs and revokes it at the container's end; only what a dead host leaves behind lives
/// this long.
const USUAL_TTL: Duration = Duration::from_mins(15);

const ROLE: &str = "role";
const HOST: &str = "host";
const CONTAINER: &str = "container";

fn attest<'a>(_: &'a Docker, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let container: Container = call.body.parse()?;
        container.check()?;
        let host = host(call.caller)?;
        let role = choose(call.view, &container, &host).await?;
        let login = vouched(&role, &container, &host, call.peer.ip())?;
        Ok(Outcome::Login(Box::new(login)))
    })
}

/// Which host attests, by what is known of the caller.
fn host(caller: &Caller) -> Result<String, Fault> {
    match caller {
        Caller::Local { .. } => Ok(LOCAL.to_owned()),
        Caller::Token(entry) => match entry.metadata.get(HOST).map(String::as_str) {
            // Reserved for the kernel's word on the local socket.
            Some(LOCAL) => Err(Fault::invalid(
                "the attesting token calls its host \"local\": that name is the local admin's",
            )),
            named => Ok(named.unwrap_or_default().to_owned()),
        },
        Caller::Anonymous => Err(Fault::denied()),
    }
}

async fn choose(view: &View, container: &Container, host: &str) -> Result<Role, Fault> {
    let mut roles = role::matching(view, container, host).await?;
    if let Some(wanted) = container.labels.get(CHOICE) {
        let wanted = name(wanted).unwrap_or_default();
        let chosen = roles.into_iter().find(|role| role.name == wanted);
        return chosen.ok_or_else(|| {
            Fault::invalid(
                "no role matches the container that is also named by its label cofferdam.role",
            )
        });
    }
    let names: Vec<_> = roles.iter().map(|role| role.name.as_str()).collect();
    if names.len() > 1 {
        return Err(Fault::invalid(format!(
            "several roles match the container ({}): choose one with the container's label cofferdam.role",
            names.join(", ")
        )));
    }
    roles
        .pop()
        .ok_or_else(|| Fault::invalid("no role matches the container"))
}

fn vouched(
    role: &Role,
    container: &Container,
    host: &str,
    address: IpAddr,
) -> Result<Login, Fault> {
    let mut login = role.token.login(address);
    login.display_name.clone_from(&container.name);
    // Containers come and go: who stands behind them is the role.
    login.alias = Some(Alias::named(&role.name));
    login.ttl = login.ttl.or(Some(USUAL_TTL));
    login.metadata = container.metadata();
    login.metadata.insert(ROLE.to_owned(), role.name.clone());
    if !host.is_empty() {
        login.metadata.insert(HOST.to_owned(), host.to_owned());
    }
    // For the renewal: of the labels only those that the role asks for.
    let mut kept = container.clone();
    kept.labels
        .retain(|name, _| role.bounds.labels.contains_key(name));
    let kept = serde_json::to_string(&kept).map_err(Fault::internal)?;
    login.binding = [
        (ROLE, role.name.clone()),
        (HOST, host.to_owned()),
        (CONTAINER, kept),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into();
    Ok(login)
}

/// What a renewal may give: by the role as it is now. Not for it any more: nothing.
pub(super) async fn renewed(view: &View, token: &token::Entry) -> Result<Login, Fault> {
    let (name, host) = (bound(token, ROLE)?, bound(token, HOST)?);
    let container: Container =
        serde_json::from_str(bound(token, CONTAINER)?).map_err(Fault::internal)?;
    let stored = roles::load::<Role>(view, name).await?;
    let role = stored.map(|stored| stored.record);
    let role = role
        .filter(|role| role.bounds.admit(&container, host))
        .ok_or_else(|| {
            Fault::invalid("the role of this token is not for its container any more")
        })?;
    let login = role.token.renewal();
    Ok(Login {
        ttl: login.ttl.or(Some(USUAL_TTL)),
        ..login
    })
}
