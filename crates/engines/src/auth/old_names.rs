//! The names that the `token_…` settings of some methods had before: still taken, and shown where they
//! were used last.

use super::{cidr, token};
use cofferdam_core::Fault;
use cofferdam_core::json::Body;
use cofferdam_core::json::field::{Count, Ttl, Words};
use serde::{Deserialize, Serialize};

/// Which settings were last set by their old names.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct OldNames {
    ttl: bool,
    max_ttl: bool,
    num_uses: bool,
    bound_cidrs: bool,
}

#[derive(Deserialize)]
pub(super) struct Change {
    ttl: Option<Ttl>,
    max_ttl: Option<Ttl>,
    num_uses: Option<Count>,
    bound_cidrs: Option<Words>,
    token_ttl: Option<Ttl>,
    token_max_ttl: Option<Ttl>,
    token_num_uses: Option<Count>,
    token_bound_cidrs: Option<Words>,
}

impl OldNames {
    /// Applies what a body says by old names; to be done before [`token::Settings::apply`], which
    /// judges the settings together.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub(super) fn apply(&mut self, body: &Body, to: &mut token::Settings) -> Result<(), Fault> {
        let change: Change = body.parse()?;
        let spans = [
            (change.token_ttl, change.ttl, &mut to.ttl, &mut self.ttl),
            (
                change.token_max_ttl,
                change.max_ttl,
                &mut to.max_ttl,
                &mut self.max_ttl,
            ),
        ];
        for (new, old, to, shown) in spans {
            if let Some(span) = new.or(old) {
                *to = span.seconds();
                *shown = new.is_none();
            }
        }
        if let Some(count) = change.token_num_uses.or(change.num_uses) {
            to.num_uses = token::uses(count, "num_uses")?;
            self.num_uses = change.token_num_uses.is_none();
        }
        match (&change.token_bound_cidrs, &change.bound_cidrs) {
            (Some(_), _) => self.bound_cidrs = false,
            (None, Some(Words(ranges))) => {
                to.bound_cidrs = cidr::ranges_or_addresses(
                    ranges,
                    "bound_cidrs: expected addresses or CIDR blocks",
                )?;
                self.bound_cidrs = true;
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// What is shown by old names beside the new ones.
    pub(super) fn shown(self, token: &token::Settings) -> Shown<'_> {
        let ranges = || cidr::shown(&token.bound_cidrs);
        Shown {
            bound_cidrs: (self.bound_cidrs && !token.bound_cidrs.is_empty()).then(ranges),
            max_ttl: (self.max_ttl && token.max_ttl > 0).then_some(token.max_ttl),
            num_uses: (self.num_uses && token.num_uses > 0).then_some(token.num_uses),
            period: (token.old_period && token.period > 0).then_some(token.period),
            policies: (token.old_policies && !token.policies.is_empty()).then_some(&token.policies),
            ttl: (self.ttl && token.ttl > 0).then_some(token.ttl),
        }
    }
}

/// Settings by their old names, as a role is read back.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_cidrs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ttl: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_uses: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
}
