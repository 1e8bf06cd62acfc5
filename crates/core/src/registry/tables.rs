//! One snapshot of mounts, policies and settings, and how it is read.

use super::policies::{self, Kept};
use super::{MOUNTS, Offer};
use crate::audit::MountFragment;
use crate::clock::Time;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::metrics;
use crate::mount::{Class, Mount, Table};
use crate::path::Path;
use crate::policy::{Acl, Policy};
use crate::settings::Settings;
use crate::token::Entry;
use cofferdam_barrier::{Barrier, Revision, Unsealed, View};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Cached rule sets per snapshot; beyond it the cache starts again.
const ACLS: usize = 4096;
/// A set of more policies is put together each time: the names alone of thousands of such sets would
/// fill our memory.
const MANY_POLICIES: usize = 512;

/// A mount with the engine that serves it.
pub(crate) struct MountPoint {
    /// Its row of the table.
    pub mount: Mount,
    /// Its part of every audit record.
    pub(crate) fragment: MountFragment,
    /// Which figures its requests count in.
    pub(crate) class: metrics::Class,
    /// `None`: this build has no such engine; its data stays untouched.
    pub engine: Option<Arc<dyn Engine>>,
    /// Its storage.
    pub view: View,
}

/// One immutable snapshot.
pub(crate) struct Tables {
    table: Table,
    pub(super) table_revision: Option<Revision>,
    points: HashMap<String, Arc<MountPoint>>,
    policies: policies::All,
    /// When the first of the policies ends.
    pub(super) ends: Option<Time>,
    /// The store holds some that have ended.
    pub(super) remains: bool,
    acls: Mutex<HashMap<Vec<String>, Ruled>>,
    settings: Arc<Settings>,
    /// Of all snapshots of this process.
    number: u64,
}

/// What a set of policies comes to.
#[derive(Clone)]
struct Ruled {
    /// The same for everybody.
    acl: Arc<Acl>,
    /// Those that say something else of everybody.
    templated: Arc<[Arc<Policy>]>,
}

/// Numbers of snapshots.
static SNAPSHOTS: AtomicU64 = AtomicU64::new(0);

impl Tables {
    /// The mount that serves a path, and the rest of the path.
    #[must_use]
    pub(crate) fn route(&self, path: &Path) -> Option<(&Arc<MountPoint>, Path)> {
        let text = path.as_str();
        let ends = text
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([text.len()]);
        for end in ends {
            if let Some(point) = text.get(..end).and_then(|head| self.points.get(head)) {
                return path
                    .strip_prefix(&point.mount.path)
                    .map(|rest| (point, rest));
            }
        }
        None
    }

    /// All mounts.
    #[must_use]
    pub(crate) const fn mounts(&self) -> &Table {
        &self.table
    }

    /// What operators set for all requests.
    #[must_use]
    pub(crate) const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The mount at exactly this path.
    #[must_use]
    pub(crate) fn point(&self, path: &str) -> Option<&Arc<MountPoint>> {
        self.points.get(path)
    }

    /// A policy and what is known of it.
    #[must_use]
    pub(crate) fn policy(&self, name: &str) -> Option<&Kept> {
        self.policies.get(name)
    }

    /// Those of `names` that no policy has.
    #[must_use]
    pub(crate) fn unknown(&self, names: &[String]) -> Vec<String> {
        names
            .iter()
            .filter(|name| *name != "root" && !self.policies.contains_key(*name))
            .cloned()
            .collect()
    }

