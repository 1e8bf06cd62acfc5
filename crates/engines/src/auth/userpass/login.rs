//! `login/NAME`, and what is checked when a token of this method is renewed.
//!
//! Whatever is wrong (no such name, a wrong password, a locked name), the answer is one text, after
//! one reading of a user, one password check and one commit.

use super::Userpass;
use super::user::{self, User};
use crate::auth::cidr;
use crate::auth::role::{bound, name};
use cofferdam_core::engine::{Access, Pending, Route, View};
use cofferdam_core::json::field::Text;
use cofferdam_core::lockout::{self, Rules};
use cofferdam_core::{Alias, Call, Fault, Login, Outcome, Verb, token};
use serde::Deserialize;
use std::net::IpAddr;

pub(super) const ROUTE: Route<Userpass> = Route::new("login/~name", &[(Verb::Write, login)])
    .takes::<Credentials>()
    .captures(&[("name", "username")])
    .access(Access::Anonymous);

/// Names the user in a token's metadata and binding.
const USERNAME: &str = "username";

fn refused() -> Fault {
    Fault::invalid("invalid username or password")
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    password: Text,
}

fn login<'a>(method: &'a Userpass, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = name(call.capture("name"))?;
        let sent: Credentials = call.body.parse()?;
        if sent.password.is_empty() {
            return Err(Fault::invalid("missing password"));
        }
        let place = method.checks.place()?;
        let user = user::load(call.view, &name)
            .await?
            .map(|found| found.record);
        let hash = user.as_ref().map(|user| user.hash.clone());
        let right = method.checks.matches(place, sent.password.0, hash).await?;
        // Asked after the check, which took its time: guesses that ran beside this one count.
        let rules = Rules::of(&call.mount.config);
        let locked = match &rules {
            Some(rules) => lockout::locked(call.view, &name, rules, call.now).await?,
            None => false,
        };
        let Some(user) = user.as_ref().filter(|_| right && !locked) else {
            count(&call, rules.as_ref(), &name, user.is_some() && !locked).await?;
            return Err(refused());
        };
        if rules.is_some() {
            lockout::forget(call.view, &name).await?;
        }
        if !cidr::admits(&user.token.bound_cidrs, call.peer.ip()) {
            return Err(Fault::denied());
        }
        Ok(Outcome::Login(Box::new(vouched(user, call.peer.ip()))))
    })
}

/// Counts a failure, or does the same work where there is nothing to count for.
async fn count(
    call: &Call<'_>,
    rules: Option<&Rules>,
    name: &str,
    counts: bool,
) -> Result<(), Fault> {
    let Some(rules) = rules else { return Ok(()) };
    if !counts {
        return lockout::feign(call.view, call.now).await;
    }
    if lockout::failed(call.view, name, rules, call.now).await? {
        tracing::warn!(
            user = name,
            mount = call.mount.path,
            "wrong passwords locked a user; unlock with: cofferdam write -f sys/locked-users/ACCESSOR/unlock/NAME"
        );
    }
    Ok(())
}

fn vouched(user: &User, address: IpAddr) -> Login {
    let mut login = user.token.login(address);
    let name = || (USERNAME.to_owned(), user.name.clone());
    login.display_name.clone_from(&user.name);
    login.alias = Some(Alias::named(&user.name));
    login.metadata.extend([name()]);
    login.binding.extend([name()]);
    login
}

/// What a renewal may give: by the user as it is now. Without the user, or with other policies,
/// nothing.
pub(super) async fn renewed(view: &View, token: &token::Entry) -> Result<Login, Fault> {
    let user = user::load(view, bound(token, USERNAME)?).await?;
    let user = user
        .ok_or_else(|| Fault::invalid("the user of this token does not exist any more"))?
        .record;
    let issued = |policy: &&String| *policy != "default";
    let given: Vec<_> = token.policies.iter().filter(issued).collect();
    let now: Vec<_> = user.token.policies.iter().filter(issued).collect();
    if given != now {
        return Err(Fault::invalid(
            "the user's policies have changed, not renewing; log in again",
        ));
    }
    Ok(user.token.renewal())
}
