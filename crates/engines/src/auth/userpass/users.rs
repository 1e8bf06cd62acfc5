//! `users`, `users/NAME` and its `password` and `policies`: making, changing, showing, listing and
//! removing users.

use super::user::{self, Stored, User};
use super::{Userpass, password};
use crate::auth::role::{finished, name, remove};
use crate::auth::{cidr, token};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::{Text, Ttl, Words};
use cofferdam_core::{Call, Fault, Operation, Outcome, Verb};
use serde::{Deserialize, Serialize};

pub(super) const LIST: Route<Userpass> = Route::new("users", &[(Verb::List, list)]);

pub(super) const ROUTE: Route<Userpass> = Route::new(
    "users/~name",
    &[
        (Verb::Read, read),
        (Verb::Write, write),
        (Verb::Delete, delete),
    ],
)
.takes::<Change>()
.takes::<NewPassword>()
.takes::<token::Change>()
.captures(&[("name", "username")])
.creating(exists);

pub(super) const PASSWORD: Route<Userpass> =
    Route::new("users/~name/password", &[(Verb::Write, set_password)])
        .takes::<NewPassword>()
        .captures(&[("name", "username")]);

pub(super) const POLICIES: Route<Userpass> =
    Route::new("users/~name/policies", &[(Verb::Write, set_policies)])
        .takes::<NewPolicies>()
        .captures(&[("name", "username")]);

/// The user of the called path, if there is one.
async fn called(call: &Call<'_>) -> Result<Option<Stored>, Fault> {
    user::load(call.view, &name(call.capture("name"))?).await
}

fn exists<'a>(_: &'a Userpass, call: &'a Call<'a>) -> Pending<'a, bool> {
    Box::pin(async move { Ok(called(call).await?.is_some()) })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewPassword {
    password: Text,
    password_hash: Text,
}

impl NewPassword {
    /// The hash to store, if the body has one.
    async fn hash(self, method: &Userpass) -> Result<Option<password::Hash>, Fault> {
        match (self.password.is_empty(), self.password_hash.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => method.checks.hash(self.password.0).await.map(Some),
            (true, false) => password::foreign(self.password_hash.0.expose()).map(Some),
            (false, false) => Err(Fault::invalid(
                "only one of password or password_hash may be provided",
            )),
        }
    }
}

/// Settings by the names from before `token_…`.
#[derive(Deserialize)]
struct Change {
    ttl: Option<Ttl>,
    max_ttl: Option<Ttl>,
    bound_cidrs: Option<Words>,
    token_ttl: Option<Ttl>,
    token_max_ttl: Option<Ttl>,
    token_bound_cidrs: Option<Words>,
}

impl Change {
    fn apply(&self, user: &mut User) -> Result<(), Fault> {
        let spans = [
            (
                self.token_ttl,
                self.ttl,
                &mut user.token.ttl,
                &mut user.old.ttl,
            ),
            (
                self.token_max_ttl,
                self.max_ttl,
                &mut user.token.max_ttl,
                &mut user.old.max_ttl,
            ),
        ];
        for (new, old, to, shown) in spans {
            if let Some(span) = new.or(old) {
                *to = span.seconds();
                *shown = new.is_none();
            }
        }
        match (&self.token_bound_cidrs, &self.bound_cidrs) {
            (Some(_), _) => user.old.bound_cidrs = false,
            (None, Some(Words(ranges))) => {
                user.token.bound_cidrs = cidr::ranges_or_addresses(
                    ranges,
                    "bound_cidrs: expected addresses or CIDR blocks",
                )?;
                user.old.bound_cidrs = true;
            }
            (None, None) => {}
        }
        Ok(())
    }
}

const NO_PASSWORD: &str = "must provide either password or password_hash";

