//! Limits of leases (`sys/quotas/lease-count`): how many tokens a path may have given out that have not
//! ended, as Vault's enterprise edition documents it.
//!
//! Of several limits that fit, the narrowest alone counts, as with rates. Here is only what was set;
//! counting is in [`crate::token`], in the transactions that make and end tokens.

use super::quota::fits;
use crate::fault::Fault;
use crate::record::decode;
use cofferdam_barrier::{Barrier, Unsealed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where limits are kept, by name.
pub(crate) const RULES: &str = "core/settings/lease-count/";

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// Names its counter: another one when it is about something else.
    pub(crate) id: String,
    /// As that of a limit of rates.
    pub(crate) path: String,
    /// Logins with this role alone.
    pub(crate) role: String,
    pub(crate) max_leases: u64,
    pub(crate) inheritable: bool,
}

/// All limits, by name.
#[derive(Default)]
pub(crate) struct Leases(pub(crate) BTreeMap<String, Rule>);

impl Leases {
    pub(crate) async fn load(barrier: &Barrier<Unsealed>) -> Result<Self, Fault> {
        let mut rules = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = barrier.range(RULES, after.as_deref(), 256).await?;
            for opened in &page.entries {
                let rule = decode(&opened.value)?;
                rules.insert(opened.key.trim_start_matches(RULES).to_owned(), rule);
            }
            after = page.entries.last().map(|last| last.key.clone());
            if !page.more || after.is_none() {
                return Ok(Self(rules));
            }
        }
    }

    /// Is there any?
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Does a limit ask for roles of logins?
    pub(crate) fn knows_roles(&self) -> bool {
        self.0.values().any(|rule| !rule.role.is_empty())
    }

    /// The limit that a token of this path and role counts against.
    pub(crate) fn narrowest(&self, path: &str, role: Option<&str>) -> Option<&Rule> {
        let fitting = self.0.values().filter_map(|rule| {
            let rank = fits((&rule.path, &rule.role), path, role)?;
            Some((rank, rule))
        });
        let found = fitting.max_by_key(|(rank, _)| *rank);
        found.map(|(_, rule)| rule)
    }
}
