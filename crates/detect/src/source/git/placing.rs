//! From objects in which something was seen to places that a person can open.

use super::super::location::join;
use super::super::{Gap, Looked, clean};
use super::history::{Commits, Visit, person};
use super::object::{DIRECTORY, Id, Kind, tag};
use super::odb::Access;
use super::refs::Reach;
use super::worker::{Occurrence, Tally};
use crate::pattern::{Commit, DigestKey, Finding, Scanner};
use std::collections::{BTreeMap, HashMap};

/// Where an object lies.
#[derive(Clone, Debug)]
struct Spot {
    path: String,
    commit: Option<Id>,
    reach: Reach,
    /// Something else to know, instead of how it is reached.
    note: Option<&'static str>,
}

/// Finds out where things lie, and puts them into a [`Looked`].
pub(super) struct Placing<'p, 'o> {
    pub(super) access: Access<'o>,
    pub(super) commits: Commits,
    pub(super) id_length: usize,
    /// What is staged in the worktrees, by object.
    pub(super) staged: HashMap<Id, String>,
    pub(super) rules: Option<(&'p Scanner, &'p DigestKey)>,
}

impl Placing<'_, '_> {
    pub(super) fn place(mut self, tally: Tally) -> Looked {
        let Tally {
            findings,
            mut occurrences,
            kinds,
            mut others,
            mut looked,
            ..
        } = tally;
        // Threads take objects as they come. What is kept where something is kept once, and where a
        // limit cuts, must hang on the objects alone.
        occurrences.sort_unstable();
        others.sort_by_key(|(id, _)| *id);
        // What lies in a pack, and alone as well, was read twice.
        occurrences.dedup();
        others.dedup_by(|(id, again), (before, looked)| {
            id == before && looked.exposed == again.exposed && looked.gaps == again.gaps
        });
        let mut waiting: HashMap<Id, Vec<Occurrence>> = HashMap::new();
        for occurrence in occurrences {
            waiting
                .entry(occurrence.object)
                .or_default()
                .push(occurrence);
        }
        let mut spots: HashMap<Id, Spot> = HashMap::new();
        let mut pending: HashMap<Id, ()> = others.iter().map(|(id, _)| (*id, ())).collect();
        let mut placed = Placed {
            findings: &findings,
            rules: self.rules,
            groups: BTreeMap::new(),
        };
        self.messages(&kinds, &mut waiting, &mut pending, &mut placed, &mut spots);
        let by_name = self
            .rules
            .filter(|(scanner, _)| scanner.imported().names_files());
        if !waiting.is_empty() || !pending.is_empty() || by_name.is_some() {
            self.walk(
                &mut waiting,
                &mut pending,
                &mut placed,
                &mut spots,
                by_name,
                &mut looked,
            );
        }
        let mut waiting: Vec<_> = waiting.into_iter().collect();
        waiting.sort_by_key(|(id, _)| *id);
        for (id, left) in waiting {
            // It has places, and none of them keeps the finding.
            if spots.contains_key(&id) && !self.staged.contains_key(&id) {
                continue;
            }
            placed.all(&self.elsewhere(&id), &left);
        }
        for (id, other) in others {
            let spot = spots
                .get(&id)
                .cloned()
                .unwrap_or_else(|| self.elsewhere(&id));
            looked.absorb(self.within(other, &spot, kinds.get(&id).copied()));
        }
        let groups = placed.groups;
        self.finish(groups, &findings, &mut looked);
        looked
    }

