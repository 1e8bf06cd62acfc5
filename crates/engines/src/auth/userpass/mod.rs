//! Userpass: how people log in, with a name and a password.
//!
//! Follows Vault's userpass API (`auth/userpass`). Differences, all towards refusal or status: a
//! caller's mistake is never a 500; a password holds no NUL and at most 71 bytes, since bcrypt would
//! take two such passwords for one; the root policy cannot be given by a user; a name that is locked
//! is answered like a wrong password, so that the answer tells nobody which names there are.
//!
//! What this room promises:
//!
//! * a name is its lower-case form everywhere: in policies, storage, lockout and token metadata;
//! * an unknown name costs a guesser the same time as a known one (`login`), but for a hash that was
//!   brought along with another cost than ours;
//! * wrong passwords are counted for all replicas together ([`cofferdam_core::lockout`]), and a right
//!   password does not open a locked name;
//! * a password is kept as its bcrypt hash and never answered, in no form.
//!
//! | Key | Holds |
//! |---|---|
//! | `user/NAME` | a user |
//! | `lockout/NAME` | failures in a row |

mod login;
mod password;
mod user;
mod users;

#[cfg(test)]
mod tests;

use crate::contest::Contests;
use cofferdam_core::engine::{Pending, Route, Routed, View};
use cofferdam_core::mount::MountConfig;
use cofferdam_core::{Fault, Login, token::Entry};

/// The method's name in mount tables.
pub const KIND: &str = "userpass";

/// The method.
#[derive(Default)]
pub struct Userpass {
    contests: Contests,
    checks: password::Checks,
}

impl Routed for Userpass {
    const ROUTES: &'static [Route<Self>] = &[
        login::ROUTE,
        users::LIST,
        users::ROUTE,
        users::PASSWORD,
        users::POLICIES,
    ];

    fn mount<'a>(&'a self, _: &'a View, config: &'a MountConfig) -> Pending<'a, ()> {
        Box::pin(async move {
            match config.options.keys().next() {
                Some(unknown) => Err(Fault::invalid(format!(
                    "unknown option of a userpass mount: {unknown}"
                ))),
                None => Ok(()),
            }
        })
    }

    fn locks(&self) -> bool {
        true
    }

    fn renew<'a>(&'a self, view: &'a View, token: &'a Entry) -> Pending<'a, Login> {
        Box::pin(login::renewed(view, token))
    }
}