fn write<'a>(method: &'a Userpass, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = name(call.capture("name"))?;
        let change: Change = call.body.parse()?;
        let hash = call.body.parse::<NewPassword>()?.hash(method).await?;
        let mut contest = method.contests.enter(call.view.prefix(), &name);
        loop {
            let before = user::load(call.view, &name).await?;
            // Policy allowed an update only: what was there a moment ago must not be made anew.
            if before.is_none() && call.operation == Operation::Update {
                return Err(Fault::unsupported("unsupported path"));
            }
            let mut user = before
                .as_ref()
                .map(|before| before.record.clone())
                .unwrap_or_default();
            user.name.clone_from(&name);
            match &hash {
                Some(hash) => user.hash.clone_from(hash),
                None if before.is_none() => return Err(Fault::invalid(NO_PASSWORD)),
                None => {}
            }
            // The old names first: the rules between settings are judged on what is stored.
            change.apply(&mut user)?;
            let warnings = user.token.apply(call.body, call.mount)?;
            if user::save(call.view, before.as_ref(), &user).await? {
                return Ok(finished(warnings));
            }
            contest.lost().await?;
        }
    })
}

/// Changes the user of the called path, who must exist.
async fn change(
    method: &Userpass,
    call: &Call<'_>,
    edit: impl Fn(&mut User) + Send + Sync,
) -> Result<Outcome, Fault> {
    let name = name(call.capture("name"))?;
    let mut contest = method.contests.enter(call.view.prefix(), &name);
    loop {
        let before = user::load(call.view, &name).await?;
        let before = before.ok_or_else(|| Fault::invalid("username does not exist"))?;
        let mut user = before.record.clone();
        edit(&mut user);
        if user::save(call.view, Some(&before), &user).await? {
            return Ok(Outcome::Done);
        }
        contest.lost().await?;
    }
}

fn set_password<'a>(method: &'a Userpass, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let hash = call.body.parse::<NewPassword>()?.hash(method).await?;
        let hash = hash.ok_or_else(|| Fault::invalid(NO_PASSWORD))?;
        change(method, &call, |user| user.hash.clone_from(&hash)).await
    })
}

#[derive(Deserialize)]
struct NewPolicies {
    token_policies: Option<Words>,
    policies: Option<Words>,
}

fn set_policies<'a>(method: &'a Userpass, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let sent: NewPolicies = call.body.parse()?;
        let old = sent.token_policies.is_none();
        let names = sent.token_policies.or(sent.policies);
        let names = names.map(|Words(names)| token::policies(&names));
        let names = names.transpose()?;
        change(method, &call, |user| {
            // Nothing said changes nothing, as in OpenBao.
            if let Some(names) = &names {
                user.token.policies.clone_from(names);
                user.token.old_policies = old;
            }
        })
        .await
    })
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_cidrs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ttl: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<&'a [String]>,
    #[serde(flatten)]
    token: token::Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
}

impl<'a> From<&'a User> for Shown<'a> {
    fn from(user: &'a User) -> Self {
        let (token, old) = (&user.token, user.old);
        let ranges = || cidr::shown(&token.bound_cidrs);
        Self {
            bound_cidrs: (old.bound_cidrs && !token.bound_cidrs.is_empty()).then(ranges),
            max_ttl: (old.max_ttl && token.max_ttl > 0).then_some(token.max_ttl),
            policies: (token.old_policies && !token.policies.is_empty()).then_some(&token.policies),
            token: token.into(),
            ttl: (old.ttl && token.ttl > 0).then_some(token.ttl),
        }
    }
}

fn read<'a>(_: &'a Userpass, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let stored = called(&call).await?.ok_or_else(Fault::missing)?;
        Outcome::data(&Shown::from(&stored.record))
    })
}

fn delete<'a>(method: &'a Userpass, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = name(call.capture("name"))?;
        let contest = method.contests.enter(call.view.prefix(), &name);
        if remove(call.view, &user::key_of(&name), contest).await? {
            // The next of that name begins without the failures of this one.
            cofferdam_core::lockout::forget(call.view, &name).await?;
        }
        Ok(Outcome::Done)
    })
}

fn list<'a>(_: &'a Userpass, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { Outcome::keys(&call.view.list("user/", None, usize::MAX).await?.names) })
}
