//! Identity: who stands behind tokens, whichever method they logged in with.
//!
//! An [`Entity`] has a name, policies, and one alias for each auth mount it logs in at. Every login
//! with an alias finds or makes its entity ([`Store::logged_in`]); the token keeps the entity's id
//! only, so policies and the switch that disables it act on tokens that are out already. A [`Group`]
//! gives its policies to its members; who is in an external one is said by an auth method at each
//! login. What is made of all that for a request stands in the token cache and falls out of it with
//! the key of the entity or of any of its groups.
//!
//! What others are told of an entity is in [`oidc`].
//!
//! Follows the API of Vault's identity store, as OpenBao 2.7.2 answers it.

mod aliases;
mod entities;
mod group_aliases;
mod groups;
mod merge;
pub(crate) mod oidc;
mod record;
mod shape;
mod sought;
mod store;

pub use record::{Alias, Entity, Group, Sort};
pub(crate) use store::{ENTITIES, Found, GROUPS, Known, Store, Subject};

use crate::engine::{Route, Routed};
use crate::fault::Fault;
use crate::operation::Verb::{Delete, List, Read, Write};
use crate::vault::Services;
use std::sync::{Arc, OnceLock, Weak};

/// The engine of `identity`.
#[derive(Default)]
pub struct Identities {
    pub(crate) services: OnceLock<Weak<Services>>,
    published: oidc::Published,
}

impl Identities {
    fn services(&self) -> Result<Arc<Services>, Fault> {
        self.services
            .get()
            .and_then(Weak::upgrade)
            .ok_or_else(Fault::sealed)
    }
}

impl Routed for Identities {
    const ROUTES: &'static [Route<Self>] = &[
        Route::new("entity", &[(Write, |e, c| Box::pin(entities::write(e, c)))])
            .takes::<entities::Wanted>(),
        Route::new(
            "entity/batch-delete",
            &[(Write, |e, c| Box::pin(entities::delete_many(e, c)))],
        )
        .takes::<entities::Many>(),
        Route::new(
            "entity/merge",
            &[(Write, |e, c| Box::pin(merge::merge(e, c)))],
        )
        .takes::<merge::Wanted>(),
        Route::new("entity/id", &[(List, |e, _| Box::pin(entities::ids(e)))]),
        Route::new(
            "entity/id/:id",
            &[
                (Read, |e, c| Box::pin(entities::read(e, c))),
                (Write, |e, c| Box::pin(entities::write(e, c))),
                (Delete, |e, c| Box::pin(entities::delete(e, c))),
            ],
        )
        .takes::<entities::Wanted>(),
        Route::new(
            "entity/name",
            &[(List, |e, _| Box::pin(entities::names(e)))],
        ),
        // The case of names does not matter.
        Route::new(
            "entity/name/~name",
            &[
                (Read, |e, c| Box::pin(entities::read(e, c))),
                (Write, |e, c| Box::pin(entities::write(e, c))),
                (Delete, |e, c| Box::pin(entities::delete(e, c))),
            ],
        )
        .takes::<entities::Wanted>(),
        Route::new(
            "entity-alias",
            &[(Write, |e, c| Box::pin(aliases::write(e, c)))],
        )
        .takes::<aliases::Wanted>(),
        Route::new(
            "entity-alias/id",
            &[(List, |e, _| Box::pin(aliases::ids(e)))],
        ),
        Route::new(
            "entity-alias/id/:id",
            &[
                (Read, |e, c| Box::pin(aliases::read(e, c))),
                (Write, |e, c| Box::pin(aliases::write(e, c))),
                (Delete, |e, c| Box::pin(aliases::delete(e, c))),
            ],
        )
        .takes::<aliases::Wanted>(),
        Route::new("group", &[(Write, |e, c| Box::pin(groups::write(e, c)))])
            .takes::<groups::Wanted>(),
        Route::new("group/id", &[(List, |e, _| Box::pin(groups::ids(e)))]),
        Route::new(
            "group/id/:id",
            &[
                (Read, |e, c| Box::pin(groups::read(e, c))),
                (Write, |e, c| Box::pin(groups::write(e, c))),
                (Delete, |e, c| Box::pin(groups::delete(e, c))),
            ],
        )
        .takes::<groups::Wanted>(),
        Route::new("group/name", &[(List, |e, _| Box::pin(groups::names(e)))]),
        Route::new(
            "group/name/~name",
            &[
                (Read, |e, c| Box::pin(groups::read(e, c))),
                (Write, |e, c| Box::pin(groups::write(e, c))),
                (Delete, |e, c| Box::pin(groups::delete(e, c))),
            ],
        )
        .takes::<groups::Wanted>(),
        Route::new(
            "group-alias",
            &[(Write, |e, c| Box::pin(group_aliases::write(e, c)))],
        )
        .takes::<group_aliases::Wanted>(),
        Route::new(
            "group-alias/id",
            &[(List, |e, _| Box::pin(group_aliases::ids(e)))],
        ),
        Route::new(
            "group-alias/id/:id",
            &[
                (Read, |e, c| Box::pin(group_aliases::read(e, c))),
                (Write, |e, c| Box::pin(group_aliases::write(e, c))),
                (Delete, |e, c| Box::pin(group_aliases::delete(e, c))),
            ],
        )
        .takes::<group_aliases::Wanted>(),
        Route::new(
            "lookup/group",
            &[(Write, |e, c| Box::pin(groups::lookup(e, c)))],
        )
        .takes::<sought::Fields>()
        .computing(),
        Route::new(
            "lookup/entity",
            &[(Write, |e, c| Box::pin(entities::lookup(e, c)))],
        )
        .takes::<sought::Fields>()
        .computing(),
        oidc::CONFIG,
        oidc::KEYS,
        oidc::KEY,
        oidc::ROTATE,
        oidc::ROLES,
        oidc::ROLE,
        oidc::TOKEN,
        oidc::INTROSPECT,
        oidc::DISCOVERY,
        oidc::PUBLIC_KEYS,
        oidc::SCOPES,
        oidc::SCOPE,
        oidc::ASSIGNMENTS,
        oidc::ASSIGNMENT,
        oidc::CLIENTS,
        oidc::CLIENT,
        oidc::CREDENTIALS,
        oidc::PROVIDERS,
        oidc::PROVIDER,
        oidc::PROVIDER_DISCOVERY,
        oidc::PROVIDER_KEYS,
        oidc::AUTHORIZE,
        oidc::EXCHANGE,
        oidc::USERINFO,
    ];

    fn forget(&self, keys: Option<&[String]>) {
        self.published.forget(keys);
    }
}
