//! `role`, `role/NAME`: what every method does alike with its roles. Changing them is its own.

use super::role::{self, Stored, name, remove};
use crate::contest::Contests;
use cofferdam_core::engine::{Pending, View};
use cofferdam_core::{Call, Fault, Outcome};
use serde::de::DeserializeOwned;

/// A method whose roles are records by their names.
pub(super) trait Roles: Send + Sync + 'static {
    /// As it is stored.
    type Role: DeserializeOwned + Send + Sync;

    /// Where changes of one role meet.
    fn contests(&self) -> &Contests;

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