    /// What lies in messages of commits and tags: it has its place already.
    fn messages(
        &mut self,
        kinds: &HashMap<Id, Kind>,
        waiting: &mut HashMap<Id, Vec<Occurrence>>,
        pending: &mut HashMap<Id, ()>,
        placed: &mut Placed<'_>,
        spots: &mut HashMap<Id, Spot>,
    ) {
        // All messages of commits have one location: of those with one value the first one stands for it.
        let mut objects: Vec<(Id, Kind)> = kinds.iter().map(|(id, kind)| (*id, *kind)).collect();
        objects.retain(|(_, kind)| matches!(kind, Kind::Commit | Kind::Tag));
        objects.sort_by_cached_key(|(id, _)| self.commits.rank(id));
        for (id, kind) in &objects {
            let path = match kind {
                Kind::Commit => "commit message".to_owned(),
                Kind::Tag => match self.access.get(id) {
                    Ok(Some((_, text))) => {
                        let name =
                            tag(&text).map(|(_, name)| String::from_utf8_lossy(name).into_owned());
                        format!("message of tag {}", clean(&name.unwrap_or_default()))
                    }
                    _ => "message of a tag".to_owned(),
                },
                Kind::Tree | Kind::Blob => continue,
            };
            let spot = Spot {
                path,
                commit: Some(*id),
                reach: self.commits.reach(id),
                note: None,
            };
            if let Some(all) = waiting.remove(id) {
                placed.all(&spot, &all);
            }
            if pending.remove(id).is_some() {
                spots.insert(*id, spot);
            }
        }
    }

    fn walk(
        &mut self,
        waiting: &mut HashMap<Id, Vec<Occurrence>>,
        pending: &mut HashMap<Id, ()>,
        placed: &mut Placed<'_>,
        spots: &mut HashMap<Id, Spot>,
        by_name: Option<(&Scanner, &DigestKey)>,
        looked: &mut Looked,
    ) {
        let mut named: Vec<(Spot, Finding)> = Vec::new();
        let sketch = Sketch::of(waiting.keys().chain(pending.keys()));
        let mut visit = |visit: &Visit<'_>| {
            let wanted = sketch.may_have(&visit.id)
                && (waiting.contains_key(&visit.id) || pending.contains_key(&visit.id));
            if !wanted && by_name.is_none() {
                return true;
            }
            let path = String::from_utf8_lossy(visit.path).into_owned();
            let spot = Spot {
                path: clean(&path),
                commit: visit.commit,
                reach: visit.reach,
                note: None,
            };
            if let Some((scanner, key)) = by_name
                && visit.mode & 0o170_000 != DIRECTORY
            {
                for rule in scanner.imported().about_name(&path) {
                    named.push((spot.clone(), Finding::of_file(key, rule, &spot.path)));
                }
            }
            if let Some(left) = waiting.get_mut(&visit.id) {
                left.retain(|occurrence| !placed.one(&spot, occurrence));
                if left.is_empty() {
                    waiting.remove(&visit.id);
                }
            }
            pending.remove(&visit.id);
            spots.entry(visit.id).or_insert(spot);
            !waiting.is_empty() || !pending.is_empty() || by_name.is_some()
        };
        let damaged = self
            .commits
            .walk(&mut self.access, self.id_length, &mut visit);
        for (id, damage) in damaged {
            looked.gap(Gap {
                location: format!("tree {id}"),
                reason: damage.to_owned(),
            });
        }
        named.sort_by(|a, b| (&a.0.path, a.0.reach).cmp(&(&b.0.path, b.0.reach)));
        named.dedup_by(|b, a| a.0.path == b.0.path && a.1.rule.id == b.1.rule.id);
        for (spot, finding) in named {
            let finding = self.signed(finding, &spot);
            if self
                .rules
                .is_some_and(|(scanner, _)| scanner.imported().keeps(&finding))
            {
                looked.finding(finding);
            }
        }
    }

    /// The place of an object that no commit has.
    fn elsewhere(&self, id: &Id) -> Spot {
        match self.staged.get(id) {
            Some(path) => Spot {
                path: path.clone(),
                commit: None,
                reach: Reach::Ref,
                note: Some("staged, in no commit"),
            },
            None => Spot {
                path: format!("object {id}"),
                commit: None,
                reach: Reach::Nothing,
                note: Some("in no commit: see it with git cat-file -p"),
            },
        }
    }

    /// Everything else that was seen in an object, with its place.
    fn within(&mut self, looked: Looked, spot: &Spot, kind: Option<Kind>) -> Looked {
        let mut place = spot.path.clone();
        if kind == Some(Kind::Tree) {
            place = format!("{}/", place.trim_end_matches('/'));
        }
        let Some(commit) = spot.commit else {
            return looked.within(&place);
        };
        let short: String = commit.to_string().chars().take(12).collect();
        let person = person(&mut self.access, &commit);
        let how = spot
            .reach
            .note()
            .map_or_else(String::new, |note| format!(", {note}"));
        let outer = format!("commit {short} of {} by {}{how}", person.day(), person.name);
        looked.within(&join(&outer, &place))
    }

    fn signed(&mut self, finding: Finding, spot: &Spot) -> Finding {
        let commit = spot.commit.map(|id| {
            let person = person(&mut self.access, &id);
            Commit {
                id: id.to_string(),
                date: person.day(),
                author: person.name,
            }
        });
        Finding { commit, ..finding }
    }

    fn finish(
        &mut self,
        groups: BTreeMap<(String, usize), Group>,
        findings: &[Finding],
        looked: &mut Looked,
    ) {
        let mut all: Vec<_> = groups.into_iter().collect();
        // Numbers are given as threads bring findings: they part only what shows no difference.
        let told = |number: &usize| {
            let finding = findings.get(*number)?;
            Some((
                &finding.rule.id,
                finding.digest,
                &finding.name,
                &finding.note,
            ))
        };
        all.sort_by(|((here, one), a), ((there, other), b)| {
            let first = (here, a.offset, told(one), one);
            first.cmp(&(there, b.offset, told(other), other))
        });
        for ((location, number), group) in all {
            let Some(finding) = findings.get(number) else {
                continue;
            };
            let mut notes: Vec<String> = finding.note.iter().cloned().collect();
            notes.extend(
                group
                    .spot
                    .note
                    .or(group.spot.reach.note())
                    .map(str::to_owned),
            );
            if group.versions > 1 {
                notes.push(format!("in {} versions", group.versions));
            }
            let finding = Finding {
                location,
                line: group.line,
                column: group.column,
                offset: group.offset,
                note: (!notes.is_empty()).then(|| notes.join("; ")),
                ..finding.clone()
            };
            let finding = self.signed(finding, &group.spot);
            looked.finding(finding);
        }
    }
}

