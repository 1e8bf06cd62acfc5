//! [`Acl`]: the rules of all policies of a token, merged and indexed.

use super::capability::CapabilitySet;
use super::index::Tree;
use super::parameters::ParameterFacts;
use super::parse::Policy;
use super::pattern::{Pattern, Rank};
use super::permission::{Objection, Permission};
use super::template::{Field, Filled};
use crate::operation::Operation;
use crate::path::Path;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// What a token may do. Immutable; build a new one when a policy changes.
pub struct Acl {
    root: bool,
    /// The same for everybody with these policies.
    base: Arc<Rules>,
    /// One holder's own, of templates.
    own: Option<Own>,
}

/// Merged rules, indexed.
#[derive(Default)]
struct Rules {
    /// Sorted by rank.
    rules: Vec<Rule>,
    tree: Tree,
}

/// Rules beside those of a base. One for a pattern that the base has, too, holds both.
struct Own {
    rules: Rules,
    /// For each rule: how many of the base's rank before it, one for the same pattern included.
    above: Vec<usize>,
    /// Positions of the base's rules that are replaced, ascending.
    replaced: Vec<usize>,
}

/// The merged rule for one pattern.
#[derive(Debug)]
pub struct Rule {
    pattern: Pattern,
    permission: Permission,
    /// Names of the policies that have it.
    policies: Vec<String>,
}

/// The decision about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is allowed.
    Allowed {
        /// The rule grants `sudo` as well.
        sudo: bool,
    },
    /// It is not.
    Denied {
        /// The rule that decided, its policies, and what it objects to. For our own log only.
        nearest: Option<String>,
    },
}

impl Acl {
    /// The union of policies. Names of the root policy have no place here, see [`Acl::root`].
    pub fn new<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Acl {
        let mut merged = BTreeMap::new();
        for policy in policies {
            for (pattern, permission) in &policy.rules {
                add(&mut merged, pattern, permission, policy.name().as_str());
            }
        }
        Acl {
            root: false,
            base: Arc::new(Rules::index(merged)),
            own: None,
        }
    }

    /// What the root policy gives: everything.
    pub fn root() -> Acl {
        Acl {
            root: true,
            base: Arc::default(),
            own: None,
        }
    }

    /// The same with the templates of `policies`, for somebody of whom `value` tells what they name.
    #[must_use]
    pub fn with<'a, 'v>(
        &self,
        policies: impl IntoIterator<Item = &'a Policy>,
        value: impl Fn(&Field) -> Option<&'v str>,
    ) -> Acl {
        let mut merged: BTreeMap<Rank, Rule> = BTreeMap::new();
        for policy in policies {
            let name = policy.name().as_str();
            for (template, permission) in &policy.templates {
                match template.fill(&value) {
                    Filled::Rule(pattern) => add(&mut merged, &pattern, permission, name),
                    Filled::Denied(pattern) => {
                        add(&mut merged, &pattern, &Permission::denial(), name);
                    }
                    Filled::Nothing => {}
                }
            }
        }
        let (mut above, mut replaced) = (Vec::with_capacity(merged.len()), Vec::new());
        for (rank, rule) in &mut merged {
            let rules = &self.base.rules;
            let lower = rules.partition_point(|other| other.pattern.rank() < *rank);
            let same = rules
                .get(lower)
                .filter(|other| other.pattern.rank() == *rank);
            if let Some(same) = same {
                rule.unite(same);
                replaced.push(lower);
            }
            above.push(lower + usize::from(same.is_some()));
        }
        let own = (!merged.is_empty()).then(|| Own {
            rules: Rules::index(merged),
            above,
            replaced,
        });
        Acl {
            root: self.root,
            base: Arc::clone(&self.base),
            own,
        }
    }

    /// Is this the root policy's?
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// May this be done? Whether the path needs `sudo` as well is the caller's question.
    pub fn allows(&self, path: &Path, operation: Operation, facts: &ParameterFacts<'_>) -> Verdict {
        if self.root {
            return Verdict::Allowed { sudo: true };
        }
        let deciding = match operation {
            Operation::List | Operation::Scan => self.deciding_for_names(path.as_str()),
            // How the slash was written is not part of what is asked for.
            _ => self.most_specific(path.as_str()),
        };
        let Some(rule) = deciding else {
            return Verdict::Denied { nearest: None };
        };
        match rule.permission.objection(operation, facts) {
            None => Verdict::Allowed {
                sudo: rule
                    .permission
                    .capabilities
                    .contains(super::Capability::Sudo),
            },
            Some(objection) => Verdict::Denied {
                nearest: Some(rule.explain(objection)),
            },
        }
    }

    /// What is granted on a path, as `sys/capabilities` tells it.
    ///
    /// A path written with a slash is judged as for `LIST`, any other as for the rest.
    pub fn capabilities(&self, path: &Path) -> CapabilitySet {
        if self.root {
            return CapabilitySet::ROOT;
        }
        let rule = if path.is_directory() {
            self.deciding_for_names(path.as_str())
        } else {
            self.most_specific(path.as_str())
        };
        rule.map_or(CapabilitySet::NONE, |rule| rule.permission.capabilities)
    }

