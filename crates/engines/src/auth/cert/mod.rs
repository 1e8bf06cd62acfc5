//! TLS certificates: whoever shows one, and has its key, logs in by the connection alone.
//!
//! Follows Vault's method (`auth/cert`), as OpenBao carries it on. An entry says which authority a
//! certificate must come from, or which certificate it must be, and what its names must be.
//!
//! What this room promises:
//!
//! * that somebody has the key, the handshake has proven; nothing of a request stands for it, and over
//!   the local socket or without TLS nobody logs in here;
//! * paths are judged by `rustls-webpki`, as those of servers are: times, name constraints, the usage
//!   for clients; what a CA is must say so itself;
//! * a certificate that is pinned is compared as a whole (CVE-2024-2048: not by what it says of itself);
//! * a token is renewed by who has the key that it was given to (CVE-2026-39388).
//!
//! | Key | Holds |
//! |---|---|
//! | `config` | settings |
//! | `role/NAME` | an entry (`certs/NAME`) |
//! | `crl/NAME` | numbers of revoked certificates (`crls/NAME`) |

pub mod certificate;
mod certs;
mod config;
mod crls;
mod entry;
mod login;
mod path;

#[cfg(test)]
mod tests;

use crate::contest::Contests;
use cofferdam_core::engine::{Asking, Pending, RoleOf, Route, Routed, View};
use cofferdam_core::mount::MountConfig;
use cofferdam_core::{Fault, Login, token::Entry};

/// The method's name in mount tables.
pub const KIND: &str = "cert";

/// The method.
#[derive(Default)]
pub struct Cert {
    contests: Contests,
}

impl Routed for Cert {
    const ROLE_OF: Option<RoleOf> =
        Some(|view, body, asking| Box::pin(login::role_of(view, body, asking)));

    const ROUTES: &'static [Route<Self>] = &[
        login::ROUTE,
        config::ROUTE,
        certs::LIST,
        certs::ROUTE,
        crls::LIST,
        crls::ROUTE,
    ];

    fn mount<'a>(&'a self, _: &'a View, config: &'a MountConfig) -> Pending<'a, ()> {
        Box::pin(async move {
            match config.options.keys().next() {
                Some(unknown) => Err(Fault::invalid(format!(
                    "unknown option of a cert mount: {unknown}"
                ))),
                None => Ok(()),
            }
        })
    }

    fn renew_for<'a>(
        &'a self,
        view: &'a View,
        token: &'a Entry,
        asking: Asking<'a>,
    ) -> Pending<'a, Login> {
        Box::pin(login::renewed(view, token, asking))
    }
}
