//! Git repositories: their whole history, what is staged, and what some commits brought.
//!
//! [`Repository::open`] finds a repository, [`History::search`] looks at a [`Selection`] of it and gives a
//! [`Looked`] like every other source: values of the store through the [`Matcher`] (at a location such as
//! `commit 1f0c… of 2026-11-25 by Jo: src/app.env`), and, where rules are given, findings with their
//! commit. Objects go through a [`Finder`], so archives in a history are opened as anywhere else.
//!
//! *All* is every object that is there, whoever reaches it: branches, tags, notes, the stash, the reflog,
//! what is staged, and what nothing reaches any more. Each pack is read once, in its order, each object
//! once ([`family`]); only when something was found is it asked which commit brought it ([`history`]).
//!
//! Promises:
//! * nothing in a repository is executed or followed: no hook, no filter, no configuration, no link, no
//!   include; nothing is written, and git itself is not started ([`place`]);
//! * memory is bounded whatever an object claims: [`inflate`] gives nothing for a size alone, no more than
//!   256 MiB are made of deltas at a time, and larger objects are streamed;
//! * what cannot be read (a damaged object, a delta chain without end, what a shallow or partial clone did
//!   not fetch, Git LFS, borrowed objects) is a gap and never clean.
//!
//! SHA-1 and SHA-256 repositories are read alike. The reader is our own and not a library's:
//! `docs/adr/0017-git.md` has the measurements.

mod family;
mod history;
mod inflate;
mod loose;
mod object;
mod odb;
mod pack;
mod place;
mod placing;
mod refs;
mod revision;
mod selected;
mod staging;
mod worker;

pub use place::{Refused, Setting};

use super::{Finder, Gap, Limits, Looked, Patterns, clean};
use crate::matcher::Matcher;
use crate::pattern::{DigestKey, Scanner};
use family::{Families, FamilyReader};
use history::Commits;
use object::{Id, Kind};
use odb::{Access, Odb};
use place::Place;
use placing::Placing;
use refs::Refs;
use revision::Range;
use selected::Selected;
use staging::Staging;
use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use worker::{Shared, Tally, Worker};

/// Largest index that is read.
const LARGEST_INDEX: u64 = 1 << 30;

/// Roots or loose objects that a thread takes at a time.
const BATCH: usize = 32;

/// A repository that was found.
pub struct Repository {
    place: Place,
    odb: Odb,
}

impl Repository {
    /// Finds the repository that `path` is, or is in.
    ///
    /// # Errors
    /// [`Refused`] where there is none, or one that answers for another place.
    pub fn open(path: &Path, setting: &Setting) -> Result<Self, Refused> {
        let place = Place::find(path, setting)?;
        let odb = Odb::open(&place);
        Ok(Self { place, odb })
    }

    /// The directory of the repository: `.git`, or that of a worktree.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.place.git
    }

    /// The directory that all worktrees of the repository share.
    #[must_use]
    pub fn common_directory(&self) -> &Path {
        &self.place.common
    }

    /// A range as people write it: `A..B`, `A...B`, `A ^B`.
    ///
    /// # Errors
    /// [`Refused`] where a name stands for no commit.
    pub fn range(&self, text: &str) -> Result<Selection, Refused> {
        let refs = Refs::read(&self.place);
        let range = revision::parse(text, &refs, &mut Access::new(&self.odb))?;
        Ok(Selection(Choice::Range(range)))
    }

    /// Commits that are made at or after a moment, in seconds since 1970.
    #[must_use]
    pub fn since(&self, moment: i64) -> Selection {
        let mut access = Access::new(&self.odb);
        let tips = Refs::read(&self.place).tips();
        let include = tips
            .into_iter()
            .filter_map(|(_, id)| revision::peel(id, &mut access));
        Selection(Choice::Range(Range {
            include: include.collect(),
            exclude: Vec::new(),
            since: Some(moment),
        }))
    }

    /// What is new with some objects (named by all of their digits) to somebody who has the others, and
    /// `known` of our own refs (such as `refs/remotes/origin/`).
    ///
    /// # Errors
    /// [`Refused`] where a name stands for no object of this repository.
    pub fn new_with(
        &self,
        new: &[String],
        old: &[String],
        known: &str,
    ) -> Result<Selection, Refused> {
        let refs = Refs::read(&self.place);
        let mut access = Access::new(&self.odb);
        let mut range = Range::default();
        for name in new {
            let id = Id::parse(name.as_bytes());
            let id = id.ok_or_else(|| {
                Refused::new(format!("no such object: {}", clean(name)), "git fetch")
            })?;
            range.include.push(id);
        }
        // What we do not have cannot be left out, and what is not a commit leads to none.
        let named = old.iter().filter_map(|name| Id::parse(name.as_bytes()));
        for id in named.chain(refs.below(known)) {
            range.exclude.extend(revision::peel(id, &mut access));
        }
        Ok(Selection(Choice::Range(range)))
    }
}

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub struct Selection(Choice);