/// Says of nearly every id that it is none of some, at the price of one bit.
struct Sketch(Vec<u64>);

impl Sketch {
    const WORDS: u64 = 1 << 11;

    fn of<'i>(ids: impl Iterator<Item = &'i Id>) -> Self {
        let mut words = vec![0; Self::WORDS as usize];
        for id in ids {
            let (word, bit) = Self::place(id);
            if let Some(word) = words.get_mut(word) {
                *word |= bit;
            }
        }
        Self(words)
    }

    fn may_have(&self, id: &Id) -> bool {
        let (word, bit) = Self::place(id);
        self.0.get(word).is_none_or(|word| word & bit != 0)
    }

    fn place(id: &Id) -> (usize, u64) {
        let short = id.short();
        ((short / 64 % Self::WORDS) as usize, 1 << (short % 64))
    }
}

/// The same value in all versions of one file.
struct Group {
    spot: Spot,
    versions: u64,
    line: Option<u64>,
    column: Option<u64>,
    offset: u64,
}

struct Placed<'f> {
    findings: &'f [Finding],
    rules: Option<(&'f Scanner, &'f DigestKey)>,
    groups: BTreeMap<(String, usize), Group>,
}

impl Placed<'_> {
    fn all(&mut self, spot: &Spot, occurrences: &[Occurrence]) {
        for occurrence in occurrences {
            self.one(spot, occurrence);
        }
    }

    /// Puts one occurrence in its place; whether it counts there.
    fn one(&mut self, spot: &Spot, occurrence: &Occurrence) -> bool {
        let Some(finding) = self.findings.get(occurrence.finding) else {
            return true;
        };
        let mut here = Finding {
            location: join(&spot.path, &finding.location),
            line: occurrence.line,
            commit: spot.commit.map(|id| Commit {
                id: id.to_string(),
                date: String::new(),
                author: String::new(),
            }),
            ..finding.clone()
        };
        if let Some((scanner, key)) = self.rules {
            if !here.fits() || !scanner.imported().keeps(&here) {
                return false;
            }
            here.hide(scanner, key);
        }
        let group = self.groups.entry((here.location, occurrence.finding));
        let group = group.or_insert_with(|| Group {
            spot: spot.clone(),
            versions: 0,
            line: occurrence.line,
            column: occurrence.column,
            offset: occurrence.offset,
        });
        group.versions += 1;
        true
    }
}
