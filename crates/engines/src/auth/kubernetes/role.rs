//! A role: which service accounts it is for, and what their tokens are like.

use crate::auth::old_names::OldNames;
use crate::auth::token::Settings;
use cofferdam_core::Fault;
use serde::{Deserialize, Serialize};

/// What an account is called in an alias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Source {
    /// Its UID: another one when it is made again.
    #[default]
    Uid,
    /// Namespace and name.
    Name,
}

impl Source {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Uid => "serviceaccount_uid",
            Self::Name => "serviceaccount_name",
        }
    }
}

/// A role as it is stored.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::auth) struct Role {
    /// Lower case.
    pub(super) name: String,
    /// With patterns.
    pub(super) names: Vec<String>,
    /// With patterns.
    pub(super) namespaces: Vec<String>,
    pub(super) audience: String,
    pub(super) alias: Source,
    pub(super) token: Settings,
    pub(super) old: OldNames,
}

const MIXED: &str = "can not mix \"*\" with values";

impl Role {
    /// Refuses what would admit what nobody meant, in Vault's words.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let refuse = |text: &'static str| Err(Fault::invalid(text));
        let mixed = |list: &[String]| list.len() > 1 && list.iter().any(|name| name == "*");
        if self.names.is_empty() {
            return refuse("\"bound_service_account_names\" can not be empty");
        }
        if mixed(&self.names) {
            return refuse(MIXED);
        }
        if self.namespaces.is_empty() {
            return refuse(
                "\"bound_service_account_namespaces\" can not be empty if \"bound_service_account_namespace_selector\" is not set",
            );
        }
        if mixed(&self.namespaces) {
            return refuse(MIXED);
        }
        Ok(())
    }
}
