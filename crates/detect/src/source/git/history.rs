//! Where in a history an object lies: the first commit that has it, its path, and how it is reached.
//!
//! Only asked when something was found. Commits are gone through once, those that a branch reaches first
//! and the oldest first among them, and no tree is read twice.

use super::inflate::Damage;
use super::object::{Commit, DIRECTORY, Entries, Id, Kind, Person, SUBMODULE, heights, tag};
use super::odb::Access;
use super::refs::{Reach, Refs};
use std::collections::{HashMap, HashSet};

/// Longest path, as on Linux.
const LONGEST_PATH: usize = 4096;

/// Trees inside trees.
const DEEPEST: usize = 1000;

/// Commits in the order in which they are gone through.
pub(super) struct Commits {
    /// By how they are reached, then by time.
    order: Vec<(Reach, u32)>,
    /// Where a commit stands in that order, by its number.
    places: Vec<u32>,
    /// By a commit's number.
    reached: Vec<Reach>,
    commits: Vec<(Id, Commit)>,
    reach: HashMap<Id, Reach>,
    /// Trees and blobs that a ref or a tag names itself.
    tagged: Vec<(Reach, Id)>,
}

impl Commits {
    /// From all commits there are, and what leads to them.
    pub(super) fn new(
        mut commits: Vec<(Id, Commit)>,
        refs: &Refs,
        access: &mut Access<'_>,
    ) -> Self {
        commits.sort_unstable_by_key(|(id, _)| *id);
        commits.dedup_by_key(|(id, _)| *id);
        let number = |id: &Id| commits.binary_search_by_key(id, |(id, _)| *id).ok();
        let mut reached: Vec<Option<Reach>> = vec![None; commits.len()];
        let mut reach = HashMap::new();
        let mut tagged = Vec::new();
        for (how, tip) in refs.tips() {
            let mut left = Vec::new();
            match number(&tip) {
                Some(commit) => left.push(commit),
                None => {
                    for id in peeled(&tip, access) {
                        reach.entry(id).or_insert(how);
                        match number(&id) {
                            Some(commit) => left.push(commit),
                            None => tagged.push((how, id)),
                        }
                    }
                }
            }
            while let Some(at) = left.pop() {
                let Some(known) = reached.get_mut(at).filter(|known| known.is_none()) else {
                    continue;
                };
                *known = Some(how);
                if let Some((_, commit)) = commits.get(at) {
                    left.extend(commit.parents.iter().filter_map(number));
                }
            }
        }
        let reached: Vec<Reach> = reached
            .into_iter()
            .map(|known| known.unwrap_or(Reach::Nothing))
            .collect();
        let mut order: Vec<(Reach, u32)> = reached.iter().copied().zip(0..).collect();
        let heights = heights(&commits);
        order.sort_by_key(|(reach, at)| {
            let commit = commits.get(*at as usize);
            let time = commit.map_or(0, |(_, commit)| commit.time);
            let height = heights.get(*at as usize).copied().unwrap_or(0);
            (*reach, time, height, *at)
        });
        let mut places = vec![u32::MAX; commits.len()];
        for ((_, at), place) in order.iter().zip(0..) {
            if let Some(known) = places.get_mut(*at as usize) {
                *known = place;
            }
        }
        Self {
            order,
            places,
            reached,
            commits,
            reach,
            tagged,
        }
    }

    /// How something is reached that is a commit or a tag.
    pub(super) fn reach(&self, id: &Id) -> Reach {
        if let Some(reach) = self.reach.get(id) {
            return *reach;
        }
        let found = self.commits.binary_search_by_key(id, |(id, _)| *id);
        let reached = found.ok().and_then(|at| self.reached.get(at));
        reached.copied().unwrap_or(Reach::Nothing)
    }

    /// Sorts commits as they are gone through. Tags have no place there, nor do commits that cannot be read:
    /// they stand behind the commits that are reached as they are, by their ids.
    pub(super) fn rank(&self, id: &Id) -> (Reach, u32, Id) {
        let found = self.commits.binary_search_by_key(id, |(id, _)| *id);
        let place = found.ok().and_then(|at| self.places.get(at));
        (self.reach(id), place.copied().unwrap_or(u32::MAX), *id)
    }

