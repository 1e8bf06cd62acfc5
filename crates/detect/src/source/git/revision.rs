//! Which commits are meant: `A..B`, `A...B`, `A`, `^A`, with `~N`, `^N` and `^{…}` behind a name
//! (`gitrevisions(7)`), and the commits between them.

use super::super::clean;
use super::inflate::Damage;
use super::object::{Commit, Id, Kind, heights, tag};
use super::odb::Access;
use super::place::Refused;
use super::refs::Refs;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// Tags of tags.
const TAGS: usize = 20;

/// Where commits begin and where they end.
#[derive(Clone, Debug, Default)]
pub(super) struct Range {
    pub(super) include: Vec<Id>,
    pub(super) exclude: Vec<Id>,
    /// Commits made before, in seconds since 1970, are left out.
    pub(super) since: Option<i64>,
}

/// Reads a range as people write it.
pub(super) fn parse(text: &str, refs: &Refs, access: &mut Access<'_>) -> Result<Range, Refused> {
    let mut range = Range::default();
    for word in text.split_ascii_whitespace() {
        if let Some((from, to)) = word.split_once("...") {
            let ids = [
                one(or_head(from), refs, access)?,
                one(or_head(to), refs, access)?,
            ];
            let both = [
                commits(&ids[..1], &[], None, access)?,
                commits(&ids[1..], &[], None, access)?,
            ];
            let [first, second] = both;
            range.include.extend(ids);
            let second: HashSet<Id> = second.into_iter().map(|(id, _)| id).collect();
            let common = first.iter().filter(|(id, _)| second.contains(id));
            range.exclude.extend(common.map(|(id, _)| *id));
        } else if let Some((from, to)) = word.split_once("..") {
            range.exclude.push(one(or_head(from), refs, access)?);
            range.include.push(one(or_head(to), refs, access)?);
        } else if let Some(name) = word.strip_prefix('^') {
            range.exclude.push(one(name, refs, access)?);
        } else {
            range.include.push(one(word, refs, access)?);
        }
    }
    if range.include.is_empty() {
        return Err(unknown(text));
    }
    Ok(range)
}

const fn or_head(name: &str) -> &str {
    if name.is_empty() { "HEAD" } else { name }
}

fn unknown(name: &str) -> Refused {
    Refused::new(
        format!("no such commit: {}", clean(name)),
        "a range looks like origin/main..HEAD; see names with: git log --oneline --all",
    )
}

/// The commit that a name stands for.
pub(super) fn one(name: &str, refs: &Refs, access: &mut Access<'_>) -> Result<Id, Refused> {
    let end = name.find(['~', '^']).unwrap_or(name.len());
    let (base, mut steps) = name.split_at(end);
    let named = refs.resolve(base).or_else(|| by_digits(base, access));
    let mut id = peel(named.ok_or_else(|| unknown(name))?, access).ok_or_else(|| unknown(name))?;
    while let Some(kind) = steps.chars().next() {
        let rest = steps.get(1..).unwrap_or_default();
        if let Some(inner) = rest.strip_prefix('{') {
            // A tag was followed already.
            let (what, rest) = inner.split_once('}').ok_or_else(|| unknown(name))?;
            if kind != '^' || !matches!(what, "" | "commit") {
                return Err(unknown(name));
            }
            steps = rest;
            continue;
        }
        let digits = rest
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, rest) = rest.split_at(digits);
        let number: usize = if number.is_empty() {
            1
        } else {
            number.parse().map_err(|_| unknown(name))?
        };
        steps = rest;
        let (times, which) = if kind == '~' {
            (number, 0)
        } else {
            (1, number.wrapping_sub(1))
        };
        if kind == '^' && number == 0 {
            continue;
        }
        for _ in 0..times {
            let commit = commit(&id, access).ok().flatten();
            let parent = commit.and_then(|commit| commit.parents.get(which).copied());
            id = parent.ok_or_else(|| unknown(name))?;
        }
    }
    Ok(id)
}

