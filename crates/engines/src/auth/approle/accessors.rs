//! `role/NAME/secret-id-accessor…`: looking up and destroying SecretIDs by their handles.

use super::key::Key;
use super::secret_ids::{Shown, named, role_of};
use super::{AppRole, secret};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::fields::Kind;
use cofferdam_core::{Call, Fault, Outcome, Verb};

pub(super) const LOOKUP: Route<AppRole> = Route::new(
    "role/~name/secret-id-accessor/lookup",
    &[(Verb::Write, lookup)],
)
.takes_each(&[("secret_id_accessor", Kind::Text)])
.captures(&[("name", "role_name")])
.with_slash();

pub(super) const DESTROY: Route<AppRole> = Route::new(
    "role/~name/secret-id-accessor/destroy",
    &[(Verb::Write, destroy), (Verb::Delete, destroy)],
)
.takes_each(&[("secret_id_accessor", Kind::Text)])
.captures(&[("name", "role_name")])
.with_slash();

/// # Errors
/// [`cofferdam_core::Kind::Missing`] when there is none, or it is another role's: the same answer.
async fn find(call: &Call<'_>, key: &Key) -> Result<secret::Stored, Fault> {
    let accessor = named(call, "secret_id_accessor")?;
    let role = role_of(call).await?.role;
    let found = secret::by_accessor(
        call.view,
        key,
        &role.incarnation,
        accessor.expose(),
        call.now,
    )
    .await?;
    found.ok_or_else(Fault::missing)
}

fn lookup<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = Key::load(call.view).await?;
        Outcome::data(&Shown::from(&find(&call, &key).await?.secret))
    })
}

fn destroy<'a>(_: &'a AppRole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = Key::load(call.view).await?;
        while !secret::remove(call.view, &key, &find(&call, &key).await?).await? {}
        Ok(Outcome::Done)
    })
}