    /// May the holder be told that something of this type happened to `path`?
    pub fn hears(&self, path: &Path, event_type: &str) -> bool {
        self.root
            || self
                .most_specific(path.as_str())
                .is_some_and(|rule| rule.permission.hears(event_type))
    }

    /// Does a rule deny this path?
    pub fn denies(&self, path: &Path) -> bool {
        !self.root
            && self
                .most_specific(path.as_str())
                .is_some_and(|rule| rule.permission.capabilities.is_deny())
    }

    /// Is anything granted on a mount or below it? Decides whether a token is shown that mount.
    pub fn reaches(&self, mount: &Path) -> bool {
        let start = format!("{}/", mount.as_str());
        self.root
            || self
                .deciding_for_names(mount.as_str())
                .is_some_and(Rule::grants_any)
            || self
                .rules()
                .any(|rule| rule.grants_any() && rule.pattern.may_match_below(&start))
    }

    /// All rules, one for a pattern.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let replaced = |position: &usize| {
            let own = self.own.as_ref();
            own.is_some_and(|own| own.replaced.binary_search(position).is_ok())
        };
        let shared = self.base.rules.iter().enumerate();
        let shared = shared.filter(move |(position, _)| !replaced(position));
        let own = self.own.iter().flat_map(|own| &own.rules.rules);
        shared.map(|(_, rule)| rule).chain(own)
    }

    /// The rule for names under a path: of both slash forms, in Vault's order, but a deny on
    /// either wins.
    fn deciding_for_names(&self, path: &str) -> Option<&Rule> {
        let directory = format!("{path}/");
        let plain = self.most_specific(path);
        let slashed = self.most_specific(&directory);
        let denies = |rule: &&Rule| rule.permission.capabilities.is_deny();
        if let Some(deny) = plain.filter(denies).or(slashed.filter(denies)) {
            return Some(deny);
        }
        let exact = |rule: &&Rule| matches!(rule.pattern, Pattern::Exact(_));
        slashed
            .filter(exact)
            .or(plain.filter(exact))
            .or(slashed)
            .or(plain)
    }

    /// The rule that decides about exactly this text.
    fn most_specific(&self, path: &str) -> Option<&Rule> {
        let shared = self.base.tree.best(path);
        if let Some(own) = &self.own
            && let Some(best) = own.rules.tree.best(path)
            && shared.is_none_or(|shared| own.above.get(best).is_some_and(|above| shared < *above))
        {
            return own.rules.rules.get(best);
        }
        self.base.rules.get(shared?)
    }
}

/// Adds a rule to those for the same pattern.
fn add(
    merged: &mut BTreeMap<Rank, Rule>,
    pattern: &Pattern,
    permission: &Permission,
    policy: &str,
) {
    match merged.entry(pattern.rank()) {
        Entry::Vacant(entry) => {
            entry.insert(Rule::new(pattern, permission, policy));
        }
        Entry::Occupied(entry) => entry.into_mut().merge(permission, policy),
    }
}

impl Rules {
    fn index(merged: BTreeMap<Rank, Rule>) -> Rules {
        let rules: Vec<Rule> = merged.into_values().collect();
        let mut tree = Tree::default();
        for (position, rule) in rules.iter().enumerate() {
            tree.insert(rule.pattern.stem(), rule.pattern.is_open(), position);
        }
        Rules { rules, tree }
    }
}

impl Rule {
    fn new(pattern: &Pattern, permission: &Permission, policy: &str) -> Rule {
        Rule {
            pattern: pattern.clone(),
            permission: permission.clone(),
            policies: vec![policy.to_owned()],
        }
    }

    fn merge(&mut self, permission: &Permission, policy: &str) {
        self.permission.merge(permission);
        if self.policies.last().is_none_or(|last| last != policy) {
            self.policies.push(policy.to_owned());
        }
    }

    /// Takes over what another rule for the same pattern holds.
    fn unite(&mut self, other: &Rule) {
        self.permission.merge(&other.permission);
        self.policies.extend_from_slice(&other.policies);
        self.policies.sort();
        self.policies.dedup();
    }

    /// The pattern as written, without a leading slash.
    pub fn pattern(&self) -> String {
        self.pattern.written()
    }

    /// Does it match no path but itself?
    pub fn is_exact(&self) -> bool {
        matches!(self.pattern, Pattern::Exact(_))
    }

    /// Does it take any text for a whole segment (`+`)?
    pub fn has_segments(&self) -> bool {
        matches!(self.pattern, Pattern::Segments { .. })
    }

    /// What it grants.
    pub fn capabilities(&self) -> CapabilitySet {
        self.permission.capabilities
    }

    fn grants_any(&self) -> bool {
        self.permission.capabilities.grants_any()
    }

    fn explain(&self, objection: Objection) -> String {
        let plural = if self.policies.len() == 1 {
            "policy"
        } else {
            "policies"
        };
        format!(
            "{} ({plural} {}) {}",
            self.pattern.written(),
            self.policies.join(", "),
            objection.as_str()
        )
    }
}
