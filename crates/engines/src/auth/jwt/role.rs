//! A role: which tokens it is for, and what is made of them.

use crate::auth::jose::Leeways;
use crate::auth::old_names::OldNames;
use crate::auth::token::Settings;
use cofferdam_core::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How people or machines come with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sort {
    /// With a token in hand.
    Jwt,
    /// With a browser. What Vault takes where nothing is said.
    #[default]
    Oidc,
}

/// A role as it is stored. Spans are seconds.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::auth) struct Role {
    /// Lower case.
    pub(super) name: String,
    pub(super) sort: Sort,
    pub(super) expiration_leeway: i64,
    pub(super) not_before_leeway: i64,
    pub(super) clock_skew_leeway: i64,
    pub(super) bound_audiences: Option<Vec<String>>,
    pub(super) bound_subject: String,
    /// Values of bound claims are patterns.
    pub(super) globs: bool,
    pub(super) bound_claims: Option<Map<String, Value>>,
    /// From claim to metadata.
    pub(super) claim_mappings: Option<BTreeMap<String, String>>,
    pub(super) user_claim: String,
    pub(super) user_claim_json_pointer: bool,
    pub(super) groups_claim: String,
    pub(super) oidc_scopes: Option<Vec<String>>,
    pub(super) allowed_redirect_uris: Option<Vec<String>>,
    pub(super) max_age: u64,
    pub(super) token: Settings,
    pub(super) old: OldNames,
}

impl Role {
    pub(super) fn leeways(&self) -> Leeways {
        Leeways {
            expiration: self.expiration_leeway,
            not_before: self.not_before_leeway,
            clock_skew: self.clock_skew_leeway,
        }
    }

    pub(super) fn audiences(&self) -> &[String] {
        self.bound_audiences.as_deref().unwrap_or_default()
    }

    /// Refuses what would admit what nobody meant, in Vault's words.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.user_claim.is_empty() {
            return Err(Fault::invalid("a user claim must be defined on the role"));
        }
        let nowhere = self
            .allowed_redirect_uris
            .as_ref()
            .is_none_or(Vec::is_empty);
        if self.sort == Sort::Oidc && nowhere {
            return Err(Fault::invalid(
                "'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified.",
            ));
        }
        let unbound = self.audiences().is_empty()
            && self.token.bound_cidrs.is_empty()
            && self.bound_subject.is_empty()
            && self.bound_claims.as_ref().is_none_or(Map::is_empty);
        if self.sort == Sort::Jwt && unbound {
            return Err(Fault::invalid(
                "must have at least one bound constraint when creating/updating a role",
            ));
        }
        Ok(())
    }
}