#[derive(Clone, Debug, Default)]
enum Choice {
    #[default]
    All,
    Staged,
    Range(Range),
}

impl Selection {
    /// Every object.
    #[must_use]
    pub const fn all() -> Self {
        Self(Choice::All)
    }

    /// What would be committed now.
    #[must_use]
    pub const fn staged() -> Self {
        Self(Choice::Staged)
    }
}

/// What the search of a history needs.
pub struct History<'s> {
    /// Values to look for.
    pub matcher: &'s Matcher,
    /// Rules, and the key of digests.
    pub rules: Option<(&'s Scanner, &'s DigestKey)>,
    /// How far a look goes.
    pub limits: Limits,
    /// Objects looked at so far: for those who wait.
    pub progress: &'s AtomicU64,
    /// Threads; 0 lets the machine decide.
    pub threads: usize,
}

impl History<'_> {
    /// Looks at a selection of a repository.
    ///
    /// # Errors
    /// [`Refused`] where nothing can be judged, as with an index that cannot be read.
    pub fn search(
        &self,
        repository: &Repository,
        selection: &Selection,
    ) -> Result<Looked, Refused> {
        let Repository { place, odb } = repository;
        let mut looked = match &selection.0 {
            Choice::All => self.all(place, odb),
            Choice::Staged => self.staged(place, odb)?,
            Choice::Range(range) => self.range(place, odb, range)?,
        };
        for gap in place.gaps.iter().chain(&odb.gaps) {
            looked.gap(gap.clone());
        }
        looked.gaps.sort();
        Ok(looked)
    }

    fn finder(&self) -> Finder<'_> {
        let finder = Finder::new(self.matcher, self.limits);
        match self.rules {
            Some((scanner, key)) => finder.with_patterns(Patterns::new(scanner, key)),
            None => finder,
        }
    }

    fn all(&self, place: &Place, odb: &Odb) -> Looked {
        let mut gaps = Vec::new();
        let loose = odb.loose(&mut gaps);
        let most = self.limits.expanded;
        let shared = Shared::new(odb, &loose, self.progress, most, place.id_length);
        let mut tally = self.objects(odb, &shared, &loose, &mut gaps);
        for gap in gaps {
            tally.looked.gap(gap);
        }
        if !tally.missing.is_empty() {
            let why = if place.partial {
                "this is a partial clone"
            } else {
                "shallow, or damaged"
            };
            tally.looked.gap(Gap {
                location: format!("{} objects", tally.missing.len()),
                reason: format!("named in trees and not here ({why})"),
            });
        }
        drop(shared);
        let mut refs = Refs::read(place);
        refs.read_logs(place);
        let mut access = Access::new(odb);
        let commits = std::mem::take(&mut tally.commits);
        let placing = Placing {
            commits: Commits::new(commits, &refs, &mut access),
            access,
            id_length: place.id_length,
            staged: staged_in_all(place, &mut tally.looked),
            rules: self.rules,
        };
        placing.place(tally)
    }

    /// Looks at every object, without asking where it lies.
    fn objects(&self, odb: &Odb, shared: &Shared<'_>, loose: &[Id], gaps: &mut Vec<Gap>) -> Tally {
        let mut families = Vec::new();
        for pack in &odb.packs {
            let mut gap = |reason: String| {
                gaps.push(Gap {
                    location: pack.name.clone(),
                    reason,
                })
            };
            match pack.layout() {
                Ok(layout) => {
                    if let Some(wrong) = layout.wrong {
                        gap(wrong.to_owned());
                    }
                    families.push(Some(Families::new(layout)));
                }
                Err(error) => {
                    gap(format!("its index: {}", super::item::unreadable(&error)));
                    families.push(None);
                }
            }
        }
        let threads = match self.threads {
            0 => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(8),
            threads => threads,
        };
        let mut workers = Vec::new();
        workers.resize_with(threads, || Worker::new(self.finder(), shared));
        // Trees first: what a blob is called decides what counts in it.
        let names_known = Stage::default();
        let trees = AtomicUsize::new(0);
        let mut workers = together(workers, gaps, |worker| {
            names_known.run(&families, worker, false);
            each(loose, &trees, |id| worker.loose_tree(id));
        });
        if workers.is_empty() {
            workers.push(Worker::new(self.finder(), shared));
        }
        let read = workers
            .iter_mut()
            .flat_map(|worker| std::mem::take(&mut worker.trees));
        let read: HashSet<Id> = read.collect();
        let mut others = loose.to_vec();
        others.retain(|id| !read.contains(id));
        let texts = Stage::default();
        let alone = AtomicUsize::new(0);
        let workers = together(workers, gaps, |worker| {
            texts.run(&families, worker, true);
            each(&others, &alone, |id| worker.loose(id));
        });
        let mut all = Tally::default();
        workers
            .into_iter()
            .for_each(|worker| all.absorb(worker.tally));
        for families in families.iter().flatten() {
            unreached(families, gaps);
        }
        all
    }

    fn staged(&self, place: &Place, odb: &Odb) -> Result<Looked, Refused> {
        let Some(staging) = read_index(&place.index, place.id_length)? else {
            return Ok(Looked::default());
        };
        let refs = Refs::head(place);
        let mut selected = Selected::new(
            Access::new(odb),
            self.finder(),
            place.id_length,
            place.partial,
        );
        let tips = refs.resolve("HEAD").into_iter().chain(Refs::merging(place));
        let mut before = Vec::new();
        for tip in tips {
            let text = selected.access.of_kind(&tip, Kind::Commit);
            match text.map(|text| text.and_then(|text| object::Commit::parse(&text))) {
                Ok(Some(commit)) => before.push(commit.tree),
                // Then all of the index is new.
                _ => selected.looked.gap(Gap {
                    location: format!("commit {tip}"),
                    reason: "cannot be read: everything staged counts as new".to_owned(),
                }),
            }
        }
        selected.staged(&staging, &before);
        Ok(selected.looked)
    }

    fn range(&self, place: &Place, odb: &Odb, range: &Range) -> Result<Looked, Refused> {
        let mut access = Access::new(odb);
        let mut tags = Vec::new();
        let mut tips = Vec::new();
        let mut files = Vec::new();
        for id in &range.include {
            let mut at = *id;
            while let Ok(Some((Kind::Tag, text))) = access.get(&at) {
                let next = object::tag(&text)
                    .map(|(next, name)| (next, clean(&String::from_utf8_lossy(name))));
                let Some((next, name)) = next.filter(|_| tags.len() < 10_000) else {
                    break;
                };
                tags.push((format!("message of tag {name}"), text));
                at = next;
            }
            match revision::peel(at, &mut access) {
                Some(commit) => tips.push(commit),
                None => files.push(at),
            }
        }
        let commits = revision::commits(&tips, &range.exclude, range.since, &mut access)?;
        let mut selected = Selected::new(access, self.finder(), place.id_length, place.partial);
        for (name, text) in tags {
            selected.message(&name, &text, None);
        }
        for (id, commit) in &commits {
            selected.commit(id, commit);
            self.progress.fetch_add(1, Ordering::Relaxed);
        }
        for id in files {
            selected.looked.gap(Gap {
                location: format!("object {id}"),
                reason: "no commit, so it has no range".to_owned(),
            });
        }
        Ok(selected.looked)
    }
}

