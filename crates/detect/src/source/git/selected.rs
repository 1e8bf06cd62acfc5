//! What is staged, and what some commits brought: only that is judged.
//!
//! A finding that the same file had before is not new and is counted as known: of what is staged, before is
//! `HEAD` (and what is being merged); of a commit, its parents. What is judged is the object that will be
//! committed, never the file in the worktree.

use super::super::{Finder, Looked, clean};
use super::inflate::Damage;
use super::object::{Commit, DIRECTORY, Entries, Id, Kind, LINK, Person, SUBMODULE};
use super::odb::Access;
use super::staging::{Known, Staged, Staging};
use crate::pattern::{self, Digest, Finding};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Trees inside trees.
const DEEPEST: usize = 1000;

/// A tree by its names.
type Names = Arc<BTreeMap<Vec<u8>, (u32, Id)>>;

/// Looks at chosen objects.
pub(super) struct Selected<'s, 'o> {
    pub(super) access: Access<'o>,
    finder: Finder<'s>,
    id_length: usize,
    trees: HashMap<Id, Names>,
    pub(super) looked: Looked,
    /// Files that were judged already, with the same files before.
    judged: HashSet<(Vec<u8>, Id)>,
    partial: bool,
}

impl<'s, 'o> Selected<'s, 'o> {
    pub(super) fn new(
        access: Access<'o>,
        finder: Finder<'s>,
        id_length: usize,
        partial: bool,
    ) -> Self {
        Self {
            access,
            finder,
            id_length,
            trees: HashMap::new(),
            looked: Looked::default(),
            judged: HashSet::new(),
            partial,
        }
    }

    /// Looks at what the index has and none of `before` (trees) has.
    pub(super) fn staged(&mut self, staging: &Staging, before: &[Id]) {
        let known = staging.known.as_ref();
        self.directory(&staging.entries, b"", known, before, 0);
    }

    /// The entries of one directory of the index.
    fn directory(
        &mut self,
        entries: &[Staged],
        prefix: &[u8],
        known: Option<&Known>,
        before: &[Id],
        deep: usize,
    ) {
        if let Some((count, tree)) = known.and_then(|known| known.tree)
            && count == entries.len()
            && before.contains(&tree)
        {
            return;
        }
        let Some(trees) = self.trees(before, prefix, deep) else {
            return;
        };
        let mut at = 0;
        while let Some(entry) = entries.get(at) {
            let Some(rest) = entry.path.get(prefix.len()..) else {
                at += 1;
                continue;
            };
            let Some(slash) = memchr::memchr(b'/', rest) else {
                at += 1;
                self.entry(entry, rest, &trees);
                continue;
            };
            let name = rest.get(..slash).unwrap_or_default();
            let inner = entry
                .path
                .get(..prefix.len() + slash + 1)
                .unwrap_or_default();
            let below = entries.get(at..).unwrap_or_default();
            let count = below
                .iter()
                .take_while(|entry| entry.path.starts_with(inner))
                .count()
                .max(1);
            let known = known.and_then(|known| known.below.iter().find(|below| below.name == name));
            let subtrees = directories(&trees, name);
            let below = below.get(..count).unwrap_or_default();
            if below.len() == 1 && rest.len() == slash + 1 {
                // A sparse index keeps a directory that is not checked out as one entry.
                self.sparse(entry, inner, &subtrees);
            } else {
                self.directory(below, inner, known, &subtrees, deep + 1);
            }
            at += count;
        }
    }

    /// What there was; none where directories are nested too deep.
    fn trees(&mut self, before: &[Id], prefix: &[u8], deep: usize) -> Option<Vec<Names>> {
        if deep > DEEPEST {
            self.gap(prefix, "directories nested too deep");
            return None;
        }
        let trees = before.iter().filter_map(|tree| self.tree(tree, prefix));
        Some(trees.collect())
    }

    fn sparse(&mut self, entry: &Staged, prefix: &[u8], before: &[Id]) {
        if !before.contains(&entry.id) {
            self.changed(&entry.id, before, prefix, None, 0);
        }
    }

