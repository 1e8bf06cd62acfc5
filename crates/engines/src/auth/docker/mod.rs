//! Docker: how containers log in, with nothing that they were given.
//!
//! Not a method of Vault's. A container proves who it is by being what it is: the daemon on its host
//! sees which container a process belongs to, asks the engine what that container runs, and attests
//! it here (`attest`). A role says which containers it is for, by image and by labels, and what
//! their tokens may do. See `docs/adr/0015-container-identity.md`.
//!
//! What this room promises:
//!
//! * only a caller whose policies allow `attest` attests: the local admin, or a host's own token. A
//!   container never reaches that path with a token of its own, unless somebody wrote it a policy.
//! * nothing is a pattern. Digests, identifiers, labels and names are compared whole.
//! * a role without a bound on what runs is refused: it would admit every container.
//! * a renewal judges the container again, by the role as it is then.
//!
//! | Key | Holds |
//! |---|---|
//! | `role/NAME` | a role |

mod attest;
mod container;
mod role;
mod roles;

#[cfg(test)]
mod tests;

use crate::contest::Contests;
use cofferdam_core::engine::{Pending, Route, Routed, View};
use cofferdam_core::mount::MountConfig;
use cofferdam_core::{Fault, Login, token::Entry};

/// The method's name in mount tables.
pub const KIND: &str = "docker";

/// The method.
#[derive(Default)]
pub struct Docker {
    contests: Contests,
}

impl Routed for Docker {
    const ROUTES: &'static [Route<Self>] = &[attest::ROUTE, roles::LIST, roles::ROUTE];

    fn mount<'a>(&'a self, _: &'a View, config: &'a MountConfig) -> Pending<'a, ()> {
        Box::pin(async move {
            match config.options.keys().next() {
                Some(unknown) => Err(Fault::invalid(format!(
                    "unknown option of a docker mount: {unknown}"
                ))),
                None => Ok(()),
            }
        })
    }

    fn renew<'a>(&'a self, view: &'a View, token: &'a Entry) -> Pending<'a, Login> {
        Box::pin(attest::renewed(view, token))
    }
}
