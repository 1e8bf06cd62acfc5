//! AppRole: how programs log in, with a RoleID that says who and a SecretID that proves it.
//!
//! Follows Vault's AppRole API (`auth/approle`). Differences, all towards refusal or status:
//! a caller's mistake is never a 500; texts do not quote input;
//! an expired SecretID is the same as none everywhere, not only at login; the root policy cannot
//! be given by a role.
//!
//! Storage, relative to the mount:
//!
//! | Key | Holds |
//! |---|---|
//! | `key` | the mount's own key for the hashes below |
//! | `role/NAME` | a role, its RoleID included, since that must be readable |
//! | `role-id/HASH` | which role a RoleID means |
//! | `secret/INCARNATION/HASH` | what is known of a SecretID, never the SecretID |
//! | `accessor/HASH` | which SecretID an accessor means |
//! | `decoy` | a role that nobody has: looked at when a RoleID is unknown |
//!
//! The incarnation of a role is random and new whenever a name is made again: a SecretID of a
//! deleted role is worth nothing under the next role of that name, whatever a crash left behind.
//! A use of a SecretID is taken off by compare-and-swap before the login is granted.

mod accessors;
mod fields;
mod key;
mod login;
mod role;
mod roles;
mod secret;
mod secret_ids;
mod tidy;

#[cfg(test)]
mod tests;

use crate::contest::Contests;
use cofferdam_core::engine::{Pending, RoleOf, Route, Routed, View};
use cofferdam_core::mount::MountConfig;
use cofferdam_core::{Login, token::Entry};

/// The method's name in mount tables.
pub const KIND: &str = "approle";

/// The method.
#[derive(Default)]
pub struct AppRole {
    contests: Contests,
}

impl Routed for AppRole {
    const ROLE_OF: Option<RoleOf> = Some(|view, body, _| Box::pin(login::role_of(view, body)));

    const ROUTES: &'static [Route<Self>] = &[
        login::ROUTE,
        roles::LIST,
        roles::ROUTE,
        fields::ROLE_ID,
        fields::POLICIES,
        fields::BIND_SECRET_ID,
        fields::SECRET_ID_BOUND_CIDRS,
        fields::BOUND_CIDR_LIST,
        fields::SECRET_ID_NUM_USES,
        fields::SECRET_ID_TTL,
        fields::TOKEN_BOUND_CIDRS,
        fields::TOKEN_NUM_USES,
        fields::TOKEN_TTL,
        fields::TOKEN_MAX_TTL,
        fields::PERIOD,
        fields::LOCAL_SECRET_IDS,
        secret_ids::ROUTE,
        secret_ids::CUSTOM,
        secret_ids::LOOKUP,
        secret_ids::DESTROY,
        accessors::LOOKUP,
        accessors::DESTROY,
        tidy::ROUTE,
    ];

    fn mount<'a>(&'a self, view: &'a View, config: &'a MountConfig) -> Pending<'a, ()> {
        Box::pin(async move {
            if let Some(unknown) = config.options.keys().next() {
                return Err(cofferdam_core::Fault::invalid(format!(
                    "unknown option of an approle mount: {unknown}"
                )));
            }
            key::Key::load(view).await.map(drop)
        })
    }

    fn renew<'a>(&'a self, view: &'a View, token: &'a Entry) -> Pending<'a, Login> {
        Box::pin(login::renewed(view, token))
    }
}