    fn entry(&mut self, entry: &Staged, name: &[u8], trees: &[Names]) {
        if entry.intended || entry.mode & 0o170_000 == SUBMODULE {
            return;
        }
        let before = files(trees, name);
        if !before.contains(&entry.id) {
            self.file(&entry.path, entry.mode, &entry.id, &before, None);
        }
    }

    /// Looks at what a commit brought: its message, and what none of its parents has.
    pub(super) fn commit(&mut self, id: &Id, commit: &Commit) {
        let parents: Vec<Id> = commit
            .parents
            .iter()
            .filter_map(|parent| match self.access.of_kind(parent, Kind::Commit) {
                Ok(Some(text)) => Commit::parse(&text).map(|parent| parent.tree),
                _ => None,
            })
            .collect();
        let mut made = None;
        if let Ok(Some(text)) = self.access.of_kind(id, Kind::Commit) {
            let person = Person::of(&text);
            made = Some(pattern::Commit {
                id: id.to_string(),
                date: person.day(),
                author: person.name,
            });
            self.message("commit message", &text, made.as_ref());
        }
        if !parents.contains(&commit.tree) {
            self.changed(&commit.tree, &parents, b"", made.as_ref(), 0);
        }
    }

    /// Looks at a message, such as that of a tag.
    pub(super) fn message(&mut self, name: &str, text: &[u8], commit: Option<&pattern::Commit>) {
        self.finder.whole(name, text);
        self.finder.count();
        let looked = self.finder.take();
        self.take(looked, commit);
    }

    /// Looks at what a tree has and none of `before` has.
    fn changed(
        &mut self,
        tree: &Id,
        before: &[Id],
        prefix: &[u8],
        commit: Option<&pattern::Commit>,
        deep: usize,
    ) {
        let Some(trees) = self.trees(before, prefix, deep) else {
            return;
        };
        let Some(names) = self.tree(tree, prefix) else {
            return;
        };
        for (name, (mode, id)) in names.iter() {
            let path = [prefix, name].concat();
            match mode & 0o170_000 {
                SUBMODULE => {}
                DIRECTORY => {
                    let subtrees = directories(&trees, name);
                    if !subtrees.contains(id) {
                        let inner = [&path, &b"/"[..]].concat();
                        self.changed(id, &subtrees, &inner, commit, deep + 1);
                    }
                }
                _ => {
                    let before = files(&trees, name);
                    if !before.contains(id) {
                        self.file(&path, *mode, id, &before, commit);
                    }
                }
            }
        }
    }

    fn file(
        &mut self,
        path: &[u8],
        mode: u32,
        id: &Id,
        before: &[Id],
        commit: Option<&pattern::Commit>,
    ) {
        if !self.judged.insert((path.to_vec(), *id)) {
            return;
        }
        let location = clean(&String::from_utf8_lossy(path));
        let text = match self.access.get(id) {
            Ok(Some((Kind::Blob, text))) => text,
            Ok(Some(_)) => return self.gap(path, "not a file, as its tree says"),
            Ok(None) => return self.gap(path, self.absent()),
            Err(damage) => return self.gap(path, damage),
        };
        self.finder.text("a file name", path);
        if mode & 0o170_000 != LINK {
            self.finder.pointer(&text);
        }
        self.finder.object(&location, &text);
        self.finder.name_of_file(&location, Path::new(&location));
        self.finder.count();
        let mut looked = self.finder.take();
        for gap in &mut looked.gaps {
            if gap.location.is_empty() {
                gap.location.clone_from(&location);
            }
        }
        if !looked.findings.is_empty() {
            let known = self.known(&location, before);
            let all = std::mem::take(&mut looked.findings);
            looked.known += without(all, known, &mut looked.findings);
        }
        self.take(looked, commit);
    }

