//! AWS: IAM users and roles log in with a request that they signed for AWS and did not send.
//!
//! Follows Vault's method (`auth/aws`, its type `iam`). The request is `GetCallerIdentity` of STS; we
//! send it, and STS says who signed it. So nobody's keys are seen here, and what decides is what
//! comes back from a server that the configuration names.
//!
//! What this room promises (CVE-2020-16250 and -16251 broke each of them elsewhere):
//!
//! * a request goes to the endpoint of the configuration and nowhere else, whatever its URL and its
//!   headers say; what is sent is one of two bodies and of the headers those on a list;
//! * `X-Vault-AWS-IAM-Server-ID` counts only where it was signed: a request that was signed for
//!   another server is none for this one;
//! * the answer is bounded, and XML of exactly the form that STS writes: anything before or behind it,
//!   JSON, a document type or a second name make it worth nothing;
//! * nothing is remembered of who somebody was: an answer of IAM counts for the account and the id that
//!   it was asked about.
//!
//! Not served: logins of EC2 instances (`auth_type=ec2`) and what belongs to them.
//!
//! | Key | Holds |
//! |---|---|
//! | `config/client` | where STS is, and our own credentials |
//! | `config/identity` | what somebody is called beyond this method |
//! | `role/NAME` | a role |

pub mod answer;
pub mod arn;
pub mod authorization;
mod binding;
mod config;
mod endpoint;
mod iam;
mod identity;
mod login;
mod role;
mod roles;
mod signed;
mod sts;

#[cfg(test)]
mod tests;

use crate::contest::Contests;
use cofferdam_core::engine::{Pending, RoleOf, Route, Routed, View};
use cofferdam_core::mount::MountConfig;
use cofferdam_core::{Fault, Login, token::Entry};

/// The method's name in mount tables.
pub const KIND: &str = "aws";

/// The method.
#[derive(Default)]
pub struct Aws {
    contests: Contests,
    line: sts::Line,
}

impl Routed for Aws {
    const ROLE_OF: Option<RoleOf> =
        Some(|_, body, _| Box::pin(async move { crate::auth::role::named(body) }));

    const ROUTES: &'static [Route<Self>] = &[
        login::ROUTE,
        config::ROUTE,
        identity::ROUTE,
        roles::LIST,
        roles::LIST_OLD,
        roles::ROUTE,
    ];

    fn mount<'a>(&'a self, _: &'a View, config: &'a MountConfig) -> Pending<'a, ()> {
        Box::pin(async move {
            match config.options.keys().next() {
                Some(unknown) => Err(Fault::invalid(format!(
                    "unknown option of an aws mount: {unknown}"
                ))),
                None => Ok(()),
            }
        })
    }

    fn renew<'a>(&'a self, view: &'a View, token: &'a Entry) -> Pending<'a, Login> {
        Box::pin(login::renewed(self, view, token))
    }
}
