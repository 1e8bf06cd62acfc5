//! Identity tokens (`identity/oidc`): who an entity is, signed for others.
//!
//! A named [`key::NamedKey`] signs, a [`role::Role`] says what stands in a token, and whoever has a
//! token with an entity reads one ([`token`]). Others check it by the keys that are published
//! ([`public`]) or ask ([`introspect`]). Follows OpenID Connect Discovery 1.0, RFC 7517 and 7519, and
//! the API of OpenBao 2.7.2.
//!
//! All of it is in the store, so every replica signs with the same key. A change of what refers to
//! what compares one key ([`store`]), so a role never outlives its key. What is published changes by
//! the clock alone: nobody who asks without a token changes anything.

mod config;
mod introspect;
mod key;
mod provider;
mod public;
mod published;
mod role;
mod signing;
mod store;
mod template;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use key::keep;
pub(crate) use published::Published;

use super::Identities;
use crate::engine::{Access, Route};
use crate::operation::Verb::{Delete, List, Read, Write};
use provider::{assignment, authorize, client, credentials, exchange, scope, settings, userinfo};

pub(super) const CONFIG: Route<Identities> = Route::new(
    "oidc/config",
    &[
        (Read, |e, _| Box::pin(config::read(e))),
        (Write, |e, c| Box::pin(config::write(e, c))),
    ],
)
.takes::<config::Wanted>();
pub(super) const KEYS: Route<Identities> =
    Route::new("oidc/key", &[(List, |e, _| Box::pin(key::list(e)))]);
pub(super) const KEY: Route<Identities> = Route::new(
    "oidc/key/:name",
    &[
        (Read, |e, c| Box::pin(key::read(e, c))),
        (Write, |e, c| Box::pin(key::write(e, c))),
        (Delete, |e, c| Box::pin(key::delete(e, c))),
    ],
)
.takes::<key::Wanted>()
.creating(|e, c| Box::pin(key::exists(e, c)));
pub(super) const ROTATE: Route<Identities> = Route::new(
    "oidc/key/:name/rotate",
    &[(Write, |e, c| Box::pin(key::rotate(e, c)))],
)
.takes::<key::Rotation>();
pub(super) const ROLES: Route<Identities> =
    Route::new("oidc/role", &[(List, |e, _| Box::pin(role::list(e)))]);
pub(super) const ROLE: Route<Identities> = Route::new(
    "oidc/role/:name",
    &[
        (Read, |e, c| Box::pin(role::read(e, c))),
        (Write, |e, c| Box::pin(role::write(e, c))),
        (Delete, |e, c| Box::pin(role::delete(e, c))),
    ],
)
.takes::<role::Wanted>()
.creating(|e, c| Box::pin(role::exists(e, c)));
pub(super) const TOKEN: Route<Identities> = Route::new(
    "oidc/token/:name",
    &[(Read, |e, c| Box::pin(token::read(e, c)))],
);
pub(super) const INTROSPECT: Route<Identities> = Route::new(
    "oidc/introspect",
    &[(Write, |e, c| Box::pin(introspect::introspect(e, c)))],
)
.takes::<introspect::Wanted>()
.computing();
pub(super) const DISCOVERY: Route<Identities> = Route::new(
    "oidc/.well-known/openid-configuration",
    &[(Read, |e, _| Box::pin(public::discovery(e)))],
)
.access(Access::Anonymous);
pub(super) const PUBLIC_KEYS: Route<Identities> = Route::new(
    "oidc/.well-known/keys",
    &[(Read, |e, c| Box::pin(public::keys(e, c)))],
)
.access(Access::Anonymous);

pub(super) const SCOPES: Route<Identities> =
    Route::new("oidc/scope", &[(List, |e, _| Box::pin(scope::list(e)))]);
pub(super) const SCOPE: Route<Identities> = Route::new(
    "oidc/scope/:name",
    &[
        (Read, |e, c| Box::pin(scope::read(e, c))),
        (Write, |e, c| Box::pin(scope::write(e, c))),
        (Delete, |e, c| Box::pin(scope::delete(e, c))),
    ],
)
.takes::<scope::Wanted>()
.creating(|e, c| Box::pin(scope::exists(e, c)));