fn by_digits(text: &str, access: &mut Access<'_>) -> Option<Id> {
    if let Some(id) = Id::parse(text.as_bytes()) {
        return Some(id);
    }
    if text.len() < 4 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let all = access.beginning(&text.to_ascii_lowercase());
    let mut commits = all.into_iter().filter(|id| peel(*id, access).is_some());
    let first = commits.next()?;
    commits.next().is_none().then_some(first)
}

/// The commit that an object is, or that a tag leads to.
pub(super) fn peel(mut id: Id, access: &mut Access<'_>) -> Option<Id> {
    for _ in 0..TAGS {
        match access.get(&id).ok()?? {
            (Kind::Commit, _) => return Some(id),
            (Kind::Tag, text) => id = tag(&text)?.0,
            _ => return None,
        }
    }
    None
}

fn commit(id: &Id, access: &mut Access<'_>) -> Result<Option<Commit>, Damage> {
    match access.of_kind(id, Kind::Commit)? {
        Some(text) => Commit::parse(&text).map(Some).ok_or("a damaged commit"),
        None => Ok(None),
    }
}

/// The commits that lead to `include` and not to `exclude`, the oldest first. The newest are looked at
/// first, and no more than needed: a clock that went wrong can add a commit, never lose one.
pub(super) fn commits(
    include: &[Id],
    exclude: &[Id],
    since: Option<i64>,
    access: &mut Access<'_>,
) -> Result<Vec<(Id, Commit)>, Refused> {
    let mut known: HashMap<Id, (Commit, bool)> = HashMap::new();
    let mut heap = BinaryHeap::new();
    let mut wanted = 0_usize;
    let starts = exclude
        .iter()
        .map(|id| (*id, false))
        .chain(include.iter().map(|id| (*id, true)));
    for (id, inside) in starts {
        let first = commit(&id, access)
            .map_err(|damage| Refused::new(format!("commit {id}: {damage}"), "git fsck"))?;
        let first = first.ok_or_else(|| unknown(&id.to_string()))?;
        if let Entry::Vacant(place) = known.entry(id) {
            heap.push((first.time, id));
            wanted += usize::from(inside);
            place.insert((first, inside));
        }
    }
    // As long as something may lead to a commit that is wanted, of the same second included.
    let mut oldest = i64::MAX;
    while let Some((time, id)) = heap.pop() {
        if wanted == 0 && time < oldest {
            break;
        }
        let Some((here, inside)) = known.get(&id) else {
            continue;
        };
        let inside = *inside;
        wanted -= usize::from(inside);
        if inside {
            oldest = oldest.min(time);
        }
        for parent in here.parents.clone() {
            if let Some((_, seen)) = known.get(&parent) {
                if !inside && *seen {
                    let waiting: std::collections::HashSet<Id> =
                        heap.iter().map(|(_, id)| *id).collect();
                    wanted -= outside(parent, &mut known, &waiting);
                }
                continue;
            }
            // What was not fetched, or is damaged, leads nowhere; the search of its tree says so.
            let Ok(Some(next)) = commit(&parent, access) else {
                continue;
            };
            if since.is_some_and(|since| next.time < since) {
                continue;
            }
            heap.push((next.time, parent));
            wanted += usize::from(inside);
            known.insert(parent, (next, inside));
        }
    }
    let mut all: Vec<(Id, Commit)> = known
        .into_iter()
        .filter(|(_, (commit, inside))| *inside && since.is_none_or(|since| commit.time >= since))
        .map(|(id, (commit, _))| (id, commit))
        .collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    let heights = heights(&all);
    let mut all: Vec<_> = all.into_iter().zip(heights).collect();
    all.sort_by_key(|((id, commit), height)| (commit.time, *height, *id));
    Ok(all.into_iter().map(|(one, _)| one).collect())
}

/// Marks a commit and what it leads to as left out. Returns how many of them were still waiting.
fn outside(
    id: Id,
    known: &mut HashMap<Id, (Commit, bool)>,
    waiting: &std::collections::HashSet<Id>,
) -> usize {
    let mut left = vec![id];
    let mut count = 0;
    while let Some(id) = left.pop() {
        if let Some((commit, inside)) = known.get_mut(&id)
            && *inside
        {
            *inside = false;
            count += usize::from(waiting.contains(&id));
            left.extend(commit.parents.iter().copied());
        }
    }
    count
}
