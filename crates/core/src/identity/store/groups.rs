//! Groups: who is in which.

use super::change::Change;
use super::{ATTEMPTS, Store, Stored, alias_key, busy, name_key};
use crate::fault::Fault;
use crate::identity::record::{Entity, Group};
use cofferdam_barrier::{Batch, Revision};
use cofferdam_secret::Secret;
use std::collections::BTreeSet;

/// Changes with every change of which group is in which: two that together would close a circle see
/// each other.
const GRAPH: &str = "group-graph";
/// Rows removed at once.
const ROWS: usize = 512;

/// What is to become of a group's members; `None`: they stay.
#[derive(Default)]
pub(in crate::identity) struct Members {
    pub(in crate::identity) entities: Option<BTreeSet<String>>,
    pub(in crate::identity) groups: Option<BTreeSet<String>>,
}

impl Store {
    /// The group of this id.
    pub(in crate::identity) async fn group(
        &self,
        id: &str,
    ) -> Result<Option<Stored<Group>>, Fault> {
        self.record(id).await
    }

    /// The group of this name, in any case.
    pub(in crate::identity) async fn group_by_name(
        &self,
        name: &str,
    ) -> Result<Option<Stored<Group>>, Fault> {
        self.follow(&name_key("group-name/", name)).await
    }

    /// The group that an auth mount knows by this name.
    pub(in crate::identity) async fn group_by_alias(
        &self,
        accessor: &str,
        name: &str,
    ) -> Result<Option<Stored<Group>>, Fault> {
        self.follow(&alias_key("group-alias/", accessor, name))
            .await
    }

    /// The group whose alias has this id.
    pub(in crate::identity) async fn group_by_alias_id(
        &self,
        id: &str,
    ) -> Result<Option<Stored<Group>>, Fault> {
        if uuid::Uuid::parse_str(id).is_err() {
            return Ok(None);
        }
        self.follow(&format!("group-alias-id/{id}")).await
    }

    /// All groups, in the order of their ids.
    pub(in crate::identity) async fn all_groups(&self) -> Result<Vec<Group>, Fault> {
        self.every().await
    }

    /// Ids of the entities that are in a group themselves.
    pub(in crate::identity) async fn members(&self, group: &str) -> Result<Vec<String>, Fault> {
        self.below(&format!("group-entity/{group}/")).await
    }

    /// Ids of the groups that are in a group themselves.
    pub(in crate::identity) async fn subgroups(&self, group: &str) -> Result<Vec<String>, Fault> {
        self.below(&format!("group-child/{group}/")).await
    }

    /// Puts `new` in the place of `old`, with these members; `false` when something changed meanwhile.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] when a member is not there, or a circle would close.
    pub(in crate::identity) async fn save_group(
        &self,
        old: Option<&Stored<Group>>,
        new: &Group,
        members: &Members,
    ) -> Result<bool, Fault> {
        let mut change = Change::default();
        // Read before anything that is judged by it.
        let graph = match &members.groups {
            Some(_) => Some(self.graph().await?),
            None => None,
        };
        if let Some(wanted) = &members.entities {
            change = self.with_entities(change, &new.id, wanted).await?;
        }
        if let (Some(wanted), Some(graph)) = (&members.groups, graph) {
            change = self.with_groups(change, new, wanted).await?;
            change = change.with(|batch| moved(batch, graph));
        }
        self.commit(change.record(old, Some(new))?).await
    }

    async fn graph(&self) -> Result<Option<Revision>, Fault> {
        Ok(self.view.get(GRAPH).await?.map(|opened| opened.revision))
    }

