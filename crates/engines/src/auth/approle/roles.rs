//! `role`, `role/NAME`: making, changing, showing, listing and removing roles.

use super::key::Key;
use super::role::{self, Role, Stored};
use super::{AppRole, secret};
use crate::auth::role::finished;
use crate::auth::{cidr, token};
use cofferdam_core::engine::Commit;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::{Count, Flag, Ttl, Words};
use cofferdam_core::{Call, Fault, Operation, Outcome, Verb};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub(super) const LIST: Route<AppRole> = Route::new("role", &[(Verb::List, list)]);

pub(super) const ROUTE: Route<AppRole> = Route::new(
    "role/~name",
    &[
        (Verb::Read, read),
        (Verb::Write, write),
        (Verb::Delete, delete),
    ],
)
.takes::<Change>()
.takes::<token::Change>()
.captures(&[("name", "role_name")])
.creating(exists);

/// The role of the called path, if there is one.
pub(super) async fn called(call: &Call<'_>) -> Result<Option<Stored>, Fault> {
    role::load(call.view, &role::name(call.capture("name"))?).await
}

fn exists<'a>(_: &'a AppRole, call: &'a Call<'a>) -> Pending<'a, bool> {
    Box::pin(async move { Ok(called(call).await?.is_some()) })
}

#[derive(Deserialize)]
struct Change {
    role_id: Option<String>,
    bind_secret_id: Option<Flag>,
    secret_id_bound_cidrs: Option<Words>,
    bound_cidr_list: Option<Words>,
    secret_id_num_uses: Option<Count>,
    secret_id_ttl: Option<Ttl>,
    local_secret_ids: Option<Flag>,
}

impl Change {
    fn apply(&self, role: &mut Role, fresh: bool) -> Result<(), Fault> {
        match self.local_secret_ids {
            Some(Flag(local)) if fresh => role.local_secret_ids = local,
            Some(_) => {
                return Err(Fault::invalid(
                    "local_secret_ids can only be modified during role creation",
                ));
            }
            None => {}
        }
        match &self.role_id {
            Some(id) if id.is_empty() => {
                return Err(Fault::invalid(
                    "invalid role_id supplied, or failed to generate a role_id",
                ));
            }
            Some(id) => role.role_id.clone_from(id),
            None => {}
        }
        if let Some(Flag(bind)) = self.bind_secret_id {
            role.bind_secret_id = bind;
        }
        if let Some(Words(ranges)) = self
            .secret_id_bound_cidrs
            .as_ref()
            .or(self.bound_cidr_list.as_ref())
        {
            role.secret_id_bound_cidrs = cidr::ranges(
                ranges,
                "failed to validate CIDR blocks: invalid CIDR address",
            )?;
        }
        if let Some(count) = self.secret_id_num_uses {
            role.secret_id_num_uses = token::uses(count, "secret_id_num_uses")?;
        }
        if let Some(ttl) = self.secret_id_ttl {
            role.secret_id_ttl = ttl.seconds();
        }
        Ok(())
    }
}

fn write<'a>(method: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = role::name(call.capture("name"))?;
        let change: Change = call.body.parse()?;
        let key = Key::load(call.view).await?;
        let mut contest = method.contests.enter(call.view.prefix(), &name);
        loop {
            let before = role::load(call.view, &name).await?;
            // Policy allowed an update only: what was there a moment ago must not be made anew.
            if before.is_none() && call.operation == Operation::Update {
                return Err(Fault::unsupported("unsupported path"));
            }
            let mut role = match &before {
                Some(before) => before.role.clone(),
                None => Role::new(name.clone())?,
            };
            change.apply(&mut role, before.is_none())?;
            let warnings = role.token.apply(call.body, call.mount)?;
            if role::save(call.view, &key, before.as_ref(), &role).await? {
                return Ok(finished(warnings));
            }
            contest.lost().await?;
        }
    })
}

#[derive(Serialize)]
struct Shown<'a> {
    bind_secret_id: bool,
    local_secret_ids: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<&'a [String]>,
    secret_id_bound_cidrs: Option<&'a [IpNet]>,
    secret_id_num_uses: u32,
    secret_id_ttl: u64,
    #[serde(flatten)]
    token: token::Shown<'a>,
}

impl<'a> From<&'a Role> for Shown<'a> {
    fn from(role: &'a Role) -> Self {
        let token = &role.token;
        Self {
            bind_secret_id: role.bind_secret_id,
            local_secret_ids: role.local_secret_ids,
            period: (token.old_period && token.period > 0).then_some(token.period),
            policies: (token.old_policies && !token.policies.is_empty()).then_some(&token.policies),
            secret_id_bound_cidrs: some(&role.secret_id_bound_cidrs),
            secret_id_num_uses: role.secret_id_num_uses,
            secret_id_ttl: role.secret_id_ttl,
            token: token.into(),
        }
    }
}

/// Vault shows lists that were never set as null.
pub(super) fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

fn read<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let stored = called(&call).await?.ok_or_else(Fault::missing)?;
        Outcome::data(&Shown::from(&stored.role))
    })
}

fn delete<'a>(method: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = role::name(call.capture("name"))?;
        let key = Key::load(call.view).await?;
        let mut contest = method.contests.enter(call.view.prefix(), &name);
        while let Some(Stored { role, revision }) = role::load(call.view, &name).await? {
            let own = role::key_of(&name);
            let batch = call
                .view
                .batch()
                .expect_at(own.as_str(), revision)
                .delete(own);
            let batch = batch.delete(role::id_key(&key.role_id(&role.role_id)?));
            if matches!(call.view.commit(batch).await?, Commit::Done(_)) {
                // From here on no SecretID of it counts; what a crash leaves of them, tidying removes.
                secret::remove_all(call.view, &key, &role.incarnation).await?;
                break;
            }
            contest.lost().await?;
        }
        Ok(Outcome::Done)
    })
}

fn list<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { Outcome::keys(&call.view.list("role/", None, usize::MAX).await?.names) })
}
