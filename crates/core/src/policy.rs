//! Policies: who may do what where, decided as Vault decides it.
//!
//! A [`Policy`] is a text that was read once; an [`Acl`] is the union of a token's policies,
//! prepared so that a decision costs the same with one policy and with fifty. Rules for the same
//! pattern are merged; of the patterns that match a path, only the most specific one decides:
//!
//! 1. a pattern without wildcards that is the path;
//! 2. of the others, the one whose first `+` or final `*` comes later, then one that does not end
//!    with `*`, then one with fewer `+`, then the longer, then the lexicographically greater.
//!
//! `*` is a wildcard only at the end, `+` only as a whole segment; elsewhere both are text.
//!
//! Two things are stricter than in Vault. The slash form of a request never changes what it may
//! do, except that `LIST` looks at both forms and a deny on either wins (CVE-2026-63131). And a
//! key that would restrict a rule in a way that is not implemented is an error, never ignored.
//!
//! A path may name who asks (`{{identity.entity.id}}`): [`Acl::with`] adds such rules for one holder to
//! what is the same for all.
//!
//! What a policy is about is [`crate::path::Path`], which is canonical already.
//! See <https://developer.hashicorp.com/vault/docs/concepts/policies>.

mod acl;
mod capability;
mod index;
mod parameters;
mod parse;
mod pattern;
mod permission;
mod template;

pub use acl::{Acl, Rule, Verdict};
pub use capability::{Capability, CapabilitySet};
pub use parameters::{ParameterFacts, Parameters};
pub use parse::{Policy, PolicyError};
pub use template::{Field, Of, What};

/// What every token may do unless it was made without it: look after itself, its leases and its
/// cubbyhole, and use wrapping and tools. In effect Vault's, without what is not implemented.
pub const DEFAULT: &str = include_str!("policy/default.hcl");

#[cfg(test)]
mod tests;
