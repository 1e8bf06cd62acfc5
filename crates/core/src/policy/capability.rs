//! What a rule grants.

use crate::operation::Operation;

/// One word of a rule's `capabilities`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Write what is not there.
    Create,
    /// Read.
    Read,
    /// Write what is there, or where an engine does not tell.
    Update,
    /// Write a part.
    Patch,
    /// Remove.
    Delete,
    /// Names under a path.
    List,
    /// Names under a path, all levels.
    Scan,
    /// Use of paths that want more than a policy that allows them.
    Sudo,
    /// Being told of changes.
    Subscribe,
    /// Nothing, whatever else is granted.
    Deny,
}

impl Capability {
    /// All of them, in the order in which Vault prints their names.
    pub const ALL: [Capability; 10] = [
        Capability::Create,
        Capability::Delete,
        Capability::Deny,
        Capability::List,
        Capability::Patch,
        Capability::Read,
        Capability::Scan,
        Capability::Subscribe,
        Capability::Sudo,
        Capability::Update,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Create => "create",
            Capability::Read => "read",
            Capability::Update => "update",
            Capability::Patch => "patch",
            Capability::Delete => "delete",
            Capability::List => "list",
            Capability::Scan => "scan",
            Capability::Sudo => "sudo",
            Capability::Subscribe => "subscribe",
            Capability::Deny => "deny",
        }
    }

    /// The capability of this name. Case matters, as in Vault.
    pub fn parse(text: &str) -> Option<Capability> {
        Capability::ALL
            .into_iter()
            .find(|capability| capability.as_str() == text)
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl From<Operation> for Capability {
    fn from(operation: Operation) -> Capability {
        match operation {
            Operation::Create => Capability::Create,
            Operation::Read => Capability::Read,
            Operation::Update => Capability::Update,
            Operation::Patch => Capability::Patch,
            Operation::Delete => Capability::Delete,
            Operation::List => Capability::List,
            Operation::Scan => Capability::Scan,
        }
    }
}

/// What is granted on a path. A set with `deny` holds nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySet(u16);

/// Not a capability of a rule: what the root policy has everywhere.
const ROOT: u16 = 1 << 15;

impl CapabilitySet {
    /// Nothing is granted, and nothing denied.
    pub const NONE: CapabilitySet = CapabilitySet(0);
    /// What the root policy has.
    pub(super) const ROOT: CapabilitySet = CapabilitySet(ROOT);

    /// Is it granted? The root policy has everything but `deny`.
    pub fn contains(self, capability: Capability) -> bool {
        if self.0 == ROOT {
            capability != Capability::Deny
        } else {
            self.0 & capability.bit() != 0
        }
    }

    /// Is this an explicit deny?
    pub fn is_deny(self) -> bool {
        self.contains(Capability::Deny)
    }

    /// Is anything granted?
    pub fn grants_any(self) -> bool {
        self.0 != 0 && !self.is_deny()
    }

    /// Both together; a deny on either side leaves nothing but the deny.
    #[must_use]
    pub fn union(self, other: CapabilitySet) -> CapabilitySet {
        let both = CapabilitySet(self.0 | other.0);
        if both.is_deny() {
            CapabilitySet(Capability::Deny.bit())
        } else {
            both
        }
    }

    /// The names, as `sys/capabilities` prints them: sorted; `root` alone for the root policy, and
    /// `deny` alone where nothing is granted.
    pub fn names(self) -> Vec<&'static str> {
        if self.0 == ROOT {
            return vec!["root"];
        }
        if !self.grants_any() {
            return vec!["deny"];
        }
        Capability::ALL
            .into_iter()
            .filter(|capability| self.contains(*capability))
            .map(Capability::as_str)
            .collect()
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> CapabilitySet {
        capabilities
            .into_iter()
            .fold(CapabilitySet::NONE, |set, capability| {
                set.union(CapabilitySet(capability.bit()))
            })
    }
}