    /// The same without the policies that have ended.
    pub(super) fn without_ended(&self, now: Time) -> Self {
        let policies = policies::standing(&self.policies, now);
        Self {
            table: self.table.clone(),
            table_revision: self.table_revision,
            points: self.points.clone(),
            ends: policies::first_end(&policies),
            remains: true,
            policies,
            acls: Mutex::default(),
            settings: self.settings.clone(),
            number: SNAPSHOTS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Names of all policies, `root` included.
    #[must_use]
    pub(crate) fn policy_names(&self) -> Vec<String> {
        self.policies
            .keys()
            .cloned()
            .chain(["root".to_owned()])
            .collect()
    }

    /// The rules of a token: its policies, those of its entity and groups, and what their templates
    /// say of the holder.
    #[must_use]
    pub(crate) fn acl(&self, entry: &Entry) -> Arc<Acl> {
        let Some(standing) = &entry.standing else {
            return self.ruled(entry.rules()).acl;
        };
        standing.prepared.by(self.number, || {
            let Ruled { acl, templated } = self.ruled(entry.rules());
            let subject = standing.subject.as_ref().filter(|_| !templated.is_empty());
            let Some(subject) = subject else {
                return acl;
            };
            let templated = templated.iter().map(Arc::as_ref);
            Arc::new(acl.with(templated, |field| subject.value(field)))
        })
    }

    /// The rules of a set of policies, without templates. Names without a policy grant nothing, as in
    /// Vault.
    fn ruled(&self, names: &[String]) -> Ruled {
        let mut cache = self
            .acls
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = cache.get(names) {
            return known.clone();
        }
        let root = names.iter().any(|name| name == "root");
        let policies: Vec<_> = names
            .iter()
            .filter_map(|name| self.policies.get(name))
            .map(|kept| &kept.policy)
            .collect();
        let templated = |policy: &&&Arc<Policy>| !root && policy.is_templated();
        let ruled = Ruled {
            acl: Arc::new(if root {
                Acl::root()
            } else {
                Acl::new(policies.iter().map(|policy| policy.as_ref()))
            }),
            templated: policies
                .iter()
                .filter(templated)
                .copied()
                .cloned()
                .collect(),
        };
        if names.len() <= MANY_POLICIES {
            if cache.len() >= ACLS {
                cache.clear();
            }
            cache.insert(names.to_vec(), ruled.clone());
        }
        ruled
    }
}

/// What is to be read again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) mounts: bool,
    pub(super) policies: bool,
    pub(super) settings: bool,
}

impl Changed {
    pub(super) const ALL: Self = Self {
        mounts: true,
        policies: true,
        settings: true,
    };
    pub(super) const NOTHING: Self = Self {
        mounts: false,
        policies: false,
        settings: false,
    };
}

/// Reads what changed, and takes the rest from `old`.
pub(super) async fn load(
    barrier: &Barrier<Unsealed>,
    offers: &[Offer],
    old: Option<&Tables>,
    changed: Changed,
    now: Time,
) -> Result<Tables, Fault> {
    let Changed {
        mounts, policies, ..
    } = changed;
    let settings = match old {
        Some(old) if !changed.settings => old.settings.clone(),
        _ => Arc::new(Settings::load(barrier, old.map(|old| old.settings.as_ref())).await?),
    };
    let (table, table_revision) = match old {
        Some(old) if !mounts => (old.table.clone(), old.table_revision),
        _ => read_table(barrier).await?,
    };
    let (policies, remains) = match old {
        Some(old) if !policies => (old.policies.clone(), old.remains),
        _ => policies::read(barrier, now).await?,
    };
    let points = table
        .iter()
        .map(|mount| (mount.path.clone(), Arc::new(point(barrier, offers, mount))))
        .collect();
    Ok(Tables {
        table,
        table_revision,
        points,
        ends: policies::first_end(&policies),
        remains,
        policies,
        acls: Mutex::default(),
        settings,
        number: SNAPSHOTS.fetch_add(1, Ordering::Relaxed),
    })
}

fn point(barrier: &Barrier<Unsealed>, offers: &[Offer], mount: &Mount) -> MountPoint {
    let engine = offers
        .iter()
        .find(|offer| offer.class == mount.class && offer.kind == mount.kind);
    let class = if mount.class == Class::Auth {
        "auth"
    } else {
        "secret"
    };
    let shown = format!("{}/", mount.path);
    MountPoint {
        fragment: MountFragment::new(&shown, &mount.kind, &mount.accessor, class),
        class: metrics::Class::of(&mount.kind),
        mount: mount.clone(),
        engine: engine.map(|offer| {
            let versioned = offer.engine.of_version(mount);
            versioned.unwrap_or_else(|| offer.engine.clone())
        }),
        view: barrier.view(mount.storage()),
    }
}

pub(super) async fn read_table(
    barrier: &Barrier<Unsealed>,
) -> Result<(Table, Option<Revision>), Fault> {
    match barrier.get(MOUNTS).await? {
        Some(stored) => {
            let table = serde_json::from_slice(stored.value.expose())
                .map_err(|_| Fault::internal("the stored mount table does not parse"))?;
            Ok((table, Some(stored.revision)))
        }
        None => Ok((Table::builtin(), None)),
    }
}