    /// Goes through all trees. `visit` hears of every name that is new; it says whether to go on.
    pub(super) fn walk(
        &self,
        access: &mut Access<'_>,
        id_length: usize,
        visit: &mut dyn FnMut(&Visit<'_>) -> bool,
    ) -> Vec<(Id, Damage)> {
        let mut walk = Walk {
            seen: HashSet::new(),
            id_length,
            damaged: Vec::new(),
        };
        for (reach, at) in &self.order {
            let Some((id, commit)) = self.commits.get(*at as usize) else {
                continue;
            };
            if !walk.tree(access, commit.tree, *reach, Some(*id), visit) {
                break;
            }
        }
        for (reach, id) in &self.tagged {
            walk.tree(access, *id, *reach, None, visit);
        }
        walk.damaged
    }
}

/// What a tag leads to, step by step; the tags themselves included.
fn peeled(tip: &Id, access: &mut Access<'_>) -> Vec<Id> {
    let mut all = vec![*tip];
    while all.len() < 100 {
        let Some(last) = all.last() else {
            break;
        };
        match access.get(last) {
            Ok(Some((Kind::Tag, text))) => match tag(&text) {
                Some((id, _)) => all.push(id),
                None => break,
            },
            _ => break,
        }
    }
    all
}

/// A name in the history.
pub(super) struct Visit<'v> {
    pub(super) id: Id,
    pub(super) mode: u32,
    pub(super) path: &'v [u8],
    pub(super) reach: Reach,
    pub(super) commit: Option<Id>,
}

struct Walk {
    /// Trees that were read, by the beginnings of their ids.
    seen: HashSet<u64>,
    id_length: usize,
    damaged: Vec<(Id, Damage)>,
}

impl Walk {
    fn tree(
        &mut self,
        access: &mut Access<'_>,
        root: Id,
        reach: Reach,
        commit: Option<Id>,
        visit: &mut dyn FnMut(&Visit<'_>) -> bool,
    ) -> bool {
        let mut left = vec![(root, Vec::new())];
        while let Some((id, mut path)) = left.pop() {
            if !self.seen.insert(id.short()) {
                continue;
            }
            let visit_at = |id, mode, path: &[u8], visit: &mut dyn FnMut(&Visit<'_>) -> bool| {
                visit(&Visit {
                    id,
                    mode,
                    path,
                    reach,
                    commit,
                })
            };
            if !visit_at(id, DIRECTORY, &path, visit) {
                return false;
            }
            let text = match access.of_kind(&id, Kind::Tree) {
                Ok(Some(text)) => text,
                // A blob that a tag names, or an object that was never fetched: counted elsewhere.
                Ok(None) => continue,
                Err(damage) => {
                    if commit.is_some() {
                        self.damaged.push((id, damage));
                    }
                    continue;
                }
            };
            if !path.is_empty() {
                path.push(b'/');
            }
            let outer = path.len();
            for entry in Entries::new(&text, self.id_length) {
                // Most directories of a new version are those of the one before.
                let directory = entry.kind() == DIRECTORY;
                if entry.kind() == SUBMODULE
                    || outer + entry.name.len() > LONGEST_PATH
                    || (directory && self.seen.contains(&entry.id.short()))
                {
                    continue;
                }
                path.truncate(outer);
                path.extend_from_slice(entry.name);
                if directory {
                    if left.len() < DEEPEST * 1000 {
                        left.push((entry.id, path.clone()));
                    }
                } else if !visit_at(entry.id, entry.mode, &path, visit) {
                    return false;
                }
            }
        }
        true
    }
}

/// Who made a commit or a tag, and on which day.
pub(super) fn person(access: &mut Access<'_>, id: &Id) -> Person {
    match access.get(id) {
        Ok(Some((_, text))) => Person::of(&text),
        _ => Person::default(),
    }
}
