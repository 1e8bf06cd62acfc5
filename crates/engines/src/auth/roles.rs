//! `role`, `role/NAME`: what every method does alike with its roles. What a change means is its own.

use super::role::{self, Stored, finished, name, remove, save};
use crate::contest::Contests;
use cofferdam_core::engine::{Pending, View};
use cofferdam_core::{Call, Fault, Operation, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A role as it is to be stored, and what is to be said of it.
pub(super) type Changed<R> = (R, Vec<String>);

/// A method whose roles are records by their names.
pub(super) trait Roles: Send + Sync + 'static {
    /// As it is stored.
    type Role: Serialize + DeserializeOwned + Send + Sync;

    /// Whether a write that policy allows as an update may make what is not there: as in Vault, where
    /// nobody asks beforehand.
    const MADE_BY_UPDATE: bool = false;

    /// Where changes of one role meet.
    fn contests(&self) -> &Contests;

    /// The role called `name` (canonical) as a write makes it of what is there. May be asked again,
    /// where another writer was faster.
    ///
    /// # Errors
    /// The first rule that is broken.
    fn changed<'a>(
        &'a self,
        call: &'a Call<'_>,
        name: &'a str,
        before: Option<Self::Role>,
    ) -> Pending<'a, Changed<Self::Role>>;

    /// As it is read.
    ///
    /// # Errors
    /// Ours, when it cannot be written as JSON.
    fn shown(role: &Self::Role) -> Result<Outcome, Fault>;
}

/// Where the role called `name` (canonical) is.
pub(super) fn key_of(name: &str) -> String {
    format!("role/{name}")
}

/// The role called `name` (canonical).
pub(super) async fn load<R: DeserializeOwned>(
    view: &View,
    name: &str,
) -> Result<Option<Stored<R>>, Fault> {
    role::load(view, &key_of(name)).await
}

/// The role of the called path, if there is one.
async fn called<M: Roles>(call: &Call<'_>) -> Result<Option<Stored<M::Role>>, Fault> {
    load(call.view, &name(call.capture("name"))?).await
}

pub(super) fn exists<'a, M: Roles>(_: &'a M, call: &'a Call<'a>) -> Pending<'a, bool> {
    Box::pin(async move { Ok(called::<M>(call).await?.is_some()) })
}

pub(super) fn read<'a, M: Roles>(_: &'a M, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let stored = called::<M>(&call).await?.ok_or_else(Fault::missing)?;
        M::shown(&stored.record)
    })
}

pub(super) fn write<'a, M: Roles>(method: &'a M, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = name(call.capture("name"))?;
        let key = key_of(&name);
        let mut contest = method.contests().enter(call.view.prefix(), &name);
        loop {
            let (before, revision) = Stored::apart(load::<M::Role>(call.view, &name).await?);
            // Policy allowed an update only: what was there a moment ago must not be made anew.
            if before.is_none() && call.operation == Operation::Update && !M::MADE_BY_UPDATE {
                return Err(Fault::unsupported("unsupported path"));
            }
            let (role, warnings) = method.changed(&call, &name, before).await?;
            if save(call.view, &key, revision, &role).await? {
                return Ok(finished(warnings));
            }
            contest.lost().await?;
        }
    })
}

pub(super) fn delete<'a, M: Roles>(method: &'a M, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = name(call.capture("name"))?;
        let contest = method.contests().enter(call.view.prefix(), &name);
        remove(call.view, &key_of(&name), contest).await?;
        Ok(Outcome::Done)
    })
}

pub(super) fn list<'a, M: Roles>(_: &'a M, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { Outcome::keys(&call.view.list("role/", None, usize::MAX).await?.names) })
}
