//! What identity says of an entity at this moment: its groups, however deep, and the policies of all.

use super::{Record, Shared, Store};
use crate::fault::Fault;
use crate::identity::record::{Alias, Entity};
use crate::policy::{Field, Of, What};
use crate::record::decode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

/// Groups kept for sharing before those that nobody knows any more are dropped.
const MOST: usize = 4096;

/// An entity with its groups.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) entity: Entity,
    /// It is in these itself; sorted by id.
    pub(crate) direct: Vec<Shared>,
    /// It is in these by way of others; sorted by id.
    pub(crate) inherited: Vec<Shared>,
}

/// What there is for an id of an entity.
pub(crate) struct Found {
    pub(crate) live: bool,
    /// Of the entity and of its groups, sorted.
    pub(crate) policies: Vec<String>,
    pub(crate) subject: Option<Subject>,
}

impl Subject {
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Shared> {
        self.direct.iter().chain(&self.inherited)
    }

    /// What a template asks for; `None`: it has nothing of the kind.
    pub(crate) fn value(&self, field: &Field) -> Option<&str> {
        match field {
            Field::Entity(what) => pick(
                what,
                &self.entity.id,
                &self.entity.name,
                &self.entity.metadata,
            ),
            Field::Alias(accessor, what) => {
                let alias: &Alias = self.entity.alias_of(accessor)?;
                match what {
                    What::Custom(key) => alias.custom_metadata.get(key).map(String::as_str),
                    what => pick(what, &alias.id, &alias.name, &alias.metadata),
                }
            }
            Field::Group(of, what) => {
                let group = self.groups().find(|group| match of {
                    Of::Id(id) => group.id == *id,
                    Of::Name(name) => group.name == *name,
                })?;
                pick(what, &group.id, &group.name, &group.metadata)
            }
            Field::Unknown => None,
        }
    }
}

fn pick<'a>(
    what: &What,
    id: &'a str,
    name: &'a str,
    metadata: &'a BTreeMap<String, String>,
) -> Option<&'a str> {
    match what {
        What::Id => Some(id),
        What::Name => Some(name),
        What::Metadata(key) => metadata.get(key).map(String::as_str),
        What::Custom(_) => None,
    }
}

impl Store {
    /// What an entity, or the one it was merged into, stands for now.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn standing(&self, id: &str) -> Result<Found, Fault> {
        let Some(stored) = self.holder(id).await? else {
            return Ok(Found {
                live: false,
                policies: Vec::new(),
                subject: None,
            });
        };
        let subject = self.subject(stored.record).await?;
        let groups = subject.groups().flat_map(|group| &group.policies);
        let policies: BTreeSet<_> = subject.entity.policies.iter().chain(groups).collect();
        Ok(Found {
            live: !subject.entity.disabled,
            policies: policies.into_iter().cloned().collect(),
            subject: Some(subject),
        })
    }

    /// An entity with its groups.
    pub(in crate::identity) async fn subject(&self, entity: Entity) -> Result<Subject, Fault> {
        let mut direct = Vec::new();
        let mut seen = BTreeSet::new();
        for id in &entity.groups {
            if let Some(group) = self.shared(id).await?
                && seen.insert(id.clone())
            {
                direct.push(group);
            }
        }
        let mut inherited: Vec<Shared> = Vec::new();
        let mut left: Vec<Shared> = direct.clone();
        while let Some(group) = left.pop() {
            for id in &group.parents {
                if seen.contains(id) {
                    continue;
                }
                if let Some(parent) = self.shared(id).await? {
                    seen.insert(id.clone());
                    inherited.push(parent.clone());
                    left.push(parent);
                }
            }
        }
        direct.sort_by(|a, b| a.id.cmp(&b.id));
        inherited.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Subject {
            entity,
            direct,
            inherited,
        })
    }

    /// The group of this id, shared with whoever else holds it in this form.
    async fn shared(&self, id: &str) -> Result<Option<Shared>, Fault> {
        let key = format!("{}{id}", <super::Group as Record>::BELOW);
        let Some(opened) = self.view.get(&key).await? else {
            return Ok(None);
        };
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known()
            .get(id)
            .filter(|(revision, _)| *revision == opened.revision)
            .and_then(|(_, group)| group.upgrade());
        if same.is_some() {
            return Ok(same);
        }
        let group: Shared = Arc::new(decode(&opened.value)?);
        let mut known = known();
        if known.len() >= MOST {
            known.retain(|_, (_, group)| group.strong_count() > 0);
        }
        known.insert(id.to_owned(), (opened.revision, Arc::downgrade(&group)));
        Ok(Some(group))
    }
}