    /// What the same file had before: how often each value.
    fn known(&mut self, location: &str, before: &[Id]) -> HashMap<(String, Digest), usize> {
        let mut most: HashMap<(String, Digest), usize> = HashMap::new();
        for id in before {
            let Ok(Some((Kind::Blob, text))) = self.access.get(id) else {
                continue;
            };
            self.finder.object(location, &text);
            let mut counts: HashMap<(String, Digest), usize> = HashMap::new();
            for finding in self.finder.take().findings {
                *counts
                    .entry((finding.rule.id.clone(), finding.digest))
                    .or_default() += 1;
            }
            for (key, count) in counts {
                let known = most.entry(key).or_default();
                *known = count.max(*known);
            }
        }
        most
    }

    fn take(&mut self, mut looked: Looked, commit: Option<&pattern::Commit>) {
        for finding in &mut looked.findings {
            finding.commit = commit.cloned();
        }
        let looked = match commit {
            // Findings say their commit themselves.
            Some(commit) => looked.but_findings_within(&commit.words()),
            None => looked,
        };
        self.looked.absorb(looked);
    }

    fn absent(&self) -> Damage {
        if self.partial {
            "not fetched: this is a partial clone"
        } else {
            "its object is missing"
        }
    }

    fn gap(&mut self, path: &[u8], reason: &str) {
        self.finder.gap(&String::from_utf8_lossy(path), reason);
        let looked = self.finder.take();
        self.looked.absorb(looked);
    }

    fn tree(&mut self, id: &Id, prefix: &[u8]) -> Option<Names> {
        if let Some(names) = self.trees.get(id) {
            return Some(Arc::clone(names));
        }
        let text = match self.access.of_kind(id, Kind::Tree) {
            Ok(Some(text)) => text,
            Ok(None) => {
                self.gap(prefix, self.absent());
                return None;
            }
            Err(damage) => {
                self.gap(prefix, damage);
                return None;
            }
        };
        let mut entries = Entries::new(&text, self.id_length);
        let names: BTreeMap<_, _> = entries
            .by_ref()
            .map(|entry| (entry.name.to_vec(), (entry.mode, entry.id)))
            .collect();
        if !entries.ended() {
            self.gap(prefix, "a damaged tree");
        }
        if self.trees.len() > 20_000 {
            self.trees.clear();
        }
        let names = Arc::new(names);
        self.trees.insert(*id, Arc::clone(&names));
        Some(names)
    }
}

fn directories(trees: &[Names], name: &[u8]) -> Vec<Id> {
    let found = trees.iter().filter_map(|tree| tree.get(name));
    found
        .filter(|(mode, _)| mode & 0o170_000 == DIRECTORY)
        .map(|(_, id)| *id)
        .collect()
}

fn files(trees: &[Names], name: &[u8]) -> Vec<Id> {
    let found = trees.iter().filter_map(|tree| tree.get(name));
    let file = |mode: u32| !matches!(mode & 0o170_000, DIRECTORY | SUBMODULE);
    found
        .filter(|(mode, _)| file(*mode))
        .map(|(_, id)| *id)
        .collect()
}

/// Keeps the findings that are more than `known`. Returns how many were not.
fn without(
    all: Vec<Finding>,
    mut known: HashMap<(String, Digest), usize>,
    kept: &mut Vec<Finding>,
) -> u64 {
    let mut count = 0;
    for finding in all {
        match known.get_mut(&(finding.rule.id.clone(), finding.digest)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                count += 1;
            }
            _ => kept.push(finding),
        }
    }
    count
}

impl Finder<'_> {
    /// A file that is in memory.
    fn object(&mut self, location: &str, text: &[u8]) {
        if super::super::item::kind(text) == super::super::item::Kind::Plain {
            self.whole(location, text);
        } else {
            self.reader(location, &mut &*text);
        }
    }
}

impl Looked {
    /// Puts `prefix` before every location but those of findings.
    fn but_findings_within(mut self, prefix: &str) -> Self {
        let findings = std::mem::take(&mut self.findings);
        let mut looked = self.within(prefix);
        looked.findings = findings;
        looked
    }
}
