//! The `auth/token` mount: what a holder of a token can do with tokens.

mod create;
mod handles;
mod lookup;
mod renew;
mod revoke;
mod role;
mod roles;

use super::{Entry, Store};
use crate::engine::{Access, Route, Routed};
use crate::fault::Fault;
use crate::operation::Verb;
use crate::request::Call;
use crate::vault::Services;
use cofferdam_secret::Secret;
use std::sync::{Arc, OnceLock, Weak};

/// The engine of `auth/token`.
#[derive(Default)]
pub struct Tokens {
    pub(crate) services: OnceLock<Weak<Services>>,
}

impl Tokens {
    fn services(&self) -> Result<Arc<Services>, Fault> {
        self.services
            .get()
            .and_then(Weak::upgrade)
            .ok_or_else(Fault::sealed)
    }
}

impl Routed for Tokens {
    const ROUTES: &'static [Route<Self>] = &[
        Route::new(
            "create",
            &[(Verb::Write, |e, c| Box::pin(create::create(e, c)))],
        )
        .takes::<create::Wanted>(),
        Route::new(
            "create-orphan",
            &[(Verb::Write, |e, c| Box::pin(create::create_orphan(e, c)))],
        )
        .takes::<create::Wanted>()
        .access(Access::Sudo),
        Route::new(
            "create/:role",
            &[(Verb::Write, |e, c| Box::pin(create::create_by_role(e, c)))],
        )
        .takes::<create::Wanted>()
        .captures(&[("role", "role_name")]),
        Route::new("roles", &[(Verb::List, |_, c| Box::pin(roles::list(c)))]),
        Route::new(
            "roles/:role",
            &[
                (Verb::Read, |_, c| Box::pin(roles::read(c))),
                (Verb::Write, |_, c| Box::pin(roles::write(c))),
                (Verb::Delete, |_, c| Box::pin(roles::delete(c))),
            ],
        )
        .takes::<roles::Change>()
        .captures(&[("role", "role_name")])
        .creating(|_, c| Box::pin(roles::exists(c))),
        Route::new(
            "lookup-self",
            &[
                (Verb::Read, |e, c| Box::pin(lookup::lookup_self(e, c))),
                (Verb::Write, |e, c| Box::pin(lookup::lookup_self(e, c))),
            ],
        )
        .takes_nothing()
        .idle(&["token"]),
        Route::new(
            "lookup",
            &[
                (Verb::Write, |e, c| Box::pin(lookup::lookup(e, c))),
                (Verb::Read, |e, c| Box::pin(lookup::lookup_self(e, c))),
            ],
        )
        .takes::<handles::ByToken>(),
        Route::new(
            "lookup-accessor",
            &[(Verb::Write, |e, c| Box::pin(lookup::lookup_accessor(e, c)))],
        )
        .takes::<handles::ByAccessor>(),
        Route::new(
            "renew-self",
            &[(Verb::Write, |e, c| Box::pin(renew::renew_self(e, c)))],
        )
        .takes::<renew::Wanted>(),
        Route::new(
            "renew",
            &[(Verb::Write, |e, c| Box::pin(renew::renew(e, c)))],
        )
        .takes::<renew::Wanted>(),
        Route::new(
            "renew-accessor",
            &[(Verb::Write, |e, c| Box::pin(renew::renew_accessor(e, c)))],
        )
        .takes::<handles::ByAccessor>()
        .takes::<renew::Wanted>(),
        Route::new(
            "revoke-self",
            &[(Verb::Write, |e, c| Box::pin(revoke::revoke_self(e, c)))],
        )
        .takes_nothing(),
        Route::new(
            "revoke",
            &[(Verb::Write, |e, c| Box::pin(revoke::revoke(e, c)))],
        )
        .takes::<handles::ByToken>(),
        Route::new(
            "revoke-accessor",
            &[(Verb::Write, |e, c| Box::pin(revoke::revoke_accessor(e, c)))],
        )
        .takes::<handles::ByAccessor>(),
        Route::new(
            "revoke-orphan",
            &[(Verb::Write, |e, c| Box::pin(revoke::revoke_orphan(e, c)))],
        )
        .takes::<handles::ByToken>()
        .access(Access::Sudo),
        Route::new(
            "accessors",
            &[(Verb::List, |e, c| Box::pin(lookup::accessors(e, c)))],
        )
        .access(Access::Sudo),
        Route::new(
            "tidy",
            &[(Verb::Write, |e, c| Box::pin(revoke::tidy(e, c)))],
        )
        .takes_nothing(),
    ];
}

/// Finds the token a body names.
async fn named_token(
    store: &Store,
    call: &Call<'_>,
    token: &Secret<String>,
) -> Result<Entry, Fault> {
    store.lookup(call.now, token).await?.ok_or_else(bad_token)
}

fn bad_token() -> Fault {
    Fault::denied().noting("the token named in the request is unknown, expired or revoked")
}