pub(super) const ASSIGNMENTS: Route<Identities> = Route::new(
    "oidc/assignment",
    &[(List, |e, _| Box::pin(assignment::list(e)))],
);
pub(super) const ASSIGNMENT: Route<Identities> = Route::new(
    "oidc/assignment/:name",
    &[
        (Read, |e, c| Box::pin(assignment::read(e, c))),
        (Write, |e, c| Box::pin(assignment::write(e, c))),
        (Delete, |e, c| Box::pin(assignment::delete(e, c))),
    ],
)
.takes::<assignment::Wanted>()
.creating(|e, c| Box::pin(assignment::exists(e, c)));

pub(super) const CLIENTS: Route<Identities> =
    Route::new("oidc/client", &[(List, |e, _| Box::pin(client::list(e)))]);
pub(super) const CLIENT: Route<Identities> = Route::new(
    "oidc/client/:name",
    &[
        (Read, |e, c| Box::pin(client::read(e, c))),
        (Write, |e, c| Box::pin(client::write(e, c))),
        (Delete, |e, c| Box::pin(client::delete(e, c))),
    ],
)
.takes::<client::Wanted>()
.creating(|e, c| Box::pin(client::exists(e, c)));

pub(super) const CREDENTIALS: Route<Identities> = Route::new(
    "oidc/client/:name/credentials",
    &[(Write, |e, c| Box::pin(credentials::write(e, c)))],
)
.takes::<credentials::Credentials>()
.takes::<client::Wanted>()
.access(Access::Sudo)
.creating(|e, c| Box::pin(client::exists(e, c)));

pub(super) const PROVIDERS: Route<Identities> = Route::new(
    "oidc/provider",
    &[(List, |e, c| Box::pin(settings::list(e, c)))],
)
.asks(&["allowed_client_id"]);
pub(super) const PROVIDER: Route<Identities> = Route::new(
    "oidc/provider/:name",
    &[
        (Read, |e, c| Box::pin(settings::read(e, c))),
        (Write, |e, c| Box::pin(settings::write(e, c))),
        (Delete, |e, c| Box::pin(settings::delete(e, c))),
    ],
)
.takes::<settings::Wanted>()
.creating(|e, c| Box::pin(settings::exists(e, c)));
pub(super) const PROVIDER_DISCOVERY: Route<Identities> = Route::new(
    "oidc/provider/:name/.well-known/openid-configuration",
    &[(Read, |e, c| Box::pin(settings::discovery(e, c)))],
)
.access(Access::Anonymous);
pub(super) const PROVIDER_KEYS: Route<Identities> = Route::new(
    "oidc/provider/:name/.well-known/keys",
    &[(Read, |e, c| Box::pin(settings::keys(e, c)))],
)
.access(Access::Anonymous);
pub(super) const AUTHORIZE: Route<Identities> = Route::new(
    "oidc/provider/:name/authorize",
    &[
        (Read, |e, c| Box::pin(authorize::authorize(e, c))),
        (Write, |e, c| Box::pin(authorize::authorize(e, c))),
    ],
)
.takes::<authorize::Wanted>()
.asks(authorize::NAMES)
.changing();
/// The client's secret and the code are the credentials.
pub(super) const EXCHANGE: Route<Identities> = Route::new(
    "oidc/provider/:name/token",
    &[(Write, |e, c| Box::pin(exchange::exchange(e, c)))],
)
.takes::<exchange::Wanted>()
.access(Access::Anonymous);
/// The access token is the credential: it is none of the vault's.
pub(super) const USERINFO: Route<Identities> = Route::new(
    "oidc/provider/:name/userinfo",
    &[
        (Read, |e, c| Box::pin(userinfo::userinfo(e, c))),
        (Write, |e, c| Box::pin(userinfo::userinfo(e, c))),
    ],
)
.takes_nothing()
.access(Access::Anonymous)
.computing();