    async fn with_entities(
        &self,
        mut change: Change,
        group: &str,
        wanted: &BTreeSet<String>,
    ) -> Result<Change, Fault> {
        let had: BTreeSet<_> = self.members(group).await?.into_iter().collect();
        for id in had.symmetric_difference(wanted) {
            let Some(old) = self.load(id).await? else {
                if wanted.contains(id) {
                    return Err(Fault::invalid(
                        "member_entity_ids: no entity has one of these ids",
                    ));
                }
                continue;
            };
            let mut entity: Entity = old.record.clone();
            entity.groups.retain(|other| other != group);
            if wanted.contains(id) {
                entity.groups.push(group.to_owned());
            }
            change = change.record(Some(&old), Some(&entity))?;
        }
        Ok(change)
    }

    async fn with_groups(
        &self,
        mut change: Change,
        parent: &Group,
        wanted: &BTreeSet<String>,
    ) -> Result<Change, Fault> {
        let had: BTreeSet<_> = self.subgroups(&parent.id).await?.into_iter().collect();
        for id in had.symmetric_difference(wanted) {
            if *id == parent.id {
                return Err(Fault::invalid(
                    "member group ID is same as the ID of the group",
                ));
            }
            let Some(old) = self.group(id).await? else {
                if wanted.contains(id) {
                    return Err(Fault::invalid(
                        "member_group_ids: no group has one of these ids",
                    ));
                }
                continue;
            };
            let mut group = old.record.clone();
            group.parents.retain(|other| *other != parent.id);
            if wanted.contains(id) {
                if self.leads(id, &parent.id).await? {
                    return Err(Fault::invalid(
                        "cyclic relationship detected for a member group ID",
                    ));
                }
                group.parents.push(parent.id.clone());
            }
            group.writes += 1;
            change = change.record(Some(&old), Some(&group))?;
        }
        Ok(change)
    }

    /// Whether `sought` is in `group`, however deep.
    async fn leads(&self, group: &str, sought: &str) -> Result<bool, Fault> {
        let mut seen = BTreeSet::new();
        let mut left = vec![group.to_owned()];
        while let Some(next) = left.pop() {
            if next == sought {
                return Ok(true);
            }
            if seen.insert(next.clone()) {
                left.extend(self.subgroups(&next).await?);
            }
        }
        Ok(false)
    }

    /// Moves an alias from one group to another; `false` when something changed meanwhile.
    pub(in crate::identity) async fn save_groups(
        &self,
        changes: &[(Option<&Stored<Group>>, &Group)],
    ) -> Result<bool, Fault> {
        let mut change = Change::default();
        for (old, new) in changes {
            change = change.record(*old, Some(*new))?;
        }
        self.commit(change).await
    }

    /// Removes a group; `false` when something changed meanwhile.
    ///
    /// Members that are entities still name it, which means nothing any more: no id comes again.
    pub(in crate::identity) async fn remove_group(
        &self,
        old: &Stored<Group>,
    ) -> Result<bool, Fault> {
        let graph = self.graph().await?;
        let mut change = Change::default().record(Some(old), None)?;
        for id in self.subgroups(&old.record.id).await? {
            let Some(child) = self.group(&id).await? else {
                continue;
            };
            let mut group = child.record.clone();
            group.parents.retain(|parent| *parent != old.record.id);
            group.writes += 1;
            change = change.record(Some(&child), Some(&group))?;
        }
        if !self
            .commit(change.with(|batch| moved(batch, graph)))
            .await?
        {
            return Ok(false);
        }
        // Nobody can join what is gone, and nobody reads these any more.
        let rows = format!("group-entity/{}/", old.record.id);
        for _ in 0..ATTEMPTS * ROWS {
            let page = self.view.range(&rows, None, ROWS).await?;
            if page.entries.is_empty() {
                return Ok(true);
            }
            let rows = page.entries.iter();
            let batch = rows.fold(Batch::new(), |batch, row| batch.delete(row.key.clone()));
            self.view.commit(batch).await?.ignore();
        }
        Err(busy())
    }
}

fn moved(batch: Batch, graph: Option<Revision>) -> Batch {
    batch
        .expect(GRAPH, graph)
        .put(GRAPH, Secret::new(Vec::new()))
}