/// Work for each worker on a thread of its own. A thread that breaks down is a gap, and no reason to wait.
fn together<'m>(
    workers: Vec<Worker<'m>>,
    gaps: &mut Vec<Gap>,
    work: impl Fn(&mut Worker<'m>) + Sync,
) -> Vec<Worker<'m>> {
    std::thread::scope(|scope| {
        let work = &work;
        let start = |mut worker: Worker<'m>| {
            scope.spawn(move || {
                work(&mut worker);
                worker
            })
        };
        let threads: Vec<_> = workers.into_iter().map(start).collect();
        let mut done = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(worker) => done.push(worker),
                Err(_) => gaps.push(Gap {
                    location: "objects".to_owned(),
                    reason: "a part of the search broke down".to_owned(),
                }),
            }
        }
        done
    })
}

/// Takes loose objects, a batch at a time, until the threads have taken all of them.
fn each(all: &[Id], next: &AtomicUsize, mut work: impl FnMut(Id)) {
    loop {
        let from = next.fetch_add(BATCH, Ordering::Relaxed);
        let Some(batch) = all.get(from..(from + BATCH).min(all.len())) else {
            break;
        };
        batch.iter().for_each(|id| work(*id));
    }
}

/// One way through all packs, shared by the threads.
#[derive(Default)]
struct Stage {
    next: AtomicUsize,
}

