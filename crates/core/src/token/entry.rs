//! A token as it is stored: never the token itself, which only its holder knows.

use crate::clock::Time;
use crate::identity;
use crate::policy::Acl;
use arc_swap::ArcSwapOption;
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is known of a live token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Keyed hash of the token: names it in storage. Hex.
    pub hash: String,
    /// The handle that may be shown.
    pub accessor: String,
    /// Hash of the parent; `None`: an orphan.
    pub parent: Option<String>,
    /// Sorted, without duplicates.
    pub policies: Vec<String>,
    /// Shown at lookup.
    pub display_name: String,
    /// Shown at lookup and in audit records.
    pub metadata: BTreeMap<String, String>,
    /// What the auth method needs to check a renewal.
    #[serde(default)]
    pub binding: BTreeMap<String, String>,
    /// The path it was made at (`auth/approle/login`).
    pub path: String,
    /// The mount that made it.
    pub mount: String,
    /// Its uuid: another mount at the same path has nothing to say about this token. Empty where the
    /// mount cannot go away, and in tokens from before this was kept.
    #[serde(default)]
    pub mount_id: String,
    /// When it was made.
    pub created: Time,
    /// Lifetime at creation, seconds.
    pub creation_ttl: u64,
    /// When it ends; `None`: never (root).
    pub expires: Option<Time>,
    /// When it was last renewed.
    pub renewed: Option<Time>,
    /// Seconds; 0: none.
    pub explicit_max_ttl: u64,
    /// Seconds; 0: not periodic.
    pub period: u64,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Requests left, and `None` for no limit.
    pub uses_left: Option<u32>,
    /// Requests at creation; 0: no limit.
    pub num_uses: u32,
    /// Where it may be used from; empty: anywhere.
    pub bound_cidrs: Vec<ipnet::IpNet>,
    /// What it is for, beyond ordinary use.
    #[serde(default)]
    pub purpose: Purpose,
    /// Being revoked with its children: no longer accepted.
    #[serde(default)]
    pub revoking: bool,
    /// Who holds it; empty: nobody that identity knows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub entity_id: String,
    /// Names by which its auth mount knew groups of the holder, at the login: a renewal says the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The role it was logged in with, where a limit asked for that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// The limit of leases it counts against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<String>,
    /// What its entity adds, as it was when the entry was looked up; never stored.
    #[serde(skip)]
    pub standing: Option<Arc<Standing>>,
}

/// What the entity of a token adds to it, and the groups of the entity.
#[derive(Debug, PartialEq, Eq)]
pub struct Standing {
    /// The entity is there and not disabled; else the token is good for nothing.
    pub live: bool,
    /// Policies of the entity and its groups.
    pub policies: Vec<String>,
    /// These and the token's own, sorted.
    pub effective: Vec<String>,
    /// Names the token and its rules: changes when the rules do.
    pub name: String,
    /// What templates of policies are filled from; `None`: there is no entity.
    pub(crate) subject: Option<identity::Subject>,
    /// The rules of it, as they were last put together.
    pub(crate) prepared: Prepared,
}

impl Standing {
    /// Whether a change of this entity, or of this group, changes it.
    #[must_use]
    pub(crate) fn rests_on(&self, id: &str) -> bool {
        self.subject.as_ref().is_some_and(|subject| {
            subject.entity.id == id || subject.groups().any(|group| group.id == id)
        })
    }
}

/// The rules of a token by one snapshot of the policies.
#[derive(Default)]
pub(crate) struct Prepared(ArcSwapOption<(u64, Arc<Acl>)>);

impl Prepared {
    /// As they were put together for this snapshot, or as `make` puts them together.
    pub(crate) fn by(&self, snapshot: u64, make: impl FnOnce() -> Arc<Acl>) -> Arc<Acl> {
        let kept = self.0.load();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.0 == snapshot) {
            return kept.1.clone();
        }
        let acl = make();
        self.0.store(Some(Arc::new((snapshot, acl.clone()))));
        acl
    }
}

/// What is only kept does not make two tokens different.
impl PartialEq for Prepared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Prepared {}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Requests.
    #[default]
    Service,
    /// Holds a wrapped reply; good for unwrapping only.
    Wrapping,
    /// Requests, by a batch token: it is stored nowhere, its text holds all that is known of it.
    Batch,
}

/// Which kind of token a role asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// What the mount says.
    #[default]
    Default,
    /// One that is stored.
    Service,
    /// One that is not.
    Batch,
}

impl Entry {
    /// All policies that count now: its own and its entity's.
    #[must_use]
    pub fn rules(&self) -> &[String] {
        match &self.standing {
            Some(standing) => &standing.effective,
            None => &self.policies,
        }
    }

    /// Those that its entity adds.
    #[must_use]
    pub fn identity_policies(&self) -> &[String] {
        self.standing
            .as_ref()
            .map_or(&[], |standing| &standing.policies)
    }

    /// Names the token with the rules it has now.
    #[must_use]
    pub fn ruled(&self) -> &str {
        self.standing
            .as_ref()
            .map_or(&self.hash, |standing| &standing.name)
    }

    /// Whether its entity forbids every use of it.
    #[must_use]
    pub fn forbidden(&self) -> bool {
        self.standing
            .as_ref()
            .is_some_and(|standing| !standing.live)
    }

    /// Remaining lifetime; `None`: it does not end.
    #[must_use]
    pub fn ttl(&self, now: Time) -> Option<Duration> {
        self.expires.map(|end| end.since(now))
    }

    /// Whether its time is over.
    #[must_use]
    pub fn expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Whether a mount with this uuid may have made it.
    #[must_use]
    pub(crate) fn is_of(&self, mount: &str) -> bool {
        self.mount_id.is_empty() || self.mount_id == mount
    }

    /// Whether it is a batch token.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.purpose == Purpose::Batch
    }

    /// Vault's word for its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.is_batch() { "batch" } else { "service" }
    }

    /// Whether it may do everything.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.policies.iter().any(|policy| policy == "root")
    }
}

/// A token just made or renewed, on its way to the caller.
pub struct Issued {
    /// The token itself; `None` where the caller named it by its accessor.
    pub token: Option<Secret<String>>,
    /// Made for this answer; else it was there before, and stays whatever becomes of the answer.
    pub made: bool,
    /// What is stored of it.
    pub entry: Entry,
    /// Seconds of life from now; 0: it does not end.
    pub lease: u64,
}
