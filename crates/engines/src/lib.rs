//! Secret engines and auth methods: what answers below a mount; and the seals that another server opens.
//!
//! An engine is a table of routes ([`cofferdam_core`]'s `Routed`) with its handlers beside the rows,
//! one file a resource. One instance serves every mount of its kind: it holds no state of a mount,
//! all of which is in the storage that comes with each call. So any replica can answer any call.
//!
//! What the room promises: a change is one transaction of the store, made under a compare with what
//! was read ([`contest`]); a stored value is handed on as the bytes it came in, not decoded.
//!
//! It knows no HTTP, no policies and no tokens beyond the entry of the caller. Start reading at
//! [`secrets::kv`] or [`auth::approle`].

#![allow(
    clippy::needless_pass_by_value,
    reason = "a handler takes its call by value, whether it consumes it or not"
)]

pub mod auth;
mod contest;
mod outbound;
pub mod seals;
pub mod secrets;

use cofferdam_core::Offer;
use cofferdam_core::mount::Class;
use std::sync::Arc;

/// Every engine of this crate, for the vault to offer.
#[must_use]
pub fn offers() -> Vec<Offer> {
    use auth::approle::{self, AppRole};
    use auth::aws::{self, Aws};
    use auth::cert::{self, Cert};
    use auth::docker::{self, Docker};
    use auth::jwt::{self, Jwt};
    use auth::kubernetes::{self, Kubernetes};
    use auth::userpass::{self, Userpass};
    use secrets::cubbyhole::{self, Cubbyhole};
    use secrets::kv::{self, Kv};
    use secrets::totp::{self, Totp};
    use secrets::transit::{self, Transit};
    vec![
        Offer {
            class: Class::Secret,
            kind: cubbyhole::KIND,
            engine: Arc::new(Cubbyhole),
        },
        Offer {
            class: Class::Secret,
            kind: kv::KIND,
            engine: Arc::new(Kv::default()),
        },
        Offer {
            class: Class::Secret,
            kind: transit::KIND,
            engine: Arc::new(Transit::default()),
        },
        Offer {
            class: Class::Secret,
            kind: totp::KIND,
            engine: Arc::new(Totp::default()),
        },
        Offer {
            class: Class::Auth,
            kind: approle::KIND,
            engine: Arc::new(AppRole::default()),
        },
        Offer {
            class: Class::Auth,
            kind: aws::KIND,
            engine: Arc::new(Aws::default()),
        },
        Offer {
            class: Class::Auth,
            kind: cert::KIND,
            engine: Arc::new(Cert::default()),
        },
        Offer {
            class: Class::Auth,
            kind: docker::KIND,
            engine: Arc::new(Docker::default()),
        },
        Offer {
            class: Class::Auth,
            kind: jwt::KIND,
            engine: Arc::new(Jwt::default()),
        },
        Offer {
            class: Class::Auth,
            kind: jwt::KIND_OIDC,
            engine: Arc::new(Jwt::default()),
        },
        Offer {
            class: Class::Auth,
            kind: kubernetes::KIND,
            engine: Arc::new(Kubernetes::default()),
        },
        Offer {
            class: Class::Auth,
            kind: userpass::KIND,
            engine: Arc::new(Userpass::default()),
        },
    ]
}

#[cfg(test)]
mod harness;
#[cfg(test)]
mod same_as_openbao;
#[cfg(test)]
mod stand_in;