impl Stage {
    fn run(&self, families: &[Option<Families<'_>>], worker: &mut Worker<'_>, blobs: bool) {
        let mut before = 0;
        let mut taken = self.next.fetch_add(BATCH, Ordering::Relaxed);
        for (pack, families) in families.iter().enumerate() {
            let Some(families) = families else {
                continue;
            };
            let count = families.roots.len();
            if taken >= before + count {
                before += count;
                continue;
            }
            worker.pack = pack;
            let mut reader = FamilyReader::new(families, worker);
            while taken < before + count {
                let from = taken.saturating_sub(before);
                let until = (taken + BATCH).saturating_sub(before).min(count);
                for (rank, kind) in families.roots.get(from..until).unwrap_or_default() {
                    if (*kind == Kind::Blob) == blobs {
                        reader.read(*rank, *kind);
                    }
                }
                if taken + BATCH > before + count {
                    // The rest of this batch lies in the next pack.
                    break;
                }
                taken = self.next.fetch_add(BATCH, Ordering::Relaxed);
            }
            before += count;
        }
    }
}

/// What no root leads to: damaged heads, deltas of what is elsewhere or of each other.
fn unreached(families: &Families<'_>, gaps: &mut Vec<Gap>) {
    let pack = &families.layout.pack.name;
    for (rank, damage) in families.lost.iter().take(20) {
        let id = families
            .layout
            .id(*rank)
            .map_or_else(String::new, |id| id.to_string());
        gaps.push(Gap {
            location: format!("{pack}: object {id}"),
            reason: (*damage).to_owned(),
        });
    }
    let left =
        u64::from(families.layout.len()).saturating_sub(families.reached.load(Ordering::Relaxed));
    let named = families.lost.len().min(20) as u64;
    if left > named {
        gaps.push(Gap {
            location: pack.clone(),
            reason: format!(
                "{} objects are deltas of what is not there, or of each other",
                left - named
            ),
        });
    }
}

/// The index of a worktree; none where nothing was ever staged.
fn read_index(path: &Path, id_length: usize) -> Result<Option<Staging>, Refused> {
    let refused = |reason: &str| {
        let hint = match reason {
            "the index is split" => "git update-index --no-split-index",
            _ => "git status",
        };
        Refused::new(format!("cannot read what is staged: {reason}"), hint)
    };
    let mut bytes = Vec::new();
    match place::regular(path) {
        Ok(file) => {
            file.take(LARGEST_INDEX)
                .read_to_end(&mut bytes)
                .map_err(|error| refused(&error.kind().to_string()))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err(refused("not a regular file")),
    }
    Staging::parse(&bytes, id_length).map(Some).map_err(refused)
}

/// What is staged in any worktree, by object.
fn staged_in_all(place: &Place, looked: &mut Looked) -> HashMap<Id, String> {
    let mut paths = vec![place.index.clone(), place.common.join("index")];
    let worktrees = place.common.join("worktrees");
    for name in place::names(&worktrees).unwrap_or_default() {
        paths.push(worktrees.join(name).join("index"));
    }
    paths.dedup();
    let mut staged = HashMap::new();
    for path in paths {
        match read_index(&path, place.id_length) {
            Ok(None) => {}
            Ok(Some(staging)) => {
                for entry in staging.entries {
                    let path = clean(&String::from_utf8_lossy(&entry.path));
                    staged.entry(entry.id).or_insert(path);
                }
            }
            Err(refused) => looked.gap(Gap {
                location: clean(&path.to_string_lossy()),
                reason: refused.what,
            }),
        }
    }
    staged
}

#[cfg(test)]
mod tests;
