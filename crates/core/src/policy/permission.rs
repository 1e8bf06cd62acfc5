//! What one rule grants and under which conditions, and how rules for the same path are merged.

use super::capability::{Capability, CapabilitySet};
use super::parameters::{Constraints, ParameterFacts, Parameters};
use crate::operation::Operation;
use std::time::Duration;

/// The inside of a rule, or of several rules for the same pattern.
#[derive(Clone, Debug, Default)]
pub(super) struct Permission {
    pub(super) capabilities: CapabilitySet,
    pub(super) constraints: Constraints,
    pub(super) min_wrapping_ttl: Option<Duration>,
    pub(super) max_wrapping_ttl: Option<Duration>,
    /// Event types that `subscribe` is about; none without any, as in Vault.
    pub(super) event_types: Vec<String>,
}

/// Why a rule that matches does not allow a request. For our log only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    Denies,
    LacksCapability,
    Wrapping,
    Parameters,
}

impl Objection {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Objection::Denies => "denies",
            Objection::LacksCapability => "lacks the capability",
            Objection::Wrapping => "wants another wrapping TTL",
            Objection::Parameters => "does not allow these parameters",
        }
    }
}

impl Permission {
    /// Nothing, whatever other rules for the pattern grant.
    pub(super) fn denial() -> Permission {
        Permission {
            capabilities: CapabilitySet::from_iter([Capability::Deny]),
            ..Permission::default()
        }
    }

    /// Adds another policy's rule for the same pattern. The order does not matter.
    ///
    /// As in Vault, capabilities add up, and so do restrictions: a rule without restrictions does
    /// not lift those of another. Of two bounds the smaller one is taken.
    pub(super) fn merge(&mut self, other: &Permission) {
        self.capabilities = self.capabilities.union(other.capabilities);
        if self.capabilities.is_deny() {
            *self = Permission {
                capabilities: self.capabilities,
                ..Permission::default()
            };
            return;
        }
        self.constraints.merge(&other.constraints);
        self.event_types.extend_from_slice(&other.event_types);
        self.min_wrapping_ttl = smaller(self.min_wrapping_ttl, other.min_wrapping_ttl);
        self.max_wrapping_ttl = smaller(self.max_wrapping_ttl, other.max_wrapping_ttl);
    }

    pub(super) fn objection(
        &self,
        operation: Operation,
        facts: &ParameterFacts<'_>,
    ) -> Option<Objection> {
        if self.capabilities.is_deny() {
            return Some(Objection::Denies);
        }
        if !self.capabilities.contains(operation.into()) {
            return Some(Objection::LacksCapability);
        }
        if !self.allows_wrapping(facts.wrap_ttl) {
            return Some(Objection::Wrapping);
        }
        let with_parameters = matches!(
            operation,
            Operation::Create | Operation::Read | Operation::Update | Operation::Patch
        );
        if with_parameters && !self.constraints.allow(facts.parameters) {
            return Some(Objection::Parameters);
        }
        None
    }

    /// May the holder be told of an event of this type? Whoever may read what changed may know that
    /// it did: reading again and again would tell as much.
    pub(super) fn hears(&self, event_type: &str) -> bool {
        let subscribes = self.capabilities.contains(Capability::Subscribe)
            && self
                .event_types
                .iter()
                .any(|pattern| crate::events::matches(pattern, event_type));
        let nothing = ParameterFacts {
            parameters: Parameters::None,
            wrap_ttl: None,
        };
        !self.capabilities.is_deny()
            && (subscribes || self.objection(Operation::Read, &nothing).is_none())
    }

    /// With a bound, the answer must be wrapped, and within it.
    fn allows_wrapping(&self, ttl: Option<Duration>) -> bool {
        let enough = self
            .min_wrapping_ttl
            .is_none_or(|min| ttl.is_some_and(|ttl| ttl >= min));
        enough
            && self
                .max_wrapping_ttl
                .is_none_or(|max| ttl.is_some_and(|ttl| ttl <= max))
    }
}

fn smaller(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
