//! JWT: logins with a token that somebody else signed, in hand or fetched with a browser.
//!
//! Follows Vault's JWT/OIDC method (`auth/jwt`), as OpenBao carries it on. The signer's keys are given
//! one by one, or read from its key set, by address or by discovery. What a token must say to be taken
//! is in a role. See `docs/adr/0032-jwt.md` for what is stricter here, and why.
//!
//! What this room promises:
//!
//! * a token logs in when its signature, issuer, audience, subject, times and bound claims all hold, and
//!   nothing in it is ever used as an address or as a key ([`crate::auth::jose`]);
//! * a key set is read at most once in an interval, whoever asks and however often (`keys`);
//! * a pattern is a pattern where the role says so, and only in the role.
//!
//! | Key | Holds |
//! |---|---|
//! | `config` | the signer |
//! | `role/NAME` | a role |
//! | `spent/HASH` | a state that a login with a browser used, until it would have ended |

mod claims;
mod config;
mod keys;
mod login;
mod oidc;
mod role;
mod roles;
mod settings;

#[cfg(test)]
mod tests;

use crate::contest::Contests;
use cofferdam_core::engine::{Pending, RoleOf, Route, Routed, View};
use cofferdam_core::mount::MountConfig;
use cofferdam_core::{Fault, Login, token::Entry};

/// The method's name in mount tables.
pub const KIND: &str = "jwt";
/// Its other name: the same method, for those who think of it by its flow in a browser.
pub const KIND_OIDC: &str = "oidc";

/// The method.
#[derive(Default)]
pub struct Jwt {
    contests: Contests,
    keys: keys::Keys,
    exchanges: oidc::Exchanges,
}

impl Routed for Jwt {
    const ROLE_OF: Option<RoleOf> = Some(|view, body, _| Box::pin(login::role_of(view, body)));

    const ROUTES: &'static [Route<Self>] = &[
        login::ROUTE,
        settings::ROUTE,
        roles::LIST,
        roles::ROUTE,
        oidc::AUTH_URL,
        oidc::CALLBACK,
    ];

    fn mount<'a>(&'a self, _: &'a View, config: &'a MountConfig) -> Pending<'a, ()> {
        Box::pin(async move {
            match config.options.keys().next() {
                Some(unknown) => Err(Fault::invalid(format!(
                    "unknown option of a jwt mount: {unknown}"
                ))),
                None => Ok(()),
            }
        })
    }

    fn forget(&self, keys: Option<&[String]>) {
        if keys.is_none() {
            self.keys.clear();
        }
    }

    fn renew<'a>(&'a self, view: &'a View, token: &'a Entry) -> Pending<'a, Login> {
        Box::pin(login::renewed(view, token))
    }
}
