//! Kubernetes: pods log in with the token of their service account.
//!
//! Follows Vault's method (`auth/kubernetes`), as OpenBao carries it on. What a token says is compared with
//! a role; then the cluster itself is asked whether it is good (TokenReview), so that the token of
//! an account that was deleted is good no more. See `docs/adr/0032-jwt.md`.
//!
//! What this room promises:
//!
//! * nobody gets in on the word of a token alone: the cluster vouches for name, namespace and UID, and for
//!   the audience where there is one;
//! * with `pem_keys` a token of somebody else never reaches the cluster;
//! * of a login that failed only "permission denied" is told, where the token could be somebody's.
//!
//! | Key | Holds |
//! |---|---|
//! | `config` | the cluster |
//! | `role/NAME` | a role |

mod account;
mod config;
mod login;
mod review;
mod role;
mod roles;

#[cfg(test)]
mod tests;

use crate::contest::Contests;
use cofferdam_core::engine::{Pending, RoleOf, Route, Routed, View};
use cofferdam_core::mount::MountConfig;
use cofferdam_core::{Fault, Login, token::Entry};

/// The method's name in mount tables.
pub const KIND: &str = "kubernetes";

/// The method.
#[derive(Default)]
pub struct Kubernetes {
    contests: Contests,
    reviews: review::Reviews,
}

impl Routed for Kubernetes {
    const ROLE_OF: Option<RoleOf> =
        Some(|_, body, _| Box::pin(async move { crate::auth::role::named(body) }));

    const ROUTES: &'static [Route<Self>] =
        &[login::ROUTE, config::ROUTE, roles::LIST, roles::ROUTE];

    fn mount<'a>(&'a self, _: &'a View, config: &'a MountConfig) -> Pending<'a, ()> {
        Box::pin(async move {
            match config.options.keys().next() {
                Some(unknown) => Err(Fault::invalid(format!(
                    "unknown option of a kubernetes mount: {unknown}"
                ))),
                None => Ok(()),
            }
        })
    }

    fn renew<'a>(&'a self, view: &'a View, token: &'a Entry) -> Pending<'a, Login> {
        Box::pin(login::renewed(view, token))
    }
}
